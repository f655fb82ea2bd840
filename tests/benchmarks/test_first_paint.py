"""The time until the first picture stands in a terminal, against a bare Textual app in the same run.

Both with bytecode, as after an installation: without it the peer's, which pip wrote, would be compared with ours
being compiled.
"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from tests.benchmarks.rounds import quietest, with_bytecode

pytestmark = pytest.mark.measured

ROOT = Path(__file__).parents[2]
ROUNDS = 7
LIMIT = 1.3

BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("first picture")
Bare().run()
"""
OURS = """
import sys
from wizard.cli import main
sys.exit(main(["--sandbox"]))
"""


def first_paint(program: str, mark: bytes, bytecode: Path) -> float:
    """Seconds from the start of the interpreter until the mark stands on the screen."""
    master, slave = pty.openpty()
    environment = {
        **with_bytecode(bytecode),
        "TERM": "xterm-256color",
        "PYTHONUTF8": "1",
        "TEXTUAL_ANIMATIONS": "none",
    }
    began = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=environment
    )
    os.close(slave)
    written = b""
    try:
        while mark not in written:
            assert perf_counter() - began < 60, written[-2000:]
            if select.select([master], [], [], 0.1)[0]:
                written += os.read(master, 65536)
        return perf_counter() - began
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_first_paint_against_a_bare_app(tmp_path: Path) -> None:
    # Once without a clock, which also writes the bytecode.
    first_paint(BARE, b"first picture", tmp_path)
    first_paint(OURS, b"Checks the cluster", tmp_path)

    def measure() -> float:
        bare: list[float] = []
        ours: list[float] = []
        for _ in range(ROUNDS):
            bare.append(first_paint(BARE, b"first picture", tmp_path))
            ours.append(first_paint(OURS, b"Checks the cluster", tmp_path))
        ratio = median(ours) / median(bare)
        print(f"first paint: bare {median(bare):.2f} s, wizard {median(ours):.2f} s, ratio {ratio:.2f}")
        return ratio

    assert quietest(measure, LIMIT) <= LIMIT
