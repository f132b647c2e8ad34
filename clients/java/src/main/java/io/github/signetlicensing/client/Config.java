package io.github.signetlicensing.client;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PublicKey;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What is built into an app: the content of its app file, {@code signet-app.json}. Immutable. */
public final class Config {
  private final String apiUrl;
  private final String issuer;
  private final String product;
  private final Map<String, PublicKey> rootKeys;

  private Config(String apiUrl, String issuer, String product, Map<String, PublicKey> rootKeys) {
    this.apiUrl = apiUrl;
    this.issuer = issuer;
    this.product = product;
    this.rootKeys = rootKeys;
  }

  /**
   * Reads the text of an app file. Fields that are not known are ignored.
   *
   * @param json a JSON object with {@code issuer}, {@code product}, {@code root_keys} and, if it is
   *     not the issuer, {@code api_url}
   * @return the configuration
   * @throws LicenseException with the code {@code invalid_config}
   */
  public static Config parse(String json) throws LicenseException {
    JsonObject app =
        Json.parse(json).orElseThrow(() -> invalid("the app file must be a JSON object"));
    String issuer = required(app, "issuer");
    String apiUrl = Json.string(app, "api_url").orElse(issuer);
    JsonElement keys = app.get("root_keys");
    JsonArray jwks = keys != null && keys.isJsonArray() ? keys.getAsJsonArray() : new JsonArray();
    return new Config(checkUrl(apiUrl), issuer, required(app, "product"), readRootKeys(jwks));
  }

  /**
   * Reads an app file.
   *
   * @param file the path of {@code signet-app.json}
   * @return the configuration
   * @throws IOException if the file cannot be read
   * @throws LicenseException with the code {@code invalid_config}
   */
  public static Config read(Path file) throws IOException, LicenseException {
    return parse(Files.readString(file));
  }

  /**
   * Reads an app file, for example a resource of the app.
   *
   * @param stream the content of {@code signet-app.json}. It is not closed
   * @return the configuration
   * @throws IOException if the stream cannot be read
   * @throws LicenseException with the code {@code invalid_config}
   */
  public static Config read(InputStream stream) throws IOException, LicenseException {
    return parse(new String(stream.readAllBytes(), StandardCharsets.UTF_8));
  }

  /**
   * Creates a configuration from values that are compiled into the app.
   *
   * @param issuer URL of the installation
   * @param product code of the product
   * @param rootKeys public root keys, each the JSON text of a JWK
   * @return the configuration, whose API URL is the issuer
   * @throws LicenseException with the code {@code invalid_config}
   */
  public static Config of(String issuer, String product, List<String> rootKeys)
      throws LicenseException {
    JsonArray jwks = new JsonArray();
    for (String key : rootKeys) jwks.add(Json.parse(key).orElseThrow(Config::invalidRootKey));
    JsonObject app = new JsonObject();
    app.addProperty("issuer", issuer);
    app.addProperty("product", product);
    app.add("root_keys", jwks);
    return parse(app.toString());
  }

  /**
   * Returns a copy whose requests go to another URL than the issuer.
   *
   * @param url an https URL, or an http URL of a loopback host
   * @return the copy
   * @throws LicenseException with the code {@code invalid_config}
   */
  public Config withApiUrl(String url) throws LicenseException {
    return new Config(checkUrl(url), issuer, product, rootKeys);
  }

  /** Returns the URL of the API without a slash at its end. */
  String apiUrl() {
    return apiUrl;
  }

  String issuer() {
    return issuer;
  }

  String product() {
    return product;
  }

  /** Returns the root keys by their thumbprints. */
  Map<String, PublicKey> rootKeys() {
    return rootKeys;
  }

  private static Map<String, PublicKey> readRootKeys(JsonArray jwks) throws LicenseException {
    Map<String, PublicKey> keys = new HashMap<>();
    for (JsonElement element : jwks) {
      JsonObject jwk = element.isJsonObject() ? element.getAsJsonObject() : new JsonObject();
      keys.put(
          RsaKeys.parse(jwk).map(key -> RsaKeys.thumbprint(jwk)).orElse(""),
          RsaKeys.parse(jwk).orElse(null));
    }
    if (keys.isEmpty() || keys.containsKey("")) throw invalidRootKey();
    return Map.copyOf(keys);
  }

  private static String checkUrl(String url) throws LicenseException {
    try {
      URI uri = URI.create(url);
      String host = Optional.ofNullable(uri.getHost()).orElse("");
      boolean isSecure = "https".equalsIgnoreCase(uri.getScheme()) && !host.isEmpty();
      boolean isLocal = "http".equalsIgnoreCase(uri.getScheme()) && Proxies.isLoopback(host);
      boolean isBase =
          uri.getRawUserInfo() == null && uri.getRawQuery() == null && uri.getRawFragment() == null;
      if (isBase && (isSecure || isLocal)) return url.replaceAll("/+$", "");
    } catch (IllegalArgumentException noUrl) {
      // Falls through to the error.
    }
    throw invalid(
        "api_url must be an https URL, or an http URL of a loopback host, without user information,"
            + " query and fragment");
  }

  private static String required(JsonObject app, String name) throws LicenseException {
    return Json.string(app, name)
        .filter(value -> !value.isEmpty())
        .orElseThrow(() -> invalid(name + " of the app file must be a string"));
  }

  private static LicenseException invalidRootKey() {
    return invalid("root_keys of the app file must be a list of at least one RSA JWK");
  }

  private static LicenseException invalid(String message) {
    return LicenseException.invalidConfig(message);
  }
}
