package io.github.signetlicensing.client;

import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.DoubleSupplier;
import java.util.stream.DoubleStream;

/**
 * Decides when the requests of the background task are due. Times are those of {@link Clock#time}.
 */
final class Schedule {
  private static final double NOW = Double.NEGATIVE_INFINITY;
  private static final double HOUR = 3_600;
  private static final double DAY = 86_400;

  private final DoubleSupplier random;

  /** No request is sent earlier: processes that start together do not send together. */
  private double start = NOW;

  /** Failures since the last success or refusal, and when the next try is due. */
  private int failures;

  private OptionalDouble nextTry = OptionalDouble.empty();

  /** When the next fetch of the key set is due, if this process has fetched it. */
  private OptionalDouble nextFetch = OptionalDouble.empty();

  /** The refusal that {@link #refusalDelay} was drawn for. */
  private Optional<String> refusalId = Optional.empty();

  private double refusalDelay;

  /** The refusal that was stored when the client opened, until this process has asked about it. */
  private Optional<String> refusalAtOpen = Optional.empty();

  /** The stored time of the next heartbeat, as far as this process knows. */
  private long nextHeartbeatAt;

  /** Whether the app gave its seat back: the background task does not take it again. */
  private boolean isReleased;

  /** Random numbers are from 0 up to 1. */
  Schedule(DoubleSupplier random) {
    this.random = random;
  }

  /** Delays the first request, if one is due when the client opens. */
  void open(Stored stored, Clock clock) {
    notice(stored, clock.time);
    refusalAtOpen = stored.refusalId();
    OptionalDouble next = next(stored, clock);
    if (next.isPresent() && next.getAsDouble() == 0) start = clock.time + random.getAsDouble() * 5;
  }

  /** Allows the background task to activate again. */
  void resume() {
    isReleased = false;
  }

  /**
   * Takes notice of what another process has stored: its success or refusal ends the failures of
   * this one.
   */
  void notice(Stored stored, double now) {
    long next = stored.record.map(record -> record.nextHeartbeatAt).orElse(0L);
    if (next != nextHeartbeatAt && next > now) settle();
    nextHeartbeatAt = next;
    if (stored.token.isPresent()) isReleased = false;
    if (refusalId.equals(stored.refusalId())) return;
    refusalId = stored.refusalId();
    refusalDelay = random.getAsDouble() * 60;
    if (refusalId.isPresent()) settle();
  }

  /** Returns when the next request is due, at the earliest now. */
  OptionalDouble nextAt(Stored stored, Clock clock) {
    double keys = keysDue(stored).orElse(Double.MAX_VALUE);
    double request = requestDue(stored, clock).orElse(Double.MAX_VALUE);
    double next = Math.min(keys, request);
    return next == Double.MAX_VALUE
        ? OptionalDouble.empty()
        : OptionalDouble.of(Math.max(next, clock.time));
  }

  /** Returns the seconds until the next request, 0 if one is due. */
  OptionalDouble next(Stored stored, Clock clock) {
    OptionalDouble next = nextAt(stored, clock);
    return next.isPresent() ? OptionalDouble.of(next.getAsDouble() - clock.time) : next;
  }

  /**
   * Returns the seconds until the next run of the background task: until the next request, or until
   * the token has ended, which is a change of the state.
   */
  OptionalDouble nextRun(Stored stored, Clock clock) {
    DoubleStream ends =
        stored.token.stream()
            .flatMapToDouble(token -> DoubleStream.of(token.expiresAt, token.offlineUntil))
            .map(end -> end + 1 - clock.time)
            .filter(seconds -> seconds > 0);
    return DoubleStream.concat(ends, next(stored, clock).stream()).min();
  }

  boolean areKeysDue(Stored stored, Clock clock) {
    return keysDue(stored).orElse(Double.MAX_VALUE) <= clock.time;
  }

  boolean isRequestDue(Stored stored, Clock clock) {
    return requestDue(stored, clock).orElse(Double.MAX_VALUE) <= clock.time;
  }

  /** Returns when the fetch of the key set is due. */
  private OptionalDouble keysDue(Stored stored) {
    boolean isNeeded = stored.refusal.isEmpty() && stored.record.isPresent();
    if (!isNeeded || stored.keys.isEmpty() && stored.isFromFile) return OptionalDouble.empty();
    if (nextFetch.isPresent()) return nextFetch;
    return OptionalDouble.of(
        Math.max(start, stored.isKeyUnknown() ? NOW : stored.keys.get().issuedAt + DAY));
  }

  /** Returns when the heartbeat or the activation is due. */
  private OptionalDouble requestDue(Stored stored, Clock clock) {
    OptionalDouble due = OptionalDouble.empty();
    if (stored.refusal.isEmpty() && stored.token.isPresent()) {
      due =
          OptionalDouble.of(
              nextTry.orElse(clock.isTampered() ? NOW : stored.record.get().nextHeartbeatAt));
    } else if (stored.hasToActivate() && !isReleased) {
      double retry = stored.refusal.map(this::retryOf).orElse(NOW);
      due = OptionalDouble.of(Math.max(retry, nextTry.orElse(NOW)));
    }
    return due.isPresent() ? OptionalDouble.of(Math.max(start, due.getAsDouble())) : due;
  }

  /** Returns when an activation is tried again after a refusal. */
  private double retryOf(Refusal refusal) {
    if (refusalAtOpen.equals(Optional.of(refusal.id))) return NOW;
    return refusal
            .retryAt
            .filter(at -> at > refusal.at)
            .map(Long::doubleValue)
            .orElse(refusal.at + HOUR)
        + refusalDelay;
  }

  /**
   * Returns when the heartbeat after a token that is going to be stored is due, rounded down.
   *
   * @param proposed the time that the API proposes
   */
  long nextHeartbeat(double now, Token token, OptionalDouble proposed) {
    double delay = proposed.orElse(now) - now;
    if (delay < 1 || delay > 2.0 * token.heartbeatInterval) delay = token.heartbeatInterval;
    nextHeartbeatAt = (long) (now + delay + random.getAsDouble() * delay / 10);
    return nextHeartbeatAt;
  }

  /** Ends the failures: a request was a success or a refusal. */
  void settle() {
    refusalAtOpen = Optional.empty();
    failures = 0;
    nextTry = OptionalDouble.empty();
  }

  /**
   * Counts a failure. The next try is due after a random delay, and not before {@code retryAfter}
   * seconds.
   */
  void fail(Stored stored, double now, double retryAfter) {
    double limit =
        stored
            .token
            .map(token -> Math.min(Math.max(token.heartbeatInterval, 60), HOUR))
            .orElse(HOUR);
    double delay = Math.max(1, random.getAsDouble() * Math.min(10 * Math.pow(2, failures), limit));
    nextTry = OptionalDouble.of(now + Math.max(delay, retryAfter));
    failures++;
    refusalAtOpen = Optional.empty();
  }

  void fetched(boolean isSuccess, double now) {
    nextFetch = OptionalDouble.of(now + (isSuccess ? DAY + random.getAsDouble() * HOUR : HOUR));
  }

  /** Prevents that the background task activates, until {@link #resume} or a token is stored. */
  void release() {
    isReleased = true;
  }

  /** Moves the due times with a clock that was set back by {@code seconds}. */
  void moveBack(double seconds) {
    start -= seconds;
    if (nextTry.isPresent()) nextTry = OptionalDouble.of(nextTry.getAsDouble() - seconds);
    if (nextFetch.isPresent()) nextFetch = OptionalDouble.of(nextFetch.getAsDouble() - seconds);
  }
}
