package io.github.signetlicensing.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A response of the API, or none. */
final class Reply {
  /** How many of the errors of a problem a description has. */
  private static final int MAX_ERRORS = 3;

  /** HTTP status, 0 if there was no response. */
  final int status;

  /** The body, as it was sent. */
  final String body;

  private final String contentType;
  private final String retryAfter;
  private final IOException failure;

  /**
   * @param contentType the header, or an empty text
   * @param retryAfter the header, or an empty text
   */
  Reply(int status, String contentType, String retryAfter, String body) {
    this(status, contentType, retryAfter, body, null);
  }

  private Reply(
      int status, String contentType, String retryAfter, String body, IOException failure) {
    this.status = status;
    this.contentType = contentType;
    this.retryAfter = retryAfter;
    this.body = body;
    this.failure = failure;
  }

  /** Returns what stands for a response if there was none. */
  static Reply none(IOException failure) {
    return new Reply(0, "", "", "", failure);
  }

  /** Returns why there was no response, or null. */
  IOException failure() {
    return failure;
  }

  /** Returns the object in the body of a response that is a success. */
  Optional<JsonObject> success() {
    return status == 200 || status == 201 ? Json.parse(body) : Optional.empty();
  }

  /** Returns the code of a problem document with a 4xx status. */
  Optional<String> problemCode() {
    return problem().flatMap(problem -> Json.string(problem, "code"));
  }

  /** Returns the problem document of a response with a 4xx status. */
  private Optional<JsonObject> problem() {
    if (status < 400 || status > 499) return Optional.empty();
    boolean isProblem =
        contentType.split(";", 2)[0].strip().equalsIgnoreCase("application/problem+json");
    return isProblem ? Json.parse(body) : Optional.empty();
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

  /** Returns whether the app ended the request. */
  boolean isCancelled() {
    return failure instanceof Transport.CancelledException;
  }

  /** Returns whether the app closed the client during the request. */
  boolean isClosed() {
    return failure instanceof Transport.ClosedException;
  }

  /** Returns why this response is no token, as {@link State#reason} says it. */
  String reason() {
    if (status == 0) return State.NETWORK;
    return status == 200 || status == 201 ? State.INVALID_RESPONSE : "http_" + status;
  }

  /** Returns in one line why this response is no success, for people. */
  String description(Redaction redaction) {
    if (failure != null) return redaction.line(Text.describe(failure));
    if (problem().isEmpty()) return reason();
    JsonObject problem = problem().get();
    List<String> lines = new ArrayList<>();
    lines.add(
        Json.string(problem, "detail")
            .or(() -> Json.string(problem, "code"))
            .map(redaction::line)
            .orElse(reason()));
    JsonElement errors = problem.get("errors");
    if (errors != null && errors.isJsonArray())
      lines.addAll(describe(errors.getAsJsonArray(), redaction));
    return String.join("; ", lines);
  }

  private static List<String> describe(JsonArray errors, Redaction redaction) {
    List<String> lines = new ArrayList<>();
    for (JsonElement element : errors) {
      if (lines.size() == MAX_ERRORS) break;
      if (!element.isJsonObject()) continue;
      JsonObject error = element.getAsJsonObject();
      Optional<String> pointer = Json.string(error, "pointer");
      Optional<String> detail = Json.string(error, "detail");
      if (pointer.isPresent() && detail.isPresent())
        lines.add(redaction.line(pointer.get()) + ": " + redaction.line(detail.get()));
    }
    return lines;
  }
}
