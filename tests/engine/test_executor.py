"""The executor: it does what was agreed to, in order, notes what became of it, and stops where it is told to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clusters import Cluster
from tests.ledger.doors import answers_of, engine_on
from tests.ledger.harness import opened, prepared
from tests.ledger.setups import applied, part_of, patched
from tests.ledger.situations import BY_KUBECTL, OURS, WORKERS, config
from tests.ledger.states import State
from wizard.cluster import ApiRefusal, Gateway
from wizard.cluster.refusals import Target
from wizard.engine.engine import Engine
from wizard.engine.events import ActionEnded, ActionProgress, ActionStarted, Event, Note, ObjectResult
from wizard.engine.executor import Executor, RunOutcome
from wizard.engine.looking import act, look
from wizard.errors import ClusterError, ConflictError, ProblemsFound, WizardError
from wizard.journal.journal import runs
from wizard.manifest.asking import PlanChanged
from wizard.names import NAMESPACE
from wizard.plan.derive import Plan
from wizard.session import unattended

OTHER_IMAGE = "manifest: {set: {image: 'registry.internal/sdm:1'}}"


@dataclass
class Bench:
    """A simulated cluster with an engine, and the events of what is executed there."""

    cluster: Cluster
    engine: Engine
    events: list[Event] = field(default_factory=list)
    on_event: Callable[[Event], None] = lambda event: None

    def listen(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    async def plan(self, answers: str = "") -> Plan:
        return await look(self.engine, answers_of(answers))

    def executor(self, plan: Plan, **options: Any) -> Executor:
        return Executor(self.engine, plan, self.listen, **options)

    async def execute(self, plan: Plan, **options: Any) -> RunOutcome:
        return await self.executor(plan).execute(agreed=plan.digest, door="run", **options)

    async def state(self) -> State:
        return await State.of(self.cluster)

    @property
    def told(self) -> list[str]:
        """The events in a few words; progress left out."""
        return [words for event in self.events if (words := _words(event))]


def _words(event: Event) -> str:
    match event:
        case ActionStarted():
            return f"{event.action} started"
        case ActionEnded():
            return f"{event.action} {event.result}"
        case ObjectResult():
            return f"{event.object.partition(' ')[0]} {event.change}"
        case ActionProgress():
            return ""
        case _:
            return event.kind


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with opened("sandbox", tmp_path) as cluster, engine_on(cluster) as engine:
        yield Bench(cluster, engine)


def rejecting(engine: Engine, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the server rejects the apply of this kind, although a dry run was accepted."""
    apply = Gateway.apply

    async def rejected(self: Gateway, item: Any, *, dry_run: bool = False, force: bool = False) -> Any:
        if item["kind"] == kind and not dry_run:
            raise ClusterError("no space left", "Make room.")
        return await apply(self, item, dry_run=dry_run, force=force)

    monkeypatch.setattr(Gateway, "apply", rejected)


async def test_each_action_is_done_in_order_and_told(bench: Bench) -> None:
    plan = await bench.plan()
    outcome = await bench.execute(plan)
    assert bench.told == [
        "apply started",
        *(f"{kind} create" for kind in ("Namespace", "ResourceQuota", "ConfigMap", "DaemonSet")),
        "apply done",
        "label started",
        "label done",
        "rollout started",
        "rollout done",
    ]
    assert [(one.action.id, one.result) for one in outcome.outcomes] == [(one.id, "done") for one in plan.actions]
    assert [one.changes for _, one in outcome.objects] == [one.changes for one in plan.actions if one.kind == "apply"]
    labelled = next(one for one in outcome.outcomes if one.action.kind == "label")
    assert [(one.object.name, one.before, one.after) for one in labelled.changes if one.object] == [
        (name, None, "enabled") for name in WORKERS
    ]
    assert outcome.complete and outcome.changed
    assert outcome.rollout is not None
    assert (outcome.rollout.ready, outcome.rollout.desired) == (5, 5)


