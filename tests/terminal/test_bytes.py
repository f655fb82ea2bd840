"""What goes over the line: bytes, which do not depend on the machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from tests.terminal.conftest import Host
from tests.terminal.far_end import LABELLING, FarTerminal, StandaloneCluster

pytestmark = pytest.mark.terminal

POLICY = Path(__file__).parents[1] / "data" / "running-deployment.yaml"
SMALL = 1100
STEP = 4_500


def cost(terminal: FarTerminal, keys: str) -> int:
    """The bytes that a key makes the wizard write."""
    terminal.settle()
    before = len(terminal.written)
    terminal.send(keys)
    terminal.wait_until(lambda: len(terminal.written) > before, f"{keys!r} is answered")
    terminal.settle(0.6)  # other tests run beside this one, and what comes late would be the next key's
    return len(terminal.written) - before


def test_steps_keys_and_silence(mixed: StandaloneCluster, host: Host) -> None:
    shutil.copy(POLICY, host.folder / "policy.yaml")
    terminal = host.here(mixed, "--policy", "policy.yaml")
    terminal.wait_for("[0-9]+ passed")
    costs: dict[str, int] = {}
    moves: dict[str, int] = {}
    titles = ("Security modules", "Manifest", "Nodes", "Template", "Verify", "Summary")
    for title in titles:
        costs[title] = cost(terminal, "\x0e")
        terminal.wait_for(f"─ {title} ─")
        if title != "Summary":
            moves[title] = max(cost(terminal, "\x1b[B") for _ in range(3 if title == "Verify" else 5))
        if title == "Manifest":
            terminal.press("s", "Save the manifest")
            letters = [cost(terminal, letter) for letter in "abc"]
            assert max(letters) <= SMALL, letters
            terminal.settle(1.2)
            terminal.send("\x1b")
            terminal.wait_until(lambda: "Save the manifest" not in terminal.text, "the question is gone")
        if title == "Nodes":
            terminal.press("/", "Filter")
            letters = [cost(terminal, letter) for letter in ("w", "\x7f")]
            assert max(letters) <= STEP, letters
            terminal.send("\x1b")
        if title == "Template":
            # A policy word changes its row, its detail, the count of problems, the proof and the keys.
            words = {key: cost(terminal, key) for key in "au"}
            assert max(words.values()) <= STEP / 2, words
            costs["diff"], costs["effect"] = cost(terminal, "d"), cost(terminal, "e")
            moves["effect"] = max(cost(terminal, "\x1b[B") for _ in range(3))
            costs["Coder"] = cost(terminal, "t")
            moves["Coder"] = max(cost(terminal, "\x1b[B") for _ in range(3))
            costs["fields"] = cost(terminal, "f")
            terminal.press(" ", "as YAML")
            # The first makes room for the line that says what is wrong.
            letters = [cost(terminal, letter) for letter in "123"][1:]
            assert max(letters) <= SMALL, letters
            terminal.settle(1.2)
            terminal.send("\x1b")
            terminal.wait_until(lambda: "as YAML" not in terminal.text, "the editor is gone")
        terminal.settle(1.2)  # a cursor that blinks, or a clock, would never let it
    assert max(costs.values()) <= STEP, costs
    assert max(moves.values()) <= SMALL, moves


def test_progress_is_drawn_twice_a_second(clusters: Callable[[str], StandaloneCluster], host: Host) -> None:
    cluster = clusters("quota")
    terminal = host.here(cluster)
    terminal.wait_for("[0-9]+ passed")
    terminal.send("\x0e\x0e\x0e")
    terminal.wait_for("80 of 80 selected")
    terminal.settle()
    cluster.gate.set(LABELLING, delay=1.2)
    terminal.send("l")
    terminal.agree(r"Label 80 nodes\?")
    terminal.wait_until(lambda: cluster.gate.seen > 0, "labels are being set")
    terminal.settle(0.3)
    drawn: list[bytes] = []
    began = monotonic()
    while "80 of 80 nodes labeled" not in terminal.text:
        assert monotonic() - began < 30, terminal.text
        got = terminal.read(0.05)
        if got:
            drawn.append(got)
    seconds = monotonic() - began
    # On a busy machine the row of the list and the one below it are written one after the other, so one row is counted.
    rows = [got for got in drawn if b"\x1b[4;" in got]
    # The end is drawn at once.
    assert 1 < len(rows) <= 2 * seconds + 2, drawn
    assert all(len(got) <= STEP for got in drawn), drawn
