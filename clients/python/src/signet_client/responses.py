"""What a response says: a token, a refusal, or nothing about the license."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Optional, Union

from .key_set import UNSIGNED
from .license_token import Token
from .ports import NoResponse, Response, Result
from .texts import Redactor, quote_product
from .times import DAY, parse_rfc3339

_LICENSE_CODES = frozenset({"revoked", "superseded", "suspended", "expired", "product_inactive", "generation_outdated"})
REACTIVATION_CODES = frozenset({"not_activated", "token_invalid", "machine_mismatch"})
"""Codes to a heartbeat after which the client activates once."""
HEARTBEAT_CODES = _LICENSE_CODES | REACTIVATION_CODES
"""Codes that are refusals of a heartbeat."""
WRONG_PRODUCT = "wrong_product"
"""The license key is one of another product. The code is not from the API."""
WRONG_KEY_CODES = frozenset({"not_found", WRONG_PRODUCT})
"""Codes of a license key that is none of this product: the user mistyped it, or has several."""
ACTIVATION_CODES = HEARTBEAT_CODES | WRONG_KEY_CODES | {"seat_limit_reached"}
"""Codes that are refusals of an activation."""
TEMPORARY_CODES = frozenset({"seat_limit_reached", "suspended", "expired", "product_inactive"})
"""Refusals of a license key that may be accepted later."""
RETRIED_CODES = REACTIVATION_CODES | TEMPORARY_CODES
"""Refusals after which the background task activates again."""
HELD_SEAT_CODES = frozenset({"offline_activation", "borrow_return_limit"})
"""Codes to a deactivation of a seat that cannot be returned now."""

_UNKNOWN_KEY = "there is no such license key"
_MAX_ERRORS = 3
"""How many invalid fields the message of an error names."""
_SUCCESSES = (200, 201)
_CODE = re.compile("[a-z][a-z0-9_]{0,63}", re.ASCII)


@dataclass(frozen=True)
class TokenReply:
    """A token that is not verified yet, and what came with it."""

    token: str = field(repr=False)
    next_heartbeat_at: Optional[int]
    in_grace: bool
    grace_ends_at: Optional[int]


@dataclass(frozen=True)
class RefusalReply:
    """The API refuses the license, or the license key is one of another product."""

    code: str
    retry_at: Optional[int] = None
    detail: str = ""
    """A text for support."""
    taken_seat: Optional[Token] = field(default=None, repr=False)
    """The token of another product, if the activation took a seat, which has to be freed."""

    @property
    def summary(self) -> str:
        """Why the request did not succeed, for `diagnose`."""
        return self.code


@dataclass(frozen=True)
class Unreachable:
    """No answer about the license."""

    reason: str
    """`network`, `http_NNN` or `invalid_response`."""
    code: str = "unreachable"
    """The code of the error of an operation."""
    retry_after: float = 0
    """The seconds in `Retry-After`."""
    is_rejection: bool = False
    """Whether it is a problem with a 4xx status."""
    detail: str = ""
    """A text for support."""
    cause: Optional[BaseException] = field(default=None, repr=False, compare=False)
    """The exception of the HTTP library."""

    @property
    def summary(self) -> str:
        """Why the request did not succeed, for `diagnose`."""
        if self.is_rejection:
            return self.code
        return f"network: {self.detail}" if self.reason == "network" else self.detail


Failure = Union[RefusalReply, Unreachable]
Reply = Union[TokenReply, Failure]

INVALID_RESPONSE = Unreachable("invalid_response", detail="invalid_response")
UNSIGNED_KEY_SET = Unreachable("invalid_response", detail=f"invalid_response: the {UNSIGNED}")


def read_reply(result: Result, refusal_codes: Collection[str], now: float, redactor: Redactor) -> Reply:
    """Returns what the result of an activation or a heartbeat says."""
    if isinstance(result, Response) and result.status in _SUCCESSES:
        return _read_token(_json_object(result.body))
    if isinstance(result, Response) and 400 <= result.status < 500:
        problem = _problem(result, redactor)
        code = problem.get("code", "")
        if code in refusal_codes:
            retry_at = parse_rfc3339(problem.get("retry_at")) if code == "seat_limit_reached" else None
            detail = _UNKNOWN_KEY if code == "not_found" else _describe(problem, redactor)
            return RefusalReply(code, retry_at, detail)
    return read_failure(result, now, redactor)


def read_deactivation(result: Result, now: float, redactor: Redactor) -> Optional[Unreachable]:
    """Returns why a deactivation failed, or None if the seat is free."""
    if isinstance(result, Response) and result.status == 200:
        return INVALID_RESPONSE if _json_object(result.body) is None else None
    failure = read_failure(result, now, redactor)
    return None if failure.code == "not_found" else failure


def read_failure(result: Result, now: float, redactor: Redactor) -> Unreachable:
    """Returns what a result says that is no answer about the license."""
    if isinstance(result, NoResponse):
        return Unreachable("network", detail=redactor.show(result.detail), cause=result.cause)
    reason = "invalid_response" if result.status in _SUCCESSES else f"http_{result.status}"
    problem = _problem(result, redactor) if 400 <= result.status < 500 else {}
    return Unreachable(
        reason,
        code=problem.get("code", "unreachable"),
        retry_after=_retry_after(result.headers.get("retry-after", ""), now),
        is_rejection=problem != {},
        detail=_describe(problem, redactor) or reason,
    )


def wrong_product(token: Token, result: Result, product: str, redactor: Redactor) -> RefusalReply:
    """Returns the refusal of a license key of another product than `product`.

    With another status than 201, the machine had a seat of that product before: another app uses it.
    """
    detail = f"it is for the product {quote_product(redactor.hide(token.product))}, not {quote_product(product)}"
    is_new = isinstance(result, Response) and result.status == 201
    return RefusalReply(WRONG_PRODUCT, detail=detail, taken_seat=token if is_new else None)


def _describe(problem: Mapping[str, Any], redactor: Redactor) -> str:
    """Returns the detail of a problem and its first invalid fields in one line."""

    def text(value: Any) -> str:
        return redactor.show(value) if isinstance(value, str) else ""

    errors = problem.get("errors")
    entries = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    pairs = [(text(entry.get("pointer")), text(entry.get("detail"))) for entry in entries]
    fields = [f"{pointer}: {detail}" for pointer, detail in pairs if pointer and detail][:_MAX_ERRORS]
    return "; ".join(filter(None, (text(problem.get("detail")) or problem.get("code"), *fields)))


def _read_token(body: Optional[Mapping[str, Any]]) -> Reply:
    token = body.get("token") if body else None
    if body is None or not isinstance(token, str):
        return INVALID_RESPONSE
    return TokenReply(
        token,
        next_heartbeat_at=parse_rfc3339(body.get("next_heartbeat_at")),
        in_grace=body.get("in_grace") is True,
        grace_ends_at=parse_rfc3339(body.get("grace_ends_at")),
    )


def _problem(response: Response, redactor: Redactor) -> Mapping[str, Any]:
    """Returns the problem document of a response, or an empty object if it is none with a code.

    A code of another form than those of the API is shown without the secrets that it may contain.
    """
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = _json_object(response.body) if content_type == "application/problem+json" else None
    code = body.get("code") if body else None
    if body is None or not isinstance(code, str):
        return {}
    code = code if _CODE.fullmatch(code) else redactor.show(code)
    return {**body, "code": code} if code else {}


def _json_object(body: bytes) -> Optional[Mapping[str, Any]]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _retry_after(value: str, now: float) -> float:
    """Returns the seconds of a `Retry-After` header, at most a day; 0 if it makes no sense."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(min(int(value[:10]), DAY))
    try:
        return max(0.0, min(parsedate_to_datetime(value).timestamp() - now, DAY))
    except (TypeError, ValueError, OverflowError):
        return 0.0
