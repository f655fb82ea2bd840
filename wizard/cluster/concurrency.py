"""Several requests at the same time, and several attempts at an object that others change."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any, Final, TypeVar

T = TypeVar("T")

CHANGING_SECONDS: Final = 20.0
"""How long a change is tried on an object that others keep changing: a DaemonSet's status in a large rollout."""


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> tuple[T, ...]:
    """Returns the results in order. Leaves nothing running; raises the first failure unchanged."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return tuple(task.result() for task in tasks)


async def attempts(seconds: float = CHANGING_SECONDS) -> AsyncIterator[None]:
    """Yields before each attempt: the first at once, the others after growing delays, until the time is over."""
    began = time.monotonic()
    delay = 0.02
    while True:
        yield
        if time.monotonic() - began > seconds:
            return
        await asyncio.sleep(delay * (0.5 + random.random() / 2))
        delay = min(2 * delay, 1.0)
