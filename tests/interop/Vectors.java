import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;

/** Runs the README's Java lines against folders of test vectors, as tests/vectors/README.md describes them. */
public final class Vectors {
  private static int passed;
  private static int failed;

  private interface Attempt {
    void run() throws Exception;
  }

  private static void expect(JsonNode wanted, Attempt attempt) {
    Exception problem = null;
    try { attempt.run(); } catch (Exception refused) { problem = refused; }
    boolean unknownKey = problem instanceof Verifier.UnknownKey;
    if ((problem == null) == wanted.get("accept").asBoolean() && wanted.path("unknown_key").asBoolean(unknownKey) == unknownKey) {
      passed++;
      return;
    }
    failed++;
    System.err.println("java: " + wanted.get("name").asText() + ": " + (problem == null ? "accepted" : problem));
  }

  private static void same(String name, Path file, String wanted) throws Exception {
    String found = Files.exists(file) ? Files.readString(file) : "";
    if (found.equals(wanted)) { passed++; return; }
    failed++;
    System.err.println("java: " + name + ": " + found + " lies on disk, not " + wanted);
  }

  public static void main(String[] folders) throws Exception {
    var json = new ObjectMapper();
    for (String name : folders) {
      Path vectors = Path.of(name);
      JsonNode issuer = json.readTree(vectors.resolve("issuer.json").toFile());
      for (JsonNode one : json.readTree(vectors.resolve("tokens.json").toFile())) {
        Verifier app = app(issuer);
        write(app, "jwks.jwt", one.has("signed_jwks") ? one.get("signed_jwks") : issuer.get("signed_jwks"));
        if (one.has("last_seen")) write(app, "last-seen", one.get("last_seen"));
        long now = (one.has("now") ? one : issuer).get("now").asLong();
        String machine = (one.has("machine_id") ? one : issuer).get("machine_id").textValue();
        expect(one, () -> app.check(one.get("token").asText(), machine, now));
        if (one.has("seen_after")) same(one.get("name").asText(), app.folder().resolve("last-seen"), one.get("seen_after").asText());
      }
      for (JsonNode one : json.readTree(vectors.resolve("sets.json").toFile())) {
        Verifier app = app(issuer);
        if (one.has("kept")) write(app, "jwks.jwt", one.get("kept"));
        expect(one, () -> app.keep(one.get("set").asText(), issuer.get("now").asLong()));
        String kept = one.get("accept").asBoolean() ? one.get("set").asText() : one.path("kept").asText();
        same(one.get("name").asText(), app.folder().resolve("jwks.jwt"), kept);
      }
    }
    edges(Path.of(folders[0]));
    System.out.println("java: " + passed + " passed, " + failed + " failed");
    System.exit(failed == 0 && passed > 0 ? 0 : 1);
  }

  /** What no file of vectors can say: the last time seen can't be read, nor written; no set is on disk; many at once. */
  private static void edges(Path vectors) throws Exception {
    var json = new ObjectMapper();
    JsonNode issuer = json.readTree(vectors.resolve("issuer.json").toFile());
    String token = json.readTree(vectors.resolve("tokens.json").toFile()).get(0).get("token").asText();
    String machine = issuer.get("machine_id").asText();
    long now = issuer.get("now").asLong();
    Verifier app = app(issuer);
    Attempt check = () -> app.check(token, machine, now);
    expect(json.readTree("{\"name\": \"no set\", \"accept\": false, \"unknown_key\": true}"), check);
    app.keep(issuer.get("signed_jwks").asText(), now);
    Path seen = Files.createDirectory(app.folder().resolve("last-seen"));
    expect(json.readTree("{\"name\": \"a folder for a file\", \"accept\": true}"), check);
    Files.delete(seen);
    var pool = Executors.newFixedThreadPool(4);
    var beside = IntStream.range(0, 4).mapToObj(one -> pool.submit(() -> {
      for (int i = 0; i < 200; i++) {
        app.check(token, machine, now + i % 50);
        app.renewed(token);
      }
      return null;
    })).toList();
    for (var one : beside) expect(json.readTree("{\"name\": \"side by side\", \"accept\": true}"), one::get);
    pool.shutdown();
    try (var left = Files.list(app.folder())) {
      if (left.count() != 3) throw new Exception("a file is left over");
    }
  }

  private static Verifier app(JsonNode issuer) throws Exception {
    Path folder = Files.createTempDirectory(Path.of("."), "vectors-");
    return new Verifier(issuer.get("issuer").asText(), issuer.get("product").asText(), issuer.get("root_keys"), folder);
  }

  private static void write(Verifier app, String name, JsonNode text) throws Exception {
    Files.writeString(app.folder().resolve(name), text.asText());
  }
}
