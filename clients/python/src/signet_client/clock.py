"""The time of the client, which a wall clock that is set back does not set back."""

from typing import Optional

from .records import ClockRecord
from .times import DAY

_TOLERANCE = 60
"""Seconds by which the wall clock may differ from the time."""


class Clock:
    """Keeps the time: that of the wall clock, unless it was set back. All values are in seconds."""

    def __init__(self, record: Optional[ClockRecord], wall: float, monotonic: float) -> None:
        self.time: float = record.last_seen if record else wall
        self.behind: float = record.behind if record else 0
        """How far the wall clock is behind the time; negative if it is known to be ahead."""
        self.set_back: float = record.set_back if record else 0
        """The sum of all set-backs since `reference`."""
        self.reference: int = record.reference if record else 0
        """The last signed time."""
        self._monotonic = monotonic

    @property
    def is_tampered(self) -> bool:
        """Whether the wall clock was set back by more than a day in all since the last signed time."""
        return self.set_back > DAY

    def observe(self, wall: float, monotonic: float, not_before: float) -> None:
        """Moves the time on. `not_before` is the `nbf` of the accepted token."""
        elapsed = max(0.0, monotonic - self._monotonic)
        self._monotonic = monotonic
        expected = max(self.time + elapsed, not_before)
        difference = expected - wall
        if difference >= _TOLERANCE:
            self._observe_behind(expected, difference)
        elif difference <= -_TOLERANCE and self.behind < 0:
            self._observe_ahead(expected, wall)
        else:
            self.time, self.behind = max(expected, wall), 0

    def set_by_response(self, wall: float, iat: int, exp: int) -> None:
        """Sets the time after a response with a token that is later than `reference`."""
        self._set(wall, iat, is_wall_right=iat - _TOLERANCE <= wall <= exp)

    def set_by_license_file(self, wall: float, iat: int) -> None:
        """Sets the time after the import of a license file that is later than `reference`."""
        self._set(wall, iat, is_wall_right=iat - _TOLERANCE <= wall)

    def adopt(self, record: ClockRecord) -> None:
        """Takes over what another process has stored: a later signed time, or a set-back that it has seen."""
        if record.reference > self.reference:
            self.time, self.behind, self.set_back = record.last_seen, record.behind, record.set_back
            self.reference = record.reference
        elif record.reference == self.reference:
            self.time = max(self.time, record.last_seen)
            if record.set_back > self.set_back:
                self.behind, self.set_back = record.behind, record.set_back

    def record(self, offline_until: Optional[int]) -> ClockRecord:
        """Returns what is stored. A clock that was far ahead must not lock out later tokens."""
        time = self.time if offline_until is None else min(self.time, offline_until + 1)
        return ClockRecord(int(time), int(self.behind), int(self.set_back), self.reference)

    def _observe_behind(self, expected: float, difference: float) -> None:
        """The wall clock is behind by `difference`: counts by how much it is more than before."""
        self.time = expected
        self.behind = max(self.behind, 0)
        if difference > self.behind + _TOLERANCE:
            self.set_back += difference - self.behind
            self.behind = difference
        self.behind = min(self.behind, difference)

    def _observe_ahead(self, expected: float, wall: float) -> None:
        """The wall clock is known to be ahead: corrects it, and counts by how much it was set back."""
        corrected = wall + self.behind
        if expected - corrected > _TOLERANCE:
            self.set_back += expected - corrected
        self.time = max(expected, corrected)
        self.behind = max(self.behind, expected - wall)

    def _set(self, wall: float, iat: int, *, is_wall_right: bool) -> None:
        self.time = wall if is_wall_right else iat
        self.behind = 0 if is_wall_right else iat - wall
        self.set_back = 0
        self.reference = iat
