package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.time.Instant;
import java.util.Optional;

/** Creates the requests of a client. */
final class Requests {
  private final Identity identity;

  Requests(Identity identity) {
    this.identity = identity;
  }

  Request activate(String licenseKey) {
    JsonObject body = new JsonObject();
    body.addProperty("license_key", licenseKey);
    addMachine(body);
    identity.machineName.get().ifPresent(name -> body.addProperty("machine_name", name));
    addReport(body);
    return post(Request.Operation.ACTIVATE, "license-activations/activate", body);
  }

  /**
   * Returns a heartbeat.
   *
   * @param borrowUntil until when the machine keeps the seat without heartbeats
   */
  Request heartbeat(Token token, Optional<Instant> borrowUntil) {
    JsonObject body = new JsonObject();
    body.addProperty("token", token.text);
    addMachine(body);
    borrowUntil.ifPresent(until -> body.addProperty("borrow_until", until.toString()));
    addReport(body);
    return post(Request.Operation.HEARTBEAT, "license-keys/heartbeat", body);
  }

  Request deactivate(Token token) {
    JsonObject body = new JsonObject();
    body.addProperty("token", token.text);
    String path = "license-activations/" + token.activationId + "/deactivate";
    return post(Request.Operation.DEACTIVATE, path, body);
  }

  Request fetchKeys() {
    return new Request(Request.Operation.FETCH_KEYS, "/.well-known/jwks.jwt", Optional.empty());
  }

  private void addMachine(JsonObject body) {
    body.addProperty("machine_id", identity.machineId);
    identity.instanceId.ifPresent(id -> body.addProperty("instance_id", id));
  }

  private void addReport(JsonObject body) {
    identity.appVersion.ifPresent(version -> body.addProperty("app_version", version));
    identity.os.ifPresent(os -> body.addProperty("os", os));
    identity.hostname.ifPresent(name -> body.addProperty("hostname", name));
  }

  private static Request post(Request.Operation operation, String path, JsonObject body) {
    return new Request(operation, "/api/v1.0/" + path, Optional.of(body));
  }
}
