package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Behavior that no scenario of the conformance suite tests. */
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

  @Test
  void the_background_task_runs_as_soon_as_the_token_has_ended() throws Exception {
    MemoryStorage storage = new MemoryStorage();
    JsonObject scenario =
        Conformance.scenario(
            "states", "a run at the end of a token reports the change without a request");
    for (Map.Entry<String, JsonElement> file : scenario.getAsJsonObject("storage").entrySet())
      storage.set(file.getKey(), file.getValue().getAsString());
    SettableTime time = new SettableTime(scenario.get("start").getAsDouble());
    Client client = open(storage, time, new ScriptedTransport(storage));
    double exp = 3_600;
    double offlineUntil = exp + 3 * 86_400;
    double nextRequest = 5 * 86_400;
    double[][] cases = {
      {0, exp + 1},
      {exp - 10, 11},
      {exp + 0.5, 0.5},
      {exp + 1, offlineUntil - exp},
      {offlineUntil, 1},
      {offlineUntil + 1, nextRequest - offlineUntil - 1}
    };
    for (double[] row : cases) {
      time.elapsed = row[0];
      client.run();
      assertEquals(row[1], client.nextRun().getAsDouble(), 1e-6, "at " + row[0]);
    }
    assertEquals("Expired", client.state().kind().toString());
  }

  @Test
  void the_background_task_of_a_client_without_a_license_has_nothing_to_do() throws Exception {
    MemoryStorage storage = new MemoryStorage();
    Client client = open(storage, new SettableTime(0), new ScriptedTransport(storage));
    assertTrue(client.nextRun().isEmpty());
  }

  @Test
  void after_a_release_a_refusal_is_not_tried_again_until_the_app_activates() throws Exception {
    MemoryStorage storage = new MemoryStorage();
    storage.set("license-key", "KEY");
    storage.set("refusal.json", new Refusal("id", "suspended", 0, Optional.empty()).toJson());
    ScriptedTransport transport = new ScriptedTransport(storage);
    Client client = open(storage, new SettableTime(0), transport);
    assertEquals(2.5, client.next().getAsDouble());
    client.release();
    assertTrue(client.next().isEmpty());
    JsonObject fault = new JsonObject();
    fault.addProperty("fault", "dns");
    transport.responses.add(fault);
    assertThrows(LicenseException.class, () -> client.activate("KEY"));
    assertEquals(3_600 + 30, client.next().getAsDouble());
  }

  private static Client open(MemoryStorage storage, Time time, Transport transport)
      throws Exception {
    Optional<String> none = Optional.empty();
    Identity identity = new Identity("machine-1", false, none, () -> none, none, none, none);
    Store store = new Store(storage, identity, true);
    return new Client(Conformance.config(), identity, store, transport, time, () -> 0.5);
  }

  /** Clocks that a test moves. */
  private static final class SettableTime implements Time {
    private final double start;
    double elapsed;

    SettableTime(double start) {
      this.start = start;
    }

    @Override
    public double wall() {
      return start + elapsed;
    }

    @Override
    public double monotonic() {
      return elapsed;
    }
  }

  private static void run(JsonObject scenario) throws Exception {
    new ScenarioRunner(Conformance.config(), scenario).run();
  }

  private static JsonObject step(JsonObject scenario, int number) {
    return scenario.getAsJsonArray("steps").get(number).getAsJsonObject();
  }
}
