package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.PublicKey;
import java.security.spec.RSAPublicKeySpec;
import java.util.Base64;
import java.util.Optional;

/** Reads RSA public keys of JWKs (RFC 7517). */
final class RsaKeys {
  private RsaKeys() {}

  static Optional<PublicKey> parse(JsonObject jwk) {
    Optional<String> modulus = Json.string(jwk, "n");
    Optional<String> exponent = Json.string(jwk, "e");
    boolean isRsa = Json.string(jwk, "kty").equals(Optional.of("RSA"));
    if (!isRsa || modulus.isEmpty() || exponent.isEmpty()) return Optional.empty();
    try {
      RSAPublicKeySpec spec =
          new RSAPublicKeySpec(unsigned(modulus.get()), unsigned(exponent.get()));
      return Optional.of(KeyFactory.getInstance("RSA").generatePublic(spec));
    } catch (GeneralSecurityException | IllegalArgumentException invalid) {
      return Optional.empty();
    }
  }

  /** Returns the RFC 7638 thumbprint of a JWK that {@link #parse} accepts. */
  static String thumbprint(JsonObject jwk) {
    JsonObject members = new JsonObject();
    for (String name : new String[] {"e", "kty", "n"}) members.add(name, jwk.get(name));
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256")
              .digest(members.toString().getBytes(StandardCharsets.UTF_8));
      return Base64.getUrlEncoder().withoutPadding().encodeToString(hash);
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException(impossible); // every Java platform has SHA-256
    }
  }

  private static BigInteger unsigned(String base64) {
    return new BigInteger(1, Base64.getUrlDecoder().decode(base64));
  }
}
