"""A client in a process: the core, its locks, its background task and its listeners."""

import contextlib
import threading
from typing import Callable, Optional, TypeVar

from . import background_run, fork, operations
from .background_task import BackgroundTask
from .change_reporter import ChangeReporter
from .core import Core
from .errors import LicenseError
from .ports import Exchange, Request, Result, Transport
from .state import State

_CLOSE_SECONDS = 2.0

T = TypeVar("T")


class Session:
    """Runs operations one after another, sends their requests, and reports changes of the state."""

    def __init__(self, core: Core, transport: Transport) -> None:
        self._core = core
        self._transport = transport
        self._reporter = ChangeReporter(core.state())
        self._is_closed = False
        self._create_locks()
        self._task = BackgroundTask(self)

    def _create_locks(self) -> None:
        self.core_lock = threading.RLock()
        """Protects the core; held for moments."""
        self._operation_lock = threading.Lock()
        """Held during an operation and its requests."""

    def read(self, query: Callable[[Core], T]) -> T:
        """Returns what a query reads from the core."""
        with self.core_lock:
            return query(self._core)

    def perform(self, operation: Callable[[Core], Exchange[None]]) -> State:
        """Runs an operation, and returns the new state. Raises LicenseError."""
        try:
            with self._operation_lock:
                self._drive(operation(self._core))
        except LicenseError as error:
            # The frames of the operation have the license key. Tools that report errors send local variables, too.
            raise error.with_traceback(None)  # noqa: B904
        finally:
            self._task.notify()
            self._reporter.report(self._state)
        return self._state()

    def on_change(self, callback: Callable[[State], None]) -> None:
        """Calls `callback` after each change of the state, until `close` is called."""
        self._reporter.add(callback)

    def close(self) -> None:
        """Stops the background task. If the seat belongs to this process, releases it before."""
        self._task.stop()
        self._reporter.stop()
        # If a request of the background task takes longer, its result is ignored, and the seat is not released.
        has_lock = self._operation_lock.acquire(timeout=_CLOSE_SECONDS)
        try:
            if has_lock and not self._is_closed and self._core.identity.is_process:
                self._drive(operations.release(self._core))
        finally:
            self._is_closed = True
            if has_lock:
                self._operation_lock.release()

    # The background task

    def start_background(self) -> None:
        """Starts the background task, here and in processes that are forked later."""
        fork.watch(self)
        self._task.start()

    def run_background(self) -> None:
        """Runs the background task once. Does not raise: an unexpected error must not end the task."""
        with contextlib.suppress(Exception):
            self.perform(background_run.run)

    def seconds_until_due(self) -> Optional[float]:
        """Returns the seconds until the next request of the background task is due, or None if none is."""
        return self._seconds_until(Core.next_due)

    def seconds_until_run(self) -> Optional[float]:
        """Returns the seconds until the background task has to run, or None if it need not."""
        return self._seconds_until(Core.next_run)

    def restart_after_fork(self) -> None:
        """Replaces the locks, which threads of the parent may hold, and starts the background task."""
        self._create_locks()
        self._reporter.restart()
        self._task = BackgroundTask(self)
        if not self._is_closed:
            self._task.start()

    def _seconds_until(self, read_time: Callable[[Core], Optional[float]]) -> Optional[float]:
        with self.core_lock:
            now = self._core.observe()
            time = read_time(self._core)
            return None if time is None else max(0.0, time - now)

    def _drive(self, exchange: Exchange[None]) -> None:
        """Runs an operation. Sends its requests without the lock of the core."""
        request = self._advance(exchange, None)
        while request is not None:
            request = self._advance(exchange, self._transport.send(request))

    def _advance(self, exchange: Exchange[None], result: Optional[Result]) -> Optional[Request]:
        """Returns the next request of an operation, or None at its end. Raises LicenseError, also after `close`."""
        with self.core_lock:
            if self._is_closed:
                raise LicenseError("closed", "the license handle is closed")
            try:
                return next(exchange) if result is None else exchange.send(result)
            except StopIteration:
                return None

    def _state(self) -> State:
        return self.read(Core.state)
