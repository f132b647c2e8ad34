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
    return (system() + " " + (architecture.equals("amd64") ? "x86_64" : architecture)).strip();
  }

  /** Returns the host name. */
  Optional<String> name() {
    return file("/proc/sys/kernel/hostname")
        .or(() -> variable("COMPUTERNAME"))
        .or(SystemHost::networkName);
  }

  private static Optional<String> networkName() {
    try {
      return Optional.of(InetAddress.getLocalHost().getHostName());
    } catch (UnknownHostException unknown) {
      return Optional.empty();
    }
  }
}
