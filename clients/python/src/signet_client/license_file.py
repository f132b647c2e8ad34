"""License files and their requests, for machines that never reach the API."""

import json
from typing import Any, Optional, Union

from .config import Config
from .errors import LicenseError
from .identity import Identity
from .jws import InvalidTokenError, encode
from .key_set import verify_key_set
from .license_token import Token, verify_token
from .times import DAY

_FORMAT = "signet-license/1"
_MAX_KEY_SET_AGE = 400 * DAY


def verify_license_file(text: str, config: Config, identity: Identity, now: float) -> Token:
    """Returns the token of a license file, whatever its times. Raises InvalidTokenError."""
    fields = _parse(text)
    if fields["issuer"] != config.issuer or fields["product"] != config.product:
        raise InvalidTokenError("the license file is of another issuer or product")
    key_set = verify_key_set(fields["signed_jwks"], config)
    if now > key_set.iat + _MAX_KEY_SET_AGE:
        raise InvalidTokenError("the license file is too old")
    return verify_token(fields["token"], key_set.keys, config, identity)


def token_of(text: str) -> Optional[str]:
    """Returns the token in a license file, which is not verified, or None."""
    try:
        return str(_parse(text)["token"])
    except InvalidTokenError:
        return None


def decode_license_file(content: Union[str, bytes]) -> str:
    """Returns the text of a license file, without a byte order mark. Raises InvalidTokenError."""
    try:
        text = content if isinstance(content, str) else content.decode()
        return text.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidTokenError("the license file is not UTF-8") from error


def offline_request(config: Config, identity: Identity) -> str:
    """Returns the text from which an operator or a customer makes a license file.

    Raises LicenseError with the code `ephemeral_machine_id` if the license file would be of no use after a restart.
    """
    if identity.is_ephemeral:
        raise LicenseError(
            "ephemeral_machine_id",
            "a license file needs a machine id that stays the same, and this one is new at each start: "
            "give one with the option machine_id",
        )
    fields = {"product": config.product, "machine_id": identity.machine_id}
    if identity.machine_name is not None:
        fields["machine_name"] = identity.machine_name
    return "signet-request/1:" + encode(json.dumps(fields, ensure_ascii=False).encode())


def _parse(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidTokenError("the license file is not JSON") from error
    if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
        raise InvalidTokenError(f"the format is not {_FORMAT}")
    if not all(isinstance(fields.get(name), str) for name in ("issuer", "product", "token", "signed_jwks")):
        raise InvalidTokenError("a field of the license file is missing")
    return fields
