package example;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.RSAPublicKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * Verifies Signet license tokens offline, and stores the key set, the token, the license file and the last refusal in a
 * directory.
 *
 * <p>Several processes may share the directory: each file is replaced atomically. A missing or damaged file counts as
 * absent.
 */
public final class Verifier {
  /** Tolerated difference between the clocks of this machine and of the issuer. */
  private static final long LEEWAY_SECONDS = 60;

  /** For how long the key set of a license file verifies the file's token, from the {@code iat} of the set: 400 days. */
  private static final long LICENSE_FILE_SECONDS = 400 * 86_400;

  private static final String TOKEN_TYPE = "license+jwt";
  private static final String KEY_SET_TYPE = "jwk-set+jwt";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final String issuer;
  private final String product;
  private final JsonNode rootKeys;
  private final Path directory;

  /** A license token or a key set is not valid. */
  public static class VerificationException extends Exception {
    VerificationException(String message) {
      super(message);
    }

    VerificationException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /** No stored key has the token's {@code kid}. Fetch the key set and try again. */
  public static final class UnknownKeyException extends VerificationException {
    UnknownKeyException() {
      super("the signing key is unknown");
    }
  }

  /** A response of the API that ended the use of the stored token. */
  public record Refusal(String id, String code) {}

  /**
   * Creates a verifier.
   *
   * @param config the {@code issuer}, the {@code product} code and the public {@code root_keys}, which are built into the app
   * @param directory an existing directory for the verifier's files
   */
  public Verifier(JsonNode config, Path directory) {
    this.issuer = config.required("issuer").textValue();
    this.product = config.required("product").textValue();
    this.rootKeys = config.required("root_keys");
    this.directory = directory;
  }

  /** Returns the issuer of the tokens, which is also the base URL of the API. */
  public String issuer() {
    return issuer;
  }

  /**
   * Returns the claims of a token that is valid on this machine at {@code now}, in Unix seconds.
   *
   * <p>The token is accepted until its {@code offline_until}. The latest time seen is stored to detect a clock that was set
   * back.
   */
  public JsonNode verify(String token, String machineId, long now) throws VerificationException {
    JsonNode claims = verifySignature(token, keysFor(token, now), TOKEN_TYPE);
    checkClaims(claims, machineId, now, lastSeen());
    return claims;
  }

  /** Checks that a token is for this machine and valid at {@code now}. {@code lastSeen} is the latest time seen. */
  private void checkClaims(JsonNode claims, String machineId, long now, long lastSeen) throws VerificationException {
    if (machineId == null || machineId.isEmpty()) throw new VerificationException("the machine ID is missing");
    if (!isText(claims.path("aud"), product)) throw new VerificationException("the token is for another product");
    if (!isText(claims.path("activation").path("machine_id"), machineId)) {
      throw new VerificationException("the token is not for this machine");
    }
    long notBefore = integer(claims, "nbf");
    integer(claims, "exp");
    long end = integer(claims.path("enforcement"), "offline_until");

    // A clock that is far ahead must not lock out later tokens.
    long seen = Math.min(now, end + 1);
    if (seen > lastSeen()) recordTime(seen);
    if (now < Math.max(lastSeen, notBefore) - LEEWAY_SECONDS) throw new VerificationException("the clock was set back");
    if (now > end) throw new VerificationException("the token has expired");
  }

  /** Stores a fetched key set: signed by a root key, not expired, and not older than the stored one. */
  public void storeKeySet(String keySet, long now) throws VerificationException, IOException {
    JsonNode fetched = verifySignature(keySet, rootKeys, KEY_SET_TYPE);
    // Of two sets signed in the same second, the fetched one may be the older one.
    boolean newer = integer(fetched, "iat") > storedKeySet().path("iat").asLong();
    if (!newer && !keySet.equals(read("jwks.jwt"))) {
      throw new VerificationException("the key set is not newer than the stored one");
    }
    if (now > integer(fetched, "exp") + LEEWAY_SECONDS) throw new VerificationException("the key set has expired");
    write("jwks.jwt", keySet);
  }

