"""The text for support."""

from collections.abc import Iterator
from datetime import datetime
from typing import Optional

from .core import Core
from .state import State
from .times import format_rfc3339
from .version import VERSION


def diagnose(core: Core, storage: str) -> str:
    """Returns lines of text without a token and without a license key."""
    return "\n".join(f"{name}: {value}" for name, value in _lines(core, storage))


def _lines(core: Core, storage: str) -> Iterator[tuple[str, str]]:
    now = core.clock.time
    yield "client", f"signet-client-python {VERSION}"
    yield "product", core.config.product
    yield "issuer", core.config.issuer
    yield "API", core.config.api_url
    yield "machine id", core.identity.machine_id + (" (ephemeral)" if core.identity.is_ephemeral else "")
    yield "instance id", core.identity.instance_id or "none"
    yield "state", _describe(core.state())
    yield "token", _describe_token(core)
    yield "license key", "stored" if core.license_key else "not stored"
    yield "last contact", _time(core.last_contact)
    yield "last failure", core.last_failure or "none"
    due = core.next_due()
    yield "next request", _time(None if due is None else max(due, now))
    yield "key set", f"signed {int(now - core.key_set.iat)} seconds ago" if core.key_set else "none"
    yield "clock", _describe_clock(core)
    yield "storage", storage + (f", not writable: {', '.join(core.store.unwritable)}" if core.store.unwritable else "")


def _describe(state: State) -> str:
    values = {name: _format(value) for name, value in vars(state).items() if value is not None}
    fields = ", ".join(f"{name} {value}" for name, value in values.items())
    return f"{state.name} ({fields})" if fields else state.name


def _format(value: object) -> str:
    return format_rfc3339(value.timestamp()) if isinstance(value, datetime) else str(value)


def _describe_token(core: Core) -> str:
    if core.token is None:
        return "none" if core.record is None else "stored, but not valid for this product and machine"
    source = "license file, " if core.is_from_file else ""
    token = core.token
    return (
        f"{source}signed {format_rfc3339(token.iat)}, valid until {format_rfc3339(token.exp)}, "
        f"offline until {format_rfc3339(token.offline_until)}"
    )


def _describe_clock(core: Core) -> str:
    clock = core.clock
    return (
        f"{format_rfc3339(clock.time)}, wall clock behind by {int(clock.behind)} s, set back by {int(clock.set_back)} s"
    )


def _time(seconds: Optional[float]) -> str:
    return "none" if seconds is None else format_rfc3339(seconds)
