"""Undo in the screens: choose a run, see what its undo does, agree, and see what is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.app import AppOptions, make_app
from screens.widgets.dialogs import Confirm, Pick
from tests.clusters import cluster_of
from tests.screens.conftest import ended, running, screen_text, until
from wizard.choices.target import Target
from wizard.journal.journal import runs

DAEMON_SET = "/apis/apps/v1/namespaces/smarter-device-manager/daemonsets/smarter-device-manager"


@pytest.mark.parametrize(("chosen", "nodes", "runs_left"), [(0, 0, 1), (1, 1, 1), (2, 0, 0)])
async def test_a_run_is_chosen_shown_and_undone(tmp_path: Path, chosen: int, nodes: int, runs_left: int) -> None:
    """The label of the latest run; the objects of the one before, which the label does not need; both."""
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply")).code == 0
        assert (await cluster.command("nodes", "label", "worker-1")).code == 0
        app = make_app(AppOptions(target=Target(kubeconfig=str(cluster.kubeconfig))))
        async with running(app) as pilot:
            await app.action_go("summary")
            await pilot.press("u")
            await until(pilot, lambda: isinstance(app.screen, Pick))
            assert "Label 1 node" in screen_text(app)
            await pilot.press(*["down"] * chosen, "enter")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            assert len(await cluster.labelled()) == 1, "nothing is changed before it was agreed to"
            await pilot.press("right", "enter")
            await until(pilot, lambda: ended(app))
            operation = app.walk_through.operation
            assert operation is not None and operation.result == "done", operation and operation.detail
        assert len(await cluster.labelled()) == nodes
        assert (await cluster.get(DAEMON_SET) is None) == (chosen > 0)
        assert sum(not run.undone for run in runs(await cluster.journals())) == runs_left


async def test_what_is_left_is_shown_with_the_reason(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        assert (await cluster.command("manifest", "apply", "--set", "pod-quota=60")).code == 0
        assert (await cluster.command("nodes", "label", "worker-1", "worker-2")).code == 0
        (later, earlier) = runs(await cluster.journals())
        path = "/api/v1/nodes/worker-2?fieldManager=team"
        body = {"metadata": {"labels": {"smarter-device-manager": "mine"}}}
        assert await cluster.send("PATCH", path, body, "application/merge-patch+json") == 200
        app = make_app(AppOptions(target=Target(kubeconfig=str(cluster.kubeconfig))))
        async with running(app) as pilot:
            await app.action_go("summary")
            await pilot.press("u")
            await until(pilot, lambda: isinstance(app.screen, Pick))
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            assert "team changed it since" in screen_text(app)
            await pilot.press("right", "enter")
            await until(pilot, lambda: ended(app))
            await pilot.pause()
            operation = app.walk_through.operation
            assert operation is not None
            left = [row for row in operation.rows if row.state == "skipped"]
            assert len(left) == 1
            assert "team changed it since" in str(left[0])
        labelled = await cluster.get("/api/v1/nodes/worker-2")
        assert labelled["metadata"]["labels"]["smarter-device-manager"] == "mine"
        assert await cluster.labelled() == set()
        assert not any(run.undone for run in (later, earlier))


async def test_nothing_to_undo_is_said(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as cluster:
        app = make_app(AppOptions(target=Target(kubeconfig=str(cluster.kubeconfig))))
        async with running(app) as pilot:
            await app.action_go("summary")
            await pilot.press("u")
            await until(pilot, lambda: "nothing to undo" in screen_text(app))
