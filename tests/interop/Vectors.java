import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import example.Verifier;
import example.Verifier.UnknownKeyException;
import example.Verifier.VerificationException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Runs the Java verifier against directories of test vectors, which tests/vectors/README.md describes. */
public final class Vectors {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static int passed;
  private static int failed;

  private interface Attempt {
    void run() throws Exception;
  }

  private static void expectOutcome(JsonNode vector, Attempt attempt) {
    Exception error = null;
    try {
      attempt.run();
    } catch (Exception thrown) {
      error = thrown;
    }
    boolean typed = error == null || error instanceof VerificationException;
    boolean unknownKey = error instanceof UnknownKeyException;
    boolean accepted = (error == null) == vector.get("accept").asBoolean();
    if (accepted && typed && vector.path("unknown_key").asBoolean(unknownKey) == unknownKey) {
      passed++;
      return;
    }
    failed++;
    System.err.println("java: " + vector.get("name").asText() + ": " + (error == null ? "accepted" : error));
  }

  private static void expectOutcome(String name, boolean accept, Attempt attempt) {
    expectOutcome(JSON.createObjectNode().put("name", name).put("accept", accept), attempt);
  }

  private static void expectEqual(String name, Object found, Object expected) {
    if (found.equals(expected)) {
      passed++;
      return;
    }
    failed++;
    System.err.println("java: " + name + ": expected " + expected + ", found " + found);
  }

  public static void main(String[] folders) throws Exception {
    for (String name : folders) {
      Path vectors = Path.of(name);
      JsonNode issuer = parse(vectors, "issuer");
      for (JsonNode vector : parse(vectors, "tokens")) {
        Path folder = newFolder();
        Verifier verifier = new Verifier(issuer, folder);
        write(folder, "jwks.jwt", vector.has("signed_jwks") ? vector.get("signed_jwks") : issuer.get("signed_jwks"));
        if (vector.has("last_seen")) write(folder, "last-seen", vector.get("last_seen"));
        long now = (vector.has("now") ? vector : issuer).get("now").asLong();
        String machineId = (vector.has("machine_id") ? vector : issuer).get("machine_id").textValue();
        expectOutcome(vector, () -> verifier.verify(vector.get("token").asText(), machineId, now));
        if (vector.has("seen_after")) {
          expectEqual(vector.get("name").asText(), read(folder, "last-seen"), vector.get("seen_after").asText());
        }
      }
      for (JsonNode vector : parse(vectors, "sets")) {
        Path folder = newFolder();
        Verifier verifier = new Verifier(issuer, folder);
        if (vector.has("stored")) write(folder, "jwks.jwt", vector.get("stored"));
        expectOutcome(vector, () -> verifier.storeKeySet(vector.get("set").asText(), issuer.get("now").asLong()));
        String expected = vector.get("accept").asBoolean() ? vector.get("set").asText() : vector.path("stored").asText();
        expectEqual(vector.get("name").asText(), read(folder, "jwks.jwt"), expected);
      }
      for (JsonNode vector : parse(vectors, "license-files")) licenseFile(issuer, vector);
    }
    Path vectors = Path.of(folders[0]);
    JsonNode issuer = parse(vectors, "issuer");
    String token = parse(vectors, "tokens").get(0).get("token").asText();
    edgeCases(issuer, token);
    refusals(issuer, token);
    licenseFileAfterRefusal(issuer, parse(vectors, "license-files").get(0).get("file").asText());
    System.out.println("java: " + passed + " passed, " + failed + " failed");
    System.exit(failed == 0 && passed > 0 ? 0 : 1);
  }

  private static void licenseFile(JsonNode issuer, JsonNode vector) throws Exception {
    String name = vector.get("name").asText();
    String file = vector.get("file").asText();
    boolean accept = vector.get("accept").asBoolean();
    String machineId = issuer.get("machine_id").asText();
    long now = vector.path("now").asLong(issuer.get("now").asLong());
    Path folder = newFolder();
    Verifier verifier = new Verifier(issuer, folder);
    if (vector.has("signed_jwks")) write(folder, "jwks.jwt", vector.get("signed_jwks"));
    if (vector.has("imported")) verifier.importLicenseFile(vector.get("imported").asText(), machineId, now);
    if (vector.has("last_seen")) write(folder, "last-seen", vector.get("last_seen"));
    Optional<String> token =
        accept ? Optional.of(JSON.readTree(file).get("token").asText()) : verifier.storedToken();
    expectOutcome(vector, () -> verifier.importLicenseFile(file, machineId, now));
    if (vector.has("seen_after")) expectEqual(name, read(folder, "last-seen"), vector.get("seen_after").asText());
    expectEqual(name + ": key set", read(folder, "jwks.jwt"), vector.path("signed_jwks").asText());
    expectEqual(name + ": stored token", verifier.storedToken(), token);
    if (!accept) return;
    expectOutcome(name + ": start", true, () -> verifier.verify(token.get(), machineId, now));
    for (JsonNode later : vector.path("verify")) {
      long time = later.path("now").asLong(now);
      JsonNode named = ((ObjectNode) later.deepCopy()).put("name", name + ": verify at " + time);
      expectOutcome(named, () -> verifier.verify(later.path("token").asText(token.get()), machineId, time));
    }
  }

