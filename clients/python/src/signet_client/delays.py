"""How long the background task waits. `r` is a random number from 0 up to 1, drawn for each delay."""

from typing import Optional

from .license_token import Token
from .times import DAY, HOUR


def after_open(r: float) -> float:
    """Returns the delay of the first request that is due already when the client opens."""
    return r * 5


def next_heartbeat(r: float, token: Token, now: float, next_heartbeat_at: Optional[int]) -> float:
    """Returns the delay of the next heartbeat after a token."""
    interval = token.heartbeat_interval
    delay = interval if next_heartbeat_at is None else next_heartbeat_at - now
    if not 1 <= delay <= 2 * interval:
        delay = interval
    return delay + r * delay / 10


def after_failure(r: float, failures: int, token: Optional[Token], retry_after: float) -> float:
    """Returns the delay of the next try. `failures` counts the failures before this one since the last success."""
    limit = min(max(token.heartbeat_interval, 60), HOUR) if token else HOUR
    return max(1.0, r * min(10.0 * 2.0 ** min(failures, 20), limit), retry_after)


def refusal_retry_at(r: float, at: int, retry_at: Optional[int]) -> float:
    """Returns the time at which a refusal is tried again."""
    return (retry_at if retry_at is not None and retry_at > at else at + HOUR) + r * 60


def after_key_fetch(r: float, *, has_succeeded: bool) -> float:
    """Returns the delay of the next fetch of the key set."""
    return DAY + r * HOUR if has_succeeded else HOUR
