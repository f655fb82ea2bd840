"""How a command runs: its engine, opened and closed, and what a signal does to it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from wizard.commands.printing import say
from wizard.engine import Engine
from wizard.errors import Interrupted
from wizard.target import Target

COLLECT_AFTER = 50_000
"""After how many new objects the garbage collector looks for some that are not needed any more."""


def sandbox_speed() -> float:
    """How many times faster than life the sandbox plays; tests set it in the environment."""
    return float(os.environ.get("PODMAN_WIZARD_SANDBOX_SPEED", "1"))


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Engine]:
    """An engine that is open, and closed at the end; a run that did not come to its end stays open in its journal."""
    async with engine_of(Engine(target, sandbox_speed=sandbox_speed())) as engine:
        await engine.open()
        yield engine


@asynccontextmanager
async def engine_of(engine: Engine) -> AsyncIterator[Engine]:
    """An engine that is closed at the end, opened or not; a run that broke off stays open in its journal."""
    try:
        yield engine
    except BaseException as error:
        stopped = isinstance(error, asyncio.CancelledError | BrokenPipeError)
        if stopped and engine.has_changed:
            with contextlib.suppress(OSError):  # where the terminal has gone, nobody hears it
                say("It stopped in the middle. What was done so far is said above, and kept in the journal.")
        await engine.close(interrupted=True)
        raise
    await engine.close()


def run_async(work: Coroutine[Any, Any, int]) -> int:
    """Runs a command's coroutine; a signal cancels it, so that it can say what was done, and sets the exit code."""
    # What is read of thousands of nodes stays: the collector would go through it after every 700 new objects.
    gc.set_threshold(COLLECT_AFTER)
    return asyncio.run(_until_signalled(work))


async def _until_signalled(work: Coroutine[Any, Any, int]) -> int:
    task = asyncio.ensure_future(work)
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except (asyncio.CancelledError, OSError):
        # An OSError, where there was nobody any more to tell of the end.
        if not received:
            raise
        if received[0] == signal.SIGINT:
            raise Interrupted("Interrupted.") from None
        with contextlib.suppress(OSError):
            say(f"podman-wizard: Ended by {signal.Signals(received[0]).name}.")
        return 128 + received[0]
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
