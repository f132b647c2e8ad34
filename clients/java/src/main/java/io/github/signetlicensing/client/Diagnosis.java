package io.github.signetlicensing.client;

import java.time.Instant;
import java.util.Optional;
import java.util.OptionalDouble;

/** Writes the text for support. It contains neither a token nor a license key. */
final class Diagnosis {
  private static final long DAY = 86_400;
  private static final String UNKNOWN = "unknown";

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
      State state,
      OptionalDouble nextRequest,
      Optional<Instant> lastContact,
      Optional<String> lastFailure) {
    line("client", License.USER_AGENT + ", Java " + Runtime.version());
    line("product", config.product());
    line("issuer", config.issuer());
    line("api url", config.apiUrl());
    line("machine id", identity.machineId + (identity.isEphemeral ? " (ephemeral)" : ""));
    identity.instanceId.ifPresent(id -> line("instance id", id));
    line("state", state.toString());
    line("license", stored.token.map(Diagnosis::describeLicense).orElse("none"));
    line("token", stored.token.map(this::describeToken).orElse("none"));
    line("license key", stored.licenseKey.isPresent() ? "stored" : "not stored");
    line("next request", nextRequest.isPresent() ? time(nextRequest.getAsDouble()) : "none");
    line("last contact", lastContact.map(Instant::toString).orElse("none since the start"));
    line("last failure", lastFailure.orElse("none since the start"));
    line("key set", stored.keys.map(this::describeKeys).orElse("none"));
    line("clock", describeClock());
    line("storage", store.location());
    return text.toString();
  }

  private static String describeLicense(Token token) {
    return token.licenseId.orElse(UNKNOWN) + ", tier " + token.tierCode.orElse(UNKNOWN);
  }

  private String describeToken(Token token) {
    return "issued "
        + time(token.issuedAt)
        + ", exp "
        + time(token.expiresAt)
        + ", offline until "
        + time(token.offlineUntil)
        + (stored.isFromFile ? ", from a license file" : "");
  }

  private String describeKeys(KeySet keys) {
    long days = (long) (clock.time - keys.issuedAt) / DAY;
    return "issued " + time(keys.issuedAt) + ", " + days + " days old";
  }

  private String describeClock() {
    return time(clock.time)
        + ", behind "
        + (long) clock.behind
        + " s, set back "
        + (long) clock.setBack
        + " s, reference "
        + (clock.reference == 0 ? "none" : time(clock.reference));
  }

  private static String time(double seconds) {
    return Instant.ofEpochSecond((long) seconds).toString();
  }

  private void line(String name, String value) {
    text.append(name).append(": ").append(value).append('\n');
  }
}
