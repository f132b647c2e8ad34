package io.github.signetlicensing.client;

import java.util.Optional;

/** What is stored, and the state that follows from it. Immutable. */
final class Stored {
  final Optional<TokenRecord> record;
  final Optional<KeySet> keys;
  final Optional<Refusal> refusal;
  final Optional<String> licenseKey;

  /** The token of the record, if it is accepted. */
  final Optional<Token> token;

  /** Whether the token of the record is from a license file. */
  final boolean isFromFile;

  private Stored(
      Optional<TokenRecord> record,
      Optional<KeySet> keys,
      Optional<Refusal> refusal,
      Optional<String> licenseKey,
      Optional<LicenseFile> file,
      Optional<Token> token) {
    this.record = record;
    this.keys = keys;
    this.refusal = refusal;
    this.licenseKey = licenseKey;
    this.isFromFile = file.isPresent();
    this.token = token;
  }

  /**
   * Reads all files, and verifies the key set and the token.
   *
   * @param latest the later of the time and the wall clock
   */
  static Stored read(Store store, Config config, Identity identity, double latest) {
    Optional<TokenRecord> record = store.read(Store.TOKEN).flatMap(TokenRecord::parse);
    Optional<KeySet> keys = store.read(Store.KEYS).flatMap(text -> KeySet.verify(text, config));
    Optional<LicenseFile> file = record.flatMap(Stored::fileOf);
    Optional<Token> token =
        file.isPresent()
            ? file.get().verify(config, identity, latest)
            : record.flatMap(
                stored -> keys.flatMap(set -> Token.verify(stored.token, set, config, identity)));
    Optional<Refusal> refusal = store.read(Store.REFUSAL).flatMap(Refusal::parse);
    Optional<String> licenseKey =
        store.read(Store.LICENSE_KEY).map(String::strip).filter(key -> !key.isEmpty());
    return new Stored(record, keys, refusal, licenseKey, file, token);
  }

  /** Returns the license file of a record, if the token of the record is the one of the file. */
  private static Optional<LicenseFile> fileOf(TokenRecord record) {
    return record
        .licenseFile
        .flatMap(LicenseFile::parse)
        .filter(file -> file.tokenText.equals(record.token));
  }

  /** Returns the id of the stored refusal. */
  Optional<String> refusalId() {
    return refusal.map(stored -> stored.id);
  }

  /** Returns the {@code nbf} of the accepted token, or 0. */
  long notBefore() {
    return token.map(accepted -> accepted.notBefore).orElse(0L);
  }

  /** Returns whether the background task has to activate. */
  boolean hasToActivate() {
    boolean isMissing =
        refusal.isPresent() ? RefusalCodes.isRetried(refusal.get().code) : token.isEmpty();
    return isMissing && licenseKey.isPresent();
  }

  /** Returns whether the stored token was signed by a key that is not in the stored set. */
  boolean isKeyUnknown() {
    Optional<Jws> jws = record.flatMap(stored -> Jws.parse(stored.token, Token.TYPE));
    return !isFromFile
        && (keys.isEmpty() || jws.filter(token -> !keys.get().hasKeyOf(token)).isPresent());
  }

  /**
   * Returns the state. The first rule that applies decides.
   *
   * @param reason why there is no token, or no newer one
   */
  State state(Clock clock, String reason) {
    if (refusal.isPresent()) return State.refused(refusal.get().code, refusal.get().retryAt);
    if (token.isEmpty()) return State.unactivated(licenseKey.map(key -> reason));
    if (clock.isTampered()) return State.clockTampered();
    if (clock.time > token.get().offlineUntil) return State.expired(token.get().offlineUntil);
    if (clock.time > token.get().expiresAt) return State.offline(token.get().offlineUntil, reason);
    return State.active(token.get().expiresAt, record.get().inGrace, record.get().graceEndsAt);
  }
}
