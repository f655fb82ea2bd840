"""Killed in the middle of a change: the journal is true, the next run does the rest once, undo restores all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.pseudo_terminal import ROOT
from tests.terminal.conftest import Host
from tests.terminal.far_end import APPLYING, LABELLING, OBJECTS, StandaloneCluster, wait_until
from wizard.journal.journal import Run, runs

pytestmark = pytest.mark.terminal

Clusters = Callable[[str], StandaloneCluster]
SIGNALS = pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
CODES = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGHUP: 129}


def start(host: Host, cluster: StandaloneCluster, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "wizard", "--kubeconfig", str(cluster.kubeconfig), *arguments]
    environment = {**os.environ, **host.variables()}
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment
    )


def finished(process: subprocess.Popen[bytes]) -> str:
    """What it printed, where it ended well."""
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, out.decode() + error.decode()
    return out.decode()


def kill(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == CODES[number]


def journals(host: Host) -> tuple[Run, ...]:
    (folder,) = {path.parent for path in host.state.glob("*/run-*.jsonl")}
    return runs(folder)


def state(cluster: StandaloneCluster) -> dict[str, Any]:
    """The four objects as people write them."""
    found = {kind: cluster.get(path) for kind, path in OBJECTS.items()}
    return {kind: item and {part: item.get(part) for part in ("spec", "data")} for kind, item in found.items()}


@SIGNALS
@pytest.mark.parametrize("lost", ["request", "answer"])
def test_in_an_apply(clusters: Clusters, host: Host, number: signal.Signals, lost: str) -> None:
    cluster = clusters("mixed")
    finished(start(host, cluster, "manifest", "apply", "--preset", "guide"))
    before = state(cluster)
    # Two objects change: the quota, and the daemon set.
    cluster.gate.set(APPLYING, hold=(2, lost))
    apply = ("manifest", "apply", "--set", "pod-quota=90", "--set", "memory=64Mi")
    process = start(host, cluster, *apply)
    wait_until(lambda: cluster.gate.holding, "the daemon set is being applied")
    if lost == "answer":
        wait_until(lambda: state(cluster)["DaemonSet"] != before["DaemonSet"], "it was applied")
    kill(process, number)
    cluster.gate.set(rb"$^")

    last = journals(host)[0]
    assert last.interrupted
    assert last.changes[0].result == "done"
    assert last.changes[1].result == (None if number is signal.SIGKILL else "stopped")
    assert (state(cluster)["DaemonSet"] == before["DaemonSet"]) == (lost == "request")
    assert state(cluster)["ResourceQuota"]["spec"]["hard"] == {"pods": "90"}

    if lost == "request":
        again = json.loads(finished(start(host, cluster, *apply, "-o", "json")))
        changed = [item["object"] for item in again["objects"] if item["change"] != "unchanged"]
        assert changed == ["DaemonSet smarter-device-manager"]
        assert journals(host)[0].resumes == last.path.name
        assert not any(run.interrupted for run in journals(host))
    undone = json.loads(finished(start(host, cluster, "undo", "--yes", "-o", "json")))
    assert len(undone["runs"]) == (2 if lost == "request" else 1)
    assert state(cluster) == before
    finished(start(host, cluster, "undo", "--yes"))
    assert state(cluster)["DaemonSet"] is None


@SIGNALS
def test_in_a_labelling(clusters: Clusters, host: Host, number: signal.Signals) -> None:
    cluster = clusters("quota")
    node = sorted(item["metadata"]["name"] for item in cluster.get("/api/v1/nodes")["items"])[3]
    finished(start(host, cluster, "nodes", "label", node))
    cluster.gate.set(LABELLING, hold=(20, "request"))
    process = start(host, cluster, "nodes", "label", "--all")
    wait_until(lambda: len(cluster.labelled()) == 79, "all nodes are labelled but one")
    kill(process, number)
    cluster.gate.set(LABELLING)
    (last, _) = journals(host)
    assert last.interrupted
    (change,) = last.changes
    assert len(change.after) == 79 and node not in change.after

    again = json.loads(finished(start(host, cluster, "nodes", "label", "--all", "-o", "json")))
    assert len(again["done"]) == 1
    assert cluster.gate.seen == 1, "nothing is done twice"
    shown = finished(start(host, cluster, "undo", "--dry-run"))
    assert "Remove the label from 79 nodes" in shown
    finished(start(host, cluster, "undo", "--yes"))
    assert cluster.labelled() == {node}


SAVE = """
import asyncio, os, select, sys
from pathlib import Path
from wizard.journal import journal
from wizard.choices.answers import Answers
from wizard.commands.running import run_async
from wizard.engine.engine import Engine
from wizard.engine.executor import Executor
from wizard.files import read_target
from wizard.plan.actions import WritePolicy
from wizard.plan.derive import plan_without_cluster
from wizard.choices.target import Target

