"""Verification of JWTs that are signed with RS256 (RFC 7515, RFC 7518)."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

Keys = Mapping[str, RSAPublicKey]
"""Public keys by their `kid`."""

_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class InvalidTokenError(Exception):
    """A JWT is not valid."""


def verify(text: str, typ: str, keys: Keys) -> Mapping[str, Any]:
    """Returns the claims of a JWT of the type `typ` that one of the keys signed."""
    header = _header(text)
    if header.get("alg") != "RS256" or header.get("typ") != typ or "crit" in header:
        raise InvalidTokenError(f"the header is not that of a {typ} with RS256")
    _check_signature(text, keys)
    return _decode_object(text.split(".")[1])


def is_jwt(text: str) -> bool:
    """Returns whether a text has the form of a JWT."""
    try:
        _header(text)
    except InvalidTokenError:
        return False
    return True


def is_signed(text: str, keys: Keys) -> bool:
    """Returns whether a text is a JWT that one of the keys signed, whatever it claims."""
    try:
        _check_signature(text, keys)
    except InvalidTokenError:
        return False
    return True


def kid_of(text: str) -> str:
    """Returns the `kid` in the header of a JWT that is not verified, or an empty text."""
    try:
        kid = _header(text).get("kid")
    except InvalidTokenError:
        return ""
    return kid if isinstance(kid, str) else ""


def public_key(jwk: Mapping[str, Any]) -> RSAPublicKey:
    """Returns the RSA key of a JWK. Raises ValueError if it is none."""
    try:
        if jwk["kty"] != "RSA":
            raise ValueError("not an RSA key")
        numbers = [int.from_bytes(_decode(jwk[name]), "big") for name in ("e", "n")]
        return RSAPublicNumbers(*numbers).public_key()
    except (KeyError, TypeError, AttributeError, InvalidTokenError) as error:
        raise ValueError("not an RSA public key as a JWK") from error


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Returns the RFC 7638 thumbprint of an RSA key."""
    members = json.dumps({"e": jwk["e"], "kty": "RSA", "n": jwk["n"]}, separators=(",", ":"))
    return encode(hashlib.sha256(members.encode()).digest())


def encode(content: bytes) -> str:
    """Returns base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _check_signature(text: str, keys: Keys) -> None:
    key = keys.get(kid_of(text))
    if key is None:
        raise InvalidTokenError("the signing key is unknown")
    signed, _, signature = text.rpartition(".")
    try:
        key.verify(_decode(signature), signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise InvalidTokenError("the signature is not valid") from error


def _header(text: str) -> Mapping[str, Any]:
    if not _JWT.fullmatch(text):
        raise InvalidTokenError("not three parts in base64url")
    return _decode_object(text.partition(".")[0])


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InvalidTokenError("not base64url") from error


def _decode_object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(_decode(text))
    except (ValueError, RecursionError) as error:
        raise InvalidTokenError("not JSON") from error
    if not isinstance(value, dict):
        raise InvalidTokenError("not a JSON object")
    return value
