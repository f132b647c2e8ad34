"""What a response says: a token, a refusal, or nothing about the license."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Optional, Union

from .ports import NoResponse, Request, Response, Result
from .texts import one_line
from .times import DAY, parse_rfc3339

_LICENSE_CODES = frozenset({"revoked", "superseded", "suspended", "expired", "product_inactive", "generation_outdated"})
REACTIVATION_CODES = frozenset({"not_activated", "token_invalid", "machine_mismatch"})
"""Codes to a heartbeat after which the client activates once."""
HEARTBEAT_CODES = _LICENSE_CODES | REACTIVATION_CODES
"""Codes that are refusals of a heartbeat."""
ACTIVATION_CODES = HEARTBEAT_CODES | {"not_found", "seat_limit_reached"}
"""Codes that are refusals of an activation."""
TEMPORARY_CODES = frozenset({"seat_limit_reached", "suspended", "expired", "product_inactive"})
"""Refusals of a license key that may be accepted later."""
RETRIED_CODES = REACTIVATION_CODES | TEMPORARY_CODES
"""Refusals after which the background task activates again."""
HELD_SEAT_CODES = frozenset({"offline_activation", "borrow_return_limit"})
"""Codes to a deactivation of a seat that cannot be returned now."""

_MAX_ERRORS = 3
"""How many invalid fields the message of an error names."""
_SECRET_FIELDS = ("license_key", "token")
_MIN_SECRET_LENGTH = 8
"""A shorter text that a user has typed is no license key, and may be a part of a word."""
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
    """The API refuses the license."""

    code: str
    retry_at: Optional[int] = None
    detail: str = ""
    """A text for support."""


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


Reply = Union[TokenReply, RefusalReply, Unreachable]

INVALID_RESPONSE = Unreachable("invalid_response", detail="invalid_response")


def read_reply(request: Request, result: Result, refusal_codes: Collection[str], now: float) -> Reply:
    """Returns what the result of an activation or a heartbeat says."""
    if isinstance(result, Response) and result.status in (200, 201):
        return _read_token(_json_object(result.body))
    if isinstance(result, Response) and 400 <= result.status < 500:
        problem = _problem(result)
        code = problem.get("code", "")
        if code in refusal_codes:
            retry_at = parse_rfc3339(problem.get("retry_at")) if code == "seat_limit_reached" else None
            return RefusalReply(code, retry_at, _describe(request, problem))
    return read_failure(request, result, now)


def read_deactivation(request: Request, result: Result, now: float) -> Optional[Unreachable]:
    """Returns why a deactivation failed, or None if the seat is free."""
    if isinstance(result, Response) and result.status == 200:
        return INVALID_RESPONSE if _json_object(result.body) is None else None
    failure = read_failure(request, result, now)
    return None if failure.code == "not_found" else failure


def read_failure(request: Request, result: Result, now: float) -> Unreachable:
    """Returns what a result says that is no answer about the license."""
    if isinstance(result, NoResponse):
        detail = one_line(_hide_secrets(request, result.detail))
        return Unreachable("network", detail=detail, cause=result.cause)
    reason = "invalid_response" if result.status == 200 else f"http_{result.status}"
    problem = _problem(result) if 400 <= result.status < 500 else {}
    return Unreachable(
        reason,
        code=problem.get("code", "unreachable"),
        retry_after=_retry_after(result.headers.get("retry-after", ""), now),
        is_rejection=problem != {},
        detail=_describe(request, problem) or reason,
    )


def _describe(request: Request, problem: Mapping[str, Any]) -> str:
    """Returns the detail of a problem and its first invalid fields in one line, without the secrets of the request."""

    def text(value: Any) -> str:
        return one_line(_hide_secrets(request, value)) if isinstance(value, str) else ""

    errors = problem.get("errors")
    entries = [error for error in errors[:_MAX_ERRORS] if isinstance(error, dict)] if isinstance(errors, list) else []
    fields = [": ".join(filter(None, (text(entry.get("pointer")), text(entry.get("detail"))))) for entry in entries]
    return "; ".join(filter(None, (text(problem.get("detail")) or problem.get("code"), *fields)))


def _hide_secrets(request: Request, text: str) -> str:
    body = request.body or {}
    for name in _SECRET_FIELDS:
        if len(body.get(name, "")) >= _MIN_SECRET_LENGTH:
            text = text.replace(body[name], f"[{name}]")
    return text


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


def _problem(response: Response) -> Mapping[str, Any]:
    """Returns the problem document of a response, or an empty object if it is none with a code."""
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = _json_object(response.body) if content_type == "application/problem+json" else None
    code = body.get("code") if body else None
    return body if body and isinstance(code, str) and _CODE.fullmatch(code) else {}


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
