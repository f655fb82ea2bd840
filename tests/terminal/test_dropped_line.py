"""The line drops: through a real SSH server, at steps and in the middle of work; then the work is taken up again."""

from __future__ import annotations

import getpass
import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.terminal.conftest import Host, SshServer
from tests.terminal.far_end import APPLYING, LABELLING, OBJECTS, FarTerminal, StandaloneCluster, wait_until
from wizard.journal.journal import Run, runs, without_noise

pytestmark = pytest.mark.terminal

NEXT = "\x0e"
IGNORED = "trap '' HUP; "
POLICY = Path(__file__).parents[1] / "data" / "running-deployment.yaml"
Clusters = Callable[[str], StandaloneCluster]


def drop(terminal: FarTerminal, host: Host) -> None:
    """Nothing of the wizard is left five seconds after."""
    assert host.wizards()
    terminal.kill()
    wait_until(lambda: not host.wizards(), "no process of the wizard is left", 5)


def journals(host: Host) -> tuple[Run, ...]:
    """All runs on the one cluster, the latest first."""
    folders = [path.parent for path in host.state.glob("*/run-*.jsonl")]
    return runs(folders[0]) if folders else ()


def to_step(terminal: FarTerminal, step: str) -> None:
    """Walks there, seeing each step on the way."""
    seen = ["[0-9]+ passed", "Node settings|AppArmor", "server-checked", r"selected", "Template"]
    names = ["prerequisites", "security modules", "manifest", "nodes", "policy"]
    terminal.wait_for(seen[0])
    for pattern in seen[1 : names.index(step) + 1]:
        terminal.press(NEXT, pattern)


def take_up(terminal: FarTerminal) -> str:
    """Agrees to go on; gives what was said about the time away."""
    terminal.wait_for("Resume the interrupted run")
    terminal.settle()
    said = terminal.text
    terminal.send("\r")
    terminal.wait_until(lambda: "Resume the interrupted run" not in terminal.text, "the question is answered")
    return said


def apply_all(terminal: FarTerminal, asked_about: str) -> None:
    """Applies the manifest from its step, as far as the answer to the question about so many objects."""
    terminal.wait_for("server-checked")
    terminal.send("a")
    terminal.agree(rf"Apply {asked_about}\?")


def quit_wizard(terminal: FarTerminal) -> None:
    """Leaves as a person does."""
    terminal.send("\x03")
    terminal.agree(r"Quit podman-wizard\?")
    assert terminal.ended() == 0


@pytest.mark.parametrize(
    ("step", "before"),
    [("prerequisites", ""), ("manifest", IGNORED), ("nodes", ""), ("policy", IGNORED)],
    ids=["prerequisites", "manifest-ignored", "nodes", "policy-ignored"],
)
def test_dropped_at_a_step(ssh_server: SshServer, mixed: StandaloneCluster, host: Host, step: str, before: str) -> None:
    terminal = host.over_ssh(ssh_server, mixed, before=before)
    to_step(terminal, step)
    drop(terminal, host)
    assert journals(host) == ()
    assert not mixed.labelled()


@pytest.mark.parametrize(
    ("lost", "before", "left"),
    [("request", IGNORED, "2 objects"), ("answer", "", "1 object")],
    ids=["request-lost-ignored", "answer-lost"],
)
def test_dropped_while_applying(
    ssh_server: SshServer, clusters: Clusters, host: Host, lost: str, before: str, left: str
) -> None:
    cluster = clusters("mixed")
    terminal = host.over_ssh(ssh_server, cluster, before=before)
    to_step(terminal, "manifest")
    cluster.gate.set(APPLYING, hold=(3, lost))
    apply_all(terminal, "4 objects")
    terminal.wait_until(lambda: cluster.gate.holding, "the third object is being applied")
    terminal.wait_for("2 of 4")
    drop(terminal, host)

    (run,) = journals(host)
    assert run.interrupted
    assert [change.result for change in run.changes] == ["done", "done", "stopped"]
    live = {kind: cluster.get(path) for kind, path in OBJECTS.items()}
    for change in run.changes[:2]:
        there = live[change.title.split()[0]]
        assert there["metadata"]["uid"] == change.after["uid"]
        assert without_noise(there) == change.after["object"]
    assert (live["ConfigMap"] is None) == (lost == "request")
    assert live["DaemonSet"] is None

    cluster.gate.set(rb"$^")
    again = host.over_ssh(ssh_server, cluster)
    said = take_up(again)
    assert said.count(": done") == 2
    assert "was interrupted" in said
    assert ": stopped" in said
    apply_all(again, left)
    again.wait_for(f"{left[0]} of {left} applied")
    assert all(cluster.get(path) for path in OBJECTS.values())
    quit_wizard(again)
    assert [run.interrupted for run in journals(host)] == [False, False]


