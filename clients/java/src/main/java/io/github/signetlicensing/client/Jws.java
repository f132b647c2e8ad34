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
  private final JsonObject header;
  private final byte[] signedBytes;
  private final byte[] claims;
  private final byte[] signature;

  private Jws(JsonObject header, byte[] signedBytes, byte[] claims, byte[] signature) {
    this.header = header;
    this.signedBytes = signedBytes;
    this.claims = claims;
    this.signature = signature;
  }

  /** Returns the JWT in a text, whatever the fields of its header. */
  static Optional<Jws> parse(String text) {
    String[] parts = text.split("\\.", -1);
    if (parts.length != 3) return Optional.empty();
    try {
      byte[] signed = (parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII);
      byte[] claims = decode(parts[1]);
      byte[] signature = decode(parts[2]);
      return Json.parse(utf8(decode(parts[0])))
          .map(header -> new Jws(header, signed, claims, signature));
    } catch (IllegalArgumentException notBase64) {
      return Optional.empty();
    }
  }

  /**
   * Returns the JWT in a text, or nothing if its header has another {@code alg} or {@code typ}, or
   * no {@code kid}.
   */
  static Optional<Jws> parse(String text, String type) {
    return parse(text).filter(jws -> jws.isOfType(type));
  }

  private boolean isOfType(String type) {
    return Json.string(header, "alg").equals(Optional.of("RS256"))
        && Json.string(header, "typ").equals(Optional.of(type))
        && !header.has("crit")
        && keyId().isPresent();
  }

  /** Returns the id of the key that signed it. */
  Optional<String> keyId() {
    return Json.string(header, "kid");
  }

  /** Returns the claims, or nothing if the key did not sign them. */
  Optional<JsonObject> verify(PublicKey key) {
    return isSignedBy(key) ? Json.parse(utf8(claims)) : Optional.empty();
  }

  /** Returns whether the key signed it, whatever its header and claims. */
  boolean isSignedBy(PublicKey key) {
    try {
      Signature verifier = Signature.getInstance("SHA256withRSA");
      verifier.initVerify(key);
      verifier.update(signedBytes);
      return verifier.verify(signature);
    } catch (GeneralSecurityException invalid) {
      return false;
    }
  }

  private static byte[] decode(String part) {
    return Base64.getUrlDecoder().decode(part);
  }

  private static String utf8(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }
}
