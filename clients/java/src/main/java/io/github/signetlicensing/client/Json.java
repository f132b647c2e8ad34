package io.github.signetlicensing.client;

import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.IOException;
import java.io.StringReader;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Optional;

/** Reads JSON objects strictly (RFC 8259), and fields of a type. */
final class Json {
  /** The last second of the year 9999. Later times count as absent. */
  private static final long MAX_TIME = 253_402_300_799L;

  private Json() {}

  /** Returns the object in the text, or nothing if the text is anything else. */
  static Optional<JsonObject> parse(String text) {
    try {
      JsonReader reader = new JsonReader(new StringReader(text));
      reader.setStrictness(Strictness.STRICT);
      JsonElement value = JsonParser.parseReader(reader);
      boolean isObject = value.isJsonObject() && reader.peek() == JsonToken.END_DOCUMENT;
      return isObject ? Optional.of(value.getAsJsonObject()) : Optional.empty();
    } catch (JsonParseException | IOException notJson) {
      return Optional.empty();
    }
  }

  static Optional<String> string(JsonObject object, String name) {
    return primitive(object, name).filter(JsonPrimitive::isString).map(JsonPrimitive::getAsString);
  }

  /** Returns whether a field is true. */
  static boolean isTrue(JsonObject object, String name) {
    return primitive(object, name)
        .filter(JsonPrimitive::isBoolean)
        .map(JsonPrimitive::getAsBoolean)
        .orElse(false);
  }

  /** Returns a number of seconds from 0 to the end of the year 9999. */
  static Optional<Long> time(JsonObject object, String name) {
    return seconds(object, name).filter(seconds -> seconds >= 0);
  }

  /** Returns a field with a number of seconds, which may be negative. */
  static Optional<Long> seconds(JsonObject object, String name) {
    return primitive(object, name)
        .filter(JsonPrimitive::isNumber)
        .map(JsonPrimitive::getAsDouble)
        .filter(number -> Math.abs(number) <= MAX_TIME)
        .map(Double::longValue);
  }

  /** Returns the time of a field with an RFC 3339 text. */
  static Optional<Instant> dateTime(JsonObject object, String name) {
    try {
      return string(object, name).map(text -> OffsetDateTime.parse(text).toInstant());
    } catch (DateTimeException noTime) {
      return Optional.empty();
    }
  }

  /** Returns the object in a field, or an empty one. */
  static JsonObject object(JsonObject object, String name) {
    JsonElement value = object.get(name);
    return value != null && value.isJsonObject() ? value.getAsJsonObject() : new JsonObject();
  }

  /** Returns a field that is null if the value is absent. */
  static JsonElement nullable(Optional<Long> value) {
    return value.<JsonElement>map(JsonPrimitive::new).orElse(JsonNull.INSTANCE);
  }

  private static Optional<JsonPrimitive> primitive(JsonObject object, String name) {
    return Optional.ofNullable(object.get(name))
        .filter(JsonElement::isJsonPrimitive)
        .map(JsonElement::getAsJsonPrimitive);
  }
}
