package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.PublicKey;
import java.security.Signature;
import java.util.Base64;
import java.util.Optional;

/**
 * A JWT in the compact form, signed with RS256 (RFC 7515), whose signature may not be verified yet.
 */
final class Jws {
  /** Id of the key that signed it. */
  final String keyId;

  private final byte[] signedBytes;
  private final byte[] claims;
  private final byte[] signature;

  private Jws(String keyId, byte[] signedBytes, byte[] claims, byte[] signature) {
    this.keyId = keyId;
    this.signedBytes = signedBytes;
    this.claims = claims;
    this.signature = signature;
  }

  /**
   * Returns the JWT in a text, or nothing if its header has another {@code alg} or {@code typ}, or
   * no {@code kid}.
   */
  static Optional<Jws> parse(String text, String type) {
    String[] parts = text.split("\\.", -1);
    if (parts.length != 3) return Optional.empty();
    try {
      JsonObject header = Json.parse(utf8(decode(parts[0]))).orElse(new JsonObject());
      Optional<String> keyId = Json.string(header, "kid");
      boolean isKnown =
          Json.string(header, "alg").equals(Optional.of("RS256"))
              && Json.string(header, "typ").equals(Optional.of(type))
              && !header.has("crit");
      if (!isKnown || keyId.isEmpty()) return Optional.empty();
      byte[] signed = (parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII);
      return Optional.of(new Jws(keyId.get(), signed, decode(parts[1]), decode(parts[2])));
    } catch (IllegalArgumentException notBase64) {
      return Optional.empty();
    }
  }

  /** Returns the claims, or nothing if the key did not sign them. */
  Optional<JsonObject> verify(PublicKey key) {
    try {
      Signature verifier = Signature.getInstance("SHA256withRSA");
      verifier.initVerify(key);
      verifier.update(signedBytes);
      return verifier.verify(signature) ? Json.parse(utf8(claims)) : Optional.empty();
    } catch (GeneralSecurityException invalid) {
      return Optional.empty();
    }
  }

  private static byte[] decode(String part) {
    return Base64.getUrlDecoder().decode(part);
  }

  private static String utf8(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
