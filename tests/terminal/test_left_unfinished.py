"""The line drops before anything was changed: choices and policy edits are there again, unless the person had quit."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terminal.conftest import Host
from tests.terminal.far_end import FarTerminal, StandaloneCluster, wait_until

pytestmark = pytest.mark.terminal

Clusters = Callable[[str], StandaloneCluster]
NEXT = "\x0e"
POLICY = Path(__file__).parents[1] / "data" / "running-deployment.yaml"


def drop(terminal: FarTerminal) -> None:
    """The window is closed, the kernel sends a hangup."""
    os.close(terminal.master)
    assert terminal.process.wait(timeout=10) == 129


def kept(host: Host) -> list[Path]:
    """What was kept of sessions, wherever."""
    return list(host.state.glob("*/unfinished.json"))


def choose_and_edit(host: Host, cluster: StandaloneCluster, policy: Path) -> FarTerminal:
    """Switches an adjustment of the manifest, and merges the policy without saving it."""
    terminal = host.here(cluster, "--policy", str(policy))
    terminal.wait_for("[0-9]+ passed")
    terminal.send(NEXT + NEXT)
    terminal.wait_for("server-checked")
    terminal.settle()
    terminal.press(" ", r"\[ \] image")
    terminal.send(NEXT + NEXT)
    terminal.wait_for("Fields|workspace")
    terminal.settle()
    terminal.press("m", r"2 lines added")
    return terminal


@pytest.fixture
def policy(host: Host) -> Path:
    path = host.folder / "policy.yaml"
    path.write_bytes(POLICY.read_bytes())
    return path


def test_choices_and_edits_are_offered_again(mixed: StandaloneCluster, host: Host, policy: Path) -> None:
    drop(choose_and_edit(host, mixed, policy))
    (path,) = kept(host)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list(host.state.glob("*/run-*.jsonl"))

    again = host.here(mixed)
    again.wait_for("Resume the interrupted run")
    again.settle()
    assert "lost its connection" in again.text and "Template" in again.text
    assert "without:" in again.text and "- image" in again.text
    assert "policy.yaml" in "".join(again.text.replace("│", "").split())
    again.send("\r")
    again.wait_for("2 lines added")
    # Dropped once more, nothing is lost; then the person quits.
    drop(again)
    third = host.here(mixed)
    third.press_when("Resume the interrupted run", "\r")
    third.wait_for("2 lines added")
    third.settle()
    third.press("u", r"policy\.yaml: ")
    third.press("m", "2 lines added")
    third.press("s", "Write the policy")
    third.agree("Write the policy")
    third.wait_for("was saved")
    assert policy.read_text().count('smarter-devices/fuse: "1"') == 2
    third.send("\x03")
    third.agree(r"Quit podman-wizard\?")
    assert third.ended() == 0
    assert not kept(host)


def test_a_file_that_changed_meanwhile_is_not_overwritten(mixed: StandaloneCluster, host: Host, policy: Path) -> None:
    drop(choose_and_edit(host, mixed, policy))
    policy.write_bytes(POLICY.read_bytes() + b"# somebody was here\n")
    again = host.here(mixed)
    again.press_when("Resume the interrupted run", "\r")
    again.wait_for("was changed after you opened it")
    again.wait_for("2 lines added")
    again.press("s", "has changed on disk")
    assert policy.read_bytes().endswith(b"# somebody was here\n")


def test_what_was_quit_on_purpose_or_declined_is_not_offered(
    mixed: StandaloneCluster, host: Host, policy: Path
) -> None:
    terminal = choose_and_edit(host, mixed, policy)
    terminal.send("\x03")
    terminal.agree(r"Quit podman-wizard\?")
    assert terminal.ended() == 0
    assert not kept(host)
    drop(choose_and_edit(host, mixed, policy))
    again = host.here(mixed)
    again.press_when("Resume the interrupted run", "\t\r")
    again.wait_until(lambda: "Resume the interrupted run" not in again.text, "the question is answered")
    wait_until(lambda: not kept(host), "nothing is kept")
    again.settle()
    drop(again)
    assert not kept(host), "nothing was chosen"


def test_without_a_cluster_policy_edits_are_kept_too(host: Host, policy: Path, mixed: StandaloneCluster) -> None:
    config = json.loads(mixed.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:9"
    nobody = StandaloneCluster(mixed.process, mixed.gate, host.folder / "nobody", mixed.url, mixed.token)
    nobody.kubeconfig.write_text(json.dumps(config))
    terminal = host.here(nobody, "--policy", str(policy))
    terminal.wait_for("Cannot reach the API server")
    terminal.send(NEXT * 4)
    terminal.wait_for("workspace")
    terminal.settle()
    terminal.press("m", "2 lines added")
    drop(terminal)
    assert [path.parent.name for path in kept(host)] == ["no-cluster"]
    again = host.here(nobody)
    again.press_when("Resume the interrupted run", "\r")
    again.wait_for("2 lines added")
