package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.util.Optional;

/**
 * The time of the client. It does not go back when the wall clock is set back, and counts by how
 * much that was.
 *
 * <p>Immutable. All fields are seconds.
 */
final class Clock {
  /** Difference between two clocks that does not count as a set-back. */
  private static final double TOLERANCE = 60;

  /** Sum of set-backs up to which the app may run. */
  private static final double MAX_SET_BACK = 86_400;

  /** By how much the clocks of the servers of the API can differ. */
  private static final double MAX_SERVER_DIFFERENCE = 300;

  /** The time. */
  final double time;

  /** How far the wall clock is behind {@link #time}; negative if it is known to be ahead. */
  final double behind;

  /** Sum of all set-backs since {@link #reference}. */
  final double setBack;

  /** The last signed time, the {@code iat} of a token; 0 if there was none. */
  final double reference;

  Clock(double time, double behind, double setBack, double reference) {
    this.time = time;
    this.behind = behind;
    this.setBack = setBack;
    this.reference = reference;
  }

  /**
   * Returns the clock of a client that has stored none.
   *
   * @param reference the {@code iat} of the accepted token, or 0
   */
  static Clock start(double wall, double reference) {
    return new Clock(wall, 0, 0, reference);
  }

  /**
   * Returns the clock after an observation.
   *
   * @param wall the wall clock
   * @param elapsed seconds of the monotonic clock since the previous observation
   * @param notBefore the {@code nbf} of the accepted token, or 0
   */
  Clock observe(double wall, double elapsed, double notBefore) {
    double expected = Math.max(time + elapsed, notBefore);
    double difference = expected - wall;
    if (difference >= TOLERANCE) return observeBehind(expected, difference);
    if (difference <= -TOLERANCE && behind < 0) return observeAhead(expected, wall);
    return new Clock(Math.max(expected, wall), 0, setBack, reference);
  }

  /** The wall clock is behind: counts by how much it is more than before. */
  private Clock observeBehind(double expected, double difference) {
    double known = Math.max(behind, 0);
    if (difference > known + TOLERANCE) {
      return new Clock(expected, difference, setBack + difference - known, reference);
    }
    return new Clock(expected, Math.min(known, difference), setBack, reference);
  }

  /** The wall clock is known to be ahead: corrects it, and counts by how much it was set back. */
  private Clock observeAhead(double expected, double wall) {
    double corrected = wall + behind;
    double difference = expected - corrected;
    double counted = difference > TOLERANCE ? difference : 0;
    return new Clock(
        Math.max(expected, corrected),
        Math.max(behind, expected - wall),
        setBack + counted,
        reference);
  }

  /** Returns the clock after a response with a token that was signed at {@code issuedAt}. */
  Clock acceptResponse(long issuedAt, long expiresAt, double wall) {
    if (issuedAt <= reference) return this;
    return wall <= expiresAt
        ? signed(issuedAt, wall)
        : new Clock(issuedAt, issuedAt - wall, 0, issuedAt);
  }

  /**
   * Returns the clock after the import of a license file whose token was signed at {@code
   * issuedAt}.
   */
  Clock acceptLicenseFile(long issuedAt, double wall) {
    return issuedAt <= reference ? this : signed(issuedAt, wall);
  }

  private static Clock signed(long issuedAt, double wall) {
    if (wall >= issuedAt - TOLERANCE) return new Clock(wall, 0, 0, issuedAt);
    return new Clock(issuedAt, issuedAt - wall, 0, issuedAt);
  }

  /**
   * Returns whether a token of a response is too old to be an answer to a request that was just
   * sent.
   */
  boolean isReplay(long issuedAt) {
    return issuedAt < reference - MAX_SERVER_DIFFERENCE;
  }

  boolean isTampered() {
    return setBack > MAX_SET_BACK;
  }

  /** Returns the clock with the set-backs that another process of the same storage has seen. */
  Clock merge(Clock other) {
    if (other.reference > reference) return other;
    if (other.reference < reference) return this;
    boolean hasMoreSetBacks = other.setBack > setBack;
    return new Clock(
        Math.max(time, other.time),
        hasMoreSetBacks ? other.behind : behind,
        Math.max(setBack, other.setBack),
        reference);
  }

  /** Returns the clock as it is stored: no later than the second after the end of the token. */
  Clock limitTo(Optional<Token> token) {
    double limit = token.map(accepted -> accepted.offlineUntil + 1.0).orElse(Double.MAX_VALUE);
    return new Clock(Math.min(time, limit), behind, setBack, reference);
  }

  String toJson() {
    JsonObject json = new JsonObject();
    json.addProperty("last_seen", (long) time);
    json.addProperty("behind", (long) behind);
    json.addProperty("set_back", (long) setBack);
    json.addProperty("reference", (long) reference);
    return json.toString();
  }

  /** Returns a stored clock, or nothing if the text has another format. */
  static Optional<Clock> parse(String text) {
    JsonObject json = Json.parse(text).orElse(new JsonObject());
    Optional<Long> time = Json.time(json, "last_seen");
    Optional<Long> behind = Json.seconds(json, "behind");
    Optional<Long> setBack = Json.time(json, "set_back");
    Optional<Long> reference = Json.time(json, "reference");
    if (time.isEmpty() || behind.isEmpty() || setBack.isEmpty() || reference.isEmpty())
      return Optional.empty();
    return Optional.of(new Clock(time.get(), behind.get(), setBack.get(), reference.get()));
  }
}