  private static void licenseFileAfterRefusal(JsonNode issuer, String file) throws Exception {
    Verifier verifier = new Verifier(issuer, newFolder());
    Attempt importFile =
        () -> verifier.importLicenseFile(file, issuer.get("machine_id").asText(), issuer.get("now").asLong());
    verifier.storeRefusal("expired");
    expectOutcome("license file imported after a refusal", true, importFile);
    expectOutcome("license file imported again", true, importFile);
    verifier.storeRefusal("revoked");
    expectOutcome("license file imported again after a refusal", false, importFile);
    expectEqual("token of a refused license file", verifier.storedToken(), Optional.empty());
  }

  /** Cases that the files cannot express: no key set, a stored time that cannot be read or written, and concurrency. */
  private static void edgeCases(JsonNode issuer, String token) throws Exception {
    String machineId = issuer.get("machine_id").asText();
    long now = issuer.get("now").asLong();
    Path folder = newFolder();
    Verifier verifier = new Verifier(issuer, folder);
    Attempt verify = () -> verifier.verify(token, machineId, now);
    expectOutcome(JSON.readTree("{\"name\": \"no key set\", \"accept\": false, \"unknown_key\": true}"), verify);
    verifier.storeKeySet(issuer.get("signed_jwks").asText(), now);
    Path lastSeen = Files.createDirectory(folder.resolve("last-seen"));
    expectOutcome("last-seen is a directory", true, verify);
    Files.delete(lastSeen);
    var pool = Executors.newFixedThreadPool(4);
    var threads = IntStream.range(0, 4).mapToObj(thread -> pool.submit(() -> {
      for (int i = 0; i < 200; i++) {
        verifier.verify(token, machineId, now + i % 50);
        verifier.storeToken(token, Optional.empty());
      }
      return null;
    })).toList();
    for (var thread : threads) expectOutcome("concurrent", true, thread::get);
    pool.shutdown();
    expectEqual("files", files(folder), "jwks.jwt,last-seen,token");
  }

  private static void refusals(JsonNode issuer, String token) throws Exception {
    Path folder = newFolder();
    Verifier verifier = new Verifier(issuer, folder);
    verifier.storeKeySet(issuer.get("signed_jwks").asText(), issuer.get("now").asLong());
    expectEqual("no token", verifier.storedToken(), Optional.empty());
    verifier.storeToken(token, verifier.storedRefusal());
    expectEqual("stored token", verifier.storedToken(), Optional.of(token));
    verifier.storeRefusal("revoked");
    expectEqual("refusal", verifier.storedRefusal().orElseThrow().code(), "revoked");
    expectEqual("token after a refusal", read(folder, "token"), "");
    verifier.storeToken(token, Optional.empty());
    expectEqual("token requested before the refusal", verifier.storedToken(), Optional.empty());
    var first = verifier.storedRefusal();
    verifier.storeToken(token, first);
    expectEqual("token requested after the refusal", verifier.storedToken(), Optional.of(token));
    verifier.storeRefusal("revoked");
    verifier.storeToken(token, first);
    expectEqual("token requested before the second refusal", verifier.storedToken(), Optional.empty());
    Files.delete(folder.resolve("refusal"));
    Files.createDirectory(folder.resolve("refusal"));
    verifier.storeToken(token, Optional.empty());
    verifier.storeRefusal("revoked");
    expectEqual("token after a refusal that could not be written", verifier.storedToken(), Optional.empty());
    Files.delete(folder.resolve("refusal"));
    expectEqual("files after refusals", files(folder), "jwks.jwt,last-seen");
  }

  private static JsonNode parse(Path vectors, String name) throws Exception {
    return JSON.readTree(vectors.resolve(name + ".json").toFile());
  }

  private static Path newFolder() throws Exception {
    return Files.createTempDirectory(Path.of("."), "vectors-");
  }

  private static String files(Path folder) throws Exception {
    try (var list = Files.list(folder)) {
      return list.map(path -> path.getFileName().toString()).sorted().collect(Collectors.joining(","));
    }
  }

  private static String read(Path folder, String name) throws Exception {
    Path file = folder.resolve(name);
    return Files.exists(file) ? Files.readString(file) : "";
  }

  private static void write(Path folder, String name, JsonNode text) throws Exception {
    Files.writeString(folder.resolve(name), text.asText());
  }
}
