package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.util.Optional;

/** A license file: a token, and the key set that verifies this token and no other. */
final class LicenseFile {
  private static final String FORMAT = "signet-license/1";

  /** For how long after its signing the key set of a file is accepted by an import: 400 days. */
  private static final long MAX_KEY_SET_AGE = 400 * 86_400L;

  /** The text of the token, which is not verified. */
  final String tokenText;

  private final String keySetText;

  private LicenseFile(String tokenText, String keySetText) {
    this.tokenText = tokenText;
    this.keySetText = keySetText;
  }

  /** Returns a text without the byte order mark that some editors put before it. */
  static String withoutByteOrderMark(String text) {
    return text.startsWith("\uFEFF") ? text.substring(1) : text;
  }

  /** Reads a file of this issuer and product. */
  static Optional<LicenseFile> parse(String text, Config config) {
    JsonObject json = Json.parse(text).orElse(new JsonObject());
    boolean isOfApp =
        Json.string(json, "format").equals(Optional.of(FORMAT))
            && Json.string(json, "issuer").equals(Optional.of(config.issuer()))
            && Json.string(json, "product").equals(Optional.of(config.product()));
    Optional<String> token = Json.string(json, "token");
    Optional<String> keySet = Json.string(json, "signed_jwks");
    if (!isOfApp || token.isEmpty() || keySet.isEmpty()) return Optional.empty();
    return Optional.of(new LicenseFile(token.get(), keySet.get()));
  }

  /** Verifies the token, whatever its times. */
  Optional<Token> verify(Config config, Identity identity) {
    return KeySet.verify(keySetText, config)
        .flatMap(keys -> Token.verify(tokenText, keys, config, identity));
  }

  /**
   * Verifies the token for an import: neither the key set nor the token has ended at {@code now},
   * nor at {@code wall}.
   */
  Optional<Token> verifyForImport(Config config, Identity identity, double now, double wall) {
    Optional<KeySet> keys =
        KeySet.verify(keySetText, config).filter(set -> now <= set.issuedAt + MAX_KEY_SET_AGE);
    return keys.flatMap(set -> Token.verify(tokenText, set, config, identity))
        .filter(token -> Math.max(now, wall) <= token.offlineUntil);
  }
}
