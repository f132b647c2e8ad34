"""What the client says of the machine and the app."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from .errors import LicenseError, invalid_config
from .texts import remove_invisible

_MAX_MACHINE_ID_BYTES = 256
"""Of a machine id, and of a machine id and an instance id together."""
_MAX_INSTANCE_ID_BYTES = 64


@dataclass(frozen=True)
class Identity:
    """The machine and the process, and what the dashboard shows of them. A part that is None is not sent."""

    machine_id: str
    is_ephemeral: bool = False
    """Whether the machine id lasts only as long as this process."""
    instance_id: Optional[str] = None
    machine_name: Optional[str] = None
    app_version: Optional[str] = None
    os: Optional[str] = None
    hostname: Optional[str] = None

    @property
    def is_process(self) -> bool:
        """Whether the seat belongs to this process, which releases it when it closes."""
        return self.is_ephemeral or self.instance_id is not None

    @classmethod
    def create(
        cls,
        machine_id: str,
        *,
        is_ephemeral: bool,
        instance_id: Optional[str],
        machine_name: Optional[str],
        app_version: Optional[str],
        os: Optional[str],
        hostname: Optional[str],
    ) -> "Identity":
        """Returns an identity whose texts the API accepts. Raises LicenseError with the code `invalid_config`."""
        if instance_id is not None:
            _check_instance_id(instance_id, machine_id)
        return cls(
            machine_id,
            is_ephemeral,
            instance_id,
            machine_name=_cut(machine_name, 100, "machine_name"),
            app_version=_cut(app_version, 32, "app_version"),
            os=_cut(os, 64, "os"),
            hostname=_cut(hostname, 64, "hostname"),
        )

    def require_lasting(self, what_failed: str) -> None:
        """Raises LicenseError with the code `ephemeral_machine_id` if the machine id ends with this process."""
        if self.is_ephemeral:
            raise LicenseError(
                "ephemeral_machine_id",
                f"{what_failed}: the machine id is new at each start, and it must stay the same: "
                "give one with the option machine_id",
            )

    def fields(self) -> Mapping[str, str]:
        """Returns what an activation and a heartbeat have in common."""
        fields = {
            "machine_id": self.machine_id,
            "instance_id": self.instance_id,
            "app_version": self.app_version,
            "os": self.os,
            "hostname": self.hostname,
        }
        return {name: value for name, value in fields.items() if value is not None}


def check_machine_id(given: Any) -> str:
    """Returns a machine id that the app gives. Raises LicenseError with the code `invalid_config`."""
    if not _is_id(given, _MAX_MACHINE_ID_BYTES):
        raise invalid_config("machine_id must be 1 to 256 bytes of UTF-8 without control characters")
    return str(given)


def _check_instance_id(instance_id: str, machine_id: str) -> None:
    if not _is_id(instance_id, _MAX_INSTANCE_ID_BYTES):
        raise invalid_config("instance_id must be 1 to 64 bytes of UTF-8 without control characters")
    if len(machine_id.encode()) + len(instance_id.encode()) > _MAX_MACHINE_ID_BYTES:
        raise invalid_config("instance_id and machine_id must be at most 256 bytes together")


def _is_id(text: Any, max_bytes: int) -> bool:
    try:
        is_short = isinstance(text, str) and 0 < len(text.encode()) <= max_bytes
    except UnicodeEncodeError:
        return False
    return is_short and not any(unicodedata.category(char) == "Cc" for char in text)


def _cut(text: Optional[str], max_bytes: int, name: str) -> Optional[str]:
    """Returns a text without control and invisible characters, cut to `max_bytes` bytes, or None if nothing is left."""
    if text is not None and not isinstance(text, str):
        raise invalid_config(f"{name} must be a text or None")
    visible = remove_invisible(text or "").strip()
    return visible.encode()[:max_bytes].decode(errors="ignore").strip() or None
