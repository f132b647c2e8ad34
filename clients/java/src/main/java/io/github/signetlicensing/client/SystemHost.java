package io.github.signetlicensing.client;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The machine that the JVM runs on. */
final class SystemHost implements Host {
  /** The most bytes of the name of a machine that the API accepts. */
  private static final int MAX_NAME_LENGTH = 100;

  /** The most bytes of the description of an operating system that the API accepts. */
  private static final int MAX_OS_LENGTH = 64;

  @Override
  public String system() {
    String name = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
    if (name.startsWith("mac")) return "macos";
    return name.startsWith("windows") ? "windows" : name;
  }

  @Override
  public Optional<String> file(String path) {
    if (!Files.exists(Path.of(path))) return Optional.empty();
    try {
      return Optional.of(Files.readString(Path.of(path)));
    } catch (IOException unreadable) {
      return Optional.of("");
    }
  }

  @Override
  public Optional<String> variable(String name) {
    return Optional.ofNullable(System.getenv(name));
  }

  @Override
  public String output(List<String> command) {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      process.getOutputStream().close();
      return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException notRun) {
      return "";
    }
  }

  /** Returns the system and the architecture, such as {@code linux x86_64}. */
  String systemAndArchitecture() {
    String architecture = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
    return cut(
        (system() + " " + (architecture.equals("amd64") ? "x86_64" : architecture)).strip(),
        MAX_OS_LENGTH);
  }

  /** Returns the host name. */
  Optional<String> name() {
    return file("/proc/sys/kernel/hostname")
        .or(() -> variable("COMPUTERNAME"))
        .or(SystemHost::networkName)
        .map(name -> cut(name.strip(), MAX_NAME_LENGTH))
        .filter(name -> !name.isEmpty());
  }

  /** Removes characters that are not printable ASCII, and those after the last allowed one. */
  private static String cut(String text, int length) {
    String printable = text.replaceAll("[^ -~]", "");
    return printable.substring(0, Math.min(printable.length(), length));
  }

  private static Optional<String> networkName() {
    try {
      return Optional.of(InetAddress.getLocalHost().getHostName());
    } catch (UnknownHostException unknown) {
      return Optional.empty();
    }
  }
}
