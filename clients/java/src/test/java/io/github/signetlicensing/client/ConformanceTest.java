package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

class ConformanceTest {
  @TestFactory
  List<DynamicTest> scenarios() throws IOException, LicenseException {
    Config config = Conformance.config();
    List<DynamicTest> tests = new ArrayList<>();
    for (String file : Conformance.scenarioFiles()) {
      for (JsonElement element : Conformance.read(file).getAsJsonArray()) {
        JsonObject scenario = element.getAsJsonObject();
        String name = file + ": " + scenario.get("name").getAsString();
        tests.add(DynamicTest.dynamicTest(name, () -> new ScenarioRunner(config, scenario).run()));
      }
    }
    System.out.println(tests.size() + " conformance scenarios");
    return tests;
  }

  @TestFactory
  List<DynamicTest> machineIds() throws IOException {
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonElement element : Conformance.read("machine-ids.json").getAsJsonArray()) {
      JsonObject machine = element.getAsJsonObject();
      Optional<String> expected = Json.string(machine, "machine_id");
      tests.add(
          DynamicTest.dynamicTest(
              machine.get("name").getAsString(),
              () -> assertEquals(expected, MachineId.read("atlas", new FakeHost(machine)))));
    }
    System.out.println(tests.size() + " machine ids");
    return tests;
  }
}
