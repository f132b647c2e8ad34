"""The license handle."""

import sys
from datetime import datetime
from types import TracebackType
from typing import Callable, Optional, Union

from . import background_run, operations
from .core import Core
from .diagnosis import diagnose
from .license_file import offline_request
from .session import Session
from .state import State

UNLIMITED = sys.maxsize
"""The value of a limit that is unlimited."""


class License:
    """The license of this machine. `signet_client.open` returns one.

    All methods can be called from any thread. Those that send a request block, at most for the time-outs of the
    options; all others return at once.
    """

    def __init__(self, session: Session, storage: str) -> None:
        """Wraps a session; for `signet_client.open`."""
        self._session = session
        self._storage = storage

    def __repr__(self) -> str:
        return f"<signet_client.License {self.state().name}>"

    def __enter__(self) -> "License":
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        self.close()

    def state(self) -> State:
        """Returns the state at this time. Needs no network."""
        return self._session.read(Core.state)

    def has(self, feature: str) -> bool:
        """Returns whether the app may run and the license has a feature."""
        return self._session.read(lambda core: core.has(feature))

    def limit(self, feature: str) -> int:
        """Returns a limit: 0 if the app may not run or the limit is not granted, `UNLIMITED` if it is unlimited."""
        limit = self._session.read(lambda core: core.limit(feature))
        return UNLIMITED if limit is None else limit

    def on_change(self, callback: Callable[[State], None]) -> None:
        """Calls `callback` with the new state after each change, in the order of the states. Its errors are ignored.

        It is called in the thread of an operation, before the operation returns, or in that of the background task, and
        never in two threads at a time: the thread that is in a callback makes the next calls, too. A callback can call
        the methods of this handle. It is not called any more once `close` was called.
        """
        self._session.on_change(callback)

    def activate(self, license_key: str) -> State:
        """Activates this machine with a license key, and returns the new state.

        Raises LicenseError with the code of the API's refusal, or `unreachable`. After a failure that may pass, the
        background task tries again. A license key that the API does not know (`not_found`) or that is one of another
        product (`wrong_product`) changes nothing, unless it is the stored one.
        """
        operation = operations.activate(license_key)
        del license_key  # The traceback of an error has the local variables of this function.
        return self._session.perform(operation)

    def deactivate(self) -> State:
        """Gives the license up on this machine: frees the seat, and removes the token and the license key.

        Without a token, for example after a refusal, it activates with the stored license key first, because the seat
        may still be taken. Raises LicenseError with the code of the API, or `unreachable`; the machine keeps its
        license then.
        """
        return self._session.perform(operations.deactivate)

    def release(self) -> State:
        """Frees the seat, and keeps the license key for the next start. Failures are ignored.

        The request takes at most two seconds. From then on the background task makes no request, until a response has a
        token, `activate` stores a license key, a license file is imported, or another process stores a token. With a
        token from a license file it does nothing.
        """
        return self._session.perform(operations.release)

    def refresh(self) -> State:
        """Asks the API now, and returns the new state.

        Sends a heartbeat, or activates with the stored license key if there is no token or after a refusal. Programs
        that end within seconds call it, because the background task sends its first request only later. A failure of
        the network is no error: the state says what is known.
        """
        return self._session.perform(background_run.refresh)

    def borrow(self, until: datetime) -> State:
        """Borrows the seat until a time, for use without network. Raises LicenseError.

        A time without a time zone is a local time. One that is not in the future is an error with the code
        `invalid_value`. If the machine id is new at each start, the code is `ephemeral_machine_id`.
        """
        return self._session.perform(lambda core: operations.borrow(core, until))

    def import_license_file(self, content: Union[str, bytes]) -> State:
        """Activates this machine with the content of a license file.

        Raises LicenseError with the code `license_file_invalid` and a message that says what is wrong with the file, or
        with the code of a refusal that is later than the file.
        """
        return self._session.perform(lambda core: operations.import_license_file(core, content))

    def offline_request(self) -> str:
        """Returns the text from which an operator or a customer makes a license file for this machine.

        Raises LicenseError with the code `ephemeral_machine_id` if the machine id is new at each start.
        """
        return self._session.read(lambda core: offline_request(core.config, core.identity))

    def diagnose(self) -> str:
        """Returns lines of text for support, without a token and without a license key."""
        return self._session.read(lambda core: diagnose(core, self._storage))

    def close(self) -> None:
        """Stops the background task. With an `instance_id` or an ephemeral machine id, releases the seat before.

        `state`, `has` and `limit` still work; operations raise LicenseError with the code `closed`, also one that is
        waiting for a response.
        """
        self._session.close()
