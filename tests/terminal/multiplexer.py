"""tmux on a private socket: panes that are driven by send-keys and looked at by capture-pane."""

from __future__ import annotations

import re
import select
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.terminal.far_end import LONG


@dataclass
class Pane:
    """One session with one pane, as large as its window."""

    server: Tmux
    name: str

    def capture(self, *options: str) -> str:
        """What stands in the pane; ``-e`` with its colours."""
        return self.server.run("capture-pane", "-p", "-t", self.name, *options)

    def keys(self, *names: str) -> None:
        """Presses keys, by tmux's names."""
        self.server.run("send-keys", "-t", self.name, *names)

    def bytes(self, text: str) -> None:
        """Sends what a terminal would send, byte by byte."""
        self.server.run("send-keys", "-t", self.name, "-l", text)

    def click(self, pattern: str) -> None:
        """A click on the first text that matches."""
        for number, line in enumerate(self.capture().split("\n"), 1):
            found = re.search(pattern, line)
            if found:
                at = f"{found.start() + 1};{number}"
                self.bytes(f"\x1b[<0;{at}M\x1b[<0;{at}m")
                return
        raise AssertionError(f"{pattern!r} is not there:\n{self.capture()}")

    def resize(self, width: int, height: int) -> None:
        """Another size."""
        self.server.run("resize-window", "-t", self.name, "-x", str(width), "-y", str(height))

    def wait_for(self, *patterns: str, seconds: float = LONG) -> None:
        """Waits until all these texts stand there.

        The picture is given to nobody: it may be half drawn. Who wants more of it asks for more
        patterns, or for the text that has ``settled``.
        """
        deadline = monotonic() + seconds
        while missing := [pattern for pattern in patterns if not re.search(pattern, self.capture())]:
            assert monotonic() < deadline, f"{missing} was not seen in {self.name}:\n{self.capture()}"
            select.select([], [], [], 0.05)

    def settled(self, wanted: Callable[[str], bool] = bool, *, like: Pane | None = None) -> str:
        """The text once it no longer changes, and is as wanted; ``like`` is shown beside it where it does not."""
        last, deadline = "", monotonic() + LONG
        while True:
            before, last = last, self.capture()
            if last == before and wanted(last):
                return last
            other = f"\n{like.name} is:\n{like.capture()}" if like is not None else ""
            assert monotonic() < deadline, f"{self.name} does not come to what is wanted:\n{last}{other}"
            select.select([], [], [], 0.05)


class Tmux:
    """A server of its own; nothing of the person's configuration is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._panes = 0

    @property
    def command(self) -> tuple[str, ...]:
        """The client of this server."""
        return ("env", "-u", "TMUX", f"TMUX_TMPDIR={self._folder}", "tmux", "-L", "wizard", "-f", "/dev/null", "-u")

    def run(self, *arguments: str) -> str:
        """A command to the server."""
        return subprocess.run(
            [*self.command, *arguments], check=True, capture_output=True, text=True, timeout=20
        ).stdout

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
        unset: Sequence[str] = (),
    ) -> Pane:
        """A program in a session of its own."""
        self._panes += 1
        name = f"pane{self._panes}"
        variables = [f"{key}={value}" for key, value in environment.items()]
        without = [word for key in ("COLORTERM", "TEXTUAL_THEME", *unset) for word in ("-u", key)]
        line = shlex.join(["env", *without, *variables, *command])
        width, height = size
        self.run("new-session", "-d", "-s", name, "-x", str(width), "-y", str(height), line)
        self.run("set-option", "-g", "status", "off")
        self.run("set-option", "-t", name, "window-size", "manual")
        pane = Pane(self, name)
        pane.resize(width, height)
        return pane

    def close(self) -> None:
        """Ends the server with all that runs in it."""
        subprocess.run([*self.command, "kill-server"], check=False, capture_output=True, timeout=20)
