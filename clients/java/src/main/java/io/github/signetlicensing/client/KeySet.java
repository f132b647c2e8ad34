package io.github.signetlicensing.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.security.PublicKey;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** A signed key set that a root key of the app has signed. */
final class KeySet {
  /** The text, as fetched. */
  final String text;

  final long issuedAt;
  final long expiresAt;
  private final Map<String, PublicKey> keys;

  private KeySet(String text, long issuedAt, long expiresAt, Map<String, PublicKey> keys) {
    this.text = text;
    this.issuedAt = issuedAt;
    this.expiresAt = expiresAt;
    this.keys = keys;
  }

  /** Returns the key with this id. */
  Optional<PublicKey> key(String keyId) {
    return Optional.ofNullable(keys.get(keyId));
  }

  /** Verifies a key set, whatever its times. */
  static Optional<KeySet> verify(String text, Config config) {
    Optional<Jws> jws = Jws.parse(text.strip(), "jwk-set+jwt");
    Optional<PublicKey> rootKey = jws.map(set -> config.rootKeys().get(set.keyId));
    Optional<JsonObject> verified = rootKey.flatMap(key -> jws.get().verify(key));
    if (verified.isEmpty()) return Optional.empty();
    JsonObject claims = verified.get();
    Optional<String> issuer = Optional.of(config.issuer());
    Optional<Long> issuedAt = Json.time(claims, "iat");
    Optional<Long> expiresAt = Json.time(claims, "exp");
    boolean isOfIssuer =
        Json.string(claims, "iss").equals(issuer) && Json.string(claims, "sub").equals(issuer);
    if (!isOfIssuer || issuedAt.isEmpty() || expiresAt.isEmpty()) return Optional.empty();
    return Optional.of(new KeySet(text, issuedAt.get(), expiresAt.get(), readKeys(claims)));
  }

  /** Returns the RSA keys of a set. Keys of other types are ignored. */
  private static Map<String, PublicKey> readKeys(JsonObject claims) {
    Map<String, PublicKey> keys = new HashMap<>();
    JsonElement list = claims.get("keys");
    for (JsonElement element :
        list != null && list.isJsonArray() ? list.getAsJsonArray() : new JsonArray()) {
      if (!element.isJsonObject()) continue;
      JsonObject jwk = element.getAsJsonObject();
      Optional<String> keyId = Json.string(jwk, "kid");
      Optional<PublicKey> key = RsaKeys.parse(jwk);
      if (keyId.isPresent() && key.isPresent()) keys.put(keyId.get(), key.get());
    }
    return keys;
  }
}
