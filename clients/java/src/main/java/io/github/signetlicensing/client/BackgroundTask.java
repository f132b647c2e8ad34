package io.github.signetlicensing.client;

import java.util.OptionalDouble;
import java.util.function.Supplier;

/** A daemon thread that runs a task when it is due, and at least once a minute. */
final class BackgroundTask {
  /**
   * Longest wait in seconds. Timers stop while a computer sleeps, so the clock is looked at
   * regularly.
   */
  private static final double MAX_WAIT = 60;

  /** Shortest wait in seconds. */
  private static final double MIN_WAIT = 1;

  private final Supplier<OptionalDouble> task;
  private boolean isWoken;
  private boolean isStopped;

  /**
   * Creates a task that is not started.
   *
   * @param task returns the seconds until its next run
   */
  BackgroundTask(Supplier<OptionalDouble> task) {
    this.task = task;
  }

  /** Starts the thread. The first run is after {@code delay} seconds. */
  void start(OptionalDouble delay) {
    Thread thread = new Thread(() -> loop(delay), "signet-client");
    thread.setDaemon(true);
    thread.start();
  }

  /** Runs the task now, for example because the next request is due at another time. */
  synchronized void wake() {
    isWoken = true;
    notifyAll();
  }

  /** Ends the thread after the present run. Does not wait for it. */
  synchronized void stop() {
    isStopped = true;
    notifyAll();
  }

  private void loop(OptionalDouble delay) {
    OptionalDouble wait = delay;
    while (sleep(Math.min(Math.max(wait.orElse(MAX_WAIT), MIN_WAIT), MAX_WAIT))) {
      try {
        wait = task.get();
      } catch (Throwable error) { // An error must not reach the app, nor end the thread.
        wait = OptionalDouble.empty();
      }
    }
  }

  /** Waits for the seconds, or until the task is woken. Returns false if it was stopped. */
  private synchronized boolean sleep(double seconds) {
    long end = System.nanoTime() + (long) (seconds * 1e9);
    while (!isStopped && !isWoken) {
      long millis = (end - System.nanoTime()) / 1_000_000;
      if (millis <= 0) break;
      try {
        wait(millis);
      } catch (InterruptedException ignored) {
        // Only stop() ends the thread.
      }
    }
    isWoken = false;
    return !isStopped;
  }
}
