"""Time in the simulated cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random


class Clock:
    """The wall clock, and how long simulated work takes: seconds of a real cluster, divided by ``speed``."""

    def __init__(self, speed: float, seed: int) -> None:
        self.speed = speed
        self.hurry = True
        """Whether the cluster is being set up; then nothing takes time."""
        self._random = Random(seed)

    def now(self, later: float = 0) -> str:
        """Returns the current time as the API writes it."""
        return (datetime.now(UTC) + timedelta(seconds=later)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def seconds(self, real: float, spread: float = 0.0) -> float:
        """Returns how long to wait for what takes ``real`` seconds, plus or minus a share of ``spread``."""
        return 0.0 if self.hurry else real * (1 + spread * (2 * self._random.random() - 1)) / self.speed

    def later(self, real: float, call: Callable[[], None], spread: float = 0.0) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self.seconds(real, spread), call)

    def suffix(self, length: int = 5) -> str:
        """Returns the random end of a generated name."""
        return "".join(self._random.choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(length))

    def hexadecimal(self, length: int) -> str:
        return f"{self._random.getrandbits(4 * length):0{length}x}"
