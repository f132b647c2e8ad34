package io.github.signetlicensing.client;

import java.net.URI;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.Certificate;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** Options of a license. Each has a default, so that most apps need none. */
public final class Options {
  private static final int MAX_MACHINE_ID = 256;
  private static final int MAX_INSTANCE_ID = 64;
  private static final String CERTIFICATES_INVALID =
      "caCertificates must be at least one certificate in the PEM format";

  Optional<Storage> storage = Optional.empty();
  Optional<Supplier<String>> machineId = Optional.empty();
  Optional<String> instanceId = Optional.empty();
  Supplier<Optional<String>> machineName = () -> new SystemHost().name();
  Optional<String> appVersion = Optional.empty();
  Optional<String> os = Optional.of(new SystemHost().systemAndArchitecture());
  Optional<String> hostname = Optional.empty();
  boolean keepsLicenseKey = true;
  Optional<URI> proxy = Optional.empty();
  List<Certificate> certificates = List.of();
  Duration connectTimeout = Duration.ofSeconds(10);
  Duration timeout = Duration.ofSeconds(30);
  String userAgent = License.USER_AGENT;

  /** Creates the default options. */
  public Options() {}

  /**
   * Stores the files in this folder instead of the user's data folder.
   *
   * @param folder a folder, which is created if it does not exist
   * @return these options
   */
  public Options folder(Path folder) {
    storage = Optional.of(new FileStorage(folder));
    return this;
  }

  /**
   * Stores the files in the app's own storage.
   *
   * @param own a storage that several threads can use
   * @return these options
   */
  public Options storage(Storage own) {
    storage = Optional.of(own);
    return this;
  }

  /**
   * Uses an own machine id instead of that of the operating system's installation. Put the product
   * into it: two apps with the same machine id could free each other's seats.
   *
   * @param id 1 to 256 bytes of UTF-8 without control characters that stay the same across restarts
   *     and updates
   * @return these options
   */
  public Options machineId(String id) {
    return machineId(() -> id);
  }

  /**
   * Uses an own machine id, which is read when the license opens. If the provider throws, the
   * license does not open.
   *
   * @param provider returns the id
   * @return these options
   */
  public Options machineId(Supplier<String> provider) {
    machineId = Optional.of(provider);
    return this;
  }

  /**
   * Takes a seat for this process instead of the machine (floating licenses). The seat is freed
   * when the license closes.
   *
   * @param id an id of the process, unique on the machine: 1 to 64 bytes of UTF-8 without control
   *     characters, and with the machine id at most 256 bytes
   * @return these options
   */
  public Options instanceId(String id) {
    instanceId = Optional.of(id == null ? "" : id);
    return this;
  }

  /**
   * Sets the name of the machine for people. The default is the host name.
   *
   * @param name cut to 100 bytes; null sends none
   * @return these options
   */
  public Options machineName(String name) {
    machineName = () -> Optional.ofNullable(name);
    return this;
  }

  /**
   * Sends the version of the app. By default none is sent.
   *
   * @param version cut to 32 bytes; null sends none
   * @return these options
   */
  public Options appVersion(String version) {
    appVersion = Optional.ofNullable(version);
    return this;
  }

  /**
   * Sets the description of the operating system. The default is the system and the architecture,
   * such as {@code linux x86_64}.
   *
   * @param description cut to 64 bytes; null sends none
   * @return these options
   */
  public Options os(String description) {
    os = Optional.ofNullable(description);
    return this;
  }

  /**
   * Sends the host name. By default it is not sent.
   *
   * @param name cut to 64 bytes; null sends none
   * @return these options
   */
  public Options hostname(String name) {
    hostname = Optional.ofNullable(name);
    return this;
  }

  /**
   * Sets whether the license key is stored. Without it, the app cannot activate again by itself.
   *
   * @param keeps true, the default, or false
   * @return these options
   */
  public Options keepLicenseKey(boolean keeps) {
    keepsLicenseKey = keeps;
    return this;
  }

  /**
   * Uses this proxy instead of that of the environment or the system.
   *
   * @param url such as {@code http://proxy.example.com:3128}
   * @return these options
   * @throws LicenseException with the code {@code invalid_config}
   */
  public Options proxy(String url) throws LicenseException {
    Optional<URI> parsed = Optional.ofNullable(url).flatMap(Proxies::parse);
    if (parsed.isEmpty())
      throw LicenseException.invalidConfig("proxy must be an http URL with a host");
    proxy = parsed;
    return this;
  }

  /**
   * Trusts certificate authorities in addition to those of the JVM and of the system.
   *
   * @param pem one or more certificates in the PEM format
   * @return these options
   * @throws LicenseException with the code {@code invalid_config}
   */
  public Options caCertificates(String pem) throws LicenseException {
    try {
      certificates = TrustedCertificates.parse(pem == null ? "" : pem);
    } catch (GeneralSecurityException invalid) {
      throw new LicenseException(LicenseException.CONFIG_INVALID, CERTIFICATES_INVALID, invalid);
    }
    if (certificates.isEmpty()) throw LicenseException.invalidConfig(CERTIFICATES_INVALID);
    return this;
  }

  /**
   * Sets the limits for requests. The defaults are 10 and 30 seconds.
   *
   * @param connect limit for connecting, more than 0
   * @param total limit for the whole request, more than 0
   * @return these options
   */
  public Options timeouts(Duration connect, Duration total) {
    connectTimeout = connect;
    timeout = total;
    return this;
  }

  /**
   * Appends a text to the header {@code User-Agent} of requests.
   *
   * @param suffix such as {@code Atlas/4.2}, of printable ASCII characters
   * @return these options
   */
  public Options userAgentSuffix(String suffix) {
    userAgent = License.USER_AGENT + " " + suffix;
    return this;
  }

  /** Checks the options whose setters do not. */
  void check() throws LicenseException {
    if (!instanceId.map(id -> Text.isId(id, MAX_INSTANCE_ID)).orElse(true))
      throw LicenseException.invalidConfig(
          "instanceId must be 1 to 64 bytes of UTF-8 without control characters");
    if (!isPositive(connectTimeout) || !isPositive(timeout))
      throw LicenseException.invalidConfig("timeouts must be more than 0 seconds");
    if (!userAgent.matches("[ -~]*"))
      throw LicenseException.invalidConfig("userAgentSuffix must be printable ASCII characters");
  }

  private static boolean isPositive(Duration duration) {
    return duration != null && !duration.isZero() && !duration.isNegative();
  }

  /** Returns the machine id of the app, or nothing if it gives none. */
  Optional<String> readMachineId() throws LicenseException {
    if (machineId.isEmpty()) return Optional.empty();
    String id;
    try {
      id = machineId.get().get();
    } catch (RuntimeException failure) {
      throw new LicenseException(
          LicenseException.CONFIG_INVALID,
          "machineId: the supplier failed: " + Text.line(Text.describe(failure)),
          failure);
    }
    if (id == null || !Text.isId(id, MAX_MACHINE_ID))
      throw LicenseException.invalidConfig(
          "machineId must be 1 to 256 bytes of UTF-8 without control characters");
    if (Text.length(id) + Text.length(instanceId.orElse("")) > MAX_MACHINE_ID)
      throw LicenseException.invalidConfig(
          "instanceId and machineId must be at most 256 bytes together");
    return Optional.of(id);
  }
}
