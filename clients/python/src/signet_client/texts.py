"""Texts for people."""

import re
from collections.abc import Iterable
from typing import Optional

_MAX_LENGTH = 300
_MAX_PRODUCT_LENGTH = 100
_MIN_SECRET_LENGTH = 8
"""A shorter text that a user has typed is no license key, and may be a part of a word."""
_BREAKS = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
_BREAK = re.compile(f"[{_BREAKS}]")
"""Control characters, separators of lines, and halves of characters, which are no text."""
_INVISIBLE = re.compile(
    f"[{_BREAKS}"
    r"\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Those, and characters without a shape, which the API does not accept in a name."""


def one_line(text: str, max_length: int = _MAX_LENGTH) -> str:
    """Returns a text in one line, with spaces instead of control characters, and cut."""
    return _BREAK.sub(" ", text).strip()[:max_length].rstrip()


def remove_invisible(text: str) -> str:
    """Returns a text without control and invisible characters."""
    return _INVISIBLE.sub("", text)


def quote_product(code: str) -> str:
    """Returns the code of a product, which can be any text, for a message."""
    return f'"{one_line(code, _MAX_PRODUCT_LENGTH)}"'


class Redactor:
    """Hides the license keys and the tokens that a response repeats."""

    def __init__(self, secrets: Iterable[Optional[str]]) -> None:
        found = {secret for secret in secrets if secret and len(secret) >= _MIN_SECRET_LENGTH}
        # One that contains another is hidden as a whole.
        self._secrets = sorted(found, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """Returns a text with `…` in place of the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    def show(self, text: str) -> str:
        """Returns a text in one line, without the secrets."""
        return one_line(self.hide(text))
