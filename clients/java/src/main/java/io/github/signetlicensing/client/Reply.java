package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.util.Optional;

/** A response of the API, or none. */
final class Reply {
  /** HTTP status, 0 if there was no response. */
  final int status;

  /** The body, as it was sent. */
  final String body;

  private final String contentType;
  private final String retryAfter;

  /**
   * @param contentType the header, or an empty text
   * @param retryAfter the header, or an empty text
   */
  Reply(int status, String contentType, String retryAfter, String body) {
    this.status = status;
    this.contentType = contentType;
    this.retryAfter = retryAfter;
    this.body = body;
  }

  /** Returns what stands for a response if there was none. */
  static Reply none() {
    return new Reply(0, "", "", "");
  }

  /** Returns the object in the body of a response that is a success. */
  Optional<JsonObject> success() {
    return status == 200 || status == 201 ? Json.parse(body) : Optional.empty();
  }

  /** Returns the code of a problem document with a 4xx status. */
  Optional<String> problemCode() {
    boolean isProblem =
        contentType.split(";", 2)[0].strip().equalsIgnoreCase("application/problem+json");
    if (!isProblem || status < 400 || status > 499) return Optional.empty();
    return Json.parse(body).flatMap(problem -> Json.string(problem, "code"));
  }

  /** Returns {@code retry_at} of a problem document. */
  Optional<Long> retryAt() {
    return Json.parse(body)
        .flatMap(problem -> Json.dateTime(problem, "retry_at"))
        .map(time -> time.getEpochSecond());
  }

  /** Returns the seconds after which the API asks for the next request, or 0. */
  double retryAfter(double now) {
    return RetryAfter.parse(retryAfter, now);
  }

  /** Returns why this response is no token, as {@code Offline} says it. */
  String reason() {
    if (status == 0) return State.NETWORK;
    return status == 200 || status == 201 ? State.INVALID_RESPONSE : "http_" + status;
  }

  /** Returns the code of the error that an operation has with this response. */
  String errorCode() {
    return problemCode().orElse(LicenseException.UNREACHABLE);
  }
}
