package io.github.signetlicensing.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Behavior that no scenario of the conformance suite tests: scenarios with other steps. */
class ClientTest {
  @Test
  void a_released_seat_is_not_taken_again_by_the_background_task() throws Exception {
    JsonObject scenario = Conformance.scenario("deactivation", "release keeps the license key");
    add(scenario, "{'do': 'run', 'state': {'state': 'Unactivated'}, 'next': null}");
    add(scenario, "{'do': 'advance', 'seconds': 7200}");
    add(scenario, "{'do': 'run', 'state': {'state': 'Unactivated'}, 'next': null}");
    run(scenario);
  }

  @Test
  void a_refusal_of_an_ephemeral_machine_is_not_stored() throws Exception {
    JsonObject scenario =
        Conformance.scenario("processes", "a process is refused while all seats are taken");
    scenario.add("options", JsonParser.parseString("{\"ephemeral\": true}"));
    for (JsonElement request : step(scenario, 1).getAsJsonArray("requests")) {
      request.getAsJsonObject().getAsJsonObject("body").remove("instance_id");
    }
    run(scenario);
  }

  @Test
  void a_borrow_of_a_lost_seat_activates_and_tries_once_more() throws Exception {
    JsonObject scenario = Conformance.scenario("offline", "a seat is borrowed");
    JsonObject lost =
        Conformance.scenario(
            "heartbeats", "a heartbeat that is refused with not_activated activates once");
    JsonObject borrow = step(scenario, 2);
    JsonElement borrowed = borrow.getAsJsonArray("responses").get(0);
    JsonElement heartbeat = borrow.getAsJsonArray("requests").get(0);
    JsonObject activated = step(lost, 2).getAsJsonArray("responses").get(1).getAsJsonObject();
    // The activation returns the token that the machine has.
    JsonElement token = heartbeat.getAsJsonObject().getAsJsonObject("body").get("token");
    activated.getAsJsonObject("body").add("token", token);
    JsonElement refused = step(lost, 2).getAsJsonArray("responses").get(0);
    JsonElement activation = step(lost, 2).getAsJsonArray("requests").get(1);
    borrow.add("responses", array(refused, activated, borrowed));
    borrow.add("requests", array(heartbeat, activation, heartbeat));
    run(scenario);
  }

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

  private static void add(JsonObject scenario, String step) {
    scenario.getAsJsonArray("steps").add(JsonParser.parseString(step.replace('\'', '"')));
  }

  private static JsonArray array(JsonElement... elements) {
    JsonArray array = new JsonArray();
    for (JsonElement element : elements) array.add(element);
    return array;
  }
}
