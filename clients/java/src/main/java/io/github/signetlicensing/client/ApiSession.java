package io.github.signetlicensing.client;

import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.DoubleSupplier;
import java.util.function.Supplier;

/** Sends requests, and remembers for support when a response came and which request failed. */
final class ApiSession {
  private final Transport transport;
  private final DoubleSupplier time;
  private final Supplier<Stored> stored;

  private volatile Optional<Instant> lastContact = Optional.empty();
  private volatile Optional<String> lastFailure = Optional.empty();

  /**
   * @param time observes the clock, and returns the time
   * @param stored returns what is stored, whose secrets are not shown
   */
  ApiSession(Transport transport, DoubleSupplier time, Supplier<Stored> stored) {
    this.transport = transport;
    this.time = time;
    this.stored = stored;
  }

  /** Returns when the last response came. */
  Optional<Instant> lastContact() {
    return lastContact;
  }

  /** Returns which request was the last one that did not succeed, and why, in one line. */
  Optional<String> lastFailure() {
    return lastFailure;
  }

  Reply send(Request request) {
    return send(request, Optional.empty());
  }

  /** Sends a request within a time, or that of the options. */
  Reply send(Request request, Optional<Duration> timeout) {
    try {
      Optional<String> body = request.body.map(Object::toString);
      Reply reply = transport.send(request.path, body, timeout);
      noteContact();
      return reply;
    } catch (IOException noResponse) {
      return Reply.none(noResponse);
    }
  }

  /** Notes that a response came now. */
  void noteContact() {
    lastContact = Optional.of(now());
  }

  /** Returns why a response is no success, and notes it. */
  Failure fail(Request request, Reply reply) {
    return note(request, Failure.of(request, reply, redactionFor(request)));
  }

  /** Returns why a response cannot be verified, and notes it. */
  Failure failVerification(Request request, Reply reply, boolean isKeySetUnsigned) {
    return isKeySetUnsigned ? note(request, Failure.ofUnsignedKeySet(reply)) : fail(request, reply);
  }

  /** Returns the refusal of an activation with a license key of another product, and notes it. */
  Failure failProduct(Request request, Reply reply, String other, String product) {
    String shown = Text.quoteProduct(redactionFor(request).apply(other));
    String detail = "it is for the product " + shown + ", not " + Text.quoteProduct(product);
    return note(request, Failure.ofWrongProduct(reply, detail));
  }

  private Failure note(Request request, Failure failure) {
    if (!failure.reply.isCancelled())
      lastFailure = Optional.of(now() + ", " + request.operation + ": " + failure.cause);
    return failure;
  }

  /** Returns what replaces the secrets that the response to a request can contain. */
  private Redaction redactionFor(Request request) {
    List<String> secrets = new ArrayList<>(request.secrets());
    stored.get().licenseKey.ifPresent(secrets::add);
    stored.get().record.ifPresent(record -> secrets.add(record.token));
    return new Redaction(secrets);
  }

  private Instant now() {
    return Instant.ofEpochSecond((long) time.getAsDouble());
  }
}
