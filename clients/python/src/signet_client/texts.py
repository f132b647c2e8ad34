"""Texts for people."""

_MAX_LENGTH = 300


def one_line(text: str) -> str:
    """Returns a text in one line, without control and invisible characters, and cut to 300 characters."""
    visible = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(visible.split())[:_MAX_LENGTH].rstrip()
