package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The test vectors of the repository, besides those of the conformance suite. */
class VectorsTest {
  private static final Path FOLDER = Path.of("..", "..", "tests", "vectors");

  /**
   * Vectors about times, which the behavior of clients decides in another way: the clock of the
   * client counts set-backs instead of refusing a token, the end of a key set has no tolerance, and
   * of two key sets with the same time the fetched one is stored.
   */
  private static final Set<String> OTHER_RULES =
      Set.of(
          "before nbf by more than the leeway",
          "importing the same file does not set the last time seen back",
          "importing an earlier file does not set the last time seen back",
          "50 seconds past exp",
          "differs from the stored key set and is not newer: it may be the earlier one");

  @TestFactory
  List<DynamicTest> key_sets() throws IOException, LicenseException {
    JsonObject issuer = read("issuer.json").getAsJsonObject();
    Config config = Config.parse(issuer.toString());
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonElement element : read("sets.json").getAsJsonArray()) {
      JsonObject vector = element.getAsJsonObject();
      if (OTHER_RULES.contains(vector.get("why").getAsString())) continue;
      long now = issuer.get("now").getAsLong();
      Optional<KeySet> present =
          Json.string(vector, "stored").flatMap(text -> KeySet.verify(text, config));
      Optional<KeySet> fetched =
          KeySet.verify(vector.get("set").getAsString(), config)
              .filter(set -> set.expiresAt >= now)
              .filter(set -> present.filter(old -> old.issuedAt > set.issuedAt).isEmpty());
      tests.add(test(vector, fetched.isPresent()));
    }
    return tests;
  }

  @TestFactory
  List<DynamicTest> license_files() throws IOException, LicenseException {
    JsonObject issuer = read("issuer.json").getAsJsonObject();
    Config config = Config.parse(issuer.toString());
    Identity identity =
        new Identity(
            issuer.get("machine_id").getAsString(),
            false,
            Optional.empty(),
            Optional::empty,
            Optional.empty(),
            Optional.empty(),
            Optional.empty());
    List<DynamicTest> tests = new ArrayList<>();
    for (JsonElement element : read("license-files.json").getAsJsonArray()) {
      JsonObject vector = element.getAsJsonObject();
      if (OTHER_RULES.contains(vector.get("why").getAsString())) continue;
      double now = (vector.has("now") ? vector : issuer).get("now").getAsDouble();
      Optional<LicenseFile> file = LicenseFile.parse(vector.get("file").getAsString());
      tests.add(test(vector, file.isPresent() && isImported(file.get(), config, identity, now)));
    }
    return tests;
  }

  private static boolean isImported(
      LicenseFile file, Config config, Identity identity, double now) {
    try {
      return file.verifyForImport(config, identity, now) != null;
    } catch (LicenseException invalid) {
      return false;
    }
  }

  private static DynamicTest test(JsonObject vector, boolean isAccepted) {
    String name = vector.get("name").getAsString();
    return DynamicTest.dynamicTest(
        name,
        () ->
            assertEquals(
                vector.get("accept").getAsBoolean(),
                isAccepted,
                () -> vector.get("why").getAsString()));
  }

  private static JsonElement read(String name) throws IOException {
    return JsonParser.parseString(Files.readString(FOLDER.resolve(name)));
  }
}
