"""Undo, as people meet it: what it takes back, what it leaves, and when it does nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clusters import cluster_of
from wizard.cli import main
from wizard.state import ClusterLock

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
        assert shown.out == f"Take the label off 1 node ({NODES[1]})\n"
        assert "only with --yes" in shown.error
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
                assert "is at work on this cluster" in ended.error
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
        assert json.dumps(shown.document).count("+++ after/") == 4


async def test_a_namespace_stays_with_what_stays_in_it(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        quota = "/api/v1/namespaces/smarter-device-manager/resourcequotas/smarter-device-manager"
        body = {"metadata": {"annotations": {"note": "mine"}}}
        patch = f"{quota}?fieldManager=kubectl-annotate"
        assert await cluster.send("PATCH", patch, body, "application/merge-patch+json") == 200
        # By the journal, then (its run counts as undone) by the field managers alone.
        for what, why in (("undo", "someone changed it since"), ("undo --all", "kubectl-annotate owns fields of it")):
            undone = await cluster.command(*what.split(), "--yes")
            assert undone.code == 0, undone.error
            assert why in undone.out
            assert "Namespace smarter-device-manager: left alone: in it stays ResourceQuota" in undone.out
            assert await cluster.get(quota)
        assert "deleted" not in undone.out
