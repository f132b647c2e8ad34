package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.time.Instant;
import java.util.Optional;

/** A license file: a token, and the key set that verifies this token and no other. */
final class LicenseFile {
  private static final String FORMAT = "signet-license/1";

  /** For how long after its signing the key set of a file is accepted: 400 days. */
  private static final long MAX_KEY_SET_AGE = 400 * 86_400L;

  private final String issuer;
  private final String product;

  /** The text of the token, which is not verified. */
  final String tokenText;

  private final String keySetText;

  private LicenseFile(String issuer, String product, String tokenText, String keySetText) {
    this.issuer = issuer;
    this.product = product;
    this.tokenText = tokenText;
    this.keySetText = keySetText;
  }

  /** Returns a text without the byte order mark that some editors put before it. */
  static String withoutByteOrderMark(String text) {
    return text.startsWith("\uFEFF") ? text.substring(1) : text;
  }

  /** Reads a file, without verifying it. */
  static Optional<LicenseFile> parse(String text) {
    JsonObject json = Json.parse(text).orElse(new JsonObject());
    Optional<String> issuer = Json.string(json, "issuer");
    Optional<String> product = Json.string(json, "product");
    Optional<String> token = Json.string(json, "token");
    Optional<String> keySet = Json.string(json, "signed_jwks");
    boolean isFile = Json.string(json, "format").equals(Optional.of(FORMAT));
    if (!isFile || issuer.isEmpty() || product.isEmpty() || token.isEmpty() || keySet.isEmpty())
      return Optional.empty();
    return Optional.of(new LicenseFile(issuer.get(), product.get(), token.get(), keySet.get()));
  }

  /**
   * Verifies the token, whatever its times.
   *
   * @param latest the later of the time and the wall clock
   */
  Optional<Token> verify(Config config, Identity identity, double latest) {
    return readKeySet(config, latest)
        .filter(keys -> product.equals(config.product()))
        .flatMap(keys -> Token.verify(tokenText, keys, config, identity));
  }

  /** Returns the key set, if the file is of the issuer and its key set is not too old. */
  private Optional<KeySet> readKeySet(Config config, double latest) {
    if (!issuer.equals(config.issuer())) return Optional.empty();
    return KeySet.verify(keySetText, config)
        .filter(keys -> latest <= keys.issuedAt + MAX_KEY_SET_AGE);
  }

  /**
   * Verifies the token for an import: neither the key set nor the token has ended.
   *
   * @param latest the later of the time and the wall clock
   * @throws LicenseException with the first of the reasons that applies
   */
  Token verifyForImport(Config config, Identity identity, double latest) throws LicenseException {
    if (Jws.parse(keySetText).filter(jwt -> KeySet.isSigned(jwt, config)).isEmpty())
      throw invalid("its " + KeySet.UNSIGNED);
    SignedToken signed =
        readKeySet(config, latest)
            .flatMap(keys -> SignedToken.verify(tokenText, keys, config, identity))
            .orElseThrow(() -> invalid("its token is not valid"));
    String namedProduct = signed.isOfProduct ? product : signed.product;
    if (!namedProduct.equals(config.product()))
      throw invalid("it is for the product " + Text.quoteProduct(namedProduct));
    if (!signed.isOfMachine) throw invalid("it is for another machine");
    long end = signed.token.offlineUntil;
    if (latest > end) throw invalid("it ended at " + Instant.ofEpochSecond(end));
    return signed.token;
  }

  /** Returns the error of a file that is not valid. */
  static LicenseException invalid(String reason) {
    return notImported(LicenseException.LICENSE_FILE_INVALID, reason);
  }

  /** Returns the error of a file that was made before the license was refused. */
  static LicenseException olderThan(Refusal refusal) {
    return notImported(refusal.code, "it is older than the refusal " + refusal.code);
  }

  private static LicenseException notImported(String code, String reason) {
    return new LicenseException(code, "the license file was not imported: " + reason);
  }
}
