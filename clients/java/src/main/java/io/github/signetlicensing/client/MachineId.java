package io.github.signetlicensing.client;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** The id of a machine, from the identifier of the operating system's installation. */
final class MachineId {
  private static final List<String> LINUX_FILES =
      List.of("/etc/machine-id", "/var/lib/dbus/machine-id");
  private static final List<String> CONTAINER_FILES = List.of("/.dockerenv", "/run/.containerenv");
  private static final List<String> SHARED_VARIABLES =
      List.of(
          "KUBERNETES_SERVICE_HOST",
          "container",
          "AWS_LAMBDA_FUNCTION_NAME",
          "ECS_CONTAINER_METADATA_URI_V4");

  private static final List<String> MACOS_COMMAND =
      List.of("ioreg", "-rd1", "-c", "IOPlatformExpertDevice");
  private static final Pattern MACOS_OUTPUT = Pattern.compile("\"IOPlatformUUID\" = \"([^\"]+)\"");
  private static final List<String> WINDOWS_COMMAND =
      List.of(
          "reg",
          "query",
          "HKLM\\SOFTWARE\\Microsoft\\Cryptography",
          "/v",
          "MachineGuid",
          "/reg:64");
  private static final Pattern WINDOWS_OUTPUT = Pattern.compile("MachineGuid\\s+REG_SZ\\s+(\\S+)");

  private MachineId() {}

  /**
   * Returns the id of this machine for a product, or nothing in a container, in a CI job, or
   * without an identifier.
   */
  static Optional<String> read(String product, Host host) {
    if (isShared(host)) return Optional.empty();
    return identifiers(host)
        .map(id -> id.strip().toLowerCase(Locale.ROOT))
        .filter(id -> !id.isEmpty() && !id.equals("uninitialized"))
        .findFirst()
        .map(id -> hash("signet-machine-id/1\n" + product + "\n" + id));
  }

  /** Returns an id for this process. */
  static String ephemeral() {
    byte[] bytes = new byte[16];
    new SecureRandom().nextBytes(bytes);
    return "ephemeral-" + hex(bytes);
  }

  /** Returns whether many machines share the identifier, or it lasts for minutes. */
  private static boolean isShared(Host host) {
    return CONTAINER_FILES.stream().anyMatch(file -> host.file(file).isPresent())
        || SHARED_VARIABLES.stream().anyMatch(name -> isSet(host, name))
        || isSet(host, "CI") && !host.variable("CI").equals(Optional.of("false"));
  }

  private static boolean isSet(Host host, String variable) {
    return host.variable(variable).filter(value -> !value.isEmpty()).isPresent();
  }

  /** Returns what the system has as an identifier, in the order of preference. */
  private static Stream<String> identifiers(Host host) {
    switch (host.system()) {
      case "macos":
        return find(MACOS_OUTPUT, host.output(MACOS_COMMAND));
      case "windows":
        return find(WINDOWS_OUTPUT, host.output(WINDOWS_COMMAND));
      default:
        return LINUX_FILES.stream().flatMap(file -> host.file(file).stream());
    }
  }

  private static Stream<String> find(Pattern pattern, String output) {
    Matcher matcher = pattern.matcher(output);
    return matcher.find() ? Stream.of(matcher.group(1)) : Stream.empty();
  }

  private static String hash(String text) {
    try {
      return hex(
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException(impossible); // every Java platform has SHA-256
    }
  }

  private static String hex(byte[] bytes) {
    StringBuilder text = new StringBuilder();
    for (byte value : bytes) text.append(String.format("%02x", value));
    return text.toString();
  }
}
