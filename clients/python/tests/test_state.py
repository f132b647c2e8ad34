from datetime import datetime, timedelta, timezone

import pytest

from signet_client import Active, ClockTampered, Expired, Offline, Refused, Unactivated

T = datetime(2026, 1, 15, 13, 0, 0, 999_999, timezone.utc)


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (Active(T), "Active until 2026-01-15T13:00:00Z"),
        (Active(T, True, T), "Active until 2026-01-15T13:00:00Z, in grace until 2026-01-15T13:00:00Z"),
        (Active(T, True), "Active until 2026-01-15T13:00:00Z, in grace"),
        (Active(T.astimezone(timezone(timedelta(hours=5)))), "Active until 2026-01-15T13:00:00Z"),
        (Offline(T, "http_503"), "Offline until 2026-01-15T13:00:00Z (http_503)"),
        (Expired(T), "Expired since 2026-01-15T13:00:00Z"),
        (Refused("revoked"), "Refused (revoked)"),
        (Refused("seat_limit_reached", T), "Refused (seat_limit_reached), retry at 2026-01-15T13:00:00Z"),
        (Unactivated(), "Unactivated"),
        (Unactivated(True, "not_contacted"), "Unactivated (a license key is stored; not_contacted)"),
        (ClockTampered(), "ClockTampered"),
    ],
)
def test_the_text_of_a_state(state, text):
    assert str(state) == text
