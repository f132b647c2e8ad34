package io.github.signetlicensing.client;

import java.util.Optional;
import java.util.function.Supplier;

/** The machine and the process, and what is sent about them. */
final class Identity {
  final String machineId;

  /** Whether the machine id is made for this process. Its token and refusal are not stored. */
  final boolean isEphemeral;

  final Optional<String> instanceId;

  /** Name for people, read when it is sent: looking it up can take time. */
  final Supplier<Optional<String>> machineName;

  final Optional<String> appVersion;
  final Optional<String> os;
  final Optional<String> hostname;

  /** Creates an identity. Texts about the machine are cut to what the API accepts. */
  Identity(
      String machineId,
      boolean isEphemeral,
      Optional<String> instanceId,
      Supplier<Optional<String>> machineName,
      Optional<String> appVersion,
      Optional<String> os,
      Optional<String> hostname) {
    this.machineId = machineId;
    this.isEphemeral = isEphemeral;
    this.instanceId = instanceId;
    this.machineName = () -> machineName.get().flatMap(name -> Text.cut(name, 100));
    this.appVersion = appVersion.flatMap(version -> Text.cut(version, 32));
    this.os = os.flatMap(description -> Text.cut(description, 64));
    this.hostname = hostname.flatMap(name -> Text.cut(name, 64));
  }

  /** Returns whether the seat is that of the process: it is freed when the client closes. */
  boolean releasesAtClose() {
    return isEphemeral || instanceId.isPresent();
  }
}
