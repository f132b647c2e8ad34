"""The states of a license."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Optional, Union

from .times import format_rfc3339


@dataclass(frozen=True)
class Active:
    """The license is valid."""

    name: ClassVar[str] = "Active"
    may_run: ClassVar[bool] = True

    until: datetime
    """When the token must have been renewed."""
    in_grace: bool = False
    """Whether the license key has expired and is still honoured."""
    grace_ends_at: Optional[datetime] = None
    """Until when it is honoured."""

    def __str__(self) -> str:
        grace = f", in grace{_format_optional(' until ', self.grace_ends_at)}" if self.in_grace else ""
        return f"Active until {_format(self.until)}{grace}"


@dataclass(frozen=True)
class Offline:
    """The license is valid, but the token has not been renewed in time."""

    name: ClassVar[str] = "Offline"
    may_run: ClassVar[bool] = True

    until: datetime
    """How long the app may run without a newer token."""
    reason: str
    """Why there is no newer token: `not_contacted`, `network`, `http_NNN` or `invalid_response`."""

    def __str__(self) -> str:
        return f"Offline until {_format(self.until)} ({self.reason})"


@dataclass(frozen=True)
class Expired:
    """The token has ended, and there is no newer one. `refresh` asks the API why."""

    name: ClassVar[str] = "Expired"
    may_run: ClassVar[bool] = False

    since: datetime
    """The `offline_until` of the token."""

    def __str__(self) -> str:
        return f"Expired since {_format(self.since)}"


@dataclass(frozen=True)
class Refused:
    """The API has refused the license."""

    name: ClassVar[str] = "Refused"
    may_run: ClassVar[bool] = False

    code: str
    """The code of the API, such as `revoked`, or `wrong_product`."""
    retry_at: Optional[datetime] = None
    """When a seat may be free, after `seat_limit_reached`."""

    def __str__(self) -> str:
        return f"Refused ({self.code}){_format_optional(', retry at ', self.retry_at)}"


@dataclass(frozen=True)
class Unactivated:
    """There is no token for this product and this machine."""

    name: ClassVar[str] = "Unactivated"
    may_run: ClassVar[bool] = False

    has_license_key: bool = False
    """Whether a license key is stored, with which the client activates without the user."""
    reason: Optional[str] = None
    """Why it has not activated yet: `not_contacted`, `network`, `http_NNN` or `invalid_response`. None without one."""

    def __str__(self) -> str:
        return f"Unactivated (a license key is stored; {self.reason})" if self.has_license_key else "Unactivated"


@dataclass(frozen=True)
class ClockTampered:
    """The clock was set back by more than a day. A response of the API or a newer license file ends this state."""

    name: ClassVar[str] = "ClockTampered"
    may_run: ClassVar[bool] = False

    def __str__(self) -> str:
        return "ClockTampered"


State = Union[Active, Offline, Expired, Refused, Unactivated, ClockTampered]
"""The state of a license: `name` and `may_run` are in all of them. `str` returns a line of text for support."""


def is_change(before: State, after: State) -> bool:
    """Returns whether `on_change` reports `after`: a renewed token alone is no change."""
    if isinstance(before, Active) and isinstance(after, Active):
        return (before.in_grace, before.grace_ends_at) != (after.in_grace, after.grace_ends_at)
    return before != after


def _format(time: datetime) -> str:
    return format_rfc3339(time.timestamp())


def _format_optional(before: str, time: Optional[datetime]) -> str:
    return "" if time is None else f"{before}{_format(time)}"