  /**
   * Stores a token that the API returned. The stored time is set to the token's {@code iat}, so that a clock that was once
   * wrong is corrected.
   *
   * @param refusal the result of {@link #storedRefusal} before the request was sent. If another process stores a refusal
   *     while the request is in flight, the token is ignored.
   */
  public void storeToken(String token, Optional<Refusal> refusal) throws VerificationException, IOException {
    JsonNode claims = verifySignature(token, storedKeySet().path("keys"), TOKEN_TYPE);
    write("token", refusal.map(last -> token + " " + last.id()).orElse(token));
    recordTime(integer(claims, "iat"));
  }

  /**
   * Imports a license file, for a machine that never reaches the API. Its token becomes the stored token, and is verified with
   * the key set of the file, which is stored beside it.
   *
   * <p>If the file is later than the one that was imported before, the stored time is set to the token's {@code iat}, so that
   * a clock that was once wrong is corrected. Importing a file again does not set the time back, and does not undo a refusal.
   */
  public void importLicenseFile(String text, String machineId, long now) throws VerificationException, IOException {
    JsonNode file = parseLicenseFile(text);
    if (!isText(file.path("issuer"), issuer)) throw new VerificationException("the license file is from another issuer");
    if (!isText(file.path("product"), product)) throw new VerificationException("the license file is for another product");
    String token = file.path("token").textValue();
    JsonNode claims = verifySignature(token, licenseFileKeys(file, now), TOKEN_TYPE);
    long issuedAt = integer(claims, "iat");
    boolean isNewer = storedLicenseFile().map(stored -> issuedAt > issueTime(stored)).orElse(true);
    checkClaims(claims, machineId, now, isNewer ? issuedAt : lastSeen());
    Optional<Refusal> refusal = storedRefusal();
    if (!isNewer && refusal.isPresent() && storedToken().isEmpty()) {
      throw new VerificationException("the API has refused the license since");
    }
    write("license-file", text);
    write("token", refusal.map(last -> token + " " + last.id()).orElse(token));
    if (isNewer) recordTime(issuedAt);
  }

  /** Returns the stored token, or nothing if there is none or if the API has refused the license since. */
  public Optional<String> storedToken() {
    String[] parts = read("token").split(" ", 2);
    Optional<String> refusalId = parts.length == 2 ? Optional.of(parts[1]) : Optional.empty();
    boolean refusedSince = !refusalId.equals(storedRefusal().map(Refusal::id));
    return parts[0].isEmpty() || refusedSince ? Optional.empty() : Optional.of(parts[0]);
  }

  /**
   * Records that the API refused the license, and removes the stored token.
   *
   * <p>The token does not count from the moment the refusal is written, so that a crash in between is harmless. File errors
   * are ignored.
   */
  public void storeRefusal(String code) {
    try {
      write("refusal", UUID.randomUUID() + " " + code);
    } catch (IOException ignored) {
      // The token is removed all the same.
    }
    try {
      Files.deleteIfExists(directory.resolve("token"));
    } catch (IOException ignored) {
      // The refusal was written.
    }
  }

  /** Returns the last refusal. */
  public Optional<Refusal> storedRefusal() {
    String[] parts = read("refusal").split(" ", 2);
    return parts.length == 2 ? Optional.of(new Refusal(parts[0], parts[1])) : Optional.empty();
  }

  /** Returns the keys that may have signed a token: those of the license file for its token, else the stored ones. */
  private JsonNode keysFor(String token, long now) throws VerificationException {
    Optional<JsonNode> file = storedLicenseFile().filter(stored -> isText(stored.path("token"), token));
    return file.isPresent() ? licenseFileKeys(file.get(), now) : storedKeySet().path("keys");
  }

  private JsonNode licenseFileKeys(JsonNode file, long now) throws VerificationException {
    JsonNode keySet = verifySignature(file.path("signed_jwks").textValue(), rootKeys, KEY_SET_TYPE);
    if (now > integer(keySet, "iat") + LICENSE_FILE_SECONDS) throw new VerificationException("the license file is too old");
    return keySet.path("keys");
  }

  private Optional<JsonNode> storedLicenseFile() {
    try {
      return Optional.of(parseLicenseFile(read("license-file")));
    } catch (VerificationException noValidFile) {
      return Optional.empty();
    }
  }

