"""Requests for a token."""

from collections.abc import Collection
from datetime import datetime
from typing import Optional

from . import requests
from .core import Core, NewToken, Outcome
from .jws import InvalidTokenError
from .license_token import Token, WrongProductError
from .ports import Exchange, Request, Response, Result
from .responses import (
    ACTIVATION_CODES,
    HEARTBEAT_CODES,
    INVALID_RESPONSE,
    REACTIVATION_CODES,
    UNSIGNED_KEY_SET,
    WRONG_PRODUCT,
    RefusalReply,
    TokenReply,
    Unreachable,
    read_reply,
    wrong_product,
)

_MAX_REPLAY_SECONDS = 300
"""How much earlier than the last signed time a token may be signed, because the clocks of servers differ."""


def activate(core: Core, license_key: str) -> Exchange[Outcome]:
    """Requests an activation. If the license key is one of another product, frees a seat that it took."""
    request = requests.activation(core.identity, license_key)
    outcome = yield from _request_token(core, request, ACTIVATION_CODES)
    if isinstance(outcome, RefusalReply) and outcome.taken_seat:
        # Failures are ignored: the lease of the seat ends by itself.
        yield from send(core, requests.deactivation(outcome.taken_seat))
    return outcome


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
        if core.refusal is None:
            outcome = yield from _heartbeat(core, outcome.token, borrow_until)
    return outcome


def fetch_keys(core: Core) -> Exchange[Optional[Unreachable]]:
    """Fetches the key set. Returns why it was not stored."""
    result = yield from send(core, requests.FETCH_KEYS)
    failure = core.store_keys(requests.FETCH_KEYS, result)
    if failure:
        core.note_failure(requests.FETCH_KEYS, failure)
    return failure


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
    reply = read_reply(result, refusal_codes, core.clock.time, core.redactor(request))
    if isinstance(reply, TokenReply):
        key_failure = None if core.has_key_of(reply.token) else (yield from fetch_keys(core))
        try:
            return NewToken(_verify(core, reply.token), reply, refusal_id)
        except WrongProductError as error:
            reply = INVALID_RESPONSE
            if WRONG_PRODUCT in refusal_codes:
                reply = wrong_product(error.token, result, core.config.product, core.redactor(request))
        except InvalidTokenError:
            reply = key_failure if key_failure is UNSIGNED_KEY_SET else INVALID_RESPONSE
    core.note_failure(request, reply)
    return reply


def _verify(core: Core, text: str) -> Token:
    token = core.verify(text)
    if token.iat < core.clock.reference - _MAX_REPLAY_SECONDS:
        raise InvalidTokenError("the token was replayed")
    return token
