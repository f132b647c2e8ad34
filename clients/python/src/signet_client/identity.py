"""What the client says of the machine and the app."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional


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
        """Returns an identity whose texts the API accepts."""
        return cls(
            machine_id,
            is_ephemeral,
            instance_id,
            machine_name=_cut(machine_name, 100),
            app_version=_cut(app_version, 32),
            os=_cut(os, 64),
            hostname=_cut(hostname, 64),
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


def _cut(text: Optional[str], max_bytes: int) -> Optional[str]:
    """Returns a text without control and invisible characters, cut to `max_bytes` bytes, or None if nothing is left."""
    visible = "".join(char for char in text or "" if char.isprintable()).strip()
    return visible.encode()[:max_bytes].decode(errors="ignore").strip() or None
