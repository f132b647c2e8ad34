package io.github.signetlicensing.client;

import com.google.gson.JsonObject;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A request to the API. Immutable. */
final class Request {
  /** What a request is for. */
  enum Operation {
    ACTIVATE("activate", RefusalCodes::refusesActivation),
    HEARTBEAT("heartbeat", RefusalCodes::refusesHeartbeat),
    DEACTIVATE("deactivate", code -> false),
    FETCH_KEYS("fetch keys", code -> false);

    private final String text;
    private final Predicate<String> refuses;

    Operation(String text, Predicate<String> refuses) {
      this.text = text;
      this.refuses = refuses;
    }

    /** Returns whether a problem with this code refuses the license. */
    boolean isRefusedWith(String code) {
      return refuses.test(code);
    }

    /** Returns the name for support. */
    @Override
    public String toString() {
      return text;
    }
  }

  final Operation operation;

  /** The path, from the first slash. */
  final String path;

  /** What is posted; a request without a body is a GET. */
  final Optional<JsonObject> body;

  Request(Operation operation, String path, Optional<JsonObject> body) {
    this.operation = operation;
    this.path = path;
    this.body = body;
  }

  /** Returns the license key or the token that is sent. */
  List<String> secrets() {
    JsonObject fields = body.orElse(new JsonObject());
    return Stream.of("license_key", "token")
        .flatMap(name -> Json.string(fields, name).stream())
        .collect(Collectors.toList());
  }
}
