"""Requests for a token."""

from collections.abc import Collection
from datetime import datetime
from typing import Optional

from . import requests
from .core import Core, NewToken, Outcome
from .jws import InvalidTokenError, UnknownKeyError
from .license_token import Token
from .ports import Exchange, Request
from .responses import (
    ACTIVATION_CODES,
    HEARTBEAT_CODES,
    INVALID_RESPONSE,
    REACTIVATION_CODES,
    RefusalReply,
    TokenReply,
    read_reply,
)

_MAX_REPLAY_SECONDS = 300
"""How much earlier than the last signed time a token may be signed, because the clocks of servers differ."""


def activate(core: Core, license_key: str) -> Exchange[Outcome]:
    """Requests an activation."""
    return (yield from _request_token(core, requests.activation(core.identity, license_key), ACTIVATION_CODES))


def renew(core: Core, token: Token, borrow_until: Optional[datetime] = None) -> Exchange[Outcome]:
    """Sends a heartbeat. If the machine has lost its seat, activates once with the stored license key."""
    outcome = yield from _heartbeat(core, token, borrow_until)
    if not isinstance(outcome, RefusalReply) or outcome.code not in REACTIVATION_CODES:
        return outcome
    core.refresh()
    if core.license_key is None:
        return outcome
    outcome = yield from activate(core, core.license_key)
    if isinstance(outcome, NewToken) and borrow_until is not None:
        core.store_token(outcome)
        outcome = yield from _heartbeat(core, outcome.token, borrow_until)
    return outcome


def fetch_keys(core: Core) -> Exchange[None]:
    """Fetches the key set."""
    result = yield requests.FETCH_KEYS
    core.observe()
    core.store_keys(result)


def _heartbeat(core: Core, token: Token, borrow_until: Optional[datetime]) -> Exchange[Outcome]:
    return (yield from _request_token(core, requests.heartbeat(core.identity, token, borrow_until), HEARTBEAT_CODES))


def _request_token(core: Core, request: Request, refusal_codes: Collection[str]) -> Exchange[Outcome]:
    refusal_id = core.refusal.id if core.refusal else None
    result = yield request
    reply = read_reply(result, refusal_codes, core.observe())
    if not isinstance(reply, TokenReply):
        return reply
    token = yield from _verify(core, reply.token)
    if token is None or token.iat < core.clock.reference - _MAX_REPLAY_SECONDS:
        return INVALID_RESPONSE
    return NewToken(token, reply, refusal_id)


def _verify(core: Core, text: str) -> Exchange[Optional[Token]]:
    """Verifies a token. If its key is not in the stored key set, fetches the keys once and tries again."""
    try:
        try:
            return core.verify(text)
        except UnknownKeyError:
            yield from fetch_keys(core)
            return core.verify(text)
    except InvalidTokenError:
        return None
