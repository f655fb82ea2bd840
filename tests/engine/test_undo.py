"""Undo, as people meet it: what it takes back, what it leaves, and when it does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clusters import Cluster, cluster_of, command
from tests.ledger.harness import opened
from tests.ledger.setups import GUIDE, kubectl_apply, send
from wizard.choices.target import Target
from wizard.cli import main
from wizard.cluster.pods_with_fuse import FEW, pods_with_fuse
from wizard.engine.engine import Engine
from wizard.engine.events import ActionProgress, Event
from wizard.engine.undo import plan_undo
from wizard.engine.undoing import execute_undo
from wizard.journal.journal import runs
from wizard.journal.state import ClusterLock
from wizard.sandbox import Sandbox
from wizard.sandbox.scenarios import scenario

NODES = ("worker-1", "worker-2")


def test_labels_that_others_set_are_not_of_the_wizard(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["undo", "--all", "--yes", "--sandbox=owned"]) == 0
    assert capsys.readouterr().out == "There is nothing to undo on this cluster.\n"


async def test_several_runs_are_undone_as_one_and_labels_of_others_stay(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        body = {"metadata": {"labels": {"smarter-device-manager": "enabled"}}}
        theirs = "/api/v1/nodes/rhel-1?fieldManager=kubectl-label"
        assert await cluster.send("PATCH", theirs, body, "application/merge-patch+json") == 200
        refused = await cluster.command("nodes", "label", *NODES, limited=True)
        assert refused.code == 3
        for arguments in (["label", *NODES], ["unlabel", NODES[0]]):
            ended = await cluster.command("nodes", *arguments)
            assert ended.code == 0, ended.error

        shown = await cluster.command("undo", "--all")
        assert shown.code == 2
        assert shown.out.startswith("This undoes 3 runs and restores the state before the first one:\n  run 2")
        assert shown.out.endswith(f"Z): Remove the label from 1 node\nRemove the label from 1 node ({NODES[1]})\n")
        assert "requires --yes" in shown.error
        # Where there is no journal, the field manager tells.
        (await cluster.journals()).rename(tmp_path / "elsewhere")
        undone = await cluster.command("undo", "--all", "--yes", "-o", "json")
        assert undone.code == 0, undone.error
        assert [step["nodes"] for step in undone.document["steps"]] == [1]
        assert await cluster.labelled() == {"rhel-1"}


async def test_while_another_wizard_is_at_work_nothing_is_changed(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("nodes", "label", NODES[0])).code == 0
        with ClusterLock(await cluster.journals()) as lock:
            assert lock.take()
            for arguments in (["undo", "--yes"], ["manifest", "apply"], ["nodes", "label", NODES[1]]):
                ended = await cluster.command(*arguments)
                assert ended.code == 5, ended.out + ended.error
                assert "is changing this cluster" in ended.error
        assert await cluster.labelled() == {NODES[0]}
        assert await cluster.get("/api/v1/namespaces/smarter-device-manager") is None


async def test_where_no_journal_can_be_kept_nothing_is_changed(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        folder = await cluster.journals()
        folder.parent.mkdir(parents=True)
        folder.write_text("in the way")
        for arguments in (["manifest", "apply"], ["nodes", "label", NODES[1]]):
            ended = await cluster.command(*arguments)
            assert ended.code == 4, ended.out + ended.error
            assert "XDG_STATE_HOME" in ended.error
        assert await cluster.labelled() == set()
        assert await cluster.get("/api/v1/namespaces/smarter-device-manager") is None
        assert (await cluster.command("check", "-o", "json")).code == 0


async def test_undo_in_json_says_what_it_would_do(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        shown = await cluster.command("undo", "--dry-run", "-o", "json")
        assert shown.code == 0, shown.error
        assert shown.document["undone"] is False
        assert [step["what"] for step in shown.document["steps"]] == ["delete"] * 4
        assert shown.document["changed"] is False
        gone = [change["before"] for step in shown.document["steps"] for change in step["changes"]]
        assert gone.count("smarter-device-manager") >= 4
        assert not any(change["after"] for step in shown.document["steps"] for change in step["changes"])


async def test_a_namespace_stays_with_what_stays_in_it(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        body = {"spec": {"hard": {"pods": "7"}}}
        assert await cluster.send("PATCH", f"{QUOTA}?fieldManager=kubectl-edit", body, MERGE) == 200
        # By the journal, then by the field managers alone.
        for what in ("undo", "undo --all"):
            undone = await cluster.command(*what.split(), "--yes")
            assert undone.code == 1, undone.error
            assert "not touched: kubectl-edit changed it since (.spec.hard.pods)" in undone.out
            assert "Namespace smarter-device-manager: not touched: it still contains ResourceQuota" in undone.out
            assert "left: Namespace smarter-device-manager: it still contains" in undone.error
            assert await cluster.get(QUOTA)
            assert await cluster.get(DAEMON_SET) is None
            for journal in (await cluster.journals()).glob("run-*"):
                assert not runs(journal.parent)[0].undone
                journal.rename(tmp_path / "elsewhere")
        assert ": deleted" not in undone.out


NAMESPACE = "/api/v1/namespaces/smarter-device-manager"
DAEMON_SET = "/apis/apps/v1/namespaces/smarter-device-manager/daemonsets/smarter-device-manager"
QUOTA = f"{NAMESPACE}/resourcequotas/smarter-device-manager"
CONFIG_MAP = f"{NAMESPACE}/configmaps/smarter-device-manager"
MERGE = "application/merge-patch+json"


async def test_a_chain_of_cut_off_runs_is_one_piece_of_work(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("nodes", "label", "rhel-1")).code == 0
        for last_line in range(3):
            arguments = ["nodes", "label", *NODES] if last_line else ["manifest", "apply"]
            assert (await cluster.command(*arguments)).code == 0
            if last_line < 2:
                await cut_off(cluster)
            if last_line == 1:
                body = {"metadata": {"labels": {"smarter-device-manager": None}}}
                assert await cluster.send("PATCH", f"/api/v1/nodes/{NODES[0]}", body, MERGE) == 200
        names = [run.path.name for run in runs(await cluster.journals())]
        assert [run.resumes for run in runs(await cluster.journals())] == [names[1], "", "", ""]

        shown = await cluster.command("undo", "--dry-run")
        assert "2 runs and restores the state before the first" in shown.out
        assert ", resumed the one before)" in shown.out
        assert shown.out.count("Remove the label from 2 nodes") == 1
        undone = await cluster.command("undo", "--yes", "-o", "json")
        assert [run["resumes"] is None for run in undone.document["runs"]] == [False, True]
        assert await cluster.labelled() == {"rhel-1"}
        assert await cluster.get(DAEMON_SET), "another piece of work is left alone"
        assert (await cluster.command("undo", "--yes")).code == 0
        assert (await cluster.get(NAMESPACE) or {"status": {"phase": "Terminating"}})["status"][
            "phase"
        ] == "Terminating"
        assert await cluster.labelled() == {"rhel-1"}
        assert (await cluster.command("undo", "--all", "--yes")).code == 0
        assert await cluster.labelled() == set()
        assert not any(run.interrupted for run in runs(await cluster.journals()))


async def cut_off(cluster: Cluster) -> None:
    """Lets the last run look as if its process had been killed at its end."""
    journal = runs(await cluster.journals())[0].path
    *lines, last = journal.read_bytes().splitlines(keepends=True)
    assert b'"ended"' in last
    journal.write_bytes(b"".join(lines))


async def test_a_run_of_which_nothing_is_left_is_passed_over(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        refused = await cluster.command("nodes", "label", *NODES, limited=True)
        assert refused.code == 3
        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.error
        assert await cluster.get(DAEMON_SET) is None


@pytest.mark.parametrize("kind", ["Secret", "Pod", "ServiceAccount", "ConfigMap"])
async def test_a_namespace_stays_with_what_others_put_there(tmp_path: Path, kind: str) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        assert (await cluster.command("nodes", "label", *NODES)).code == 0
        item: dict[str, Any] = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "theirs"}}
        if kind == "Pod":
            item["spec"] = {"containers": [{"name": "c", "image": "busybox"}]}
        path = f"{NAMESPACE}/{kind.lower()}s"
        assert await cluster.send("POST", path, item) == 201
        undone = await cluster.command("undo", "--all", "--yes")
        assert undone.code == 1, undone.error
        assert f"Namespace smarter-device-manager: not touched: it still contains {kind} theirs\n" in undone.out
        assert await cluster.get(f"{path}/theirs")
        assert await cluster.get(DAEMON_SET) is None
        assert await cluster.send("DELETE", f"{path}/theirs", {}) == 200
        assert (await cluster.command("undo", "--all", "--yes")).code == 0
        assert (await cluster.get(NAMESPACE) or {"status": {"phase": "Terminating"}})["status"][
            "phase"
        ] == "Terminating"


async def test_a_namespace_stays_where_not_all_can_be_seen(tmp_path: Path) -> None:
    few = scenario("few-rights", {"users": {"admin": {"all": True}, "limited": {"rules": RULES}}, "nodes": []})
    async with await Sandbox.start(few, speed=50) as sandbox:
        for user in ("admin", "limited"):
            sandbox.write_kubeconfig(tmp_path / user, user)
        applied = await command("--kubeconfig", str(tmp_path / "admin"), "manifest", "apply")
        assert applied.code == 0, applied.error
        undone = await command("--kubeconfig", str(tmp_path / "limited"), "undo", "--yes")
        assert undone.code == 1, undone.error
        assert "it can contain objects that cannot be listed: secrets (no permission to list them)" in undone.out
        assert "DaemonSet smarter-device-manager: deleted" in undone.out
        assert "Namespace smarter-device-manager: deleted" not in undone.out
        undone = await command("--kubeconfig", str(tmp_path / "admin"), "undo", "--all", "--yes")
        assert "Namespace smarter-device-manager: deleted" in undone.out


RULES = [
    {
        "verbs": ["get", "list", "delete", "patch", "create"],
        "resources": ["namespaces", "resourcequotas", "configmaps", "daemonsets", "pods", "serviceaccounts", "nodes"],
        "groups": ["*"],
    }
]


async def test_what_was_taken_is_given_back_while_others_write(tmp_path: Path) -> None:
    """The quota and the daemon set change under the undo all the time: their status is somebody's business."""
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        image = {"containers": [{"name": "smarter-device-manager", "image": "mine:1"}]}
        theirs = {
            DAEMON_SET: {"apiVersion": "apps/v1", "kind": "DaemonSet", "spec": {"template": {"spec": image}}},
            QUOTA: {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"pods": "7"}}},
        }
        for path, body in theirs.items():
            query = "fieldManager=argocd&force=true"
            assert await cluster.send("PATCH", f"{path}?{query}", body, "application/apply-patch+yaml") == 200
        before = {path: (await cluster.get(path))["spec"] for path in theirs}
        owned = {path: owners(await cluster.get(path)) for path in (*theirs, NAMESPACE)}
        taken = await cluster.command("manifest", "apply", "--ownership", "take")
        assert taken.code == 0, taken.error
        assert {path: (await cluster.get(path))["spec"] for path in theirs} != before

        kubeconfig = str(cluster.kubeconfig)
        engine = Engine(Target(kubeconfig=kubeconfig))
        await engine.open()
        plan = await plan_undo(engine, everything=False)
        for path in theirs:
            changed: dict[str, Any] = {"conditions": []} if path == DAEMON_SET else {"used": {"pods": "3"}}
            status = {"status": changed}
            assert await cluster.send("PATCH", f"{path}/status", status, MERGE) == 200
        note = {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}}
        assert await cluster.send("PATCH", DAEMON_SET, note, MERGE) == 200
        outcome = await execute_undo(engine, plan, lambda event: None)
        assert (outcome.left, outcome.failed) == ((), ())
        await engine.close()
        assert {path: (await cluster.get(path))["spec"] for path in theirs} == before
        for path, entries in owned.items():
            now = owners(await cluster.get(path))
            assert {key: now[key] for key in entries} == entries
            assert ("podman-wizard", "Update") not in now


