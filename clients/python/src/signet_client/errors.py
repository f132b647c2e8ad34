"""The error of all operations."""


class LicenseError(Exception):
    """An operation that failed.

    `code` is stable. It is a code of the API, such as `seat_limit_reached`, or one of this library: `wrong_product`,
    `unreachable`, `not_activated`, `invalid_value`, `license_file_invalid`, `ephemeral_machine_id`, `invalid_config`,
    `closed`.
    `message` is one line for support: what failed, and the detail of the API's problem, or why there was no response.
    The exception of the HTTP library is the `__cause__`. Neither contains a license key or a token.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


def invalid_config(message: str) -> LicenseError:
    """Returns the error of a configuration or an option that is not valid."""
    return LicenseError("invalid_config", message)
