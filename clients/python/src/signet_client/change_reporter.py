"""Reports changes of the state to the app."""

import contextlib
import threading
from collections import deque
from typing import Callable, Optional

from .state import State, is_change


class ChangeReporter:
    """Calls the callbacks of the app, one change after another, and without a lock.

    While a callback runs, changes in other threads are queued. So a callback can wait for another thread, and can start
    an operation itself.
    """

    def __init__(self, state: State) -> None:
        self._callbacks: list[Callable[[State], None]] = []
        self._last = state
        self._changes: deque[State] = deque()
        self._is_stopped = False
        self.restart()

    def restart(self) -> None:
        """Forgets what other threads were doing, after a fork."""
        self._lock = threading.Lock()
        self._is_reporting = False

    def add(self, callback: Callable[[State], None]) -> None:
        """Calls `callback` with each change from now on."""
        self._callbacks.append(callback)

    def stop(self) -> None:
        """Reports no more changes. A callback that is running goes on."""
        self._is_stopped = True

    def report(self, read_state: Callable[[], State]) -> None:
        """Reports the present state if it has changed."""
        with self._lock:
            state = read_state()
            if is_change(self._last, state):
                self._changes.append(state)
            self._last = state
            if self._is_reporting:
                return
            self._is_reporting = True
        try:
            while change := self._next():
                self._call(change)
        except BaseException:
            self._is_reporting = False
            raise

    def _next(self) -> Optional[State]:
        """Returns the next change, or None at the end of the reporting."""
        with self._lock:
            self._is_reporting = bool(self._changes)
            return self._changes.popleft() if self._changes else None

    def _call(self, state: State) -> None:
        for callback in tuple(self._callbacks):
            if self._is_stopped:
                return
            with contextlib.suppress(Exception, SystemExit):
                callback(state)
