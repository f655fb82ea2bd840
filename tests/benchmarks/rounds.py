"""Ratios on a machine that others use too: a round that was disturbed is measured again, and none is unfair."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 4
REPOSITORY = Path(__file__).parents[2]

# A process that a small one starts: the peak that the system reports begins with that of the parent.
MEASURE = """
import json, os, sys, time
began = time.perf_counter()
out = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[out])
_, status, usage = os.wait4(process, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), time.perf_counter() - began, usage.ru_maxrss / 1024]))
"""


def quietest(measure: Callable[[], float], limit: float) -> float:
    """The ratio of the first round within the limit, else the smallest of all rounds.

    A neighbour on the processor can only make the longer of two measurements longer: what was reached once is
    what the code needs.
    """
    ratios: list[float] = []
    while len(ratios) < ROUNDS:
        ratios.append(measure())
        if ratios[-1] <= limit:
            break
    return min(ratios)


def medians(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """Seconds for each, all measured in turn so that a busy machine is busy for all of them."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            own.append(time.perf_counter() - start)
    return [statistics.median(own) for own in times]


def ratio(peer: Callable[[], object], ours: Callable[[], object], repeats: int, limit: float) -> float:
    """How many times as long ours takes as its peer, in the quietest round; each is called once before."""
    peer()
    ours()

    def measure() -> float:
        base, taken = medians([peer, ours], repeats)
        print(f"peer {base * 1e3:.1f} ms, ours {taken / base:.2f} times")
        return taken / base

    return quietest(measure, limit)


def python(folder: Path, *arguments: str) -> Callable[[], object]:
    """A process of Python in a folder, with the wizard of this repository and with bytecode."""
    environment = {**with_bytecode(folder / "bytecode"), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, env=environment, capture_output=True, check=True, cwd=folder)


def with_bytecode(folder: Path) -> dict[str, str]:
    """An environment in which whatever is imported has bytecode from its second start on, kept in the folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**environment, "PYTHONPYCACHEPREFIX": str(folder)}


@dataclass(frozen=True)
class Spent:
    """What a process took."""

    seconds: float
    megabytes: float


def spent(*command: str) -> Spent:
    """Runs a command to its end."""
    environment = {**with_bytecode(Path.home() / "bytecode"), "PYTHONPATH": str(REPOSITORY)}
    measured = subprocess.run(
        [sys.executable, "-S", "-c", MEASURE, *command], env=environment, stdout=subprocess.PIPE, check=True
    )
    code, seconds, megabytes = json.loads(measured.stdout)
    assert code == 0, command[:6]
    return Spent(seconds, megabytes)
