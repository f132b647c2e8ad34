package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class OptionsTest {
  private static final String TEXT_OF_256_BYTES = "ä".repeat(128);

  @TempDir Path folder;

  @Test
  void a_machine_id_has_1_to_256_bytes_without_control_characters() throws Exception {
    open(options().machineId(TEXT_OF_256_BYTES));
    for (String id : new String[] {"", TEXT_OF_256_BYTES + "a", "a\nb", "a\u0085b", "\ud800", null})
      assertInvalid("machineId", () -> open(options().machineId(id)));
  }

  @Test
  void a_machine_id_that_cannot_be_read_is_an_error_with_its_cause() {
    IllegalStateException cause = new IllegalStateException("no TPM");
    Options options =
        options()
            .machineId(
                () -> {
                  throw cause;
                });
    LicenseException error = assertInvalid("no TPM", () -> open(options));
    assertSame(cause, error.getCause());
  }

  @Test
  void an_instance_id_has_1_to_64_bytes_without_control_characters() throws Exception {
    open(options().machineId("m".repeat(192)).instanceId("ä".repeat(32)));
    for (String id : new String[] {"", "i".repeat(65), "a\tb", null})
      assertInvalid("instanceId", () -> open(options().instanceId(id)));
    assertInvalid(
        "instanceId", () -> open(options().machineId("m".repeat(193)).instanceId("i".repeat(64))));
  }

  @Test
  void a_proxy_is_an_http_url_with_a_host() throws Exception {
    for (String url : new String[] {"http://user:secret@proxy:3128", "proxy:3128", "http://[::1]"})
      new Options().proxy(url);
    for (String url :
        new String[] {"", "http://", "socks5://proxy:1", "http://proxy:99999", "http://a b", null})
      assertInvalid("proxy", () -> new Options().proxy(url));
  }

  @Test
  void certificates_are_at_least_one_in_pem() {
    String damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (String pem : new String[] {"", "no certificate", damaged, null})
      assertInvalid("caCertificates", () -> new Options().caCertificates(pem));
  }

  @Test
  void timeouts_are_more_than_zero() throws Exception {
    Duration second = Duration.ofSeconds(1);
    open(options().timeouts(Duration.ofNanos(1), second));
    for (Duration limit : new Duration[] {Duration.ZERO, second.negated(), null}) {
      assertInvalid("timeouts", () -> open(options().timeouts(limit, second)));
      assertInvalid("timeouts", () -> open(options().timeouts(second, limit)));
    }
  }

  @Test
  void a_suffix_of_the_user_agent_is_printable_ascii() throws Exception {
    open(options().userAgentSuffix("Atlas/4.2 (stable)"));
    assertInvalid("userAgentSuffix", () -> open(options().userAgentSuffix("a\r\nb: c")));
  }

  @Test
  void what_is_said_of_the_machine_is_cut_to_what_the_api_accepts() {
    Identity identity =
        new Identity(
            "machine-1",
            false,
            Optional.empty(),
            () -> Optional.of("\u200bBüro\n 7\u202e" + "x".repeat(100)),
            Optional.of("ä".repeat(17)),
            Optional.of("😀".repeat(17)),
            Optional.of(" \u0007 "));
    assertEquals("Büro 7" + "x".repeat(93), identity.machineName.get().orElseThrow());
    assertEquals(Optional.of("ä".repeat(16)), identity.appVersion);
    assertEquals(Optional.of("😀".repeat(16)), identity.os);
    assertEquals(Optional.empty(), identity.hostname);
  }

  private Options options() {
    return new Options().folder(folder).machineId("machine-1");
  }

  private static void open(Options options) throws Exception {
    License.open(Conformance.config(), options).close();
  }

  /** Checks that the message of an error names an option. */
  private static LicenseException assertInvalid(String part, Executable action) {
    LicenseException error = assertThrows(LicenseException.class, action);
    assertEquals("invalid_config", error.code());
    assertTrue(error.getMessage().contains(part), error.getMessage());
    return error;
  }
}
