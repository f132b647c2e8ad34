"""Files in a folder, and files in memory."""

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Optional

_REPLACE_TRIES = 20 if sys.platform == "win32" else 1
_REPLACE_PAUSE_SECONDS = 0.01


class FileStorage:
    """Stores files in a folder, which is created when the first one is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def read(self, name: str) -> Optional[bytes]:
        """Returns the content of a file, or None if there is none."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Replaces a file atomically: writes a temporary file, flushes it, and renames it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=self.folder, prefix=f".{name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _replace(temporary, self.folder / name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def remove(self, name: str) -> None:
        """Removes a file. A file that is missing is no error."""
        (self.folder / name).unlink(missing_ok=True)


class MemoryStorage:
    """Stores files in memory, for tests and for systems without a data folder."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def __str__(self) -> str:
        return "memory"

    def read(self, name: str) -> Optional[bytes]:
        """Returns the content of a file, or None if there is none."""
        return self._files.get(name)

    def write(self, name: str, content: bytes) -> None:
        """Replaces a file."""
        self._files[name] = content

    def remove(self, name: str) -> None:
        """Removes a file. A file that is missing is no error."""
        self._files.pop(name, None)


def default_folder(product: str) -> Optional[Path]:
    """Returns the folder for a product in the user's data folder, or None if the user has none."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME", "")
        base = base if os.path.isabs(base) else os.path.expanduser("~/.local/share")
    return Path(base, "signet", product) if os.path.isabs(base) else None


def _replace(temporary: str, path: Path) -> None:
    """Renames a file. On Windows that fails while another process reads the old one."""
    for _ in range(_REPLACE_TRIES - 1):
        try:
            os.replace(temporary, path)
            return
        except PermissionError:
            time.sleep(_REPLACE_PAUSE_SECONDS)
    os.replace(temporary, path)
