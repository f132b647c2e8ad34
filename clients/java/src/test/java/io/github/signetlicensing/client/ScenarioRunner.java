package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/** Performs the steps of one scenario of the conformance suite. */
final class ScenarioRunner implements Time {
  /** A client, and the states that its callback got. */
  private final class Handle {
    final Client client;
    final ChangeNotifier notifier;
    JsonArray changes = new JsonArray();

    Handle() {
      Store store = new Store(storage, identity(), keepsKey());
      client = new Client(config, identity(), store, transport, ScenarioRunner.this, () -> random);
      notifier = new ChangeNotifier(client::state);
      notifier.add(state -> changes.add(States.toJson(state)));
    }
  }

  /** What no message of an error contains: more lines, license keys, and tokens. */
  private static final JsonArray SECRETS =
      JsonParser.parseString("[\"\\n\", \"ATLAS-\", \"eyJ\"]").getAsJsonArray();

  /** Steps after which the callback is called. */
  private static final Set<String> OPERATIONS =
      Set.of(
          "run",
          "activate",
          "deactivate",
          "release",
          "refresh",
          "borrow",
          "import_license_file",
          "close");

  private final Config config;
  private final JsonObject scenario;
  private final JsonObject options;
  private final MemoryStorage storage = new MemoryStorage();
  private final ScriptedTransport transport = new ScriptedTransport(storage);
  private final Map<String, Handle> handles = new HashMap<>();
  private final double random;
  private double wall;
  private double monotonic;

  ScenarioRunner(Config config, JsonObject scenario) {
    this.config = config;
    this.scenario = scenario;
    this.options = scenario.getAsJsonObject("options");
    this.wall = scenario.get("start").getAsDouble();
    this.random = scenario.get("random").getAsDouble();
    storage.isReadOnly = Json.isTrue(options, "read_only");
    for (Map.Entry<String, JsonElement> file : scenario.getAsJsonObject("storage").entrySet()) {
      storage.set(file.getKey(), file.getValue().getAsString());
    }
  }

  @Override
  public double wall() {
    return wall;
  }

  @Override
  public double monotonic() {
    return monotonic;
  }

  void run() {
    int number = 0;
    for (JsonElement element : scenario.getAsJsonArray("steps")) {
      JsonObject step = element.getAsJsonObject();
      try {
        perform(step);
      } catch (AssertionError | RuntimeException error) {
        String action = step.get("do").getAsString();
        throw new AssertionError(
            "step " + number + " (" + action + "): " + error.getMessage(), error);
      }
      number++;
    }
  }

  private void perform(JsonObject step) {
    String name = Json.string(step, "client").orElse("a");
    for (JsonElement response : list(step, "responses"))
      transport.responses.add(response.getAsJsonObject());
    transport.requests.clear();
    Optional<String> error = Optional.empty();
    String message = "";
    try {
      act(step, name);
    } catch (LicenseException failure) {
      error = Optional.of(failure.code());
      message = failure.getMessage();
    }
    Handle handle = handles.get(name);
    if (OPERATIONS.contains(step.get("do").getAsString())) handle.notifier.check();
    assertEquals(Json.string(step, "error"), error, "error");
    compareText(message, list(step, "message"), list(step, "message_excludes"));
    compareText(message, new JsonArray(), SECRETS);
    assertEquals(list(step, "requests"), toArray(transport.requests), "requests");
    assertEquals(0, transport.responses.size(), "unused responses");
    if (handle != null) compare(step, handle);
    compareStorage(Json.object(step, "storage"));
  }

  private void act(JsonObject step, String name) throws LicenseException {
    String action = step.get("do").getAsString();
    switch (action) {
      case "open":
        handles.put(name, new Handle());
        break;
      case "restart":
        handles.remove(name);
        break;
      case "advance":
        wall += step.get("seconds").getAsDouble();
        monotonic += step.get("seconds").getAsDouble();
        break;
      case "set_clock":
        wall += step.get("seconds").getAsDouble();
        break;
      default:
        handles.get(name).changes = new JsonArray();
        if (action.equals("close")) handles.get(name).notifier.stop();
        operate(action, step, handles.get(name).client);
    }
  }

