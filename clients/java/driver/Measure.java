import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.github.signetlicensing.client.Config;
import io.github.signetlicensing.client.License;
import io.github.signetlicensing.client.Options;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;

/**
 * Measures the time to open a license with a stored token, and the memory of an idle one. The
 * argument is the folder of the conformance suite.
 */
public final class Measure {
  private static final int ROUNDS = 51;

  private Measure() {}

  public static void main(String[] arguments) throws Exception {
    Path suite = Path.of(arguments[0]);
    Path folder = Files.createTempDirectory("signet-measure");
    store(suite, folder);
    Config config = Config.read(suite.resolve("config.json")).withApiUrl("http://127.0.0.1:9");
    Options options = new Options().folder(folder).machineId("machine-1");

    long before = residentBytes();
    License idle = License.open(config, options);
    Thread.sleep(8_000); // its first request has failed by then
    long after = residentBytes();
    idle.close();

    double[] millis = new double[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      long start = System.nanoTime();
      License license = License.open(config, options);
      millis[round] = (System.nanoTime() - start) / 1e6;
      license.close();
    }
    Arrays.sort(millis);
    System.out.printf(
        Locale.ROOT, "\"open_ms\": %.2f, \"idle_bytes\": %d%n", millis[ROUNDS / 2], after - before);
    delete(folder);
  }

  /** Stores the files of the first scenario of an active license. */
  private static void store(Path suite, Path folder) throws IOException {
    String text = Files.readString(suite.resolve("scenarios/states.json"));
    for (JsonElement element : JsonParser.parseString(text).getAsJsonArray()) {
      JsonObject scenario = element.getAsJsonObject();
      if (!scenario
          .get("name")
          .getAsString()
          .equals("a stored token is active without a request")) {
        continue;
      }
      for (Map.Entry<String, JsonElement> file : scenario.getAsJsonObject("storage").entrySet()) {
        Files.writeString(folder.resolve(file.getKey()), file.getValue().getAsString());
      }
    }
  }

  private static long residentBytes() throws IOException {
    System.gc();
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmRSS:")) return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
    }
    return 0;
  }

  private static void delete(Path folder) throws IOException {
    for (Path file : Files.newDirectoryStream(folder)) Files.delete(file);
    Files.delete(folder);
  }
}
