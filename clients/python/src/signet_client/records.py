"""The formats of the stored files."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Optional, Union

from .times import is_time


@dataclass(frozen=True)
class TokenRecord:
    """`token.json`: the token, and what came with it."""

    token: str = field(repr=False)
    next_heartbeat_at: int
    in_grace: bool = False
    grace_ends_at: Optional[int] = None
    license_file: Optional[str] = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: Optional[str]) -> "Optional[TokenRecord]":
        """Reads a file; one that is damaged counts as absent."""
        fields = _parse_object(text)
        record = cls(
            fields.get("token", ""),
            fields.get("next_heartbeat_at", -1),
            fields.get("in_grace", False),
            fields.get("grace_ends_at"),
            fields.get("license_file"),
        )
        return record if record._is_valid() else None

    def _is_valid(self) -> bool:
        return (
            isinstance(self.token, str)
            and self.token != ""
            and is_time(self.next_heartbeat_at)
            and isinstance(self.in_grace, bool)
            and _is_optional_time(self.grace_ends_at)
            and (self.license_file is None or isinstance(self.license_file, str))
        )


@dataclass(frozen=True)
class RefusalRecord:
    """`refusal.json`: the last refusal."""

    id: str
    code: str
    at: int
    retry_at: Optional[int] = None

    @classmethod
    def parse(cls, text: Optional[str]) -> "Optional[RefusalRecord]":
        """Reads a file; one that is damaged counts as absent."""
        fields = _parse_object(text)
        record = cls(fields.get("id", ""), fields.get("code", ""), fields.get("at", -1), fields.get("retry_at"))
        is_valid = (
            isinstance(record.id, str)
            and isinstance(record.code, str)
            and record.code != ""
            and is_time(record.at)
            and _is_optional_time(record.retry_at)
        )
        return record if is_valid else None


@dataclass(frozen=True)
class ClockRecord:
    """`clock.json`: the clock."""

    last_seen: int
    behind: int
    set_back: int
    reference: int

    @classmethod
    def parse(cls, text: Optional[str]) -> "Optional[ClockRecord]":
        """Reads a file; one that is damaged counts as absent."""
        fields = _parse_object(text)
        behind = fields.get("behind")
        fields["behind"] = abs(behind) if type(behind) is int else None
        if not all(is_time(fields.get(name)) for name in ("last_seen", "behind", "set_back", "reference")):
            return None
        return cls(fields["last_seen"], behind, fields["set_back"], fields["reference"])  # type: ignore[arg-type]


def format_record(record: Union[TokenRecord, RefusalRecord, ClockRecord]) -> str:
    """Returns a record as JSON."""
    return json.dumps(asdict(record))


def _parse_object(text: Optional[str]) -> dict[str, Any]:
    try:
        value = json.loads(text or "null")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_optional_time(value: Any) -> bool:
    return value is None or is_time(value)
