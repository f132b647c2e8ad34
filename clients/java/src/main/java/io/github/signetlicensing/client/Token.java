package io.github.signetlicensing.client;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The claims of a license token that the issuer signed. */
final class Token {
  static final String TYPE = "license+jwt";

  /** The text that is sent to the API. */
  final String text;

  /** Id of the license key, if the token has it. */
  final Optional<String> licenseId;

  /** Code of the pricing tier, if the token has it. */
  final Optional<String> tierCode;

  final String activationId;
  final long issuedAt;
  final long notBefore;
  final long expiresAt;
  final long offlineUntil;

  /** Seconds between two heartbeats. */
  final long heartbeatInterval;

  private final Set<String> features = new HashSet<>();
  private final Map<String, Long> limits = new HashMap<>();

  private Token(String text, String activationId, long[] times, JsonObject claims) {
    this.text = text;
    this.licenseId = Json.string(claims, "sub");
    this.tierCode = Json.string(Json.object(claims, "tier"), "code");
    this.activationId = activationId;
    this.issuedAt = times[0];
    this.notBefore = times[1];
    this.expiresAt = times[2];
    this.offlineUntil = times[3];
    this.heartbeatInterval = times[4];
    readFeatures(claims);
  }

  /** Returns a token that is for this product and this machine, whatever its times. */
  static Optional<Token> verify(String text, KeySet keys, Config config, Identity identity) {
    return SignedToken.verify(text, keys, config, identity).flatMap(SignedToken::accepted);
  }

  /** Returns the token with these claims, or nothing if one is missing. */
  static Optional<Token> read(String text, JsonObject claims) {
    Optional<String> activationId = Json.string(Json.object(claims, "activation"), "id");
    return activationId.flatMap(
        id -> readTimes(claims).map(times -> new Token(text, id, times, claims)));
  }

  /** Returns the times in the order of the fields, or nothing if one is missing. */
  private static Optional<long[]> readTimes(JsonObject claims) {
    JsonObject enforcement = Json.object(claims, "enforcement");
    Optional<Long> issuedAt = Json.time(claims, "iat");
    Optional<Long> notBefore = Json.time(claims, "nbf");
    Optional<Long> expiresAt = Json.time(claims, "exp");
    Optional<Long> offlineUntil = Json.time(enforcement, "offline_until");
    Optional<Long> interval = Json.time(enforcement, "heartbeat_interval_seconds");
    if (issuedAt.isEmpty() || notBefore.isEmpty() || expiresAt.isEmpty() || offlineUntil.isEmpty())
      return Optional.empty();
    return interval.map(
        seconds ->
            new long[] {
              issuedAt.get(), notBefore.get(), expiresAt.get(), offlineUntil.get(), seconds
            });
  }

  private void readFeatures(JsonObject claims) {
    JsonElement list = claims.get("features");
    if (list != null && list.isJsonArray()) {
      for (JsonElement feature : list.getAsJsonArray()) {
        if (feature.isJsonPrimitive()) features.add(feature.getAsString());
      }
    }
    for (Map.Entry<String, JsonElement> limit : Json.object(claims, "feature_limits").entrySet()) {
      JsonElement value = limit.getValue();
      if (value.isJsonNull()) limits.put(limit.getKey(), License.UNLIMITED);
      else if (value.isJsonPrimitive() && value.getAsJsonPrimitive().isNumber()) {
        limits.put(limit.getKey(), value.getAsLong());
      }
    }
  }

  boolean has(String feature) {
    return features.contains(feature);
  }

  /** Returns the number, {@link License#UNLIMITED}, or 0 if the limit is not granted. */
  long limit(String feature) {
    return limits.getOrDefault(feature, 0L);
  }
}