async def test_only_what_was_agreed_to_is_executed(bench: Bench) -> None:
    plan = await bench.plan()
    before = await bench.state()
    with pytest.raises(ConflictError, match="The plan changed after it was shown"):
        await bench.executor(plan).execute(agreed="another plan", door="run")
    assert (await bench.state()).whole == before.whole
    assert runs(await bench.cluster.journals()) == ()


async def test_nothing_is_tried_at_a_closed_gate(bench: Bench) -> None:
    await prepared(bench.cluster, OURS)
    await prepared(bench.cluster, [applied("other", part_of("ConfigMap", data={"conf.yaml": config(70)}), force=True)])
    plan = await bench.plan("manifest: {set: {devices-per-node: 110}}")
    before = await bench.state()
    for door in ("run", "command", "plain", "screens"):
        with pytest.raises(ConflictError, match="Conflict"):
            await bench.executor(plan).execute(agreed=plan.digest, door=door)
    assert (await bench.state()).whole == before.whole


async def test_the_acknowledgement_binds_a_run_and_not_a_single_command(bench: Bench) -> None:
    plan = await look(bench.engine, answers_of("").__class__())
    with pytest.raises(ProblemsFound, match="not acknowledged"):
        await bench.executor(plan).execute(agreed=plan.digest, door="run")
    outcome = await bench.executor(plan).execute(agreed=plan.digest, door="command", only=plan.ids("apply"))
    assert len(outcome.applied) == 4


