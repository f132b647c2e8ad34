package io.github.signetlicensing.client;

import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;

/** Answers requests with the responses of a step of a scenario, and records them. */
final class ScriptedTransport implements Transport {
  final Queue<JsonObject> responses = new ArrayDeque<>();
  final List<JsonElement> requests = new ArrayList<>();
  private final MemoryStorage storage;

  ScriptedTransport(MemoryStorage storage) {
    this.storage = storage;
  }

  @Override
  public Reply send(String path, Optional<String> body, Optional<Duration> timeout)
      throws IOException {
    JsonObject request = new JsonObject();
    request.addProperty("method", body.isPresent() ? "POST" : "GET");
    request.addProperty("path", path);
    body.ifPresent(text -> request.add("body", JsonParser.parseString(text)));
    requests.add(request);
    JsonObject response = responses.remove();
    for (Map.Entry<String, JsonElement> file : Json.object(response, "during").entrySet()) {
      storage.set(
          file.getKey(), file.getValue().isJsonNull() ? null : file.getValue().getAsString());
    }
    if (response.has("fault"))
      throw new IOException("fault: " + response.get("fault").getAsString());
    return reply(response);
  }

  private static Reply reply(JsonObject response) {
    JsonObject headers = Json.object(response, "headers");
    JsonElement body = response.has("body") ? response.get("body") : JsonNull.INSTANCE;
    boolean isText = body.isJsonPrimitive() && body.getAsJsonPrimitive().isString();
    return new Reply(
        response.get("status").getAsInt(),
        Json.string(headers, "content-type").orElse(""),
        Json.string(headers, "retry-after").orElse(""),
        isText ? body.getAsString() : body.toString());
  }
}
