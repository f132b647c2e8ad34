package io.github.signetlicensing.client;

import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;

/** Reads and writes files in a thread that the app interrupts. Channels of the JDK fail then. */
final class Uninterrupted {
  /** Reads or writes a file, as often as it is called. */
  interface Action<T> {
    T perform() throws IOException;
  }

  private Uninterrupted() {}

  /** Performs an action without an interrupt, and restores the interrupt afterwards. */
  static <T> T perform(Action<T> action) throws IOException {
    boolean isInterrupted = Thread.interrupted();
    try {
      while (true) {
        try {
          return action.perform();
        } catch (ClosedByInterruptException interrupt) {
          Thread.interrupted();
          isInterrupted = true;
        }
      }
    } finally {
      if (isInterrupted) Thread.currentThread().interrupt();
    }
  }
}
