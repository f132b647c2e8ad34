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
  /** What a message says of a key set that {@link #isSigned} is false for. */
  static final String UNSIGNED = "key set is not signed by a root key of the configuration";

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

  /** Returns whether the set has the key that a token claims to be signed with. */
  boolean hasKeyOf(Jws token) {
    return token.keyId().filter(keys::containsKey).isPresent();
  }

  /** Returns the claims of a token, or nothing if no key of the set signed it. */
  Optional<JsonObject> verify(Jws token) {
    return token.keyId().map(keys::get).flatMap(token::verify);
  }

  /** Returns whether a root key signed a JWT, whatever it claims. */
  static boolean isSigned(Jws jwt, Config config) {
    return jwt.keyId().map(config.rootKeys()::get).filter(jwt::isSignedBy).isPresent();
  }

  /** Verifies a key set, whatever its times. */
  static Optional<KeySet> verify(String text, Config config) {
    Optional<JsonObject> verified =
        Jws.parse(text.strip(), "jwk-set+jwt")
            .flatMap(jwt -> jwt.keyId().map(config.rootKeys()::get).flatMap(jwt::verify));
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
