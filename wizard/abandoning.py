"""Work on a thread that can be left alone: a file on a stalled disk, or a pipe without a writer, blocks for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def abandonable(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Returns the result of ``work``, which runs on a thread of its own.

    A cancellation ends the wait at once. The threads of ``asyncio.to_thread`` are joined when the program ends, so one
    that blocks could be ended by no signal; this one ends with the program.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work(*args, **kwargs)
        except BaseException as raised:
            error = raised
        # The loop is closed if nobody waits any more.
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="abandonable", daemon=True).start()
    return await done
