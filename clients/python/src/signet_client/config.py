"""What is compiled into the app: the content of `signet-app.json`."""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union
from urllib.parse import urlsplit

from .errors import invalid_config
from .jws import Keys, public_key, thumbprint


@dataclass(frozen=True)
class Config:
    """The installation and the product that an app trusts."""

    issuer: str
    """URL of the installation, the `iss` of its tokens."""
    product: str
    """Code of the product, the `aud` of its tokens."""
    root_keys: Keys = field(repr=False)
    """Keys that sign key sets, by their thumbprint."""
    api_url: str
    """URL to which requests go, without a slash at the end."""

    @classmethod
    def parse(cls, source: Union[str, bytes, Mapping[str, Any]]) -> "Config":
        """Reads the object, or JSON text, of an app file. Raises LicenseError with the code `invalid_config`."""
        fields = _to_object(source)
        issuer, product = _text(fields, "issuer"), _text(fields, "product")
        api_url = _text(fields, "api_url") if fields.get("api_url") is not None else issuer
        if not _is_allowed(api_url):
            raise invalid_config(
                "api_url must be an https URL, or an http URL of a loopback host, without user, query and fragment"
            )
        return cls(issuer, product, _root_keys(fields.get("root_keys")), api_url.rstrip("/"))


def _to_object(source: Union[str, bytes, Mapping[str, Any]]) -> Mapping[str, Any]:
    if isinstance(source, (str, bytes)):
        try:
            source = json.loads(source)
        except (ValueError, RecursionError) as error:
            raise invalid_config("the configuration is not JSON") from error
    if not isinstance(source, Mapping):
        raise invalid_config("the configuration must be an object")
    return source


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise invalid_config(f"{name} must be a text")
    return value


def _root_keys(jwks: Any) -> Keys:
    if not isinstance(jwks, list) or not jwks:
        raise invalid_config("root_keys must contain a key")
    try:
        return {thumbprint(jwk): public_key(jwk) for jwk in jwks}
    except (ValueError, KeyError, TypeError) as error:
        raise invalid_config("root_keys must be RSA public keys as JWKs") from error


def _is_allowed(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or any(char <= " " or char in "?#" for char in url):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Returns whether a host of a URL is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
