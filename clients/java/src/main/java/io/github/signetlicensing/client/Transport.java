package io.github.signetlicensing.client;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/** Sends HTTP requests. */
interface Transport {
  /** The app ended a request. */
  class CancelledException extends IOException {
    private static final long serialVersionUID = 1L;

    CancelledException(String message) {
      super(message);
    }
  }

  /** The app closed the client during a request. */
  final class ClosedException extends CancelledException {
    private static final long serialVersionUID = 1L;

    ClosedException() {
      super("the client is closed");
    }
  }

  /**
   * Sends a request and waits for the response.
   *
   * @param path the path, from the first slash
   * @param body the JSON text that is posted; a request without a body is a GET
   * @param timeout limit for the whole exchange, empty for the default
   * @throws IOException if there is no complete response
   */
  Reply send(String path, Optional<String> body, Optional<Duration> timeout) throws IOException;
}
