"""What the core needs from its environment."""

import random
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Protocol, TypeVar, Union


@dataclass(frozen=True)
class Request:
    """A request to the API."""

    method: str
    path: str
    body: Optional[Mapping[str, Any]] = field(default=None, repr=False)
    timeout: Optional[float] = None
    """Seconds, if less than the time-out of the transport."""
    name: str = "request"
    """Its operation, for support."""


@dataclass(frozen=True)
class Response:
    """A response of any status."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Values by lower-case names."""
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class NoResponse:
    """A request without a complete response: DNS, connection, TLS, time-out, or a response that was cut off."""

    detail: str
    """A text for support."""
    cause: Optional[BaseException] = field(default=None, repr=False, compare=False)
    """The exception of the HTTP library."""


Result = Union[Response, NoResponse]

T = TypeVar("T")
Exchange = Generator[Request, Result, T]
"""An operation. It yields requests, is sent their results, and returns a value. It does no input or output apart from
the storage, so the caller decides how requests are sent."""


class Transport(Protocol):
    """Sends requests."""

    def send(self, request: Request) -> Result:
        """Sends a request. Does not raise, and does not follow redirects."""


class Storage(Protocol):
    """Stores small files by name. Any exception counts as a file that cannot be read or written."""

    def read(self, name: str) -> Optional[bytes]:
        """Returns the content of a file, or None if there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Replaces a file atomically."""

    def remove(self, name: str) -> None:
        """Removes a file. A file that is missing is no error."""


@dataclass(frozen=True)
class Sources:
    """Sources of time and of random numbers."""

    wall: Callable[[], float] = time.time
    """The wall clock, in Unix seconds."""
    monotonic: Callable[[], float] = time.monotonic
    """A clock that is never set, in seconds."""
    random: Callable[[], float] = random.SystemRandom().random
    """Random numbers from 0 up to 1."""
