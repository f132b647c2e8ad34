"""The options of a client."""

import platform
import socket
from dataclasses import dataclass, field
from os import PathLike
from typing import Callable, Optional, Union

from .ports import Storage

_SYSTEMS = {"darwin": "macos"}
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


def _system() -> str:
    system, architecture = platform.system().lower(), platform.machine().lower()
    return f"{_SYSTEMS.get(system, system)} {_ARCHITECTURES.get(architecture, architecture)}"


@dataclass(frozen=True)
class Options:
    """Options of a client. All have defaults. `open` checks them."""

    folder: Optional[Union[str, "PathLike[str]"]] = None
    """The storage folder. Default: a folder for the product in the user's data folder."""
    storage: Optional[Storage] = None
    """A storage of the app, instead of a folder."""
    machine_id: Optional[Union[str, Callable[[], str]]] = field(default=None, repr=False)
    """The machine id, or a function that returns it: 1 to 256 bytes without control characters. It contains the
    product: two apps with the same machine id could free each other's seats. Default: derived from the operating
    system's installation."""
    instance_id: Optional[str] = None
    """Identifier of this process, if processes hold the seats (floating licenses): 1 to 64 bytes without control
    characters, and with the machine id at most 256."""
    machine_name: Optional[str] = field(default_factory=socket.gethostname)
    """Name of the machine in the dashboard. Default: the host name. None: not sent. Cut to 100 bytes."""
    app_version: Optional[str] = None
    """Version of the app. Cut to 32 bytes."""
    os: Optional[str] = field(default_factory=_system)
    """Operating system. Default: such as `linux x86_64`. None: not sent. Cut to 64 bytes."""
    hostname: Optional[str] = None
    """Name of the machine in its network. Cut to 64 bytes."""
    keep_license_key: bool = True
    """Whether the license key is stored, so that the background task can activate again. If not, `open` removes one
    that is stored."""
    proxy: Optional[str] = field(default=None, repr=False)
    """URL of an HTTP proxy, such as `http://user:password@proxy:3128`. Default: environment and system settings,
    unless the host of `api_url` is a loopback host."""
    connect_timeout: float = 10
    """Seconds to connect."""
    timeout: float = 30
    """Seconds for a request in all."""
    ca_certificates: Optional[str] = field(default=None, repr=False)
    """Certificates in PEM form that are trusted besides those of the system."""
    user_agent: str = ""
    """A text that is added to the header `User-Agent`, such as `atlas/4.2.0`: ASCII without control characters."""
