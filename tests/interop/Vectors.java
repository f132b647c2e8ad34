import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;

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
    if ((problem == null) == wanted.get("accept").asBoolean()) { passed++; return; }
    failed++;
    System.err.println("java: " + wanted.get("name").asText() + ": " + (problem == null ? "accepted" : problem));
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
        expect(one, () -> app.check(one.get("token").asText(), issuer.get("machine_id").asText(), now));
      }
      for (JsonNode one : json.readTree(vectors.resolve("sets.json").toFile())) {
        Verifier app = app(issuer);
        if (one.has("kept")) write(app, "jwks.jwt", one.get("kept"));
        expect(one, () -> app.keep(one.get("set").asText(), issuer.get("now").asLong()));
      }
    }
    System.out.println("java: " + passed + " passed, " + failed + " failed");
    System.exit(failed == 0 && passed > 0 ? 0 : 1);
  }

  private static Verifier app(JsonNode issuer) throws Exception {
    Path folder = Files.createTempDirectory(Path.of("."), "vectors-");
    return new Verifier(issuer.get("issuer").asText(), issuer.get("product").asText(), issuer.get("root_keys"), folder);
  }

  private static void write(Verifier app, String name, JsonNode text) throws Exception {
    Files.writeString(app.folder().resolve(name), text.asText());
  }
}