def owners(item: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Who owns which fields, but for those of the status."""
    entries = [entry for entry in item["metadata"]["managedFields"] if "subresource" not in entry]
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}


async def test_an_undo_that_was_cut_off_gives_up_its_claims_on_objects_of_others(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "owned", tmp_path) as cluster:
        paths = (NAMESPACE, QUOTA, CONFIG_MAP, DAEMON_SET)
        owned = [owners(await cluster.get(path)) for path in paths]
        assert not any(manager == "podman-wizard" for entries in owned for manager, _ in entries)
        spec = (await cluster.get(QUOTA))["spec"]
        options = ("--skip", "DaemonSet", "--ownership", "take", "--set", "pod-quota=990")
        taken = await cluster.command("manifest", "apply", *options)
        assert taken.code == 0, taken.error
        assert [owners(await cluster.get(path)) for path in paths] != owned
        # The first of the two requests of a restore.
        cut_off = [{"op": "add", "path": "/spec", "value": spec}]
        patch = f"{QUOTA}?fieldManager=podman-wizard"
        assert await cluster.send("PATCH", patch, cut_off, "application/json-patch+json") == 200
        shown = await cluster.command("undo", "--dry-run")
        assert "ResourceQuota smarter-device-manager: content already restored; return its fields" in shown.out
        assert (await cluster.command("undo", "--yes")).code == 0
        assert [owners(await cluster.get(path)) for path in paths] == owned
        assert "nothing to undo" in (await cluster.command("undo", "--all")).out


async def test_what_someone_changed_after_it_was_shown_is_left(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        engine = Engine(Target(kubeconfig=str(cluster.kubeconfig)))
        await engine.open()
        plan = await plan_undo(engine, everything=False)
        assert await cluster.send("PATCH", CONFIG_MAP, {"data": {"more": "mine"}}, MERGE) == 200
        outcome = await execute_undo(engine, plan, lambda event: None)
        failed = {item.name.split()[0]: item.reason for item in outcome.failed}
        await engine.close()
        assert set(failed) == {"ConfigMap", "Namespace"}
        assert "changed after the preview" in failed["ConfigMap"]
        assert "it still contains ConfigMap smarter-device-manager" in failed["Namespace"]
        assert (await cluster.get(CONFIG_MAP))["data"]["more"] == "mine"
        assert await cluster.get(DAEMON_SET) is None


async def test_without_a_journal_it_says_what_it_cannot_know(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        assert (await cluster.command("nodes", "label", *NODES)).code == 0
        (await cluster.journals()).rename(tmp_path / "elsewhere")
        assert "nothing to undo" in (await cluster.command("undo", "--yes")).out
        shown = await cluster.command("undo", "--all", "--dry-run")
        assert "Some of this is not in a journal on this machine" in shown.error
        assert "policy files" in shown.error
        undone = await cluster.command("undo", "--all", "--yes", "-o", "json")
        assert undone.code == 0, undone.error
        assert len(undone.document["notes"]) == 1
        assert [step["what"] for step in undone.document["steps"]] == ["delete", "unlabel", *["delete"] * 3]
        assert await cluster.labelled() == set()
        assert await cluster.get(DAEMON_SET) is None
        assert (await cluster.get(NAMESPACE) or {"status": {"phase": "Terminating"}})["status"][
            "phase"
        ] == "Terminating"


async def test_a_damaged_journal_is_read_as_far_as_it_goes_and_said(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        (path,) = (await cluster.journals()).glob("run-*.jsonl")
        lines = path.read_bytes().splitlines(keepends=True)
        lines[3] = b'\xff\x00{"entry": "begin", garbage\n'
        half = b'{"entry":"begin","change":9,"kind":"label","title":"Label 1 node","before":{}}\n'
        path.write_bytes(b"".join(lines) + half + b'{"entry":"beg')
        undone = await cluster.command("undo", "--yes")
        assert undone.code == 1, undone.error
        assert f"The journal {path} is damaged in lines 4, 5, {len(lines) + 1}, {len(lines) + 2}" in undone.error
        assert "ResourceQuota smarter-device-manager: delete" not in undone.out
        assert "it still contains ResourceQuota smarter-device-manager" in undone.out
        assert await cluster.get(DAEMON_SET) is None
        assert await cluster.get(QUOTA)


async def test_a_label_that_was_given_back_stays_whatever_its_field_manager_is(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        await cluster.send(
            "PATCH",
            "/api/v1/nodes/worker-1",
            {"metadata": {"labels": {"smarter-device-manager": "enabled"}}},
            "application/merge-patch+json",
        )
        assert (await cluster.command("nodes", "unlabel", "worker-1")).code == 0
        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.error
        assert "not its earlier field manager: podman-wizard remains its manager" in undone.error
        everything = await cluster.command("undo", "--all", "--yes")
        assert everything.out == "There is nothing to undo on this cluster.\n"
        assert await cluster.labelled() == {"worker-1"}


async def test_one_run_can_be_undone_by_its_id(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        for arguments in (["manifest", "apply"], ["nodes", "label", NODES[0]], ["nodes", "label", NODES[1]]):
            assert (await cluster.command(*arguments)).code == 0
        shown = await cluster.command("undo", "--all", "--dry-run", "-o", "json")
        last, second, first = (run["id"] for run in shown.document["runs"])
        assert first in (await cluster.command("undo", "--all", "--dry-run")).out
        unknown = await cluster.command("undo", "--run", "20260101T000000.000000Z")
        assert unknown.code == 2
        assert (
            f"There is no run 20260101T000000.000000Z here.\nThe runs that can be undone are: {last}" in unknown.error
        )
        undone = await cluster.command("undo", "--run", second, "--yes")
        assert undone.code == 0, undone.error
        assert await cluster.labelled() == {NODES[1]}
        again = await cluster.command("undo", "--run", second, "--yes")
        assert (again.code, again.out) == (0, "There is nothing to undo on this cluster.\n")
        assert f"The run {second} was undone already." in again.error


async def test_what_a_later_run_changed_is_left(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        assert (await cluster.command("manifest", "apply", "--set", "memory=64Mi")).code == 0
        later, first = (run.id for run in runs(await cluster.journals()))
        undone = await cluster.command("undo", "--run", first, "--yes")
        assert undone.code == 1, undone.error
        assert f"DaemonSet smarter-device-manager: not touched: the later run {later} changed it" in undone.out
        assert "ConfigMap smarter-device-manager: not touched: DaemonSet smarter-device-manager stays" in undone.out
        for run in (later, first):
            undone = await cluster.command("undo", "--run", run, "--yes")
            assert undone.code == 0, undone.out + undone.error
        assert await cluster.get(DAEMON_SET) is None


async def test_pods_that_hold_a_device_are_named_first(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        assert (await cluster.command("nodes", "label", *NODES, "--wait")).code == 0
        limits = {"limits": {"smarter-devices/fuse": "1"}}
        for name, node, resources in (
            ("workspace-1", NODES[0], limits),
            ("workspace-2", NODES[1], limits),
            ("other", NODES[0], {}),
        ):
            spec = {"nodeName": node, "containers": [{"name": "c", "image": "busybox", "resources": resources}]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
            assert await cluster.send("POST", "/api/v1/namespaces/default/pods", pod) == 201
        lines = [f"  default/workspace-{number + 1} on {node}" for number, node in enumerate(NODES)]
        told = ["2 running pods hold a FUSE device on nodes that lose it:", *lines]
        shown = await cluster.command("undo", "--all", "--dry-run")
        assert shown.out.splitlines()[:3] == told
        document = (await cluster.command("undo", "--dry-run", "-o", "json")).document
        assert [pod["node"] for pod in document["pods_with_fuse"]["pods"]] == list(NODES)
        gateway = Engine(Target(kubeconfig=str(cluster.kubeconfig)))
        await gateway.open()
        assert list((await pods_with_fuse(gateway.gateway, [NODES[0]])).lines())[1:-1] == lines[:1]
        many = [*NODES, *(f"node-{number}" for number in range(FEW))]
        assert list((await pods_with_fuse(gateway.gateway, many)).lines())[1:-1] == lines
        await gateway.close()


async def test_without_permission_to_list_pods_they_are_not_looked_at(tmp_path: Path) -> None:
    rules = [{**RULES[0], "resources": ["namespaces", "nodes"]}, {"verbs": ["*"], "resources": ["daemonsets"]}]
    few = scenario("few", {"users": {"limited": {"rules": rules}, "admin": {"all": True}}, "nodes": []})
    async with cluster_of("sandbox", few, tmp_path) as cluster:
        engine = Engine(Target(kubeconfig=str(cluster.kubeconfig_limited)))
        await engine.open()
        for nodes in (["worker-1"], None):
            (line,) = (await pods_with_fuse(engine.gateway, nodes)).lines()
            assert line.startswith(
                "Pods that hold a FUSE device were not looked at: You do not have permission to list"
            )
        await engine.close()


async def test_a_namespace_is_gone_when_undo_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        held = {"metadata": {"finalizers": ["example.org/hold"]}}
        assert await cluster.send("PATCH", f"{NAMESPACE}?fieldManager=podman-wizard", held, MERGE) == 200
        monkeypatch.setattr("wizard.engine.undoing.DELETION_SECONDS", 0.2)
        monkeypatch.setattr("wizard.engine.undoing.POLL_SECONDS", 0.05)
        engine = Engine(Target(kubeconfig=str(cluster.kubeconfig)))
        await engine.open()
        events: list[Event] = []
        outcome = await execute_undo(engine, await plan_undo(engine), events.append)
        assert [step.title.split()[0] for step in outcome.left] == ["Namespace"]
        assert "is still being deleted after" in outcome.left[0].left
        assert "finalizers example.org/hold" in outcome.left[0].left
        assert any(event.waiting for event in events if isinstance(event, ActionProgress))
        await engine.close()
        (run,) = runs(await cluster.journals())
        assert not run.undone
        free = {"metadata": {"finalizers": None}}
        assert await cluster.send("PATCH", f"{NAMESPACE}?fieldManager=podman-wizard", free, MERGE) == 200
        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.out + undone.error
        assert await cluster.get(NAMESPACE) is None
        again = await cluster.command("manifest", "apply")
        assert again.code == 0, again.error


async def test_a_policy_that_was_written_without_a_cluster_is_undone(tmp_path: Path) -> None:
    answers, policy = tmp_path / "answers.yaml", tmp_path / "policy.yaml"
    answers.write_text(f"policy: {{output: {policy}}}\n")
    assert (await command("run", "--answers", str(answers), "--yes")).code == 0
    assert policy.exists()
    shown = await command("undo", "--no-cluster", "--dry-run")
    assert f"{policy}: delete it" in shown.out
    assert policy.exists()
    undone = await command("undo", "--no-cluster", "--yes")
    assert undone.code == 0, undone.error
    assert not policy.exists()
    assert "nothing to undo without a cluster" in (await command("undo", "--no-cluster", "--yes")).out


async def test_work_without_a_cluster_is_named_at_the_undo_of_a_cluster(tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text(f"policy: {{output: {tmp_path / 'policy.yaml'}}}\n")
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert "--no-cluster" not in (await cluster.command("undo", "--dry-run")).error
        assert (await command("run", "--answers", str(answers), "--yes")).code == 0
        assert "undo --no-cluster --dry-run" in (await cluster.command("undo", "--dry-run")).error


@pytest.mark.parametrize("option", ["--dry-run", "--yes"])
async def test_a_dry_run_ends_as_the_undo_does(tmp_path: Path, option: str) -> None:
    """Something that someone claimed is left: exit 1 both times."""
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        claim = {"metadata": {"annotations": {"meta.helm.sh/release-name": "mine"}}}
        path = f"{DAEMON_SET}?fieldManager=helm"
        assert await cluster.send("PATCH", path, claim, "application/merge-patch+json") == 200
        assert (await cluster.command("undo", option)).code == 1


async def test_without_a_journal_what_kubectl_apply_had_created_is_not_deleted(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        for kind in GUIDE:
            await send(cluster, kubectl_apply(GUIDE[kind]))
        assert (await cluster.command("manifest", "apply", "--allow-disruption")).code == 0
        live = await cluster.get(DAEMON_SET)
        owners = {entry["manager"] for entry in live["metadata"]["managedFields"] if not entry.get("subresource")}
        assert owners == {"podman-wizard"}, "nothing else tells whose it was"
        (await cluster.journals()).rename(tmp_path / "elsewhere")
        undone = await cluster.command("undo", "--all", "--yes")
        assert undone.code == 1, undone.out
        assert "existed before podman-wizard changed it" in undone.out
        assert (await cluster.get(DAEMON_SET))["spec"] == live["spec"]


async def test_labels_are_undone_without_permission_to_list_nodes(tmp_path: Path) -> None:
    rules = [
        {"verbs": ["get", "patch"], "resources": ["nodes"]},
        {"verbs": ["get", "list", "watch"], "resources": ["pods", "namespaces"]},
    ]
    users = {"limited": {"rules": rules}, "admin": {"all": True}}
    async with opened("sandbox", tmp_path, users=users) as cluster:
        assert (await cluster.command("nodes", "label", "w1", "w2")).code == 0
        undone = await cluster.command("undo", "--yes", limited=True)
        assert undone.code == 0, undone.out + undone.error
        assert await cluster.labelled() == set()
