package example;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import example.Verifier.Refusal;
import example.Verifier.UnknownKeyException;
import example.Verifier.VerificationException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * An app that is licensed by Signet. It runs offline until {@code offline_until} of its token.
 *
 * <p>Call {@link #licensed} at start and before each licensed operation, {@link #fetchKeys} at start and once a day, and
 * {@link #heartbeat} in the background, every {@code enforcement.heartbeat_interval_seconds}.
 */
public final class App {
  private static final Duration TIMEOUT = Duration.ofSeconds(10);
  private static final ObjectMapper JSON = new ObjectMapper();

  /** The license must not be used, whatever the stored token says. */
  private static final Set<String> LICENSE_CODES =
      Set.of("revoked", "superseded", "suspended", "expired", "product_inactive", "generation_outdated");

  /** The machine has lost its seat, or the token's signing key was condemned: the app activates once. */
  private static final Set<String> REACTIVATION_CODES = Set.of("not_activated", "token_invalid");

  /** An activation was refused, apart from the codes above. */
  private static final Set<String> ACTIVATION_CODES = Set.of("not_found", "seat_limit_reached");

  private final HttpClient client = HttpClient.newBuilder().connectTimeout(TIMEOUT).build();
  private final Verifier verifier;
  private final String machineId;
  private final String licenseKey;
  private boolean refused;

  /** The API refused the license. The app must stop. */
  public static final class LicenseRefusedException extends Exception {
    private final String code;

    LicenseRefusedException(String code) {
      super("license refused: " + code);
      this.code = code;
    }

    public String code() {
      return code;
    }
  }

  /** The API returned no token. The code is empty unless the response is a problem document of the API. */
  public static final class ApiException extends Exception {
    private final Optional<String> code;

    ApiException(String message, Optional<String> code) {
      super("API unavailable: " + message);
      this.code = code;
    }

    public Optional<String> code() {
      return code;
    }
  }

  public App(JsonNode config, Path directory, String machineId, String licenseKey) {
    this.verifier = new Verifier(config, directory);
    this.machineId = machineId;
    this.licenseKey = licenseKey;
  }

  /** Returns the claims of the stored token. Activates this machine if there is none. */
  public JsonNode licensed() throws LicenseRefusedException, ApiException, VerificationException, IOException {
    if (refused || verifier.storedToken().isEmpty()) activate();
    try {
      return withCurrentKeys(this::verifyStoredToken);
    } catch (UnknownKeyException condemned) {
      activate();
      return verifyStoredToken();
    }
  }

  /** Renews the stored token. Returns false if the API is unavailable: the app goes on with the token that it has. */
  public boolean heartbeat() throws LicenseRefusedException {
    try {
      Optional<String> token = verifier.storedToken();
      if (refused || token.isEmpty()) activate();
      else renewOrReactivate(token.get());
      return true;
    } catch (ApiException | VerificationException | IOException unavailable) {
      return false;
    }
  }

  /** Fetches the signed key set. Returns false, and keeps the stored one, if that fails. */
  public boolean fetchKeys() {
    try {
      var request = HttpRequest.newBuilder(URI.create(verifier.issuer() + "/.well-known/jwks.jwt"));
      HttpResponse<String> response = send(request.build());
      if (response.statusCode() != 200) return false;
      verifier.storeKeySet(response.body(), now());
      return true;
    } catch (IOException | VerificationException unavailable) {
      return false;
    }
  }

  /** Imports a license file, and returns the claims of its token. Replaces an activation over the network. */
  public JsonNode importLicenseFile(Path file) throws LicenseRefusedException, VerificationException, IOException {
    verifier.importLicenseFile(Files.readString(file), machineId, now());
    refused = false;
    return verifyStoredToken();
  }

  /** Activates this machine with the license key. Repeating it is safe: the machine keeps its seat. */
  public void activate() throws LicenseRefusedException, ApiException, VerificationException, IOException {
    try {
      renew("license-activations/activate", "license_key", licenseKey, LICENSE_CODES, REACTIVATION_CODES, ACTIVATION_CODES);
    } catch (ApiException error) {
      Optional<Refusal> refusal = verifier.storedRefusal();
      if (refusal.isPresent() && verifier.storedToken().isEmpty()) throw new LicenseRefusedException(refusal.get().code());
      throw error;
    }
  }

  private void renewOrReactivate(String token)
      throws LicenseRefusedException, ApiException, VerificationException, IOException {
    try {
      renew("license-keys/heartbeat", "token", token, LICENSE_CODES);
    } catch (ApiException error) {
      if (error.code().filter(REACTIVATION_CODES::contains).isEmpty()) throw error;
      activate();
    }
  }

  /** Requests a token and stores it, or stores the refusal. */
  @SafeVarargs
  private void renew(String path, String credentialName, String credential, Set<String>... refusalCodes)
      throws LicenseRefusedException, ApiException, VerificationException, IOException {
    Optional<Refusal> refusal = verifier.storedRefusal();
    String token;
    try {
      token = requestToken(path, Map.of("machine_id", machineId, credentialName, credential));
    } catch (ApiException error) {
      String code = error.code().orElse("");
      for (Set<String> codes : refusalCodes) {
        if (!codes.contains(code)) continue;
        refused = true; // also if the refusal cannot be written to disk
        verifier.storeRefusal(code);
        throw new LicenseRefusedException(code);
      }
      throw error;
    }
    withCurrentKeys(() -> {
      verifier.storeToken(token, refusal);
      return null;
    });
    refused = false;
  }

  private String requestToken(String path, Map<String, String> body) throws ApiException {
    HttpResponse<String> response;
    try {
      var request = HttpRequest.newBuilder(URI.create(verifier.issuer() + "/api/v1.0/" + path));
      request.header("Content-Type", "application/json").POST(BodyPublishers.ofString(JSON.writeValueAsString(body)));
      response = send(request.build());
      if (response.statusCode() < 300) return JSON.readTree(response.body()).path("token").asText();
    } catch (IOException error) {
      throw new ApiException(error.toString(), Optional.empty());
    }
    throw new ApiException("HTTP status " + response.statusCode(), problemCode(response));
  }

  /** Sends a request with a timeout for the whole response. */
  private HttpResponse<String> send(HttpRequest request) throws IOException {
    var response = client.sendAsync(request, BodyHandlers.ofString());
    try {
      return response.get(TIMEOUT.toSeconds(), TimeUnit.SECONDS);
    } catch (Exception error) {
      response.cancel(true);
      if (error instanceof InterruptedException) Thread.currentThread().interrupt();
      throw new IOException(error);
    }
  }

  private JsonNode verifyStoredToken() throws LicenseRefusedException, VerificationException {
    Optional<String> token = verifier.storedToken();
    if (token.isEmpty()) { // another process was refused
      throw new LicenseRefusedException(verifier.storedRefusal().map(Refusal::code).orElse("not_activated"));
    }
    return verifier.verify(token.get(), machineId, now());
  }

  private interface Action<T> {
    T run() throws LicenseRefusedException, VerificationException, IOException;
  }

  private <T> T withCurrentKeys(Action<T> action) throws LicenseRefusedException, VerificationException, IOException {
    try {
      return action.run();
    } catch (UnknownKeyException error) {
      fetchKeys();
      return action.run();
    }
  }

  private static long now() {
    return Instant.now().getEpochSecond();
  }

  /** Returns the code of a problem document, or nothing for any other response, such as the HTML of a proxy. */
  private static Optional<String> problemCode(HttpResponse<String> response) {
    String contentType = response.headers().firstValue("Content-Type").orElse("");
    boolean isProblem = contentType.split(";", 2)[0].trim().equalsIgnoreCase("application/problem+json");
    if (!isProblem || response.statusCode() < 400 || response.statusCode() >= 500) return Optional.empty();
    try {
      return Optional.ofNullable(JSON.readTree(response.body()).path("code").textValue());
    } catch (JsonProcessingException notJson) {
      return Optional.empty();
    }
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments.length < 3 || arguments[2].equals("import-license-file") != (arguments.length == 4)) {
      System.err.println("usage: MACHINE_ID=... LICENSE_KEY=... example.App CONFIG.json DIR "
          + "licensed|heartbeat|fetch-keys|import-license-file FILE");
      System.exit(1);
    }
    JsonNode config = JSON.readTree(Path.of(arguments[0]).toFile());
    Path directory = Files.createDirectories(Path.of(arguments[1]));
    var app = new App(config, directory, System.getenv("MACHINE_ID"), System.getenv("LICENSE_KEY"));
    try {
      System.out.println(switch (arguments[2]) {
        case "licensed" -> app.licensed();
        case "heartbeat" -> app.heartbeat();
        case "fetch-keys" -> app.fetchKeys();
        case "import-license-file" -> app.importLicenseFile(Path.of(arguments[3]));
        default -> throw new IllegalArgumentException("unknown command: " + arguments[2]);
      });
    } catch (LicenseRefusedException | ApiException | VerificationException | IOException error) {
      System.err.println("error: " + error.getMessage());
      System.exit(1);
    }
  }
}
