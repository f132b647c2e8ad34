"""Verification of JWTs that are signed with RS256 (RFC 7515, RFC 7518)."""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

Keys = Mapping[str, RSAPublicKey]
"""Public keys by their `kid`."""


class InvalidTokenError(Exception):
    """A JWT is not valid."""


class UnknownKeyError(InvalidTokenError):
    """A JWT was signed by a key that is not among the keys."""


def verify(text: str, typ: str, keys: Keys) -> Mapping[str, Any]:
    """Returns the claims of a JWT of the type `typ` that one of the keys signed."""
    signed, _, signature = text.rpartition(".")
    header_text, _, claims_text = signed.partition(".")
    header = _decode_object(header_text)
    if header.get("alg") != "RS256" or header.get("typ") != typ or "crit" in header:
        raise InvalidTokenError(f"the header is not that of a {typ} with RS256")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise InvalidTokenError("the header has no kid")
    if kid not in keys:
        raise UnknownKeyError("the signing key is unknown")
    try:
        keys[kid].verify(_decode(signature), signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise InvalidTokenError("the signature is not valid") from error
    return _decode_object(claims_text)


def kid_of(text: str) -> str:
    """Returns the `kid` in the header of a JWT that is not verified, or an empty text."""
    try:
        kid = _decode_object(text.partition(".")[0]).get("kid")
    except InvalidTokenError:
        return ""
    return kid if isinstance(kid, str) else ""


def public_key(jwk: Mapping[str, Any]) -> RSAPublicKey:
    """Returns the RSA key of a JWK. Raises ValueError if it is none."""
    try:
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
