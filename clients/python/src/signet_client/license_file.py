"""License files and their requests, for machines that never reach the API."""

import json
from collections.abc import Mapping
from typing import Any, Optional, Union

from .config import Config
from .identity import Identity
from .jws import InvalidTokenError, encode
from .key_set import UNSIGNED, is_signed_by_root_key, verify_key_set
from .license_token import Token, verify_token
from .texts import quote_product
from .times import DAY

_FORMAT = "signet-license/1"
_MAX_KEY_SET_AGE = 400 * DAY
_NO_LICENSE_FILE = "it is not a license file"


def verify_license_file(text: str, config: Config, identity: Identity, now: float) -> Token:
    """Returns the token of a license file, whatever its times. Raises InvalidTokenError, which says what is wrong."""
    fields = _parse(text)
    try:
        token = _verify_token(fields, config, now)
    except InvalidTokenError as error:
        is_signed = is_signed_by_root_key(fields["signed_jwks"], config)
        raise InvalidTokenError("its token is not valid" if is_signed else f"its {UNSIGNED}") from error
    product = fields["product"] if token.product == config.product else token.product
    if product != config.product:
        raise InvalidTokenError(f"it is for the product {quote_product(product)}")
    if not token.is_for(identity):
        raise InvalidTokenError("it is for another machine")
    return token


def _verify_token(fields: Mapping[str, str], config: Config, now: float) -> Token:
    key_set = verify_key_set(fields["signed_jwks"], config)
    if fields["issuer"] != config.issuer or now > key_set.iat + _MAX_KEY_SET_AGE:
        raise InvalidTokenError("the license file is of another issuer, or too old")
    return verify_token(fields["token"], key_set.keys, config)


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
        raise InvalidTokenError(_NO_LICENSE_FILE) from error


def offline_request(config: Config, identity: Identity) -> str:
    """Returns the text from which an operator or a customer makes a license file.

    Raises LicenseError with the code `ephemeral_machine_id` if the license file would be of no use after a restart.
    """
    identity.require_lasting("the request was not created")
    fields = {"product": config.product, "machine_id": identity.machine_id}
    if identity.machine_name is not None:
        fields["machine_name"] = identity.machine_name
    return "signet-request/1:" + encode(json.dumps(fields, ensure_ascii=False).encode())


def _parse(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidTokenError(_NO_LICENSE_FILE) from error
    if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
        raise InvalidTokenError(_NO_LICENSE_FILE)
    if not all(isinstance(fields.get(name), str) for name in ("issuer", "product", "token", "signed_jwks")):
        raise InvalidTokenError(_NO_LICENSE_FILE)
    return fields
