package io.github.signetlicensing.client;

/** The clocks of the JVM. */
final class SystemTime implements Time {
  @Override
  public double wall() {
    return System.currentTimeMillis() / 1e3;
  }

  @Override
  public double monotonic() {
    return System.nanoTime() / 1e9;
  }
}
