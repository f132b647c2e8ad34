"""The error of all operations."""

_MESSAGES = {
    "closed": "the license handle is closed",
    "license_file_invalid": "the license file is not valid for this app and this machine",
    "not_activated": "this machine is not activated",
    "unreachable": "the licensing API could not be reached",
}


class LicenseError(Exception):
    """An operation that failed.

    `code` is stable. It is a code of the API, such as `seat_limit_reached`, or one of this library: `unreachable`,
    `not_activated`, `license_file_invalid`, `invalid_config`, `closed`.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message or _MESSAGES.get(code, "the licensing API refused the request")

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"
