"""The operations of the app. Each raises LicenseError if it fails."""

from datetime import datetime
from typing import Callable, NoReturn, Optional, Union

from . import renewal, requests
from .core import Core, NewToken, Outcome
from .errors import LicenseError
from .jws import InvalidTokenError
from .license_file import decode_license_file, verify_license_file
from .license_token import Token
from .ports import Exchange, Request
from .responses import (
    HELD_SEAT_CODES,
    TEMPORARY_CODES,
    WRONG_KEY_CODES,
    Failure,
    RefusalReply,
    Unreachable,
    read_deactivation,
)
from .times import format_rfc3339

_NOT_ACTIVATED = "the license key was not activated"
_NOT_FREED = "the seat was not freed"
_NOT_BORROWED = "the seat was not borrowed"
_NOT_IMPORTED = "the license file was not imported"


def activate(license_key: str) -> Callable[[Core], Exchange[None]]:
    """Returns the operation that activates this machine with a license key.

    A present license stays in use if another key is not accepted.
    """
    return lambda core: _activate(core, license_key)


def _activate(core: Core, license_key: str) -> Exchange[None]:
    core.refresh()
    license_key = license_key.strip()
    is_stored = core.license_key == license_key
    has_license = core.token is not None and core.refusal is None
    keeps_present = not is_stored if core.license_key else has_license
    outcome = yield from renewal.activate(core, license_key)
    if isinstance(outcome, NewToken):
        _store(core, outcome, _NOT_ACTIVATED)
        core.store_license_key(license_key)
        return
    is_mistaken = outcome.code in WRONG_KEY_CODES and not is_stored
    if not keeps_present and not is_mistaken:
        if _is_worth_keeping(outcome):
            core.store_license_key_for_later(license_key)
        _apply_failure(core, outcome)
    _fail(_NOT_ACTIVATED, outcome)


def deactivate(core: Core) -> Exchange[None]:
    """Frees the seat, and removes everything but the key set and the clock."""
    core.refresh()
    token = core.token
    if token is None and core.license_key is not None:
        token = yield from _activate_to_deactivate(core, core.license_key)
    if token is not None:
        failure = yield from _deactivate(core, requests.deactivation(token))
        if failure:
            _fail(_NOT_FREED, failure)
    core.forget()


def _activate_to_deactivate(core: Core, license_key: str) -> Exchange[Optional[Token]]:
    """Returns a token for the seat that this machine may have, or None if the API refuses the license."""
    outcome = yield from renewal.activate(core, license_key)
    if isinstance(outcome, NewToken):
        _store(core, outcome, _NOT_FREED)
        return outcome.token
    if isinstance(outcome, RefusalReply):
        return None
    _fail(_NOT_FREED, outcome)


def _deactivate(core: Core, request: Request) -> Exchange[Optional[Unreachable]]:
    result = yield from renewal.send(core, request)
    failure = read_deactivation(result, core.clock.time, core.redactor(request))
    if failure:
        core.note_failure(request, failure)
    return failure


def release(core: Core) -> Exchange[None]:
    """Frees the seat, and keeps the license key. Failures are ignored: the lease of the seat then ends by itself.

    The seat of a license file cannot be freed by the app, so that its token stays.
    """
    core.refresh()
    if core.token:
        if core.is_from_file:
            return
        failure = yield from _deactivate(core, requests.deactivation(core.token, requests.RELEASE_TIMEOUT))
        if failure and failure.code in HELD_SEAT_CODES:
            return
    core.release()


def borrow(core: Core, until: datetime) -> Exchange[None]:
    """Borrows the seat: until then, all tokens are valid, also offline."""
    core.identity.require_lasting(_NOT_BORROWED)
    _check_borrow_until(until, core.refresh())
    _check_refusal(core, _NOT_BORROWED)
    if core.token is None:
        raise LicenseError("not_activated", f"{_NOT_BORROWED}: this machine is not activated")
    outcome = yield from renewal.renew(core, core.token, until)
    if isinstance(outcome, NewToken):
        _store(core, outcome, _NOT_BORROWED)
        return
    if isinstance(outcome, RefusalReply) or not outcome.is_rejection:
        _apply_failure(core, outcome)
    _fail(_NOT_BORROWED, outcome)


def _check_borrow_until(until: datetime, now: float) -> None:
    message = f"{_NOT_BORROWED}: until must be a datetime that is later than {format_rfc3339(now)}"
    try:
        is_later = int(until.timestamp()) > now
    except (AttributeError, TypeError, ValueError, OverflowError, OSError) as error:
        raise LicenseError("invalid_value", message) from error
    if not is_later:
        raise LicenseError("invalid_value", message)


def import_license_file(core: Core, content: Union[str, bytes]) -> Exchange[None]:
    """Makes the token of a license file the present token, unless it is older. Sends no request."""
    yield from ()
    now = core.refresh()
    text, token = _verify_file(core, content, now)
    if core.refusal and token.iat <= core.refusal.at:
        raise LicenseError(core.refusal.code, f"{_NOT_IMPORTED}: it is not newer than the refusal of the license")
    if core.token and core.token.text == token.text:
        return
    if core.token and token.iat <= core.token.iat:
        raise LicenseError("license_file_invalid", f"{_NOT_IMPORTED}: it is older than the present token")
    core.store_license_file(text, token)


def _verify_file(core: Core, content: Union[str, bytes], now: float) -> tuple[str, Token]:
    latest = max(now, core.sources.wall())
    try:
        text = decode_license_file(content)
        token = verify_license_file(text, core.config, core.identity, latest)
    except InvalidTokenError as error:
        raise LicenseError("license_file_invalid", f"{_NOT_IMPORTED}: {error}") from error
    if token.offline_until < latest:
        end = format_rfc3339(token.offline_until)
        raise LicenseError("license_file_invalid", f"{_NOT_IMPORTED}: it ended at {end}")
    return text, token


def _store(core: Core, new: NewToken, what: str) -> None:
    """Stores a token. Raises LicenseError if another process has stored a refusal since the request was sent."""
    core.store_token(new)
    _check_refusal(core, what)


def _check_refusal(core: Core, what: str) -> None:
    if core.refusal:
        raise LicenseError(core.refusal.code, f"{what}: the license is refused")


def _fail(what: str, failure: Failure) -> NoReturn:
    """Raises the error of an operation."""
    cause = failure.cause if isinstance(failure, Unreachable) else None
    raise LicenseError(failure.code, f"{what}: {failure.detail}") from cause


def _is_worth_keeping(outcome: Outcome) -> bool:
    """Returns whether the background task can activate later with a license key that got this answer."""
    if isinstance(outcome, RefusalReply):
        return outcome.code in TEMPORARY_CODES
    return not isinstance(outcome, NewToken) and (not outcome.is_rejection or outcome.reason == "http_429")


def _apply_failure(core: Core, outcome: Outcome) -> None:
    if isinstance(outcome, RefusalReply):
        core.refuse(outcome)
    elif not isinstance(outcome, NewToken):
        core.note_unreachable(outcome)
        if core.must_activate:
            core.fail(outcome.retry_after)
