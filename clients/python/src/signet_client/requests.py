"""The requests of the client."""

from datetime import datetime
from typing import Optional
from urllib.parse import quote

from .identity import Identity
from .license_token import Token
from .ports import Request
from .times import format_rfc3339

_API = "/api/v1.0"
RELEASE_TIMEOUT = 2.0

FETCH_KEYS = Request("GET", "/.well-known/jwks.jwt", name="fetch keys")


def activation(identity: Identity, license_key: str) -> Request:
    """Takes a seat."""
    body = {"license_key": license_key, **identity.fields()}
    if identity.machine_name is not None:
        body["machine_name"] = identity.machine_name
    return Request("POST", f"{_API}/license-activations/activate", body, name="activate")


def heartbeat(identity: Identity, token: Token, borrow_until: Optional[datetime] = None) -> Request:
    """Renews the token, and borrows the seat if `borrow_until` is given."""
    body = {"token": token.text, **identity.fields()}
    if borrow_until is not None:
        body["borrow_until"] = format_rfc3339(borrow_until.timestamp())
    return Request("POST", f"{_API}/license-keys/heartbeat", body, name="heartbeat")


def deactivation(token: Token, timeout: Optional[float] = None) -> Request:
    """Frees the seat."""
    path = f"{_API}/license-activations/{quote(token.activation_id, safe='')}/deactivate"
    return Request("POST", path, {"token": token.text}, timeout, name="deactivate")
