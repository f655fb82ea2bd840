"""In tmux: every size, live; every TERM; with the mouse and without; and a line that drops under it."""

from __future__ import annotations

import getpass
import re
import shlex
import uuid
from collections.abc import Callable

import pytest

from tests.terminal.conftest import Host, SshServer
from tests.terminal.far_end import LABELLING, FarTerminal, StandaloneCluster, wait_until
from tests.terminal.multiplexer import Pane, Tmux

pytestmark = pytest.mark.terminal

SIZES = ((80, 24), (60, 20), (120, 40), (200, 60))
TERMS = ("xterm", "xterm-256color", "screen", "tmux-256color", "linux", "vt100")
COLOURS = re.compile(r"\x1b\[[\d;:]*m")


def same(text: str) -> str:
    """The text without what depends on the moment, and with the marks of the Linux console."""
    return re.sub(r"read \d\d:\d\d", "read", text).translate(str.maketrans("✓×▸", "+x>"))


def start(tmux: Tmux, host: Host, cluster: StandaloneCluster, size: tuple[int, int] = (80, 24), **more: str) -> Pane:
    # Each has a state folder of its own: two wizards on one cluster would tell of each other.
    variables = {**host.variables(), "XDG_STATE_HOME": str(host.folder / f"state-{uuid.uuid4().hex}"), **more}
    return tmux.start(host.command(cluster), variables, size, ("NO_COLOR",))


def test_sizes_at_the_start_and_live(tmux: Tmux, mixed: StandaloneCluster, host: Host) -> None:
    fresh = {size: start(tmux, host, mixed, size) for size in SIZES}
    live = start(tmux, host, mixed, (100, 30))
    for pane in (*fresh.values(), live):
        pane.wait_for("[0-9]+ passed")
        pane.keys("C-n", "C-n")
    for pane in (*fresh.values(), live):
        pane.wait_for("server-checked")
    for size in (*SIZES, *reversed(SIZES)):
        live.resize(*size)
        wanted = same(fresh[size].settled(lambda text: "Manifest" in text))
        assert max(map(len, wanted.split("\n"))) <= size[0]
        live.settled(lambda text, wanted=wanted: same(text) == wanted)  # type: ignore[misc]
    live.resize(39, 9)
    live.wait_for("too small")
    live.resize(40, 10)
    live.settled(lambda text: "Manifest" in text and "too small" not in text)


def test_every_terminal_says_the_same_without_colour_too(tmux: Tmux, mixed: StandaloneCluster, host: Host) -> None:
    panes = {term: start(tmux, host, mixed, TERM=term) for term in TERMS}
    panes["NO_COLOR"] = start(tmux, host, mixed, TERM="xterm-256color", NO_COLOR="1")
    panes["exported"] = start(tmux, host, mixed, TERM="xterm-256color", COLUMNS="200", LINES="60")
    for pattern in ("[0-9]+ passed", "Node settings|AppArmor", "server-checked", "8 of 12 selected"):
        for pane in panes.values():
            pane.wait_for(pattern)
        # Each is held against what the first shows by then: on a busy machine it may rest before all is read.
        for pane in panes.values():
            pane.settled(lambda text: same(text) == same(panes["xterm"].capture()), like=panes["xterm"])
        for code in COLOURS.findall(panes["NO_COLOR"].capture("-e")):
            numbers = [int(number or 0) for number in re.split("[;:]", code[2:-1])]
            assert all(number in (0, 1, 2, 3, 4, 7, 22, 24, 27, 39, 49) for number in numbers), repr(code)
        assert "38;2;" not in panes["xterm-256color"].capture("-e")
        for pane in panes.values():
            pane.keys("C-n")


def test_with_the_mouse(tmux: Tmux, mixed: StandaloneCluster, host: Host) -> None:
    pane = start(tmux, host, mixed)
    pane.wait_for("[0-9]+ passed")
    pane.click("Nodes")
    pane.wait_for("─ Nodes ─")
    pane.wait_for("8 of 12 selected")
    pane.click("> Next")
    pane.wait_for("─ Template ─")
    pane.click("Summary")
    pane.wait_for("─ Summary ─")


def attached(
    ssh_server: SshServer, tmux: Tmux, host: Host, command: str, size: tuple[int, int] = (80, 24)
) -> FarTerminal:
    line = shlex.join([*tmux.command, "new-session", "-A", "-s", "work", command])
    terminal = FarTerminal([*ssh_server.command, "-tt", f"{getpass.getuser()}@127.0.0.1", line], size)
    host.terminals.append(terminal)
    return terminal


def test_in_tmux_the_line_drops_twice_and_the_work_goes_on(
    ssh_server: SshServer, tmux: Tmux, clusters: Callable[[str], StandaloneCluster], host: Host
) -> None:
    cluster = clusters("mixed")
    command = host.line(cluster)
    first = attached(ssh_server, tmux, host, command)
    first.wait_for("[0-9]+ passed")
    wizards = set(host.wizards())
    first.press("\x0e", "AppArmor|Node settings")
    first.press("\x0e", "server-checked")
    first.send("a")
    first.agree(r"Apply 4 objects\?")
    first.wait_for("4 of 4 objects applied")
    first.press("\r", "server-checked")
    first.kill()

    second = attached(ssh_server, tmux, host, command)
    second.wait_for("server-checked")
    second.press("\x0e", "selected")
    cluster.gate.set(LABELLING, delay=1.0)
    second.send("l")
    second.agree(r"Label 8 nodes\?")
    wait_until(lambda: cluster.gate.seen, "labels are being set")
    second.kill()
    wait_until(lambda: len(cluster.labelled()) == 8, "the work goes on without the line")

    third = attached(ssh_server, tmux, host, command)
    third.wait_for("8 of 8 nodes ready")
    assert set(host.wizards()) >= wizards
    third.send("\x03")
    third.agree(r"Quit podman-wizard\?")
    assert third.ended() == 0
    wait_until(lambda: not host.wizards(), "no process of the wizard is left", 5)
