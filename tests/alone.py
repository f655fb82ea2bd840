"""Tests that measure time run alone, also where pytest-xdist runs several at once (the marker `measured`)."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest


@contextmanager
def held(lock: IO[str], mode: int) -> Iterator[None]:
    fcntl.flock(lock, mode)
    try:
        yield
    finally:
        # Said aloud: a child that a test forked shares the lock, and would keep it.
        fcntl.flock(lock, fcntl.LOCK_UN)


def measures(item: pytest.Item) -> bool:
    """Whether it wants to be alone."""
    return item.get_closest_marker("measured") is not None


class Alone:
    """A room for many tests at once, or for one that measures; the door keeps the latter from waiting forever."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.door = (folder / "door").open("w")
        self.room = (folder / "room").open("w")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Who was given more time comes first, so that the end does not wait for them; who measures comes last.

        Then the others wait once until the room is empty, and not before each measurement.
        """
        items.sort(key=lambda item: (measures(item), item.get_closest_marker("timeout") is None))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if measures(item):
            with held(self.door, fcntl.LOCK_EX), held(self.room, fcntl.LOCK_EX):
                return (yield)
        with held(self.door, fcntl.LOCK_EX):
            pass
        with held(self.room, fcntl.LOCK_SH):
            return (yield)


def install(config: pytest.Config) -> None:
    """Does nothing where tests run one after the other: then each is alone."""
    run: str | None = getattr(config, "workerinput", {}).get("testrunuid")
    if run:
        config.pluginmanager.register(Alone(Path(tempfile.gettempdir()) / f"podman-wizard-tests-{run}"), "alone")