async def test_what_needs_an_object_that_failed_is_not_tried_and_the_rest_is(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    plan = await bench.plan(f"policy: {{output: {policy}}}")
    rejecting(bench.engine, "ConfigMap", monkeypatch)
    outcome = await bench.execute(plan)
    assert [(one.action.id, one.result) for one in outcome.outcomes] == [
        ("apply Namespace", "done"),
        ("apply ResourceQuota", "done"),
        ("apply ConfigMap", "failed"),
        ("apply DaemonSet", "skipped"),
        ("label", "skipped"),
        ("rollout", "skipped"),
        ("policy", "done"),
    ]
    assert policy.exists()
    assert not outcome.complete and outcome.changed
    failed = outcome.outcomes[2]
    assert (failed.message, failed.todo, failed.changes) == ("no space left", "Make room.", ())
    assert [item.name for item in outcome.failing] == ["ConfigMap smarter-device-manager"]
    assert await bench.cluster.labelled() == set()
    assert "apply failed" in bench.told and "label started" not in bench.told


async def test_some_actions_alone(bench: Bench) -> None:
    plan = await bench.plan()
    objects = await bench.execute(plan, only=plan.ids("apply"))
    assert {one.action.kind for one in objects.outcomes} == {"apply"}
    assert await bench.cluster.labelled() == set()
    rest = await bench.plan()
    assert [action.id for action in rest.actions] == ["label", "rollout"]
    assert (await bench.execute(rest)).complete


async def test_waiting_alone_changes_nothing_and_keeps_no_journal(bench: Bench) -> None:
    plan = await bench.plan()
    await bench.execute(plan, only=("apply Namespace", "apply ResourceQuota", "apply ConfigMap", "apply DaemonSet"))
    labelled = await bench.plan()
    await bench.execute(labelled, only=("label",))
    kept = len(runs(await bench.cluster.journals()))
    async with engine_on(bench.cluster) as engine:
        waiting = await look(engine, answers_of(""))
        if waiting.actions:  # else the pods were quicker
            assert [action.id for action in waiting.actions] == ["rollout"]
            outcome = await Executor(engine, waiting, bench.listen).execute(agreed=waiting.digest, door="run")
            assert outcome.complete and not outcome.changed
        assert not engine.has_changed
    assert len(runs(await bench.cluster.journals())) == kept


async def test_a_soft_stop_lets_the_action_finish_and_tries_no_other(bench: Bench) -> None:
    plan = await bench.plan()
    stop = asyncio.Event()

    def stopping(event: Event) -> None:
        if isinstance(event, ObjectResult) and event.object.startswith("DaemonSet"):
            stop.set()

    bench.on_event = stopping
    outcome = await bench.executor(plan, stop=stop).execute(agreed=plan.digest, door="run")
    assert [(one.action.kind, one.result) for one in outcome.outcomes[-3:]] == [
        ("apply", "done"),
        ("label", "skipped"),
        ("rollout", "skipped"),
    ]
    assert not outcome.complete


async def test_what_was_done_stands_when_the_work_is_interrupted(bench: Bench) -> None:
    plan = await bench.plan()
    executor = bench.executor(plan)
    work = asyncio.create_task(executor.execute(agreed=plan.digest, door="run"))

    def interrupting(event: Event) -> None:
        if isinstance(event, ObjectResult) and event.object.startswith("ResourceQuota"):
            work.cancel()

    bench.on_event = interrupting
    with pytest.raises(asyncio.CancelledError):
        await work
    results = {one.action.id: one.result for one in executor.outcome.outcomes}
    assert results["apply Namespace"] == results["apply ResourceQuota"] == "done"
    assert results["apply ConfigMap"] == "stopped"
    assert results.get("apply DaemonSet", "skipped") == "skipped"
    assert not executor.outcome.complete
    assert bench.told[-1] == "apply stopped"


async def test_an_object_that_changed_ends_the_work_before_it(bench: Bench) -> None:
    await prepared(bench.cluster, OURS)
    plan = await bench.plan("manifest: {set: {devices-per-node: 110, image: 'registry.internal/sdm:1'}}")
    image = {"name": "smarter-device-manager", "image": "registry.internal/sdm:2"}
    changed = {"spec": {"template": {"spec": {"containers": [image]}}}}
    await prepared(bench.cluster, [patched("kubectl-set", "DaemonSet", changed)])
    executor = bench.executor(plan)
    with pytest.raises(PlanChanged) as stopped:
        await executor.execute(agreed=plan.digest, door="run")
    assert stopped.value.ref.kind == "DaemonSet"
    assert [(one.action.id, one.result) for one in executor.outcome.outcomes[:2]] == [
        ("apply ConfigMap", "done"),
        ("apply DaemonSet", "failed"),
    ]
    daemon_set = (await bench.state()).objects["DaemonSet"]
    assert daemon_set["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.internal/sdm:2"


async def test_a_change_is_noted_before_it_is_tried_with_what_undo_needs(bench: Bench) -> None:
    await prepared(bench.cluster, BY_KUBECTL)
    before = (await bench.state()).objects["DaemonSet"]
    await bench.execute(await bench.plan())
    latest = runs(await bench.cluster.journals())[0]
    applying, labelling = latest.changes
    assert (applying.kind, applying.title) == ("apply", "DaemonSet smarter-device-manager")
    noted = applying.before
    assert [one["manager"] for one in noted["owners"] if not one.get("subresource")] == ["kubectl-client-side-apply"]
    assert (
        noted["last_applied"] == before["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    )
    assert noted["object"]["spec"] == before["spec"]
    assert noted["meant"]["spec"] == applying.after["object"]["spec"]
    assert set(labelling.after) == {"w3", "w4", "w5"}


async def test_after_acting_the_plan_is_that_of_the_cluster_as_it_is_now(bench: Bench) -> None:
    plan = await bench.plan()
    outcome, now = await act(bench.engine, plan, bench.listen, door="run")
    assert outcome.complete
    assert now.stage == "asked" and now.actions == () and not now.changed
    assert now.judgement.reading.offering == frozenset(WORKERS)
    assert "smarter-device-manager is not installed yet" not in {one.title for one in now.judgement.prerequisites}


async def test_another_wizard_at_work_stops_it_before_anything_is_tried(bench: Bench) -> None:
    plan = await bench.plan()
    before = await bench.state()
    async with engine_on(bench.cluster) as other:
        other.claim()
        with pytest.raises(WizardError, match="Another podman-wizard"):
            await bench.execute(plan)
    assert (await bench.state()).whole == before.whole
    assert bench.events == []


async def test_a_missing_file_or_a_changed_one_is_told_and_not_written_over(bench: Bench, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text('version: "0.2"\n')
    plan = await bench.plan(
        f"manifest: {{apply: false}}\nnodes: {{label: false}}\npolicy: {{file: {policy}, output: {policy}}}"
    )
    assert plan.ids("policy") == ("policy",)
    policy.write_text('version: "0.2"  # by someone else\n')
    executor = bench.executor(plan)
    with pytest.raises(WizardError, match=r"policy\.yaml"):
        await executor.execute(agreed=plan.digest, door="run", only=("policy",))
    assert policy.read_text() == 'version: "0.2"  # by someone else\n'
    assert executor.outcome.outcomes[-1].result == "failed"


VANISHES = {
    "after the look": ("wizard.session.unattended.look_first", False),
    "when the nodes are labeled": ("wizard.engine.executor.set_labels", False),
    "in the rollout": ("wizard.engine.executor.wait_for_rollout", False),
    "after the rollout": ("wizard.engine.executor.wait_for_rollout", True),
}
"""By moment: the function at which a node vanishes, and whether after it."""


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("moment", VANISHES)
async def test_a_node_that_vanishes_is_told_and_the_run_goes_on_without_it(
    bench: Bench, moment: str, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, gateway, times = WORKERS[:2], bench.engine.gateway, 0
    where, after = VANISHES[moment]
    room, _, name = where.rpartition(".")
    work = getattr(sys.modules[room], name)

    async def meanwhile(*given: Any, **options: Any) -> Any:
        nonlocal times
        times += 1
        done = await work(*given, **options) if after or name == "look_first" else None
        if times == 1:
            assert await gateway.delete("Node", names[0])
            if name == "look_first":  # so that the plan has to be made again
                await gateway.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        return done or await work(*given, **options)

    monkeypatch.setattr(where, meanwhile)
    answers = answers_of(f"nodes: {{names: [{', '.join(names)}]}}" if named else "")
    summary = await unattended.run(bench.engine, answers, bench.listen)
    notes = [event.text for event in bench.events if isinstance(event, Note)]
    count = 2 if named else len(WORKERS)
    if moment == "after the rollout":
        assert (summary.result, summary.ready, summary.desired) == ("done", count, count)
        return
    assert (summary.ready, summary.desired) == (count - 1, count - 1)
    if named:
        assert summary.result == "failed"
        assert [(one.name, one.reason) for one in summary.failing] == [(names[0], "the node no longer exists")]
        step = f"Cluster admin: Remove {names[0]} from the selected nodes: it no longer exists."
        assert summary.left_to_do[0] == step
    else:
        assert (summary.result, summary.failing) == ("done", ())
    if named or moment != "after the look":
        assert notes.count(f"1 node no longer exists: {names[0]}.") == 1


async def test_admission_is_asked_about_the_pod_that_is_planned(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    create = Gateway.create

    async def registry_policy(self: Gateway, item: Any, **options: Any) -> Any:
        image = item["spec"]["containers"][0]["image"]
        if item["kind"] == "Pod" and not image.startswith("registry.internal/"):
            body = {"reason": "Forbidden", "message": f'admission webhook "images" denied the request: {image}'}
            raise ApiRefusal(Target.of("POST", "/api/v1/namespaces/default/pods"), 403, body)
        return await create(self, item, **options)

    monkeypatch.setattr(Gateway, "create", registry_policy)

    async def found(answers: str) -> str:
        plan = await bench.plan(answers)
        return next(str(one.outcome) for one in plan.judgement.prerequisites if one.id == "adm.webhook")

    assert await found("") == "warning"
    assert await found("manifest: {set: {image: 'registry.internal/sdm:1'}}") == "ok"
