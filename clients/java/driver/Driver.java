import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import io.github.signetlicensing.client.Config;
import io.github.signetlicensing.client.License;
import io.github.signetlicensing.client.LicenseException;
import io.github.signetlicensing.client.Options;
import io.github.signetlicensing.client.State;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Performs the operations in the lines of its input, each a JSON object, and prints a line for
 * each.
 */
public final class Driver {
  private License license;
  private final List<State> changes = new ArrayList<>();

  private Driver() {}

  public static void main(String[] arguments) throws IOException {
    Driver driver = new Driver();
    BufferedReader input =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      JsonObject command = JsonParser.parseString(line).getAsJsonObject();
      if (text(command, "do").equals("exit")) return;
      byte[] answer = (driver.answer(command) + "\n").getBytes(StandardCharsets.UTF_8);
      System.out.write(answer);
      System.out.flush();
    }
  }

  private JsonObject answer(JsonObject command) throws IOException {
    JsonObject answer = new JsonObject();
    try {
      perform(command).ifPresent(result -> answer.add("result", result));
    } catch (LicenseException error) {
      answer.addProperty("error", error.code());
    }
    if (license != null && !answer.has("result")) answer.add("state", toJson(license.state()));
    return answer;
  }

  /** Performs an operation. Returns the result of one that has another result than the state. */
  private Optional<JsonElement> perform(JsonObject command) throws IOException, LicenseException {
    switch (text(command, "do")) {
      case "open":
        open(command);
        return Optional.empty();
      case "state":
        return Optional.empty();
      case "activate":
        license.activate(text(command, "license_key"));
        return Optional.empty();
      case "deactivate":
        license.deactivate();
        return Optional.empty();
      case "release":
        license.release();
        return Optional.empty();
      case "close":
        license.close();
        return Optional.empty();
      case "borrow":
        license.borrow(Instant.ofEpochSecond(command.get("until").getAsLong()));
        return Optional.empty();
      case "import_license_file":
        license.importLicenseFile(text(command, "file"));
        return Optional.empty();
      default:
        return Optional.of(ask(command));
    }
  }

  private JsonElement ask(JsonObject command) throws LicenseException {
    switch (text(command, "do")) {
      case "has":
        return new JsonPrimitive(license.has(text(command, "feature")));
      case "limit":
        long limit = license.limit(text(command, "feature"));
        return limit == License.UNLIMITED
            ? new JsonPrimitive("unlimited")
            : new JsonPrimitive(limit);
      case "offline_request":
        return new JsonPrimitive(license.offlineRequest());
      case "diagnose":
        return new JsonPrimitive(license.diagnose());
      case "changes":
        return takeChanges();
      default:
        throw new IllegalArgumentException("unknown operation: " + text(command, "do"));
    }
  }

  private void open(JsonObject command) throws IOException, LicenseException {
    Config config = Config.parse(command.getAsJsonObject("config").toString());
    JsonObject options =
        command.has("options") ? command.getAsJsonObject("options") : new JsonObject();
    license = License.open(config, readOptions(options));
    license.onChange(
        state -> {
          synchronized (changes) {
            changes.add(state);
          }
        });
  }

  private static Options readOptions(JsonObject json) throws IOException, LicenseException {
    Options options = new Options();
    if (isSet(json, "folder")) options.folder(Path.of(text(json, "folder")));
    if (isSet(json, "machine_id")) options.machineId(text(json, "machine_id"));
    if (isSet(json, "instance_id")) options.instanceId(text(json, "instance_id"));
    if (json.has("machine_name")) options.machineName(text(json, "machine_name"));
    if (json.has("app_version")) options.appVersion(text(json, "app_version"));
    if (json.has("os")) options.os(text(json, "os"));
    if (json.has("hostname")) options.hostname(text(json, "hostname"));
    if (isSet(json, "keep_license_key")) {
      options.keepLicenseKey(json.get("keep_license_key").getAsBoolean());
    }
    if (isSet(json, "proxy")) options.proxy(text(json, "proxy"));
    if (isSet(json, "ca_file")) {
      options.caCertificates(Files.readString(Path.of(text(json, "ca_file"))));
    }
    if (isSet(json, "timeout_seconds")) {
      Duration timeout =
          Duration.ofMillis((long) (json.get("timeout_seconds").getAsDouble() * 1e3));
      options.timeouts(timeout, timeout);
    }
    return options;
  }

  private JsonArray takeChanges() {
    JsonArray list = new JsonArray();
    synchronized (changes) {
      for (State state : changes) list.add(toJson(state));
      changes.clear();
    }
    return list;
  }

  private static JsonObject toJson(State state) {
    JsonObject json = new JsonObject();
    json.addProperty("state", state.kind().toString());
    switch (state.kind()) {
      case ACTIVE:
        addTime(json, "until", state.until());
        json.addProperty("in_grace", state.inGrace());
        addTime(json, "grace_ends_at", state.graceEndsAt());
        break;
      case OFFLINE:
        addTime(json, "until", state.until());
        json.addProperty("reason", state.reason().orElseThrow());
        break;
      case EXPIRED:
        addTime(json, "since", state.since());
        break;
      case REFUSED:
        json.addProperty("code", state.code().orElseThrow());
        addTime(json, "retry_at", state.retryAt());
        break;
      case UNACTIVATED:
        json.addProperty("has_license_key", state.hasLicenseKey());
        json.addProperty("reason", state.reason().orElse(null));
        break;
      default:
        break;
    }
    return json;
  }

  private static void addTime(JsonObject json, String name, Optional<Instant> time) {
    json.add(
        name,
        time.<JsonElement>map(at -> new JsonPrimitive(at.getEpochSecond()))
            .orElse(JsonNull.INSTANCE));
  }

  private static boolean isSet(JsonObject json, String name) {
    return json.has(name) && !json.get(name).isJsonNull();
  }

  private static String text(JsonObject json, String name) {
    return isSet(json, name) ? json.get(name).getAsString() : null;
  }
}
