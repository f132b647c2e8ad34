"""The thread that renews the license."""

import threading
import weakref
from typing import Optional, Protocol

_MAX_WAIT_SECONDS = 30.0
"""Timers stop while a computer sleeps, and other processes change the storage, so the task looks at both regularly."""
_MIN_WAIT_SECONDS = 0.1


class Runnable(Protocol):
    """What a background task runs."""

    def run_background(self) -> None:
        """Runs once. Does not raise."""

    def seconds_until_run(self) -> Optional[float]:
        """Returns the seconds until a run has something to do, or None if none has."""


class BackgroundTask:
    """Runs a client when a request is due or its token has ended, as long as the app holds its license handle.

    The thread is a daemon: it does not keep the process running.
    """

    def __init__(self, target: Runnable) -> None:
        self._target = weakref.ref(target)
        self._changed = threading.Event()
        self._is_stopped = False

    def start(self) -> None:
        """Starts the thread. If the system has no more threads, the app works without one until its token ends."""
        try:
            threading.Thread(target=self._loop, name="signet-client", daemon=True).start()
        except RuntimeError:
            return

    def notify(self) -> None:
        """Says that the time of the next request may have changed."""
        self._changed.set()

    def stop(self) -> None:
        """Ends the thread. Does not wait for a request that is on its way."""
        self._is_stopped = True
        self._changed.set()

    def _loop(self) -> None:
        while not self._is_stopped:
            seconds = self._seconds_to_wait()
            if seconds is None:
                return
            if self._changed.wait(seconds):
                self._changed.clear()
                continue
            target = self._target()
            if target is not None:
                target.run_background()
            del target

    def _seconds_to_wait(self) -> Optional[float]:
        target = self._target()
        if target is None:
            return None
        seconds = target.seconds_until_run()
        return _MAX_WAIT_SECONDS if seconds is None else min(_MAX_WAIT_SECONDS, max(_MIN_WAIT_SECONDS, seconds))
