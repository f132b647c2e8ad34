"""One run of the background task."""

from typing import Optional

from . import renewal
from .core import Core, NewToken, Outcome
from .ports import Exchange
from .responses import RefusalReply


def run(core: Core) -> Exchange[None]:
    """Reads the storage, and sends the requests that are due."""
    now = core.refresh()
    if _is_due(core, core.keys_due(), now):
        yield from renewal.fetch_keys(core)
        now = core.refresh()
    if _is_due(core, core.license_due(), now):
        yield from _renew(core)


def refresh(core: Core) -> Exchange[None]:
    """Sends the next request, whether it is due or not."""
    core.refresh()
    yield from _renew(core)


def _renew(core: Core) -> Exchange[None]:
    if core.token and not core.needs_activation:
        _apply(core, (yield from renewal.renew(core, core.token)))
    elif core.license_key:
        _apply(core, (yield from renewal.activate(core, core.license_key)))


def _is_due(core: Core, time: Optional[float], now: float) -> bool:
    return time is not None and max(time, core.due.start) <= now


def _apply(core: Core, outcome: Outcome) -> None:
    if isinstance(outcome, NewToken):
        core.store_token(outcome)
    elif isinstance(outcome, RefusalReply):
        core.refuse(outcome)
    else:
        core.note_unreachable(outcome)
        core.fail(outcome.retry_after)
