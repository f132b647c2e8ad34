package io.github.signetlicensing.client;

import java.util.Optional;
import java.util.function.Predicate;

/** Why a request did not succeed. Immutable; its texts have no secrets. */
final class Failure {
  /** What follows from a failure. */
  private enum Effect {
    /** The license is refused. */
    REFUSAL,
    /** Nothing is known about the license. */
    UNREACHABLE,
    /** The refusal that another process has stored stays. */
    STORED_REFUSAL
  }

  private static final String KEY_SET_UNSIGNED =
      State.INVALID_RESPONSE + ": the " + KeySet.UNSIGNED;

  private static final String KEY_UNKNOWN = "there is no such license key";

  /** The response, or that there was none. */
  final Reply reply;

  /** The code of a problem with a 4xx status, or {@link RefusalCodes#WRONG_PRODUCT}. */
  final Optional<String> code;

  private final Effect effect;

  /** What the message of an error says of it, in one line. */
  final String detail;

  /** What the text for support says of it, in one line. */
  final String cause;

  private Failure(Reply reply, Optional<String> code, Effect effect, String detail, String cause) {
    this.reply = reply;
    this.code = code;
    this.effect = effect;
    this.detail = detail;
    this.cause = cause;
  }

  /** Returns what a response says that is no success of the request. */
  static Failure of(Request request, Reply reply, Redaction redaction) {
    Optional<String> code = reply.problemCode();
    boolean isRefusal = code.filter(request.operation::isRefusedWith).isPresent();
    boolean isKeyUnknown = isRefusal && code.equals(Optional.of(RefusalCodes.NOT_FOUND));
    String detail = isKeyUnknown ? KEY_UNKNOWN : reply.description(redaction);
    String cause =
        reply.failure() == null
            ? code.map(redaction::line).orElse(reply.reason())
            : State.NETWORK + ": " + detail;
    Effect effect = isRefusal ? Effect.REFUSAL : Effect.UNREACHABLE;
    return new Failure(reply, code, effect, detail, cause);
  }

  /**
   * Returns the failure of a request whose response cannot be verified, because no root key signed
   * the key set that was fetched.
   */
  static Failure ofUnsignedKeySet(Reply reply) {
    return new Failure(
        reply, Optional.empty(), Effect.UNREACHABLE, KEY_SET_UNSIGNED, KEY_SET_UNSIGNED);
  }

  /** Returns the failure of an activation with a license key of another product. */
  static Failure ofWrongProduct(Reply reply, String detail) {
    String code = RefusalCodes.WRONG_PRODUCT;
    return new Failure(reply, Optional.of(code), Effect.REFUSAL, detail, code);
  }

  /** Returns why a token is not stored that arrived after a refusal of another process. */
  static Failure ofStoredRefusal(Reply reply, Refusal refusal) {
    Optional<String> code = Optional.of(refusal.code);
    return new Failure(reply, code, Effect.STORED_REFUSAL, refusal.detail(), refusal.code);
  }

  /** Returns whether the API refuses the license. */
  boolean isRefusal() {
    return effect == Effect.REFUSAL;
  }

  /** Returns whether the API counts as unreachable. */
  boolean isUnreachable() {
    return effect == Effect.UNREACHABLE;
  }

  /** Returns whether the response changes nothing, because of a refusal of another process. */
  boolean isStoredRefusal() {
    return effect == Effect.STORED_REFUSAL;
  }

  boolean isOfUnsignedKeySet() {
    return code.isEmpty() && detail.equals(KEY_SET_UNSIGNED);
  }

  boolean hasCode(Predicate<String> condition) {
    return code.filter(condition).isPresent();
  }
}
