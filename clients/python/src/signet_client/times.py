"""Unix times, and their forms in JSON, RFC 3339 and Python."""

import re
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

HOUR = 3600
DAY = 86_400
_MAX_TIME = 253_402_300_799  # 9999-12-31T23:59:59Z
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def is_time(value: Any) -> bool:
    """Returns whether a JSON value is a Unix time: a whole number of seconds of the years 1970 to 9999."""
    return type(value) is int and 0 <= value <= _MAX_TIME


def parse_rfc3339(value: Any) -> Optional[int]:
    """Returns the Unix time of an RFC 3339 text, without its fraction, or None."""
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    date, time, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else zone
    try:
        seconds = int((datetime.fromisoformat(f"{date}T{time}{zone}") - _EPOCH).total_seconds())
    except ValueError:
        return None
    return seconds if is_time(seconds) else None


def format_rfc3339(seconds: float) -> str:
    """Returns a Unix time as RFC 3339 in UTC, without a fraction."""
    return to_datetime(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_datetime(seconds: float) -> datetime:
    """Returns a Unix time as a time in UTC, without a fraction."""
    return _EPOCH + timedelta(seconds=max(0, min(int(seconds), _MAX_TIME)))


def to_optional_datetime(seconds: Optional[int]) -> Optional[datetime]:
    """Returns a Unix time, which may be None, as a time in UTC."""
    return None if seconds is None else to_datetime(seconds)
