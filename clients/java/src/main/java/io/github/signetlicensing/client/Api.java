package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/** The requests of a client. */
final class Api {
  private final Transport transport;
  private final Identity identity;

  Api(Transport transport, Identity identity) {
    this.transport = transport;
    this.identity = identity;
  }

  Reply activate(String licenseKey) {
    JsonObject body = new JsonObject();
    body.addProperty("license_key", licenseKey);
    addMachine(body);
    identity.machineName.get().ifPresent(name -> body.addProperty("machine_name", name));
    addReport(body);
    return post("license-activations/activate", body, Optional.empty());
  }

  /**
   * Sends a heartbeat.
   *
   * @param borrowUntil until when the machine keeps the seat without heartbeats
   */
  Reply heartbeat(Token token, Optional<Instant> borrowUntil) {
    JsonObject body = new JsonObject();
    body.addProperty("token", token.text);
    addMachine(body);
    borrowUntil.ifPresent(until -> body.addProperty("borrow_until", until.toString()));
    addReport(body);
    return post("license-keys/heartbeat", body, Optional.empty());
  }

  Reply deactivate(Token token, Optional<Duration> timeout) {
    JsonObject body = new JsonObject();
    body.addProperty("token", token.text);
    return post("license-activations/" + token.activationId + "/deactivate", body, timeout);
  }

  Reply fetchKeys() {
    return send("/.well-known/jwks.jwt", Optional.empty(), Optional.empty());
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

  private Reply post(String path, JsonObject body, Optional<Duration> timeout) {
    return send("/api/v1.0/" + path, Optional.of(body.toString()), timeout);
  }

  private Reply send(String path, Optional<String> body, Optional<Duration> timeout) {
    try {
      return transport.send(path, body, timeout);
    } catch (IOException noResponse) {
      return Reply.none(noResponse);
    }
  }
}
