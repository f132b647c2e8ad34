"""Requests for a token."""

from collections.abc import Collection
from datetime import datetime
from typing import Optional

from . import requests
from .core import Core, NewToken, Outcome
from .jws import InvalidTokenError, UnknownKeyError
from .license_token import Token
from .ports import Exchange, Request, Response, Result
from .responses import (
    ACTIVATION_CODES,
    HEARTBEAT_CODES,
    INVALID_RESPONSE,
    REACTIVATION_CODES,
    RefusalReply,
    TokenReply,
    Unreachable,
    read_failure,
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
    result = yield from send(core, requests.FETCH_KEYS)
    if not core.store_keys(result):
        core.note_failure(requests.FETCH_KEYS, read_failure(requests.FETCH_KEYS, result, core.clock.time))


def send(core: Core, request: Request) -> Exchange[Result]:
    """Returns the result of a request, and observes the clocks."""
    result = yield request
    now = core.observe()
    if isinstance(result, Response):
        core.last_contact = now
    return result


def _heartbeat(core: Core, token: Token, borrow_until: Optional[datetime]) -> Exchange[Outcome]:
    return (yield from _request_token(core, requests.heartbeat(core.identity, token, borrow_until), HEARTBEAT_CODES))


def _request_token(core: Core, request: Request, refusal_codes: Collection[str]) -> Exchange[Outcome]:
    refusal_id = core.refusal.id if core.refusal else None
    result = yield from send(core, request)
    reply = read_reply(request, result, refusal_codes, core.clock.time)
    if isinstance(reply, TokenReply):
        token = yield from _verify(core, reply.token)
        if token is not None and token.iat >= core.clock.reference - _MAX_REPLAY_SECONDS:
            return NewToken(token, reply, refusal_id)
        reply = INVALID_RESPONSE
    if isinstance(reply, Unreachable):
        core.note_failure(request, reply)
    return reply


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
