"""A terminal that stops reading, SIGTERM, ctrl+c, and terminals that cannot show screens: with work in flight."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import cycle

import pytest

from tests.terminal.conftest import Host
from tests.terminal.far_end import LABELLING, FarTerminal, StandaloneCluster, wait_until
from wizard.journal.journal import runs

pytestmark = pytest.mark.terminal

Clusters = Callable[[str], StandaloneCluster]


def labelling(
    host: Host, cluster: StandaloneCluster, *, delay: float = 0.0, hold: tuple[int, str] | None = None
) -> FarTerminal:
    """Eighty nodes are being labelled, in three rounds."""
    terminal = host.here(cluster)
    terminal.wait_for("[0-9]+ passed")
    terminal.send("\x0e\x0e\x0e")
    terminal.wait_for("80 of 80 selected")
    terminal.settle()
    cluster.gate.set(LABELLING, delay=delay, hold=hold)
    terminal.send("l")
    terminal.agree(r"Label 80 nodes\?")
    terminal.wait_until(lambda: cluster.gate.seen > 32, "the second round is on its way")
    return terminal


def stall(terminal: FarTerminal, until: Callable[[], object], what: str, at_least: int = 15) -> None:
    """Nobody reads, and there is ever more to write: each resize draws everything again."""
    sizes = cycle([(120, 40), (80, 24)])
    count = 0

    def stalled() -> bool:
        nonlocal count
        count += 1
        terminal.resize(*next(sizes))
        return count > at_least and bool(until())

    wait_until(stalled, what)


def last_result(host: Host) -> tuple[bool, str | None]:
    """Whether the last run is interrupted, and how its last change ended."""
    (folder,) = {path.parent for path in host.state.glob("*/run-*.jsonl")}
    run = runs(folder)[0]
    return run.interrupted, run.changes[-1].result


def test_a_terminal_that_stops_reading_stops_no_work(clusters: Clusters, host: Host) -> None:
    cluster = clusters("quota")
    terminal = labelling(host, cluster, delay=0.8)
    stall(terminal, lambda: len(cluster.labelled()) == 80, "all nodes are labelled")
    terminal.resize(80, 24)
    before = len(terminal.written)
    terminal.wait_for("80 of 80 nodes labeled")
    assert len(terminal.written) - before > 20_000, "the terminal was not stalled"
    assert cluster.gate.seen == 80


def test_a_stalled_terminal_that_goes_away_leaves_nothing(mixed: StandaloneCluster, host: Host) -> None:
    terminal = host.here(mixed)
    terminal.wait_for("[0-9]+ passed")
    stall(terminal, lambda: True, "the terminal stalls")
    os.close(terminal.master)
    assert terminal.process.wait(timeout=5) == 129


def test_sigterm_ends_even_where_nobody_reads(mixed: StandaloneCluster, host: Host) -> None:
    terminal = host.here(mixed)
    terminal.wait_for("[0-9]+ passed")
    stall(terminal, lambda: True, "the terminal stalls")
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.process.wait(timeout=10) == 143


def test_sigterm_stops_the_work_and_restores_the_terminal(clusters: Clusters, host: Host) -> None:
    cluster = clusters("quota")
    terminal = labelling(host, cluster, delay=0.8)
    before = len(terminal.written)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.ended(8) == 143
    farewell = terminal.written[before:]
    for code in (b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?1003l", b"\x1b[?25h"):
        assert code in farewell, code
    assert 32 <= len(cluster.labelled()) < 80
    assert last_result(host) == (True, "stopped")


def test_ctrl_c_asks_and_quitting_stops_the_work(clusters: Clusters, host: Host) -> None:
    cluster = clusters("quota")
    terminal = labelling(host, cluster, hold=(40, "request"))
    terminal.press("\x03", "Quitting stops it")
    terminal.press("\x1b", r"\d+ of 80")
    terminal.wait_until(lambda: "Quitting stops it" not in terminal.text, "the question is gone")
    assert terminal.process.poll() is None
    terminal.send("\x03")
    terminal.agree("Quitting stops it")
    assert terminal.ended(8) == 0
    assert 0 < len(cluster.labelled()) < 80
    assert last_result(host) == (False, "stopped")


@pytest.mark.parametrize(
    "environment",
    [{"TERM": "dumb"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["dumb", "not-utf-8"],
)
def test_plain_mode_by_itself(mixed: StandaloneCluster, host: Host, environment: dict[str, str]) -> None:
    terminal = host.here(mixed, **environment)  # type: ignore[arg-type]
    terminal.wait_until(lambda: b"Step 1 of 7: Check prerequisites" in terminal.written, "the first step")
    terminal.wait_for(r"\(enter: next\)")
    terminal.send("quit\n")
    assert terminal.ended() == 0
    assert b"\x1b" not in terminal.written
