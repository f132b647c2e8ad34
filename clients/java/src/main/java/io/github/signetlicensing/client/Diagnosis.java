package io.github.signetlicensing.client;

import java.time.Instant;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** Writes the text for support. It contains neither a token nor a license key. */
final class Diagnosis {
  private final Config config;
  private final Identity identity;
  private final Store store;
  private final Stored stored;
  private final Clock clock;
  private final StringBuilder text = new StringBuilder();

  Diagnosis(Config config, Identity identity, Store store, Stored stored, Clock clock) {
    this.config = config;
    this.identity = identity;
    this.store = store;
    this.stored = stored;
    this.clock = clock;
  }

  String text(
      State state, double wall, Optional<Instant> lastContact, Optional<String> lastFailure) {
    line("client", License.USER_AGENT + ", Java " + Runtime.version());
    line("product", config.product());
    line("issuer", config.issuer());
    line("api url", config.apiUrl());
    line("machine id", identity.machineId + (identity.isEphemeral ? " (ephemeral)" : ""));
    identity.instanceId.ifPresent(id -> line("instance id", id));
    line("state", state.toString());
    describeToken();
    stored.refusal.ifPresent(refusal -> line("refused", refusal.code + " at " + time(refusal.at)));
    line("license key", stored.licenseKey.isPresent() ? "stored" : "not stored");
    line("last contact", lastContact.map(Instant::toString).orElse("none since the start"));
    line("last failure", lastFailure.orElse("none since the start"));
    line("key set", stored.keys.map(this::describeKeys).orElse("none"));
    line(
        "clock",
        time((long) clock.time)
            + ", wall clock "
            + time((long) wall)
            + ", behind "
            + (long) clock.behind
            + " s, set back "
            + (long) clock.setBack
            + " s");
    line("storage", store.location());
    Set<String> inMemory = new TreeSet<>(store.namesInMemory());
    if (!inMemory.isEmpty()) line("in memory only", String.join(", ", inMemory));
    return text.toString();
  }

  private void describeToken() {
    if (stored.token.isEmpty()) {
      line("token", stored.record.isPresent() ? "not accepted" : "none");
      return;
    }
    Token token = stored.token.get();
    line(
        "token",
        "issued "
            + time(token.issuedAt)
            + ", expires "
            + time(token.expiresAt)
            + ", offline until "
            + time(token.offlineUntil)
            + (stored.isFromFile ? ", from a license file" : ""));
    line("next heartbeat", time(stored.record.get().nextHeartbeatAt));
  }

  private String describeKeys(KeySet keys) {
    return "issued "
        + time(keys.issuedAt)
        + ", "
        + (long) ((clock.time - keys.issuedAt) / 3_600)
        + " h old";
  }

  private static String time(long seconds) {
    return Instant.ofEpochSecond(seconds).toString();
  }

  private void line(String name, String value) {
    text.append(name).append(": ").append(value).append('\n');
  }
}
