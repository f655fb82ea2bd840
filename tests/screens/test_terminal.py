"""Life in a real pseudo terminal: what is written, and what happens when the terminal or the process goes away."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.pseudo_terminal import PseudoTerminal

pytestmark = pytest.mark.terminal

PROGRAM = """
import signal, sys
{before}
from screens.terminal.terminal import prepare_environment
prepare_environment()
from screens.app import AppOptions, run_app
from wizard.choices.answers import Answers
from wizard.choices.target import Target
from tests.screens.conftest import sixty_nodes
sys.exit(run_app(AppOptions(target=Target(), answers=Answers(), facts=sixty_nodes(), light={light})))
"""
IGNORE_HANGUP = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"


class Terminal(PseudoTerminal):
    """A Python program in a terminal, and the bytes that it writes."""

    def __init__(self, program: str, size: tuple[int, int] = (80, 24), **environment: str) -> None:
        unset = ("env", "--unset=COLORTERM", "--unset=TEXTUAL_THEME")
        super().__init__([*unset, sys.executable, "-c", program], size, {"PYTHONUTF8": "1", **environment})

    def wait_for(self, text: bytes, seconds: float = 30.0) -> None:
        self.wait_until(lambda: text in self.written, seconds)

    def wait_until(self, state: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = monotonic() + seconds
        while not state():
            assert monotonic() < deadline, self.written[-3000:]
            self.read(0.05)

    def hang_up(self) -> None:
        os.close(self.master)
        self.master = -1


@pytest.fixture
def terminals() -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def make(before: str = "", *, light: bool = False, **options: str) -> Terminal:
        made.append(Terminal(PROGRAM.format(before=before, light=light), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for terminal in made:
        terminal.close()


Make = Callable[..., Terminal]


def ready(terminal: Terminal) -> Terminal:
    terminal.wait_for(b" passed")
    terminal.read(0.6)
    return terminal


@pytest.mark.parametrize("before", ["", IGNORE_HANGUP], ids=["default", "ignored"])
def test_a_hangup_ends_the_process(terminals: Make, before: str) -> None:
    terminal = ready(terminals(before))
    terminal.hang_up()
    assert terminal.process.wait(timeout=5) == 129


def test_sigterm_restores_the_terminal(terminals: Make) -> None:
    terminal = ready(terminals())
    before = termios.tcgetattr(terminal.master)
    terminal.process.send_signal(signal.SIGTERM)
    terminal.wait_until(lambda: terminal.process.poll() is not None, 10)
    terminal.read(0.2)
    assert terminal.process.returncode == 143
    assert b"\x1b[?1049l" in terminal.written
    assert b"\x1b[?1000l" in terminal.written
    assert termios.tcgetattr(terminal.master)[3] & termios.ICANON != before[3] & termios.ICANON


def test_idle_writes_nothing(terminals: Make) -> None:
    terminal = ready(terminals())
    assert terminal.read(3.0) == b""


def test_bytes_of_a_moved_cursor_and_of_a_step(terminals: Make) -> None:
    terminal = ready(terminals())
    for _ in range(4):
        terminal.send(b"\x1b[B")
        assert 0 < len(terminal.read(0.5)) <= 1100
    terminal.send(b"\x0e")
    terminal.wait_for(b"Node settings that can stop Podman")
    terminal.read(0.8)
    terminal.written = b""
    for title in (b"adjustments to the guide", b"57 of 60 selected"):
        terminal.send(b"\x0e")
        terminal.wait_for(title)
        terminal.read(0.8)
        assert len(terminal.written) <= 12_000
        terminal.written = b""
    terminal.send(b"\x1b[B")
    assert 0 < len(terminal.read(0.5)) <= 1100
    terminal.send(b"/")
    terminal.read(0.5)
    terminal.send(b"\x7f")
    assert len(terminal.read(0.5)) <= 1100


def test_resize_is_seen_where_columns_and_lines_are_exported(terminals: Make) -> None:
    terminal = ready(terminals(COLUMNS="80", LINES="24"))
    terminal.written = b""
    terminal.resize(39, 9)
    terminal.process.send_signal(signal.SIGWINCH)
    terminal.wait_for(b"too small")


@pytest.mark.parametrize("term", ["xterm", "screen", "tmux-256color", "linux", "vt100"])
def test_every_terminal(terminals: Make, term: str) -> None:
    terminal = ready(terminals(TERM=term))
    assert terminal.process.poll() is None


@pytest.mark.parametrize("light", [False, True], ids=["dark", "light"])
@pytest.mark.parametrize("term", ["linux", "vt100", "xterm"])
def test_where_there_are_sixteen_colours_no_other_is_written(terminals: Make, term: str, light: bool) -> None:
    written = ready(terminals(TERM=term, light=light)).written
    numbers = {int(number or 0) for codes in re.findall(rb"\x1b\[([0-9;]*)m", written) for number in codes.split(b";")}
    assert numbers & {*range(30, 38), *range(90, 98)}, "nothing is coloured"
    assert not numbers & {38, 48}


def test_colours_on_a_light_ground_are_of_256_where_there_are_so_many(terminals: Make) -> None:
    assert b"38;5;22m" in ready(terminals(TERM="xterm-256color", light=True)).written  # dark green: ok


def test_no_colour_is_written(terminals: Make) -> None:
    terminal = ready(terminals(NO_COLOR="1"))
    for codes in re.findall(rb"\x1b\[([0-9;]*)m", terminal.written):
        numbers = [int(code or 0) for code in codes.split(b";")]
        assert all(number in (0, 1, 2, 3, 4, 7, 22, 24, 27, 39, 49) for number in numbers), codes


STALLED = """
import asyncio, os, sys, threading, time
from screens.terminal.terminal import prepare_environment
prepare_environment()
from screens.app import AppOptions, make_app
from screens.terminal.terminal import never_wait_for_the_terminal
from wizard.choices.answers import Answers
from wizard.choices.target import Target
from tests.screens.conftest import sixty_nodes
never_wait_for_the_terminal()
app = make_app(AppOptions(target=Target(), answers=Answers(), facts=sixty_nodes()))

async def operation(engine, current):
    for number in range(60):
        await asyncio.sleep(0.05)
        app.call_from_thread(app.refresh, layout=True)
        with open(sys.argv[1] if len(sys.argv) > 1 else os.environ["STEPS"], "a") as file:
            file.write("step\\n")

def begin():
    while app.walk_through.session.judgement is None:
        time.sleep(0.05)
    time.sleep(0.5)
    app.call_from_thread(lambda: app.walk_through.begin("nodes", "Sixty steps", (), operation))

threading.Thread(target=begin, daemon=True).start()
app.run()
"""


def test_a_stalled_terminal_does_not_stop_an_operation(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    terminal = Terminal(STALLED, STEPS=str(steps))
    try:
        terminal.wait_for(b" passed")
        # From here on nobody reads what the program writes.
        deadline = monotonic() + 30
        while not steps.exists() or len(steps.read_text().splitlines()) < 60:
            assert monotonic() < deadline, steps.read_text() if steps.exists() else "not begun"
            select.select([], [], [], 0.1)
    finally:
        terminal.close()
