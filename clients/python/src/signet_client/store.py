"""The stored files, and the copies in memory of those that cannot or must not be written."""

from collections.abc import Collection
from typing import Optional

from .ports import Storage

TOKEN = "token.json"
KEY_SET = "keys.jwt"
REFUSAL = "refusal.json"
CLOCK = "clock.json"
LICENSE_KEY = "license-key"


class Store:
    """Reads and writes texts by name. A file that could not be written is kept in memory and not read any more."""

    def __init__(self, storage: Storage, memory_only: Collection[str] = ()) -> None:
        self._storage = storage
        self._memory: dict[str, Optional[str]] = dict.fromkeys(memory_only)
        self._memory_only = frozenset(memory_only)

    @property
    def unwritable(self) -> list[str]:
        """The names of the files that could not be written."""
        return sorted(self._memory.keys() - self._memory_only)

    def read(self, name: str) -> Optional[str]:
        """Returns the text of a file, or None if it is missing or cannot be read."""
        if name in self._memory:
            return self._memory[name]
        try:
            content = self._storage.read(name)
            return None if content is None else content.decode()
        except Exception:
            return None

    def write(self, name: str, text: str) -> None:
        """Replaces a file."""
        self._change(name, text)

    def remove(self, name: str) -> None:
        """Removes a file."""
        self._change(name, None)

    def _change(self, name: str, text: Optional[str]) -> None:
        if name in self._memory:
            self._memory[name] = text
            return
        try:
            if text is None:
                self._storage.remove(name)
            else:
                self._storage.write(name, text.encode())
        except Exception:
            self._memory[name] = text
