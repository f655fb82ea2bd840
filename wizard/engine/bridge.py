"""The bridge between the screens' event loop and the engine's: a thread with its own event loop.

All network access runs there, so that neither a stalled terminal nor a busy screen delays it
(measured: a terminal that stops reading freezes a Textual loop after some seconds).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class Bridge:
    """A thread that runs coroutines for another thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            remaining = asyncio.all_tasks(self._loop)
            for task in remaining:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*remaining, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def submit(self, work: Coroutine[Any, Any, Result]) -> concurrent.futures.Future[Result]:
        """Starts a coroutine on the engine's loop; canceling the future cancels it there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Runs a coroutine on the engine's loop and waits for it from this one.

        The work continues if the wait is canceled: a change to a cluster must not end with a screen.
        """
        return await asyncio.shield(asyncio.wrap_future(self.submit(work)))

    def stop(self, timeout: float = 5.0) -> None:
        """Cancels the remaining work, ends the loop, and waits up to ``timeout`` seconds for the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout)
