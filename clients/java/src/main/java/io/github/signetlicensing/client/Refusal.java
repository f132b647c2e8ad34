package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.util.Optional;

/** A response that refused the license. */
final class Refusal {
  /** Random id, by which processes recognize a refusal that is new. */
  final String id;

  final String code;
  final long at;
  final Optional<Long> retryAt;

  Refusal(String id, String code, long at, Optional<Long> retryAt) {
    this.id = id;
    this.code = code;
    this.at = at;
    this.retryAt = retryAt;
  }

  /** Returns what a message says of a request that the refusal prevents. */
  String detail() {
    return "the license was refused with " + code;
  }

  String toJson() {
    JsonObject json = new JsonObject();
    json.addProperty("id", id);
    json.addProperty("code", code);
    json.addProperty("at", at);
    json.add("retry_at", Json.nullable(retryAt));
    return json.toString();
  }

  /** Returns a stored refusal, or nothing if the text has another format. */
  static Optional<Refusal> parse(String text) {
    JsonObject json = Json.parse(text).orElse(new JsonObject());
    Optional<String> id = Json.string(json, "id");
    Optional<String> code = Json.string(json, "code");
    Optional<Long> at = Json.time(json, "at");
    if (id.isEmpty() || code.isEmpty() || at.isEmpty()) return Optional.empty();
    return Optional.of(new Refusal(id.get(), code.get(), at.get(), Json.time(json, "retry_at")));
  }
}
