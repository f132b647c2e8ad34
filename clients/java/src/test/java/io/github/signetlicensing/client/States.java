package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.time.Instant;
import java.util.Optional;

/** States as JSON objects, as the scenarios have them. */
final class States {
  private States() {}

  static JsonObject toJson(State state) {
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
    json.add(name, Json.nullable(time.map(Instant::getEpochSecond)));
  }
}
