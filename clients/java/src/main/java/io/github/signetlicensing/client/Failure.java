package io.github.signetlicensing.client;

import java.util.Optional;
import java.util.function.Predicate;

/** Why a request did not succeed. Immutable; its texts have no secrets. */
final class Failure {
  private static final String KEY_SET_UNSIGNED =
      State.INVALID_RESPONSE + ": the " + KeySet.UNSIGNED;

  /** The response, or that there was none. */
  final Reply reply;

  /** The code of a problem with a 4xx status, or {@link RefusalCodes#WRONG_PRODUCT}. */
  final Optional<String> code;

  /** Whether the license is refused. Otherwise, the API counts as unreachable. */
  final boolean isRefusal;

  /** What the message of an error says of it, in one line. */
  final String detail;

  /** What the text for support says of it, in one line. */
  final String cause;

  private Failure(
      Reply reply, Optional<String> code, boolean isRefusal, String detail, String cause) {
    this.reply = reply;
    this.code = code;
    this.isRefusal = isRefusal;
    this.detail = detail;
    this.cause = cause;
  }

  /** Returns what a response says that is no success of the request. */
  static Failure of(Request request, Reply reply, Redaction redaction) {
    Optional<String> code = reply.problemCode();
    boolean isRefusal = code.filter(request.operation::isRefusedWith).isPresent();
    String detail = reply.description(redaction);
    String cause =
        reply.failure() == null
            ? code.map(redaction::line).orElse(reply.reason())
            : State.NETWORK + ": " + detail;
    return new Failure(reply, code, isRefusal, detail, cause);
  }

  /**
   * Returns the failure of a request whose response cannot be verified, because no root key signed
   * the key set that was fetched.
   */
  static Failure ofUnsignedKeySet(Reply reply) {
    return new Failure(reply, Optional.empty(), false, KEY_SET_UNSIGNED, KEY_SET_UNSIGNED);
  }

  /** Returns the failure of an activation with a license key of another product. */
  static Failure ofWrongProduct(Reply reply, String detail) {
    String code = RefusalCodes.WRONG_PRODUCT;
    return new Failure(reply, Optional.of(code), true, detail, code);
  }

  boolean isOfUnsignedKeySet() {
    return code.isEmpty() && detail.equals(KEY_SET_UNSIGNED);
  }

  boolean hasCode(Predicate<String> condition) {
    return code.filter(condition).isPresent();
  }
}
