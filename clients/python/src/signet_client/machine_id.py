"""The machine id."""

import hashlib
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

_COMMAND_SECONDS = 5
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
_CONTAINER_VARIABLES = (
    "KUBERNETES_SERVICE_HOST",
    "container",
    "AWS_LAMBDA_FUNCTION_NAME",
    "ECS_CONTAINER_METADATA_URI_V4",
)
_LINUX_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")
_IOREG = ("/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice")
_REG = ("reg", "query", r"HKLM\SOFTWARE\Microsoft\Cryptography", "/v", "MachineGuid", "/reg:64")


@dataclass(frozen=True)
class System:
    """The operating system, as far as the machine id needs it."""

    name: str = {"darwin": "macos", "win32": "windows"}.get(sys.platform, "linux")
    """`linux`, `macos` or `windows`; other systems count as `linux`."""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def exists(self, path: str) -> bool:
        """Returns whether a file exists."""
        return os.path.exists(path)

    def read(self, path: str) -> str:
        """Returns the text of a file, or an empty text if it cannot be read."""
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read(1000)
        except OSError:
            return ""

    def run(self, command: Sequence[str]) -> str:
        """Returns the output of a command, or an empty text if it fails."""
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_COMMAND_SECONDS,
                check=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            ).stdout.decode(errors="replace")
        except (OSError, subprocess.SubprocessError):
            return ""


def machine_id(product: str, system: System) -> Optional[str]:
    """Returns the machine id, or None in a container, in a CI job, and without an identifier of the installation."""
    if _is_ephemeral(system):
        return None
    identifier = _identifier(system)
    if not identifier:
        return None
    return hashlib.sha256(f"signet-machine-id/1\n{product}\n{identifier}".encode()).hexdigest()


def ephemeral_machine_id() -> str:
    """Returns a random machine id."""
    return f"ephemeral-{uuid.uuid4().hex}"


def _is_ephemeral(system: System) -> bool:
    return (
        any(system.exists(path) for path in _CONTAINER_FILES)
        or any(system.environment.get(name) for name in _CONTAINER_VARIABLES)
        or system.environment.get("CI", "") not in ("", "false")
    )


def _identifier(system: System) -> str:
    """Returns the identifier of the installation, or an empty text."""
    if system.name == "macos":
        texts = [_search(r'"IOPlatformUUID"\s*=\s*"([^"]*)"', system.run(_IOREG))]
    elif system.name == "windows":
        texts = [_search(r"MachineGuid\s+REG_SZ\s+(\S+)", system.run(_REG))]
    else:
        texts = [system.read(path) for path in _LINUX_FILES]
    identifiers = (text.strip().lower() for text in texts)
    return next((identifier for identifier in identifiers if identifier not in ("", "uninitialized")), "")


def _search(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match.group(1) if match else ""
