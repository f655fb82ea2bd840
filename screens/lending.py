"""The terminal, given to a credential plugin that wants to ask something, and taken back.

The engine's thread asks; the screens are put away, the plugin has the terminal as it was before they came, and when it
has ended they are drawn again. The screens' loop goes on all the while: it draws nothing, and a signal still ends the
program.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from wizard.errors import ClusterError

if TYPE_CHECKING:
    from textual.app import App

SECOND_INTERRUPT = 2
"""The ctrl+c by which a plugin is killed that outlived the first one."""


CLOSE_SECONDS = 2.0
"""How long the end of the program waits for the screens to be back."""


class TerminalLender:
    """Lends the terminal of an app, to one plugin at a time."""

    def __init__(self, app: App[int]) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limit: asyncio.Timeout | None = None
        self._interrupts = 0
        self._back: asyncio.Event | None = None
        self._ended: concurrent.futures.Future[None] | None = None

    @contextlib.asynccontextmanager
    async def lend(self, what: str) -> AsyncIterator[None]:
        """The terminal, on the engine's loop, for as long as the context is open. ``what`` is who has it, in a line.

        Raises ClusterError where there is no terminal to give, and where the person stopped it.
        """
        given: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._ended = ended = concurrent.futures.Future[None]()
        self._loop = asyncio.get_running_loop()
        self._app.call_later(self._begin, what, given, ended)
        try:
            await asyncio.wrap_future(given)
            async with asyncio.timeout(None) as self._limit:
                yield
        except TimeoutError:
            raise ClusterError(f"{what} was stopped.", "r reads again.") from None
        finally:
            self._limit = None
            self._app.call_later(self._give_back)
            await asyncio.shield(asyncio.wrap_future(ended))

    def stop(self) -> None:
        """Ends the plugin that has the terminal, if one has; ``lend`` then raises."""
        loop, limit = self._loop, self._limit
        if loop is not None and limit is not None:
            loop.call_soon_threadsafe(_end_now, limit)

    async def close(self) -> None:
        """The same, and waits until the screens are back: they have to be there to be taken down."""
        self.stop()
        if self._ended is not None:
            await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=CLOSE_SECONDS)

    def _begin(self, what: str, given: concurrent.futures.Future[None], ended: concurrent.futures.Future[None]) -> None:
        if given.set_running_or_notify_cancel():
            self._back = asyncio.Event()
            self._app.run_worker(self._step_aside(what, self._back, given, ended), group="terminal")
        else:
            ended.set_result(None)

    def _give_back(self) -> None:
        if self._back is not None:
            self._back.set()

    async def _step_aside(
        self,
        what: str,
        back: asyncio.Event,
        given: concurrent.futures.Future[None],
        ended: concurrent.futures.Future[None],
    ) -> None:
        try:
            with self._app.batch_update(), self._app.suspend(), self._interrupts_are_the_plugins():
                os.write(2, f"{what} has the terminal. ctrl+c ends it.\n".encode())
                given.set_result(None)
                await back.wait()
        except SuspendNotSupported:
            given.set_exception(ClusterError(f"{what} wants to ask something, and there is no terminal to give it."))
        finally:
            self._back = None
            ended.set_result(None)
        self._app.refresh(layout=True)

    @contextlib.contextmanager
    def _interrupts_are_the_plugins(self) -> Iterator[None]:
        """ctrl+c goes to the plugin, which shares our process group, and does not end the wizard."""
        self._interrupts = 0
        # A handler, not SIG_IGN: the plugin would inherit that.
        before = signal.signal(signal.SIGINT, self._interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self._interrupts += 1
        if self._interrupts >= SECOND_INTERRUPT:
            self.stop()


def _end_now(limit: asyncio.Timeout) -> None:
    with contextlib.suppress(RuntimeError):  # it has ended by itself
        limit.reschedule(asyncio.get_running_loop().time())
