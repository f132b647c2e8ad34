package io.github.signetlicensing.client;

import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The files of the conformance suite. */
final class Conformance {
  private static final Path FOLDER = Path.of("..", "conformance");

  private Conformance() {}

  static Config config() throws IOException, LicenseException {
    return Config.read(FOLDER.resolve("config.json"));
  }

  static JsonElement read(String name) throws IOException {
    return JsonParser.parseString(Files.readString(FOLDER.resolve(name)));
  }

  /** Returns the names of the lists of scenarios. */
  static List<String> scenarioFiles() throws IOException {
    try (Stream<Path> files = Files.list(FOLDER.resolve("scenarios"))) {
      return files
          .map(file -> "scenarios/" + file.getFileName())
          .sorted()
          .collect(Collectors.toList());
    }
  }

  /** Returns a scenario. */
  static com.google.gson.JsonObject scenario(String file, String name) throws IOException {
    for (JsonElement scenario : read("scenarios/" + file + ".json").getAsJsonArray()) {
      if (scenario.getAsJsonObject().get("name").getAsString().equals(name))
        return scenario.getAsJsonObject();
    }
    throw new IllegalArgumentException(name);
  }
}