  private static void operate(String action, JsonObject step, Client client)
      throws LicenseException {
    switch (action) {
      case "run":
        client.run();
        break;
      case "activate":
        client.activate(step.get("license_key").getAsString());
        break;
      case "deactivate":
        client.deactivate();
        break;
      case "release":
        client.release();
        break;
      case "close":
        client.close();
        break;
      case "refresh":
        client.refresh();
        break;
      case "borrow":
        client.borrow(Instant.ofEpochSecond(step.get("until").getAsLong()));
        break;
      case "import_license_file":
        client.importLicenseFile(step.get("file").getAsString());
        break;
      default:
        ask(action, step, client);
    }
  }

  private static void ask(String action, JsonObject step, Client client) throws LicenseException {
    switch (action) {
      case "state":
        break;
      case "has":
        assertEquals(
            step.get("result").getAsBoolean(), client.has(step.get("feature").getAsString()));
        break;
      case "limit":
        JsonPrimitive result = step.getAsJsonPrimitive("result");
        long expected = result.isString() ? License.UNLIMITED : result.getAsLong();
        assertEquals(expected, client.limit(step.get("feature").getAsString()));
        break;
      case "offline_request":
        String[] parts = client.offlineRequest().split(":", 2);
        String json = new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8);
        assertEquals("signet-request/1", parts[0]);
        assertEquals(step.get("result"), JsonParser.parseString(json));
        break;
      case "diagnose":
        compareText(client.diagnose(), list(step, "contains"), list(step, "excludes"));
        break;
      default:
        throw new IllegalArgumentException(action);
    }
  }

  private void compare(JsonObject step, Handle handle) {
    if (step.has("state") && !step.get("state").isJsonNull()) {
      assertEquals(step.get("state"), States.toJson(handle.client.state()), "state");
    }
    if (step.has("next")) {
      OptionalDouble next = handle.client.next();
      JsonElement expected = step.get("next");
      boolean isEqual =
          expected.isJsonNull()
              ? next.isEmpty()
              : next.isPresent() && Math.abs(next.getAsDouble() - expected.getAsDouble()) <= 1;
      assertTrue(isEqual, "next: expected " + expected + ", got " + next);
    }
    if (step.has("changes")) assertEquals(step.get("changes"), handle.changes, "changes");
  }

  private static void compareText(String text, JsonArray contains, JsonArray excludes) {
    for (JsonElement part : contains) assertTrue(text.contains(part.getAsString()), text);
    for (JsonElement part : excludes) assertFalse(text.contains(part.getAsString()), text);
  }

  private void compareStorage(JsonObject expected) {
    for (Map.Entry<String, JsonElement> file : expected.entrySet()) {
      String text = storage.text(file.getKey());
      if (!file.getValue().isJsonObject()) {
        JsonElement actual = text == null ? JsonNull.INSTANCE : new JsonPrimitive(text);
        assertEquals(file.getValue(), actual, file.getKey());
        continue;
      }
      JsonObject actual = JsonParser.parseString(text).getAsJsonObject();
      for (Map.Entry<String, JsonElement> field : file.getValue().getAsJsonObject().entrySet()) {
        assertEquals(
            field.getValue(), actual.get(field.getKey()), file.getKey() + " " + field.getKey());
      }
    }
  }

  private Identity identity() {
    return new Identity(
        "machine-1",
        Json.isTrue(options, "ephemeral"),
        Json.string(options, "instance_id"),
        () -> Json.string(options, "machine_name"),
        Json.string(options, "app_version"),
        Json.string(options, "os"),
        Json.string(options, "hostname"));
  }

  private boolean keepsKey() {
    return !options.has("keep_license_key") || options.get("keep_license_key").getAsBoolean();
  }

  private static JsonArray list(JsonObject step, String name) {
    return step.has(name) ? step.getAsJsonArray(name) : new JsonArray();
  }

  private static JsonArray toArray(Iterable<JsonElement> elements) {
    JsonArray array = new JsonArray();
    elements.forEach(array::add);
    return array;
  }
}
