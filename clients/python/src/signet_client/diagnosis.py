"""The text for support."""

import platform
from collections.abc import Iterator
from typing import Optional

from .core import Core
from .times import DAY, format_rfc3339
from .version import VERSION


def diagnose(core: Core, storage: str) -> str:
    """Returns lines of text without a token and without a license key."""
    return "\n".join(f"{name}: {value}" for name, value in _lines(core, storage))


def _lines(core: Core, storage: str) -> Iterator[tuple[str, str]]:
    now = core.observe()
    due = core.next_due()
    yield "client", f"signet-client-python {VERSION}, {platform.python_implementation()} {platform.python_version()}"
    yield "product", core.config.product
    yield "issuer", core.config.issuer
    yield "api url", core.config.api_url
    yield "machine id", core.identity.machine_id + (" (ephemeral)" if core.identity.is_ephemeral else "")
    if core.identity.instance_id is not None:
        yield "instance id", core.identity.instance_id
    yield "state", str(core.state())
    yield "license", f"{core.token.license_id}, tier {core.token.tier}" if core.token else "none"
    yield "token", _describe_token(core)
    yield "license key", "stored" if core.license_key else "not stored"
    yield "next request", "none" if due is None else format_rfc3339(max(due, now))
    yield "last contact", _since_start(None if core.last_contact is None else format_rfc3339(core.last_contact))
    yield "last failure", _since_start(core.last_failure)
    yield "key set", _describe_key_set(core)
    yield "clock", _describe_clock(core)
    yield "storage", storage + (f", not writable: {', '.join(core.store.unwritable)}" if core.store.unwritable else "")


def _describe_token(core: Core) -> str:
    token = core.token
    if token is None:
        return "none"
    source = ", from a license file" if core.is_from_file else ""
    return (
        f"issued {format_rfc3339(token.iat)}, exp {format_rfc3339(token.exp)}, "
        f"offline until {format_rfc3339(token.offline_until)}{source}"
    )


def _describe_key_set(core: Core) -> str:
    if core.key_set is None:
        return "none"
    days = max(0, int(core.clock.time - core.key_set.iat) // DAY)
    return f"issued {format_rfc3339(core.key_set.iat)}, {days} days old"


def _describe_clock(core: Core) -> str:
    clock = core.clock
    reference = format_rfc3339(clock.reference) if clock.reference else "none"
    return (
        f"{format_rfc3339(clock.time)}, behind {int(clock.behind)} s, set back {int(clock.set_back)} s, "
        f"reference {reference}"
    )


def _since_start(text: Optional[str]) -> str:
    return text or "none since the start"
