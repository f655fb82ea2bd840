"""The user's editor under the screens, in a real terminal: whatever becomes of it, the screens come back."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from tests.terminal.conftest import Host
from tests.terminal.far_end import StandaloneCluster, wait_until
from tests.terminal.multiplexer import Pane, Tmux
from wizard.policy import new_policy

pytestmark = pytest.mark.terminal


class Editor:
    """A script as the editor, and the pane in which the wizard shows a policy with one unsaved change."""

    def __init__(self, tmux: Tmux, host: Host, cluster: StandaloneCluster, folder: Path, script: str) -> None:
        self.policy = folder / "policy.yaml"
        self.policy.write_bytes(new_policy("podman"))
        self.pid = folder / "pid"
        path = folder / "editor"
        path.write_text(f"#!/bin/sh\necho $$ > {self.pid}\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        editor = str(path) if script else str(folder / "nosucheditor")
        variables = {**host.variables(), "EDITOR": editor, "VISUAL": ""}
        self.pane: Pane = tmux.start(host.command(cluster, "--policy", str(self.policy)), variables)
        self.pane.wait_for("[0-9]+ passed")
        self.pane.keys("C-n", "C-n", "C-n", "C-n")
        self.pane.wait_for("resource-requests +write")
        self.pane.keys("Down", "Down", "Down", "r")
        self.pane.wait_for("resource-requests +read")
        self.pane.keys("E")

    def running(self) -> int:
        """Waits until the editor runs; gives its process."""
        wait_until(lambda: self.pid.exists() and self.pid.read_text().strip() != "", "the editor runs")
        return int(self.pid.read_text())

    def is_back(self, says: str) -> None:
        """The screens are there, say what happened, obey keys, and still have the change."""
        # A long path of the editor, which stands before it, breaks the line anywhere.
        self.pane.wait_for(says.replace(" ", r"[\s│┃▌▐]+"), "Template")
        self.pane.keys("d")
        self.pane.wait_for(r"\+ +policy: read")
        self.pane.keys("f")
        self.pane.wait_for("resource-requests +read")
        assert self.policy.read_bytes() == new_policy("podman")


NONSENSE = "printf 'workspace: [' > \"$1\""
RAW = "stty raw -echo; kill -9 $$"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("", "Cannot start the editor"),
        ("exit 1", "failed with exit code 1"),
        (RAW, "was ended by SIGKILL"),
        ('rm "$1"', "removed the copy"),
    ],
    ids=["missing", "fails", "killed in raw mode", "removes its file"],
)
def test_the_screens_come_back_from_an_editor_that_fails(
    tmux: Tmux, host: Host, mixed: StandaloneCluster, tmp_path: Path, script: str, says: str
) -> None:
    Editor(tmux, host, mixed, tmp_path, script).is_back(says)


def test_nonsense_is_explained_and_kept(tmux: Tmux, host: Host, mixed: StandaloneCluster, tmp_path: Path) -> None:
    editor = Editor(tmux, host, mixed, tmp_path, NONSENSE)
    editor.pane.wait_for("not a valid policy yet")
    editor.pane.keys("u")
    editor.is_back("resource-requests +read")


def test_an_editor_that_hangs_is_ended_by_the_second_interrupt(
    tmux: Tmux, host: Host, mixed: StandaloneCluster, tmp_path: Path
) -> None:
    editor = Editor(tmux, host, mixed, tmp_path, "trap 'echo again' INT; echo hangs; while :; do sleep 0.1; done")
    editor.running()
    editor.pane.wait_for("hangs")
    editor.pane.keys("C-c")
    editor.pane.wait_for("again")
    editor.pane.keys("C-c")
    editor.is_back("was ended by SIGKILL")


def test_an_editor_that_stops_is_continued_or_ended(
    tmux: Tmux, host: Host, mixed: StandaloneCluster, tmp_path: Path
) -> None:
    # without ISIG, as editors have the terminal, ctrl+c is no signal
    editor = Editor(tmux, host, mixed, tmp_path, "stty -isig; kill -STOP $$; echo again; kill -STOP $$")
    editor.pane.wait_for("is stopped. Press enter to continue it")
    editor.pane.keys("Enter")
    editor.pane.wait_for("again")
    editor.pane.wait_for("again[^$]*is stopped. Press enter")
    editor.pane.keys("C-c")
    editor.is_back("was ended by SIGKILL")


def test_an_editor_that_is_killed_gives_the_screens_back(
    tmux: Tmux, host: Host, mixed: StandaloneCluster, tmp_path: Path
) -> None:
    editor = Editor(tmux, host, mixed, tmp_path, "echo edits; exec sleep 600")
    editor.pane.wait_for("edits")
    os.kill(editor.running(), signal.SIGKILL)
    editor.is_back("was ended by SIGKILL")


def test_vi_that_gives_up_changes_nothing(tmux: Tmux, host: Host, mixed: StandaloneCluster, tmp_path: Path) -> None:
    editor = Editor(tmux, host, mixed, tmp_path, 'exec vi -u NONE "$1"')
    editor.pane.wait_for("smarter-devices/fuse")
    editor.running()
    editor.pane.keys(":", "c", "q", "Enter")
    editor.is_back("failed with exit code 1")
