"""The rows of the ledger about work that was cut off, what others did since, and a plan that is no longer true."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.clusters import Cluster
from tests.ledger.doors import answers_of, engine_on, run_with
from tests.ledger.harness import REAL, check_done, opened, prepared, until_deleted
from tests.ledger.setups import Step, patched
from tests.ledger.situations import (
    BY_KUBECTL,
    CONFIG,
    NEW,
    OURS,
    WORKERS,
    Expected,
    config,
)
from tests.ledger.states import NAME, State
from wizard.engine.events import Event, ObjectResult
from wizard.engine.executor import Executor
from wizard.engine.looking import look
from wizard.errors import ConflictError
from wizard.journal.journal import runs
from wizard.manifest.asking import PlanChanged
from wizard.plan.judgement import Judgement
from wizard.session.unattended import run

Start = Callable[[], AbstractAsyncContextManager[Cluster]]
RESTARTED = "2026-11-26T01:00:00Z"


@pytest.fixture(params=["sandbox", REAL])
async def start(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Start]:
    yield lambda: opened(request.param, tmp_path)


def annotated(manager: str, kind: str, what: str, **texts: str) -> Step:
    return patched(manager, kind, {"metadata": {what: texts}}, "merge-patch")


# What kubectl sends: rollout restart a strategic merge patch, annotate and label a merge patch.
RESTART = patched(
    "kubectl-rollout",
    "DaemonSet",
    {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": RESTARTED}}}}},
)
ADDED = (
    RESTART,
    annotated("kubectl-annotate", "DaemonSet", "annotations", note="seen"),
    annotated("kubectl-annotate", "Namespace", "annotations", note="seen"),
    annotated("kubectl-label", "DaemonSet", "labels", team="platform"),
    annotated("kubectl-label", "Namespace", "labels", team="platform"),
)


async def test_10_a_run_that_was_cut_off_is_resumed_and_undone_as_one(start: Start) -> None:
    async with start() as cluster:
        before = await State.of(cluster)

        async with engine_on(cluster) as engine:
            work: asyncio.Task[Any]

            def cut_off(event: Event) -> None:
                if isinstance(event, ObjectResult) and event.object.startswith("ResourceQuota"):
                    work.cancel()

            work = asyncio.create_task(run(engine, answers_of(""), cut_off))
            with pytest.raises(asyncio.CancelledError):
                await work
            await engine.close(interrupted=True)
        there = await State.of(cluster)
        assert [kind for kind, item in there.objects.items() if item] == ["Namespace", "ResourceQuota"]

        seen = await run_with(cluster, "")
        found = seen.shown
        assert found["objects"] == {kind: dict(NEW[kind]) for kind in ("ConfigMap", "DaemonSet")}
        assert (found["label"], found["wait"]) == (list(WORKERS), (list(WORKERS), 50))
        assert seen.exit == 0
        check_done(Expected(NEW, label=WORKERS), before, await State.of(cluster))
        latest, first = runs(await cluster.journals())
        assert latest.resumes == first.path.name

        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.out + undone.error
        assert (await until_deleted(cluster)).whole == before.whole


async def test_18_what_others_only_add_does_not_stop_an_undo(start: Start) -> None:
    async with start() as cluster:
        before = await State.of(cluster)
        await prepared(cluster, (*OURS, *ADDED))
        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.out + undone.error
        assert (await until_deleted(cluster)).whole == before.whole


async def test_18_what_others_added_is_kept_where_something_was_before(start: Start) -> None:
    async with start() as cluster:
        await prepared(cluster, BY_KUBECTL)
        before = await State.of(cluster)
        seen = await run_with(cluster, "")
        assert seen.exit == 0, seen.error
        for step in ADDED:
            await prepared(cluster, [step])
        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.out + undone.error

        wanted = before.contents(noise=True)
        wanted["DaemonSet"] = {
            **(wanted["DaemonSet"] or {}),
            ".metadata.annotations.note": "seen",
            ".metadata.labels.team": "platform",
            ".spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt": RESTARTED,
        }
        wanted["Namespace"] = {
            **(wanted["Namespace"] or {}),
            ".metadata.annotations.note": "seen",
            ".metadata.labels.team": "platform",
        }
        after = await State.of(cluster)
        assert after.contents(noise=True) == wanted
        assert after.nodes == before.nodes


async def test_19_what_someone_changed_stays_with_all_that_it_needs(start: Start) -> None:
    async with start() as cluster:
        image = {"name": NAME, "image": "registry.internal/sdm:2"}
        by_kubectl_set = patched("kubectl-set", "DaemonSet", {"spec": {"template": {"spec": {"containers": [image]}}}})
        await prepared(cluster, (*OURS, by_kubectl_set))
        before = await State.of(cluster)
        undone = await cluster.command("undo", "--yes", "-o", "json")
        assert undone.code == 1, undone.out + undone.error
        assert (await State.of(cluster)).whole == before.whole
        text = json.dumps(undone.document)
        assert "kubectl-set" in text
        for what in ("DaemonSet", "ConfigMap", "ResourceQuota", "Namespace", "w1"):
            assert what in text


async def test_20_what_changed_after_the_look_is_not_overwritten(start: Start) -> None:
    """Nothing is done to an object that is not the one that was shown, and nothing before it either."""
    async with start() as cluster:
        await prepared(cluster, OURS)
        answers = answers_of("manifest: {set: {devices-per-node: 110, image: 'registry.internal/sdm:1'}}")
        async with engine_on(cluster) as engine:
            plan = await look(engine, answers)
            assert plan.ids("apply") == ("apply ConfigMap", "apply DaemonSet")
            edited = patched("kubectl-edit", "ConfigMap", {"data": {"conf.yaml": config(70)}})
            await prepared(cluster, [edited])
            before = await State.of(cluster)
            with pytest.raises(PlanChanged):
                await Executor(engine, plan, lambda event: None).execute(agreed=plan.digest, door="plain")
            assert (await State.of(cluster)).whole == before.whole
            assert sum(bool(one.changes) for one in runs(await cluster.journals())) == 1

            anew = await look(engine, answers)
            assert {gate.kind: gate.names for gate in anew.gates} == {"conflict": (f"ConfigMap {CONFIG}",)}


async def test_20_a_run_looks_again_once_and_stops_at_a_decision(start: Start) -> None:
    async with start() as cluster:
        await prepared(cluster, OURS)
        plans: list[Any] = []
        states: list[State] = []
        answers = answers_of("manifest: {set: {devices-per-node: 110}}")
        edited = patched("kubectl-edit", "ConfigMap", {"data": {"conf.yaml": config(70)}})
        async with engine_on(cluster) as engine:
            ask = engine.ask

            async def then_edited(judgement: Judgement) -> Any:
                """Someone else is quicker: between the first answer and the first change."""
                answer = await ask(judgement)
                if not states:
                    await prepared(cluster, [edited])
                    states.append(await State.of(cluster))
                return answer

            engine.ask = then_edited  # type: ignore[method-assign]
            with pytest.raises(ConflictError) as stopped:
                await run(engine, answers, lambda event: plans.append(event) if event.kind == "plan" else None)
        assert int(stopped.value.exit_code) == 5
        assert len(plans) == 2
        assert (await State.of(cluster)).whole == states[0].whole
