"""The operations of the app. Each raises LicenseError if it fails."""

from datetime import datetime
from typing import Union

from . import renewal, requests
from .core import Core, NewToken, Outcome
from .errors import LicenseError
from .jws import InvalidTokenError
from .license_file import decode_license_file, verify_license_file
from .license_token import Token
from .ports import Exchange
from .responses import HELD_SEAT_CODES, TEMPORARY_CODES, RefusalReply, read_deactivation


def activate(core: Core, license_key: str) -> Exchange[None]:
    """Activates this machine with a license key. A present license stays in use if another key is not accepted."""
    core.refresh()
    license_key = license_key.strip()
    has_license = core.token is not None and core.refusal is None
    keeps_present = core.license_key != license_key if core.license_key else has_license
    outcome = yield from renewal.activate(core, license_key)
    if isinstance(outcome, NewToken):
        core.store_license_key(license_key)
        core.store_token(outcome)
        return
    if not keeps_present:
        core.is_released = False
        if _is_worth_keeping(outcome):
            core.store_license_key_for_later(license_key)
        _apply_failure(core, outcome)
    raise LicenseError(outcome.code)


def deactivate(core: Core) -> Exchange[None]:
    """Frees the seat, and removes everything but the key set and the clock."""
    core.refresh()
    if core.token:
        result = yield requests.deactivation(core.token)
        core.observe()
        code = read_deactivation(result)
        if code is not None:
            raise LicenseError(code)
    core.forget()


def release(core: Core) -> Exchange[None]:
    """Frees the seat, and keeps the license key. Failures are ignored: the lease of the seat then ends by itself."""
    core.refresh()
    if core.token:
        result = yield requests.deactivation(core.token, requests.RELEASE_TIMEOUT)
        core.observe()
        if read_deactivation(result) in HELD_SEAT_CODES:
            return
    core.release()


def borrow(core: Core, until: datetime) -> Exchange[None]:
    """Borrows the seat: until then, all tokens are valid, also offline."""
    core.refresh()
    if core.refusal:
        raise LicenseError(core.refusal.code)
    if core.token is None:
        raise LicenseError("not_activated")
    outcome = yield from renewal.renew(core, core.token, until)
    if isinstance(outcome, NewToken):
        core.store_token(outcome)
        return
    if isinstance(outcome, RefusalReply) or not outcome.is_rejection:
        _apply_failure(core, outcome)
    raise LicenseError(outcome.code)


def import_license_file(core: Core, content: Union[str, bytes]) -> Exchange[None]:
    """Makes the token of a license file the present token, unless it is older. Sends no request."""
    yield from ()
    now = core.refresh()
    text, token = _verify_file(core, content, now)
    if core.refusal and token.iat <= core.refusal.at:
        raise LicenseError(core.refusal.code)
    if core.token and core.token.text == token.text:
        return
    if core.token and token.iat <= core.token.iat:
        raise LicenseError("license_file_invalid", "the license file is older than the present license")
    core.store_license_file(text, token)


def _verify_file(core: Core, content: Union[str, bytes], now: float) -> tuple[str, Token]:
    latest = max(now, core.sources.wall())
    try:
        text = decode_license_file(content)
        token = verify_license_file(text, core.config, core.identity, latest)
    except InvalidTokenError as error:
        raise LicenseError("license_file_invalid", str(error)) from error
    if token.offline_until < latest:
        raise LicenseError("license_file_invalid", "the license file has ended")
    return text, token


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
