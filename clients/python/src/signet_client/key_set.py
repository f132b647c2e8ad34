"""Signed key sets."""

from dataclasses import dataclass, field
from typing import Any

from .config import Config
from .jws import InvalidTokenError, Keys, is_signed, public_key, verify
from .times import is_time

UNSIGNED = "key set is not signed by a root key of the configuration"
"""Why a key set is not accepted, if no root key signed it."""


@dataclass(frozen=True)
class KeySet:
    """The signing keys of the installation, signed by a root key."""

    text: str = field(repr=False)
    iat: int
    exp: int
    keys: Keys = field(repr=False)


def verify_key_set(text: str, config: Config) -> KeySet:
    """Verifies a key set without its times. Raises InvalidTokenError."""
    claims = verify(text, "jwk-set+jwt", config.root_keys)
    if claims.get("iss") != config.issuer or claims.get("sub") != config.issuer:
        raise InvalidTokenError("the key set is of another issuer")
    iat: Any = claims.get("iat")
    exp: Any = claims.get("exp")
    jwks = claims.get("keys")
    if not is_time(iat) or not is_time(exp) or not isinstance(jwks, list):
        raise InvalidTokenError("the key set has no times or no keys")
    return KeySet(text, iat, exp, _signing_keys(jwks))


def is_signed_by_root_key(text: str, config: Config) -> bool:
    """Returns whether a text is a JWT that a root key signed, whatever it claims."""
    return is_signed(text, config.root_keys)


def _signing_keys(jwks: list[Any]) -> Keys:
    """Returns the RSA keys by their kid. Keys of another kind, which a later version may add, are ignored."""
    keys = {}
    for jwk in jwks:
        if isinstance(jwk, dict) and isinstance(jwk.get("kid"), str):
            try:
                keys[jwk["kid"]] = public_key(jwk)
            except ValueError:
                continue
    return keys
