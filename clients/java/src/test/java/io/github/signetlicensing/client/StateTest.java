package io.github.signetlicensing.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.junit.jupiter.api.Test;

class StateTest {
  private static final long TIME = 1_768_482_000;

  @Test
  void a_state_has_a_text_form() {
    Optional<Long> none = Optional.empty();
    Optional<Long> later = Optional.of(TIME + 3_600);
    assertText("Active until 2026-01-15T13:00:00Z", State.active(TIME, false, none));
    assertText(
        "Active until 2026-01-15T13:00:00Z, in grace until 2026-01-15T14:00:00Z",
        State.active(TIME, true, later));
    assertText("Offline until 2026-01-15T13:00:00Z (network)", State.offline(TIME, "network"));
    assertText("Expired since 2026-01-15T13:00:00Z", State.expired(TIME));
    assertText("Refused (revoked)", State.refused("revoked", none));
    assertText(
        "Refused (seat_limit_reached), retry at 2026-01-15T14:00:00Z",
        State.refused("seat_limit_reached", later));
    assertText("ClockTampered", State.clockTampered());
    assertText("Unactivated", State.unactivated(Optional.empty()));
    assertText("Unactivated (a license key is stored; network)", activating("network"));
  }

  @Test
  void a_license_key_is_a_field_of_unactivated_only() {
    assertTrue(activating("network").hasLicenseKey());
    assertFalse(activating("network").inGrace());
    assertFalse(State.active(TIME, true, Optional.empty()).hasLicenseKey());
    assertTrue(activating("network").differsFrom(State.unactivated(Optional.empty())));
  }

  @Test
  void a_reason_is_a_field_of_offline_and_of_unactivated_with_a_license_key() {
    assertEquals(Optional.of("network"), activating("network").reason());
    assertEquals(Optional.of("http_503"), State.offline(TIME, "http_503").reason());
    assertEquals(Optional.empty(), State.unactivated(Optional.empty()).reason());
    assertEquals(Optional.empty(), State.refused("revoked", Optional.empty()).reason());
    assertTrue(activating("network").differsFrom(activating("not_contacted")));
  }

  private static State activating(String reason) {
    return State.unactivated(Optional.of(reason));
  }

  private static void assertText(String expected, State state) {
    assertEquals(expected, state.toString());
  }
}