kubeconfig, policy, marker, stage = sys.argv[1:]
count = 0

def stop_at(name, real):
    def stopping(*arguments, **named):
        global count
        count += 1
        if stage == f"{name} {count}" or stage == name:
            Path(marker).touch()
            while not Path(marker + ".go").exists():
                select.select([], [], [], 0.02)
        return real(*arguments, **named)
    return stopping

async def save():
    engine = Engine(Target(kubeconfig=kubeconfig))
    await engine.open()
    journal.Journal.end = stop_at("end", journal.Journal.end)
    if stage != "end":
        os.fsync = stop_at("fsync", os.fsync)
    read = read_target(Path(policy))
    content = b"version: '0.2'\\nworkspace: {}\\n"
    action = WritePolicy("Write it", "", (), "", path=Path(policy), content=content, read=read)
    try:
        plan = plan_without_cluster(Answers(), [action])
        await Executor(engine, plan, lambda event: None).execute(agreed=plan.digest, door="command")
        await asyncio.sleep(0)
    finally:
        await engine.close(interrupted=True)
    return 0

sys.exit(run_async(save()))
"""


REPLACED = [(stage, True) for stage in ("fsync 1", "fsync 2", "fsync 3", "fsync 4", "end")]
NEW = [(stage, False) for stage in ("fsync 1", "fsync 2", "end")]


@pytest.mark.parametrize(("stage", "existed"), REPLACED + NEW)
def test_in_a_save(mixed: StandaloneCluster, host: Host, stage: str, existed: bool) -> None:
    save(mixed, host, stage, signal.SIGKILL, existed=existed)
    (run,) = journals(host)
    assert not run.ended and run.undone
    assert run.changes[0].result is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_told_to_end_in_a_save(mixed: StandaloneCluster, host: Host, number: signal.Signals) -> None:
    save(mixed, host, "fsync 3", number, existed=True)
    (run,) = journals(host)
    assert run.changes[0].result == "done", "a write is whole or not at all"


def save(cluster: StandaloneCluster, host: Host, stage: str, number: signal.Signals, *, existed: bool) -> None:
    """Saves a policy, is killed on the way, and has it undone."""
    policy, marker = host.folder / "policy.yaml", host.folder / "marker"
    before = b"# mine\nversion: '0.2'\n"
    if existed:
        policy.write_bytes(before)
    process = subprocess.Popen(
        [sys.executable, "-c", SAVE, str(cluster.kubeconfig), str(policy), str(marker), stage],
        env={**os.environ, **host.variables()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until(marker.exists, "the save has come so far")
    process.send_signal(number)
    if number is not signal.SIGKILL:
        marker.with_name("marker.go").touch()
    process.communicate(timeout=20)
    assert process.returncode == CODES[number]
    undone = finished(start(host, cluster, "undo", "--yes"))
    assert "someone changed" not in undone
    assert (policy.read_bytes() if policy.exists() else None) == (before if existed else None)
