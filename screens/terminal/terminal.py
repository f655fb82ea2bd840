"""The requirements for the terminal, and what happens when it goes away.

Measured with the pinned Textual: a hangup kills without a ``finally``, an ignored one leaves a process that
loops forever, SIGTERM leaves the terminal raw, and a terminal that stops reading freezes the whole loop.
Nothing here imports textual before ``run_app`` has.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.driver import Driver

HANGUP_CODE = 129
TERMINATED_CODE = 143

WATCH_SECONDS = 0.5
"""How often the guard checks that the terminal still exists."""


def why_no_screen() -> str:
    """Returns why the screens cannot be shown here; "" if they can."""
    if not os.isatty(0):
        return "standard input is not a terminal"
    if not os.isatty(2):
        return "standard error, where the screens are drawn, is not a terminal"
    term = os.environ.get("TERM", "")
    if term in ("", "dumb"):
        return f"TERM is {term or 'not set'}, so the cursor cannot be placed"
    encoding = (getattr(sys.stderr, "encoding", "") or "").lower().replace("-", "").replace("_", "")
    if encoding != "utf8":
        return f"the encoding of standard error is {encoding or 'unknown'}, not UTF-8 (set LANG=C.UTF-8)"
    return ""


def prepare_environment() -> None:
    """Sets what textual reads when it is imported; the user's own settings stay."""
    for name in ("COLUMNS", "LINES"):
        # Exported, they would hide every resize.
        os.environ.pop(name, None)
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_FPS", "15")
    os.environ.setdefault("TEXTUAL_THEME", "ansi-dark")


def never_wait_for_the_terminal() -> None:
    """Lets textual's writer queue grow, so that a terminal that stops reading does not stop the loop."""
    from textual.drivers import _writer_thread

    vars(_writer_thread)["MAX_QUEUED_WRITES"] = 0


LEAVE_SECONDS = 3.0
"""How long a terminal that stopped reading can delay the end of the program."""


class TerminalGuard:
    """Detects that the terminal is gone or the process must end, and reports it once.

    ``on_end`` is called on the event loop with the exit code that is due. A second SIGTERM ends the process
    at once; a second SIGHUP does not, because one hangup sends several (the kernel to the session's leader and
    to the group in front, sshd once more).
    """

    def __init__(self, on_end: Callable[[int], None]) -> None:
        self._on_end = on_end
        self._loop: asyncio.AbstractEventLoop | None = None
        self._driver: Driver | None = None
        self._ending = False
        self._closed = threading.Event()
        self._previous: dict[int, Any] = {}

    def start(self, loop: asyncio.AbstractEventLoop, driver: Driver) -> None:
        """Begins to watch; only in the main thread, and only with a real terminal."""
        self._loop, self._driver = loop, driver
        # Plain handlers: they run even while the main thread is held up, which a loop's handlers do not.
        for number in (signal.SIGHUP, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._handle)
        threading.Thread(target=self._watch, name="terminal", daemon=True).start()

    def stop(self) -> None:
        """Restores the earlier signal handlers."""
        self._closed.set()
        for number, handler in self._previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._previous.clear()

    def leave(self, code: int) -> None:
        """Ends the process soon, even if nothing reads what textual writes to restore the terminal."""
        if self._loop is not None:
            last = threading.Timer(LEAVE_SECONDS, os._exit, (code,))
            last.daemon = True
            last.start()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._end(HANGUP_CODE)
        elif self._ending:
            os._exit(TERMINATED_CODE)
        else:
            self._end(TERMINATED_CODE)

    def _watch(self) -> None:
        # The parent process can have blocked the hangup, or it can go to another process group.
        while not self._closed.wait(WATCH_SECONDS):
            if self._ending:
                return
            try:
                termios.tcgetattr(0)
            except termios.error:
                self._end(HANGUP_CODE)
                return

    def _end(self, code: int) -> None:
        first, self._ending = not self._ending, True
        if code == HANGUP_CODE:
            self._detach()
        if first and self._loop is not None:
            self._loop.call_soon_threadsafe(self._on_end, code)

    def _detach(self) -> None:
        """Detaches from the terminal: textual's reader would loop on it, and its writer would fail."""
        exit_event = getattr(self._driver, "exit_event", None)
        if exit_event is not None:
            exit_event.set()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
