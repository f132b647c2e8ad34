"""Verifies Signet license tokens offline, with PyJWT."""

import json
import re
import uuid
from pathlib import Path
from typing import NamedTuple

import jwt
from jwcrypto import jwe, jwk

LEEWAY_SECONDS = 60  # tolerated difference between the clocks of this machine and of the issuer
LICENSE_FILE_SECONDS = 400 * 86_400  # how long the key set of a license file verifies the file's token, from the set's `iat`


class VerificationError(Exception):
    """A license token or a key set is not valid."""


class UnknownKeyError(VerificationError):
    """No stored key has the token's `kid`. Fetch the key set and try again."""


class Refusal(NamedTuple):
    """A response of the API that ended the use of the stored token."""

    id: str
    code: str


class Verifier:
    """Verifies license tokens, and stores the key set, the token, the license file and the last refusal in a directory.

    Several processes may share the directory: each file is replaced atomically. A missing or damaged file counts as
    absent.

    `config` has the `issuer`, the `product` code and the public `root_keys`, which are built into the app.
    """

    def __init__(self, config, directory):
        self.issuer = config["issuer"]
        self.product = config["product"]
        self.root_keys = config["root_keys"]
        self.directory = Path(directory)

    def verify(self, token, machine_id, now):
        """Returns the claims of a token that is valid on this machine at `now`, in Unix seconds.

        The token is accepted until its `offline_until`. The latest time seen is stored to detect a clock that was set
        back.
        """
        now = int(now)
        claims = self._verify_signature(token, self._keys_for(token, now), "license+jwt")
        self._check_claims(claims, machine_id, now, self._last_seen())
        return claims

    def _check_claims(self, claims, machine_id, now, last_seen):
        """Checks that a token is for this machine and valid at `now`. `last_seen` is the latest time seen."""
        if not isinstance(machine_id, str) or not machine_id:
            raise VerificationError("the machine ID is missing")
        if claims.get("aud") != self.product:
            raise VerificationError("the token is for another product")
        activation = claims.get("activation")
        if not isinstance(activation, dict) or activation.get("machine_id") != machine_id:
            raise VerificationError("the token is not for this machine")
        not_before = _integer(claims, "nbf")
        _integer(claims, "exp")
        end = _integer(claims.get("enforcement"), "offline_until")

        # A clock that is far ahead must not lock out later tokens.
        seen = min(now, end + 1)
        if seen > self._last_seen():
            self._record_time(seen)
        if now < max(last_seen, not_before) - LEEWAY_SECONDS:
            raise VerificationError("the clock was set back")
        if now > end:
            raise VerificationError("the token has expired")

    def store_key_set(self, key_set, now):
        """Stores a fetched key set: signed by a root key, not expired, and not older than the stored one."""
        fetched = self._verify_signature(key_set, self.root_keys, "jwk-set+jwt")
        # Of two sets signed in the same second, the fetched one may be the older one.
        if fetched["iat"] <= self._stored_key_set()["iat"] and key_set != self._read("jwks.jwt"):
            raise VerificationError("the key set is not newer than the stored one")
        if now > _integer(fetched, "exp") + LEEWAY_SECONDS:
            raise VerificationError("the key set has expired")
        self._write("jwks.jwt", key_set)

    def store_token(self, token, refusal=None):
        """Stores a token that the API returned.

        `refusal` is the result of `stored_refusal` before the request was sent. If another process stores a refusal while
        the request is in flight, the token is ignored. The stored time is set to the token's `iat`, so that a clock that
        was once wrong is corrected.
        """
        claims = self._verify_signature(token, self._stored_key_set()["keys"], "license+jwt")
        self._write("token", f"{token} {refusal.id}" if refusal else token)
        self._record_time(_integer(claims, "iat"))

    def import_license_file(self, text, machine_id, now):
        """Imports a license file, for a machine that never reaches the API. Its token becomes the stored token, and is verified
        with the key set of the file, which is stored beside it.

        If the file is later than the one that was imported before, the stored time is set to the token's `iat`, so that a
        clock that was once wrong is corrected. Importing a file again does not set the time back, and does not undo a refusal.
        """
        now, file = int(now), _parse_license_file(text)
        if file["issuer"] != self.issuer:
            raise VerificationError("the license file is from another issuer")
        if file["product"] != self.product:
            raise VerificationError("the license file is for another product")
        claims = self._verify_signature(file["token"], self._license_file_keys(file, now), "license+jwt")
        issued_at = _integer(claims, "iat")
        is_newer = issued_at > _issue_time(self._stored_license_file())
        self._check_claims(claims, machine_id, now, issued_at if is_newer else self._last_seen())
        refusal = self.stored_refusal()
        if not is_newer and refusal and not self.stored_token():
            raise VerificationError("the API has refused the license since")
        self._write("license-file", text)
        self._write("token", f"{file['token']} {refusal.id}" if refusal else file["token"])
        if is_newer:
            self._record_time(issued_at)

    def stored_token(self):
        """Returns the stored token, or None if there is none or if the API has refused the license since."""
        token, _, refusal_id = self._read("token").partition(" ")
        refusal = self.stored_refusal()
        return token if token and refusal_id == (refusal.id if refusal else "") else None

    def store_refusal(self, code):
        """Records that the API refused the license, and removes the stored token.

        The token does not count from the moment the refusal is written, so that a crash in between is harmless. File
        errors are ignored.
        """
        try:
            self._write("refusal", f"{uuid.uuid4()} {code}")
        except OSError:
            pass
        try:
            (self.directory / "token").unlink(missing_ok=True)
        except OSError:
            pass

    def stored_refusal(self):
        """Returns the last refusal, or None."""
        refusal_id, _, code = self._read("refusal").partition(" ")
        return Refusal(refusal_id, code) if refusal_id and code else None

    @staticmethod
    def decrypt(encrypted_token, private_jwk):
        """Returns the token that was encrypted to the app's public key."""
        decrypted = jwe.JWE(algs=["RSA-OAEP", "A256CBC-HS512"])
        decrypted.deserialize(encrypted_token, jwk.JWK(**private_jwk))
        return decrypted.payload.decode()

    def _keys_for(self, token, now):
        """Returns the keys that may have signed a token: those of the license file for its token, else the stored ones."""
        file = self._stored_license_file()
        return self._license_file_keys(file, now) if file and file["token"] == token else self._stored_key_set()["keys"]

    def _license_file_keys(self, file, now):
        key_set = self._verify_signature(file["signed_jwks"], self.root_keys, "jwk-set+jwt")
        if now > _integer(key_set, "iat") + LICENSE_FILE_SECONDS:
            raise VerificationError("the license file is too old")
        return key_set["keys"]

    def _stored_license_file(self):
        try:
            return _parse_license_file(self._read("license-file"))
        except VerificationError:
            return None

    def _stored_key_set(self):
        try:
            return self._verify_signature(self._read("jwks.jwt"), self.root_keys, "jwk-set+jwt")
        except VerificationError:
            return {"iat": 0, "keys": []}

    def _verify_signature(self, text, keys, typ):
        """Returns the claims of an RS256 JWT of this type and issuer, signed by one of the keys."""
        times_not_checked = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        try:
            header = jwt.get_unverified_header(text)
            if header.get("typ") != typ:
                raise VerificationError(f"typ must be {typ}")
            key = next((key for key in keys if key["kid"] == header.get("kid")), None)
            if key is None:
                raise UnknownKeyError("the signing key is unknown")
            return jwt.decode(
                text, jwt.PyJWK(key), algorithms=["RS256"], issuer=self.issuer,
                options={**times_not_checked, "require": ["iss", "iat", "exp"]},
            )
        except jwt.PyJWTError as error:
            raise VerificationError(f"invalid {typ}: {error}") from error

    def _last_seen(self):
        text = self._read("last-seen")
        return int(text) if re.fullmatch("[0-9]{1,15}", text) else 0

    def _record_time(self, time):
        try:
            self._write("last-seen", str(time))
        except OSError:
            pass  # a directory that is not writable must not stop the app

    def _read(self, name):
        try:
            return (self.directory / name).read_text()
        except (OSError, ValueError):
            return ""

    def _write(self, name, text):
        """Replaces a file atomically."""
        temporary = self.directory / f"{name}.{uuid.uuid4()}"
        try:
            temporary.write_text(text)
            temporary.replace(self.directory / name)
        finally:
            temporary.unlink(missing_ok=True)


def _parse_license_file(text):
    try:
        file = json.loads(text)
    except ValueError as error:
        raise VerificationError("not a license file") from error
    if not isinstance(file, dict) or file.get("format") != "signet-license/1":
        raise VerificationError("not a license file of a known format")
    for name in ("issuer", "product", "token", "signed_jwks"):
        if not isinstance(file.get(name), str):
            raise VerificationError(f"{name} of the license file must be a string")
    return file


def _issue_time(file):
    """Returns the `iat` of a license file's token without verifying it, or 0."""
    try:
        return _integer(jwt.decode(file["token"], options={"verify_signature": False}), "iat") if file else 0
    except (jwt.PyJWTError, VerificationError):
        return 0


def _integer(claims, name):
    value = claims.get(name) if isinstance(claims, dict) else None
    if type(value) is not int:
        raise VerificationError(f"claim {name} must be an integer")
    return value
