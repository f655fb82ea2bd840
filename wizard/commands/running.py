"""Running a command: opening and closing its engine, and handling signals."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from wizard.choices.target import Target
from wizard.engine.engine import Engine
from wizard.errors import Interrupted
from wizard.printing.lines import say

COLLECT_AFTER = 50_000
"""The number of new objects after which the garbage collector runs."""


def sandbox_speed() -> float:
    """Returns the speed of the sandbox, as a multiple of real time; tests set it in the environment."""
    return float(os.environ.get("PODMAN_WIZARD_SANDBOX_SPEED", "1"))


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Engine]:
    """Opens an engine and closes it at the end; an interrupted run stays open in its journal."""
    async with engine_of(Engine(target, sandbox_speed=sandbox_speed())) as engine:
        await engine.open()
        yield engine


@asynccontextmanager
async def engine_of(engine: Engine) -> AsyncIterator[Engine]:
    """Closes an engine at the end, whether it was opened or not; an interrupted run stays open in its journal."""
    try:
        yield engine
    except BaseException as error:
        stopped = isinstance(error, asyncio.CancelledError | BrokenPipeError)
        if stopped and engine.has_changed:
            with contextlib.suppress(OSError):  # if the terminal is gone, there is no reader
                say("The command was interrupted. Changes made so far are listed above and recorded in the journal.")
        await engine.close(interrupted=True)
        raise
    await engine.close()


def run_async(work: Coroutine[Any, Any, int]) -> int:
    """Runs the coroutine of a command; a signal cancels it, so that it can list its changes, and sets the exit code."""
    # Facts about thousands of nodes stay in memory, and the collector would scan them after every 700 new objects.
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
        # An OSError means that the output has no reader any more.
        if not received:
            raise
        if received[0] == signal.SIGINT:
            raise Interrupted("Interrupted.") from None
        with contextlib.suppress(OSError):
            say(f"podman-wizard: ended by signal {signal.Signals(received[0]).name}")
        return 128 + received[0]
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
