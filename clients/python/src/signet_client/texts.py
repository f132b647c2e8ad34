"""Texts for people."""

from collections.abc import Iterable
from typing import Optional

_MAX_LENGTH = 300
_MAX_PRODUCT_LENGTH = 100
_MIN_SECRET_LENGTH = 8
"""A shorter text that a user has typed is no license key, and may be a part of a word."""


def one_line(text: str, max_length: int = _MAX_LENGTH) -> str:
    """Returns a text in one line, without control and invisible characters, and cut."""
    visible = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(visible.split())[:max_length].rstrip()


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