def test_dropped_while_labelling(ssh_server: SshServer, clusters: Clusters, host: Host) -> None:
    cluster = clusters("quota")
    terminal = host.over_ssh(ssh_server, cluster, before=IGNORED)
    to_step(terminal, "nodes")
    cluster.gate.set(LABELLING, delay=0.8)
    terminal.send("l")
    terminal.agree(r"Label 80 nodes\?")
    terminal.wait_until(lambda: cluster.gate.seen > 32, "the second round is on its way")
    drop(terminal, host)

    labelled = cluster.labelled()
    assert 32 <= len(labelled) < 80
    (run,) = journals(host)
    assert run.interrupted
    (change,) = run.changes
    assert labelled <= set(change.after), "the journal never knows less than what was done"
    assert set(change.after.values()) == {None}
    assert change.result == "stopped"

    cluster.gate.set(LABELLING)
    again = host.over_ssh(ssh_server, cluster)
    assert ": stopped" in take_up(again)
    left = 80 - len(labelled)
    again.wait_for("80 of 80 selected")
    again.send("l")
    again.agree(rf"Label {left} nodes\?")
    again.wait_for(rf"{left} of {left} nodes labeled")
    assert cluster.gate.seen == left, "nothing is done twice"
    assert len(cluster.labelled()) == 80
    quit_wizard(again)
    assert not any(run.interrupted for run in journals(host))


SLOW_DISK = """
import os, time
real = os.fsync
def fsync(handle):
    time.sleep(0.6)
    real(handle)
os.fsync = fsync
"""


def test_dropped_while_saving(ssh_server: SshServer, mixed: StandaloneCluster, host: Host) -> None:
    (host.folder / "slow-disk").mkdir()
    (host.folder / "slow-disk" / "sitecustomize.py").write_text(SLOW_DISK)
    host.environment["PYTHONPATH"] = f"{host.folder / 'slow-disk'}:{host.variables()['PYTHONPATH']}"
    policy = host.folder / "policy.yaml"
    before = POLICY.read_bytes()
    policy.write_bytes(before)

    terminal = host.over_ssh(ssh_server, mixed, "--policy", str(policy))
    to_step(terminal, "policy")
    terminal.press("m", r"\+2|2 lines|smarter-devices/fuse")
    terminal.send("s")
    terminal.agree("Write the policy")
    terminal.wait_until(lambda: list(host.folder.glob(".policy.yaml*.tmp")), "the file is being written")
    assert policy.read_bytes() == before
    drop(terminal, host)

    (run,) = journals(host)
    (change,) = run.changes
    assert change.kind == "policy"
    after = policy.read_bytes()
    assert after == before or hashlib.sha256(after).hexdigest() == change.after["digest"]
    assert (change.result == "done") == (after != before)
    assert not list(host.folder.glob(".policy.yaml*.tmp"))
    if after != before:
        (backup,) = host.folder.glob("policy.yaml.*.bak")
        assert backup.read_bytes() == before

    del host.environment["PYTHONPATH"]
    again = host.over_ssh(ssh_server, mixed, "--policy", str(policy))
    take_up(again)
    again.wait_for("policy.yaml")
    if after == before:
        again.press("m", "smarter-devices/fuse")
        again.send("s")
        again.agree("Write the policy")
        again.wait_for("was saved")
    assert policy.read_text().count('smarter-devices/fuse: "1"') == 2
    quit_wizard(again)


def test_without_a_terminal(ssh_server: SshServer, mixed: StandaloneCluster, host: Host) -> None:
    ended = subprocess.run(
        [*ssh_server.command, f"{getpass.getuser()}@127.0.0.1", host.line(mixed)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert "use ssh -t" in ended.stderr
    assert "\x1b" not in ended.stderr + ended.stdout
    wait_until(lambda: not host.wizards(), "no process of the wizard is left", 5)
