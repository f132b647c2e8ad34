package io.github.signetlicensing.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Behavior that no scenario of the conformance suite tests: scenarios with other steps. */
class ClientTest {
  @Test
  void tries_with_a_clock_that_stays_tampered_become_rarer() throws Exception {
    JsonObject scenario =
        Conformance.scenario("clock", "the same token as an answer does not clear the clock");
    JsonObject again = step(scenario, 2).deepCopy();
    again.addProperty("next", 10);
    JsonArray steps = new JsonArray();
    for (int number : List.of(0, 1, 2, 3)) steps.add(step(scenario, number));
    steps.add(again);
    scenario.add("steps", steps);
    run(scenario);
  }

  private static void run(JsonObject scenario) throws Exception {
    new ScenarioRunner(Conformance.config(), scenario).run();
  }

  private static JsonObject step(JsonObject scenario, int number) {
    return scenario.getAsJsonArray("steps").get(number).getAsJsonObject();
  }
}
