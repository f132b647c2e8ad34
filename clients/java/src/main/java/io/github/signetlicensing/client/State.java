package io.github.signetlicensing.client;

import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/** The state of a license. Immutable; two states are equal if all their fields are. */
public final class State {
  /** The name of a state. */
  public enum Kind {
    /**
     * The license is valid: {@link #until}, {@link #inGrace}, {@link #graceEndsAt}. The app may
     * run.
     */
    ACTIVE("Active"),
    /**
     * The token was not renewed in time: {@link #until}, {@link #reason}. The app may run, and says
     * so.
     */
    OFFLINE("Offline"),
    /**
     * The license or its offline time has ended: {@link #since}. {@link License#refresh} asks the
     * API for the reason.
     */
    EXPIRED("Expired"),
    /** The API refused the license: {@link #code}, {@link #retryAt}. */
    REFUSED("Refused"),
    /**
     * There is no token for this machine: {@link #hasLicenseKey}, {@link #reason}. If a license key
     * is stored, the app does not ask for one.
     */
    UNACTIVATED("Unactivated"),
    /** The clock of the machine was set back by more than a day. */
    CLOCK_TAMPERED("ClockTampered");

    private final String text;

    Kind(String text) {
      this.text = text;
    }

    /** Returns the name, such as {@code ClockTampered}. */
    @Override
    public String toString() {
      return text;
    }
  }

  /** Reason: no request was tried yet. */
  static final String NOT_CONTACTED = "not_contacted";

  /** Reason: there was no response. */
  static final String NETWORK = "network";

  /** Reason: the response was a success without a valid token. */
  static final String INVALID_RESPONSE = "invalid_response";

  private final Kind kind;
  private final Long time;
  private final boolean flag;
  private final Long laterTime;
  private final String text;

  /**
   * @param time the time of the kind: {@code until} or {@code since}
   * @param flag {@code inGrace} or {@code hasLicenseKey}
   * @param laterTime {@code graceEndsAt} or {@code retryAt}
   * @param text {@code reason} or {@code code}
   */
  private State(Kind kind, Long time, boolean flag, Long laterTime, String text) {
    this.kind = kind;
    this.time = time;
    this.flag = flag;
    this.laterTime = laterTime;
    this.text = text;
  }

  static State active(long until, boolean inGrace, Optional<Long> graceEndsAt) {
    return new State(Kind.ACTIVE, until, inGrace, graceEndsAt.orElse(null), null);
  }

  static State offline(long until, String reason) {
    return new State(Kind.OFFLINE, until, false, null, reason);
  }

  static State expired(long since) {
    return new State(Kind.EXPIRED, since, false, null, null);
  }

  static State refused(String code, Optional<Long> retryAt) {
    return new State(Kind.REFUSED, null, false, retryAt.orElse(null), code);
  }

  /**
   * @param reason why there is no token yet, if a license key is stored
   */
  static State unactivated(Optional<String> reason) {
    return new State(Kind.UNACTIVATED, null, reason.isPresent(), null, reason.orElse(null));
  }

  static State clockTampered() {
    return new State(Kind.CLOCK_TAMPERED, null, false, null, null);
  }

  /**
   * Returns which of the six states this is.
   *
   * @return the kind
   */
  public Kind kind() {
    return kind;
  }

  /**
   * Returns whether the app may run: in the states {@code Active} and {@code Offline}.
   *
   * @return true if the app may run
   */
  public boolean mayRun() {
    return kind == Kind.ACTIVE || kind == Kind.OFFLINE;
  }

  /**
   * Returns until when the state lasts without a newer token.
   *
   * @return the time, in the states {@code Active} and {@code Offline}
   */
  public Optional<Instant> until() {
    return mayRun() ? instant(time) : Optional.empty();
  }

  /**
   * Returns since when the license has been expired.
   *
   * @return the time, in the state {@code Expired}
   */
  public Optional<Instant> since() {
    return kind == Kind.EXPIRED ? instant(time) : Optional.empty();
  }

  /**
   * Returns whether the license key has expired and is still honored.
   *
   * @return true only in the state {@code Active}
   */
  public boolean inGrace() {
    return kind == Kind.ACTIVE && flag;
  }

  /**
   * Returns until when an expired license key is honored.
   *
   * @return the time, in the state {@code Active} during the grace
   */
  public Optional<Instant> graceEndsAt() {
    return kind == Kind.ACTIVE ? instant(laterTime) : Optional.empty();
  }

  /**
   * Returns why there is no newer token, or none yet: {@code not_contacted}, {@code network},
   * {@code http_NNN} or {@code invalid_response}.
   *
   * @return the reason, in the state {@code Offline}, and in {@code Unactivated} if a license key
   *     is stored
   */
  public Optional<String> reason() {
    return kind == Kind.REFUSED ? Optional.empty() : Optional.ofNullable(text);
  }

  /**
   * Returns why the license was refused, such as {@code revoked}, {@code seat_limit_reached} or
   * {@code wrong_product}.
   *
   * @return the code, in the state {@code Refused}
   */
  public Optional<String> code() {
    return kind == Kind.REFUSED ? Optional.of(text) : Optional.empty();
  }

  /**
   * Returns when a seat becomes free at the earliest.
   *
   * @return the time, in the state {@code Refused} with the code {@code seat_limit_reached}, if the
   *     API said it
   */
  public Optional<Instant> retryAt() {
    return kind == Kind.REFUSED ? instant(laterTime) : Optional.empty();
  }

  /**
   * Returns whether a license key is stored, with which the background task or {@link
   * License#refresh} activates.
   *
   * @return true only in the state {@code Unactivated}
   */
  public boolean hasLicenseKey() {
    return kind == Kind.UNACTIVATED && flag;
  }

  /**
   * Returns whether an app wants to know of the change from another state: any change but that of
   * {@code until}.
   */
  boolean differsFrom(State other) {
    if (kind == Kind.ACTIVE && other.kind == Kind.ACTIVE) {
      return flag != other.flag || !Objects.equals(laterTime, other.laterTime);
    }
    return !equals(other);
  }

  private static Optional<Instant> instant(Long seconds) {
    return Optional.ofNullable(seconds).map(Instant::ofEpochSecond);
  }

  @Override
  public boolean equals(Object object) {
    if (!(object instanceof State)) return false;
    State other = (State) object;
    return kind == other.kind
        && flag == other.flag
        && Objects.equals(time, other.time)
        && Objects.equals(laterTime, other.laterTime)
        && Objects.equals(text, other.text);
  }

  @Override
  public int hashCode() {
    return Objects.hash(kind, time, flag, laterTime, text);
  }

  /**
   * Returns the state with its fields, such as {@code Offline until 2026-01-18T13:00:00Z
   * (network)}.
   */
  @Override
  public String toString() {
    StringBuilder line = new StringBuilder(kind.toString());
    until().ifPresent(time -> line.append(" until ").append(time));
    since().ifPresent(time -> line.append(" since ").append(time));
    if (inGrace()) line.append(", in grace");
    graceEndsAt().ifPresent(time -> line.append(" until ").append(time));
    String key = hasLicenseKey() ? "a license key is stored; " : "";
    if (text != null) line.append(" (").append(key).append(text).append(")");
    retryAt().ifPresent(time -> line.append(", retry at ").append(time));
    return line.toString();
  }
}
