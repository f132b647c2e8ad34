"""An app that is licensed by Signet. It runs offline until `offline_until` of its token."""

import json
import os
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from verifier import UnknownKeyError, VerificationError, Verifier

TIMEOUT_SECONDS = 10

# The license must not be used, whatever the stored token says.
LICENSE_CODES = {"revoked", "superseded", "suspended", "expired", "product_inactive", "generation_outdated"}
# The machine has lost its seat, or the token's signing key was condemned: the app activates once.
REACTIVATION_CODES = {"not_activated", "token_invalid"}
# An activation was refused.
ACTIVATION_CODES = LICENSE_CODES | REACTIVATION_CODES | {"not_found", "seat_limit_reached"}


class LicenseRefusedError(Exception):
    """The API refused the license. The app must stop."""

    def __init__(self, code):
        super().__init__(f"license refused: {code}")
        self.code = code


class ApiError(Exception):
    """The API returned no token. `code` is None unless the response is a problem document of the API."""

    def __init__(self, message, code=None):
        super().__init__(f"API unavailable: {message}")
        self.code = code


class App:
    """Call `licensed` at start and before each licensed operation, `fetch_keys` at start and once a day, and `heartbeat`
    in the background, every `enforcement.heartbeat_interval_seconds`.
    """

    def __init__(self, config, directory, machine_id, license_key):
        self.verifier = Verifier(config, directory)
        self.machine_id = machine_id
        self.license_key = license_key
        self.refused = False

    def licensed(self):
        """Returns the claims of the stored token. Activates this machine if there is none."""
        if self.refused or self.verifier.stored_token() is None:
            self.activate()
        try:
            return self._with_current_keys(self._verify_stored_token)
        except UnknownKeyError:  # the key that signed the token was condemned
            self.activate()
            return self._verify_stored_token()

    def heartbeat(self):
        """Renews the stored token. Returns False if the API is unavailable: the app goes on with the token that it has."""
        try:
            token = self.verifier.stored_token()
            if self.refused or token is None:
                self.activate()
            else:
                self._renew_or_reactivate(token)
            return True
        except (ApiError, VerificationError, OSError):
            return False

    def fetch_keys(self):
        """Fetches the signed key set. Returns False, and keeps the stored one, if that fails."""
        try:
            with urlopen(self.verifier.issuer + "/.well-known/jwks.jwt", timeout=TIMEOUT_SECONDS) as response:
                self.verifier.store_key_set(response.read().decode(), time.time())
            return True
        except Exception:
            return False

    def import_license_file(self, path):
        """Imports a license file, and returns the claims of its token. Replaces an activation over the network."""
        self.verifier.import_license_file(Path(path).read_text(), self.machine_id, time.time())
        self.refused = False
        return self._verify_stored_token()

    def activate(self):
        """Activates this machine with the license key. Repeating it is safe: the machine keeps its seat."""
        try:
            self._renew("license-activations/activate", {"license_key": self.license_key}, ACTIVATION_CODES)
        except ApiError as error:
            refusal = self.verifier.stored_refusal()
            if refusal and self.verifier.stored_token() is None:
                raise LicenseRefusedError(refusal.code) from error
            raise

    def _renew_or_reactivate(self, token):
        try:
            self._renew("license-keys/heartbeat", {"token": token}, LICENSE_CODES)
        except ApiError as error:
            if error.code not in REACTIVATION_CODES:
                raise
            self.activate()

    def _renew(self, path, credential, refusal_codes):
        """Requests a token and stores it, or stores the refusal."""
        refusal = self.verifier.stored_refusal()
        try:
            token = self._request_token(path, credential)
        except ApiError as error:
            if error.code not in refusal_codes:
                raise
            self.refused = True  # also if the refusal cannot be written to disk
            self.verifier.store_refusal(error.code)
            raise LicenseRefusedError(error.code) from error
        self._with_current_keys(lambda: self.verifier.store_token(token, refusal))
        self.refused = False

    def _request_token(self, path, credential):
        body = json.dumps({"machine_id": self.machine_id, **credential}).encode()
        url = f"{self.verifier.issuer}/api/v1.0/{path}"
        try:
            with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=TIMEOUT_SECONDS) as response:
                return json.load(response)["token"]
        except HTTPError as error:
            raise ApiError(f"HTTP status {error.code}", _problem_code(error)) from error
        except Exception as error:
            raise ApiError(str(error)) from error

    def _verify_stored_token(self):
        token = self.verifier.stored_token()
        if token is None:  # another process was refused
            refusal = self.verifier.stored_refusal()
            raise LicenseRefusedError(refusal.code if refusal else "not_activated")
        return self.verifier.verify(token, self.machine_id, time.time())

    def _with_current_keys(self, action):
        try:
            return action()
        except UnknownKeyError:
            self.fetch_keys()
            return action()


def _problem_code(response):
    """Returns the code of a problem document, or None for any other response, such as the HTML of a proxy."""
    if not 400 <= response.code < 500 or response.headers.get_content_type() != "application/problem+json":
        return None
    try:
        code = json.load(response)["code"]
    except Exception:
        return None
    return code if isinstance(code, str) else None


def main():
    if sys.argv[3:] not in (["licensed"], ["heartbeat"], ["fetch-keys"]) and sys.argv[3:-1] != ["import-license-file"]:
        usage = "licensed|heartbeat|fetch-keys|import-license-file FILE"
        sys.exit(f"usage: MACHINE_ID=... LICENSE_KEY=... app.py CONFIG.json DIR {usage}")
    config, directory, (command, *file) = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), sys.argv[3:]
    directory.mkdir(parents=True, exist_ok=True)
    app = App(config, directory, os.environ["MACHINE_ID"], os.environ["LICENSE_KEY"])
    try:
        print(json.dumps(getattr(app, command.replace("-", "_"))(*file)))
    except (LicenseRefusedError, ApiError, VerificationError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
