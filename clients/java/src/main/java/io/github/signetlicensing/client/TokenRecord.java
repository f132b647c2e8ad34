package io.github.signetlicensing.client;

import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.util.Optional;

/** Content of {@code token.json}: a token, which may not be valid, and what came with it. */
final class TokenRecord {
  final String token;

  /** When the next heartbeat is due. */
  final long nextHeartbeatAt;

  /** Whether the license key has expired and is still honored. */
  final boolean inGrace;

  final Optional<Long> graceEndsAt;

  /** The text of the license file that the token is from. */
  final Optional<String> licenseFile;

  TokenRecord(
      String token,
      long nextHeartbeatAt,
      boolean inGrace,
      Optional<Long> graceEndsAt,
      Optional<String> licenseFile) {
    this.token = token;
    this.nextHeartbeatAt = nextHeartbeatAt;
    this.inGrace = inGrace;
    this.graceEndsAt = graceEndsAt;
    this.licenseFile = licenseFile;
  }

  String toJson() {
    JsonObject json = new JsonObject();
    json.addProperty("token", token);
    json.addProperty("next_heartbeat_at", nextHeartbeatAt);
    json.addProperty("in_grace", inGrace);
    json.add("grace_ends_at", Json.nullable(graceEndsAt));
    if (licenseFile.isPresent()) json.addProperty("license_file", licenseFile.get());
    else json.add("license_file", JsonNull.INSTANCE);
    return json.toString();
  }

  /** Returns a stored record, or nothing if the text has another format. */
  static Optional<TokenRecord> parse(String text) {
    JsonObject json = Json.parse(text).orElse(new JsonObject());
    Optional<String> token = Json.string(json, "token");
    Optional<Long> nextHeartbeatAt = Json.time(json, "next_heartbeat_at");
    if (token.isEmpty() || nextHeartbeatAt.isEmpty()) return Optional.empty();
    return Optional.of(
        new TokenRecord(
            token.get(),
            nextHeartbeatAt.get(),
            Json.isTrue(json, "in_grace"),
            Json.time(json, "grace_ends_at"),
            Json.string(json, "license_file")));
  }
}
