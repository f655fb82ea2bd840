"""Lends the terminal to another program: the user's editor, or a credential plugin that needs input.

The screens are suspended, the program gets the terminal as it was before them, and when it has ended they are drawn
again, whatever happened in the meantime.

For a plugin, the engine's thread asks. The event loop keeps running: it draws nothing, and a signal still ends the
wizard.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import signal
import termios
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

from wizard.errors import ClusterError

if TYPE_CHECKING:
    from textual.app import App

SECOND_INTERRUPT = 2
"""The ctrl+c that kills a plugin which ignored the first one."""


CLOSE_SECONDS = 2.0
"""How long the program waits for the screens before it ends."""


@contextlib.contextmanager
def suspended(app: App[int]) -> Iterator[None]:
    """Suspends the screens while the context is open; they come back also after an error inside it.

    Textual's own ``suspend`` does not resume if an error crosses it (Textualize/textual#6692). The settings of the
    terminal are restored before, because a program that was killed leaves its own; keys that were typed for it are
    discarded.

    Raises SuspendNotSupported if the screens are not in a terminal.
    """
    raised: BaseException | None = None
    with app.suspend():
        settings = _terminal_settings()
        try:
            yield
        except BaseException as error:
            raised = error
        if settings is not None:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(0, termios.TCSANOW, settings)
                termios.tcflush(0, termios.TCIFLUSH)
    if raised is not None:
        raise raised


def _terminal_settings() -> list[Any] | None:
    try:
        return termios.tcgetattr(0)
    except (termios.error, OSError, ValueError):  # no terminal, as in tests
        return None


class TerminalLender:
    """Lends the terminal of an app to one plugin at a time."""

    def __init__(self, app: App[int]) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limit: asyncio.Timeout | None = None
        self._interrupts = 0
        self._back: asyncio.Event | None = None
        self._ended: concurrent.futures.Future[None] | None = None

    @contextlib.asynccontextmanager
    async def lend(self, what: str) -> AsyncIterator[None]:
        """Lends the terminal while the context is open, on the engine's loop. ``what`` is the name of the plugin.

        Raises ClusterError if no terminal is available, or if the user stops the plugin.
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
            raise ClusterError(f"{what} was stopped.", "Press r to retry.") from None
        finally:
            self._limit = None
            self._app.call_later(self._give_back)
            await asyncio.shield(asyncio.wrap_future(ended))

    def stop(self) -> None:
        """Ends the plugin that uses the terminal, if any; ``lend`` then raises."""
        loop, limit = self._loop, self._limit
        if loop is not None and limit is not None:
            loop.call_soon_threadsafe(_end_now, limit)

    async def close(self) -> None:
        """Ends the plugin and waits until the screens are back, so that they can be closed."""
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
            with self._app.batch_update(), suspended(self._app), self._interrupts_are_the_plugins():
                os.write(2, f"{what} is using the terminal. Press ctrl+c to stop it.\n".encode())
                given.set_result(None)
                await back.wait()
        except SuspendNotSupported:
            given.set_exception(ClusterError(f"{what} needs input, but no terminal is available."))
        finally:
            self._back = None
            ended.set_result(None)
        self._app.refresh(layout=True)

    @contextlib.contextmanager
    def _interrupts_are_the_plugins(self) -> Iterator[None]:
        """Leaves ctrl+c to the plugin, which is in the same process group, so that it does not end the wizard."""
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
