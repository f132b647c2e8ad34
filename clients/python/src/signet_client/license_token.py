"""License tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from .config import Config
from .identity import Identity
from .jws import InvalidTokenError, Keys, verify
from .times import is_time


@dataclass(frozen=True)
class Token:
    """A token that is signed, whatever its times."""

    text: str = field(repr=False)
    product: str
    """The `aud`."""
    machine_id: Any = field(repr=False)
    instance_id: Any
    activation_id: str
    license_id: str
    """The `sub`."""
    tier: str
    """The code of the pricing tier."""
    iat: int
    nbf: int
    exp: int
    offline_until: int
    heartbeat_interval: int
    features: frozenset[str]
    limits: Mapping[str, Optional[int]]
    """Limits by the key of the feature; None is unlimited."""

    def is_for(self, identity: Identity) -> bool:
        """Returns whether the token is for this machine and this process."""
        return bool(self.machine_id == identity.machine_id and self.instance_id == identity.instance_id)


class WrongProductError(InvalidTokenError):
    """A token is right for this machine, but for another product of the issuer."""

    def __init__(self, token: Token) -> None:
        super().__init__("the token is for another product")
        self.token = token


def accept_token(text: str, keys: Keys, config: Config, identity: Identity) -> Token:
    """Verifies a token for this product and this machine, without its times.

    Raises InvalidTokenError, or WrongProductError if the product is the only thing that is wrong.
    """
    token = verify_token(text, keys, config)
    if not token.is_for(identity):
        raise InvalidTokenError("the token is for another machine or process")
    if token.product != config.product:
        raise WrongProductError(token)
    return token


def verify_token(text: str, keys: Keys, config: Config) -> Token:
    """Verifies a token of the issuer for any product and any machine, without its times. Raises InvalidTokenError."""
    claims = verify(text, "license+jwt", keys)
    product = claims.get("aud")
    if claims.get("iss") != config.issuer or not isinstance(product, str):
        raise InvalidTokenError("the token is of another issuer, or not for one product")
    activation, enforcement = _object(claims, "activation"), _object(claims, "enforcement")
    interval, activation_id = enforcement.get("heartbeat_interval_seconds"), activation.get("id")
    if type(interval) is not int or not 0 < interval < 2**31 or not isinstance(activation_id, str):
        raise InvalidTokenError("the token has no heartbeat interval or no activation id")
    return Token(
        text=text,
        product=product,
        machine_id=activation.get("machine_id"),
        instance_id=activation.get("instance_id"),
        activation_id=activation_id,
        license_id=_text(claims, "sub"),
        tier=_text(claims.get("tier"), "code"),
        iat=_time(claims, "iat"),
        nbf=_time(claims, "nbf"),
        exp=_time(claims, "exp"),
        offline_until=_time(enforcement, "offline_until"),
        heartbeat_interval=interval,
        features=_features(claims.get("features")),
        limits=_limits(claims.get("feature_limits")),
    )


def _object(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = claims.get(name)
    if not isinstance(value, dict):
        raise InvalidTokenError(f"the token has no {name}")
    return value


def _text(claims: Any, name: str) -> str:
    """Returns a text that only support needs, or `unknown`."""
    value = claims.get(name) if isinstance(claims, Mapping) else None
    return value if isinstance(value, str) and value.isprintable() and value else "unknown"


def _time(claims: Mapping[str, Any], name: str) -> int:
    value: Any = claims.get(name)
    if not is_time(value):
        raise InvalidTokenError(f"{name} is not a time")
    return int(value)


def _features(value: Any) -> frozenset[str]:
    return frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()


def _limits(value: Any) -> Mapping[str, Optional[int]]:
    limits = value.items() if isinstance(value, dict) else ()
    return {key: limit for key, limit in limits if limit is None or (type(limit) is int and limit >= 0)}