  private static JsonNode parseLicenseFile(String text) throws VerificationException {
    JsonNode file;
    try {
      file = JSON.readTree(text);
    } catch (IOException notJson) {
      throw new VerificationException("not a license file", notJson);
    }
    if (!isText(file.path("format"), "signet-license/1")) {
      throw new VerificationException("not a license file of a known format");
    }
    for (String name : List.of("issuer", "product", "token", "signed_jwks")) {
      if (!file.path(name).isTextual()) throw new VerificationException(name + " of the license file must be a string");
    }
    return file;
  }

  /** Returns the {@code iat} of a license file's token without verifying it, or 0. */
  private static long issueTime(JsonNode file) {
    try {
      return integer(JSON.readTree(decode(file.path("token").textValue().split("\\.")[1])), "iat");
    } catch (IOException | VerificationException | RuntimeException damaged) {
      return 0;
    }
  }

  private JsonNode storedKeySet() {
    try {
      return verifySignature(read("jwks.jwt"), rootKeys, KEY_SET_TYPE);
    } catch (VerificationException noValidKeySet) {
      return JSON.createObjectNode();
    }
  }

  /** Returns the claims of an RS256 JWT of this type and issuer, signed by one of the keys. */
  private JsonNode verifySignature(String jwt, JsonNode keys, String typ) throws VerificationException {
    try {
      String[] parts = jwt.split("\\.", -1);
      if (parts.length != 3) throw new VerificationException("a JWT has three parts");
      JsonNode header = JSON.readTree(decode(parts[0]));
      if (!isText(header.path("alg"), "RS256")) throw new VerificationException("alg must be RS256");
      if (!isText(header.path("typ"), typ)) throw new VerificationException("typ must be " + typ);
      if (header.has("crit")) throw new VerificationException("crit is not supported");

      var signature = Signature.getInstance("SHA256withRSA");
      signature.initVerify(findKey(keys, header.path("kid")));
      signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
      if (!signature.verify(decode(parts[2]))) throw new VerificationException("the signature is wrong");

      JsonNode claims = JSON.readTree(decode(parts[1]));
      if (!isText(claims.path("iss"), issuer)) throw new VerificationException("iss is another issuer");
      return claims;
    } catch (IOException | GeneralSecurityException | IllegalArgumentException error) {
      throw new VerificationException("invalid " + typ + ": " + error.getMessage(), error);
    }
  }

  private static PublicKey findKey(JsonNode keys, JsonNode kid) throws UnknownKeyException, GeneralSecurityException {
    for (JsonNode key : keys) {
      if (!key.path("kid").equals(kid)) continue;
      var spec = new RSAPublicKeySpec(unsigned(key.path("n")), unsigned(key.path("e")));
      return KeyFactory.getInstance("RSA").generatePublic(spec);
    }
    throw new UnknownKeyException();
  }

  private long lastSeen() {
    String text = read("last-seen");
    return text.matches("[0-9]{1,15}") ? Long.parseLong(text) : 0;
  }

  private void recordTime(long time) {
    try {
      write("last-seen", Long.toString(time));
    } catch (IOException ignored) {
      // A directory that is not writable must not stop the app.
    }
  }

  private String read(String name) {
    try {
      return Files.readString(directory.resolve(name));
    } catch (IOException missingOrUnreadable) {
      return "";
    }
  }

  /** Replaces a file atomically. */
  private void write(String name, String text) throws IOException {
    Path temporary = directory.resolve(name + "." + UUID.randomUUID());
    try {
      Files.writeString(temporary, text);
      Files.move(temporary, directory.resolve(name), StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private static boolean isText(JsonNode node, String text) {
    return node.isTextual() && node.textValue().equals(text);
  }

  private static long integer(JsonNode claims, String name) throws VerificationException {
    JsonNode value = claims.path(name);
    if (!value.canConvertToLong() || !value.isIntegralNumber()) {
      throw new VerificationException("claim " + name + " must be an integer");
    }
    return value.longValue();
  }

  private static byte[] decode(String base64Url) {
    return Base64.getUrlDecoder().decode(base64Url);
  }

  private static BigInteger unsigned(JsonNode base64Url) {
    return new BigInteger(1, decode(base64Url.asText()));
  }
}
