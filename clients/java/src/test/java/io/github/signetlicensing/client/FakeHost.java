package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.util.List;
import java.util.Optional;

/** A machine of {@code machine-ids.json}. */
final class FakeHost implements Host {
  private final JsonObject machine;

  FakeHost(JsonObject machine) {
    this.machine = machine;
  }

  @Override
  public String system() {
    return machine.get("system").getAsString();
  }

  @Override
  public Optional<String> file(String path) {
    return Json.string(machine.getAsJsonObject("files"), path);
  }

  @Override
  public Optional<String> variable(String name) {
    return Json.string(machine.getAsJsonObject("environment"), name);
  }

  @Override
  public String output(List<String> command) {
    return Json.string(machine, "output").orElse("");
  }
}
