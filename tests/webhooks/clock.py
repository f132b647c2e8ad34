"""A clock that tests set: a time that passes at once for the processes that are started with it."""

from pathlib import Path

# The places of Debian, of Fedora, and of builds from source.
LIBRARIES = ["/usr/lib/*/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime"]


class TestClock:
    """The system clock and an offset in a file. libfaketime adds it in each process that has the environment of this clock, unless the
    process reads the time without libc, as programs in Go do. Timeouts do not change."""

    def __init__(self, file):
        self.file = Path(file)
        if not self.file.exists():
            self.file.write_text("+0")

    def environment(self):
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def offset(self):
        """The seconds that have been added."""
        return int(self.file.read_text())

    def advance(self, seconds):
        # A process must not read half of it.
        new = self.file.with_suffix(".new")
        new.write_text(f"+{self.offset() + seconds}")
        new.replace(self.file)


def library():
    for pattern in LIBRARIES:
        for found in Path("/").glob(f"{pattern[1:]}/libfaketimeMT.so.1"):
            return found
    raise SystemExit("libfaketime is not installed: on Debian, install the package libfaketime")
