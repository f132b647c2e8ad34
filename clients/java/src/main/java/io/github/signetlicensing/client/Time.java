package io.github.signetlicensing.client;

/** The clocks of the machine, in seconds. */
interface Time {
  /** Returns the seconds since 1970 of the wall clock, which can be set. */
  double wall();

  /** Returns the seconds of a clock that only goes forward, from any start. */
  double monotonic();
}
