"""License handles for asyncio. Requests run in threads, so the event loop is not blocked."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Callable, Optional, Union

from . import opening, operations
from .license import License
from .options import Options
from .state import State


class AsyncLicense:
    """The license of this machine, for asyncio. `open` returns one."""

    def __init__(self, license: License) -> None:
        self._license = license
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<signet_client.aio.AsyncLicense {self._license!r}>"

    async def __aenter__(self) -> "AsyncLicense":
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        await self.close()

    def state(self) -> State:
        """Returns the state at this time. Needs no network."""
        return self._license.state()

    def has(self, feature: str) -> bool:
        """Returns whether the app may run and the license has a feature."""
        return self._license.has(feature)

    def limit(self, feature: str) -> int:
        """Returns a limit: 0 if the app may not run or the limit is not granted, `UNLIMITED` if it is unlimited."""
        return self._license.limit(feature)

    def on_change(self, callback: Callable[[State], None]) -> None:
        """Calls `callback` with the new state after each change, in the event loop that runs now, until `close`."""
        loop = asyncio.get_running_loop()

        def call(state: State) -> None:
            if not self._is_closed:
                callback(state)

        self._license.on_change(lambda state: _call_soon(loop, call, state))

    async def activate(self, license_key: str) -> State:
        """Activates this machine with a license key. See `License.activate`."""
        operation = operations.activate(license_key)
        del license_key  # The traceback of an error has the local variables of this function.
        return await asyncio.to_thread(self._license._session.perform, operation)

    async def deactivate(self) -> State:
        """Frees the seat, and removes the token and the license key. See `License.deactivate`."""
        return await asyncio.to_thread(self._license.deactivate)

    async def release(self) -> State:
        """Frees the seat, and keeps the license key. See `License.release`."""
        return await asyncio.to_thread(self._license.release)

    async def refresh(self) -> State:
        """Asks the API now, and returns the new state. See `License.refresh`."""
        return await asyncio.to_thread(self._license.refresh)

    async def borrow(self, until: datetime) -> State:
        """Borrows the seat until a time. See `License.borrow`."""
        return await asyncio.to_thread(self._license.borrow, until)

    async def import_license_file(self, content: Union[str, bytes]) -> State:
        """Activates this machine with a license file. See `License.import_license_file`."""
        return await asyncio.to_thread(self._license.import_license_file, content)

    async def close(self) -> None:
        """Stops the background task. See `License.close`."""
        self._is_closed = True
        await asyncio.to_thread(self._license.close)

    def offline_request(self) -> str:
        """Returns the text for a license file for this machine. See `License.offline_request`."""
        return self._license.offline_request()

    def diagnose(self) -> str:
        """Returns lines of text for support, without a token and without a license key."""
        return self._license.diagnose()


async def open(config: Union[str, bytes, Mapping[str, Any]], options: Optional[Options] = None) -> AsyncLicense:
    """Opens the license of this machine from disk, and starts the background task. See `signet_client.open`."""
    return AsyncLicense(await asyncio.to_thread(opening.open, config, options))


def _call_soon(loop: asyncio.AbstractEventLoop, callback: Callable[[State], None], state: State) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback, state)
