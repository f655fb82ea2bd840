"""On a server that fails in every twentieth request: nothing is lost, nothing is done twice.

What the wizard says is held against the server's own state and against its log of what it carried out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wizard.choices.answers import Answers, RolloutChoice, SecurityModulesChoice
from wizard.choices.target import Target
from wizard.engine.engine import Engine
from wizard.engine.events import ActionEnded, Event
from wizard.engine.looking import act, look
from wizard.manifest import guide_objects
from wizard.names import NAMESPACE, NODE_LABEL, NODE_LABEL_VALUE
from wizard.plan.derive import plan_labels
from wizard.sandbox import SCENARIOS, Sandbox, Scenario
from wizard.sandbox.store import Change, Version

KINDS = ("namespaces", "nodes", "resourcequotas", "configmaps", "daemonsets")
WAYS = ("too-many-requests", "internal-error", "unavailable", "reset", "reset-after", "half-a-body", "slow")


def flaky(shares: dict[str, float]) -> Scenario:
    """The scenario ``flaky`` with other shares of requests that fail; none of them where nothing is said."""
    document = {**SCENARIOS["flaky"].document, "faults": {"slow-seconds": 1.0, **shares}}
    return replace(SCENARIOS["flaky"], document=document)


def labels(item: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = item["metadata"].get("labels") or {}
    return found


def label_of(version: Version | None) -> str | None:
    return labels(version.obj).get(NODE_LABEL) if version else None


SYSTEMS_OWN = "kube-root-ca.crt"
"""The config map that a controller puts into every namespace."""


class Log:
    """What the server carried out: the objects that were created, and each change of the guide's label."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.created: list[tuple[str, str]] = []
        self.labels: list[tuple[str, str | None]] = []
        for plural in KINDS:
            sandbox._simulation.cluster.store.listen(plural, self._note)

    def _note(self, change: Change) -> None:
        name = change.version.key[1]
        if name == SYSTEMS_OWN:
            return
        if change.type == "ADDED":
            self.created.append((change.plural, name))
        elif change.plural == "nodes" and label_of(change.version) != label_of(change.previous):
            self.labels.append((name, label_of(change.version)))


def stored(sandbox: Sandbox, plural: str) -> list[dict[str, Any]]:
    return [version.obj for version in sandbox._simulation.cluster.store.all(plural)]


@pytest.fixture(params=["all", *WAYS])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    scenario = SCENARIOS["flaky"] if request.param == "all" else flaky({request.param: 0.05})
    async with await Sandbox.start(scenario, speed=50) as running:
        yield running


async def test_nothing_is_lost_and_nothing_is_done_twice(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    sandbox.write_kubeconfig(path)
    log = Log(sandbox)
    events: list[Event] = []
    answers = Answers(security_modules=SecurityModulesChoice(acknowledged=True), rollout=RolloutChoice(60))
    engine = Engine(Target(kubeconfig=str(path)))
    try:
        await engine.open()
        plan = await look(engine, answers)
        names = [verdict.node.name for verdict in plan.judgement.verdicts]
        assert sorted(names) == sorted(node["metadata"]["name"] for node in stored(sandbox, "nodes"))
        assert log.created == []  # a dry run that was repeated created nothing

        outcome, rest = await act(engine, plan, events.append, door="run")
        assert [one.result for one in outcome.outcomes] == ["done"] * len(plan.actions)
        assert log.created == [(f"{item['kind'].lower()}s", NAMESPACE) for item in guide_objects()]
        labelled, waited = outcome.labelled, outcome.rollout
        assert labelled is not None and waited is not None
        assert labelled.done == tuple(names)
        assert (labelled.failed, labelled.cancelled) == ((), ())
        assert labelled.before == dict.fromkeys(names)
        # A patch whose answer was lost was sent again: it changed nothing any more.
        assert sorted(log.labels) == [(name, NODE_LABEL_VALUE) for name in sorted(names)]
        assert {labels(node).get(NODE_LABEL) for node in stored(sandbox, "nodes")} == {NODE_LABEL_VALUE}
        assert waited.complete, waited.failing[:3]
        assert waited.ready == len(names)
        assert rest.actions == ()

        removal = plan_labels(rest.judgement, rest.judgement.verdicts, remove=True, by_name=True)
        removed, _ = await act(engine, removal, events.append, door="command")
        assert removed.labelled is not None
        assert removed.labelled.done == tuple(names)
        assert sorted(log.labels[len(names) :]) == [(name, None) for name in sorted(names)]
        assert not any(NODE_LABEL in labels(node) for node in stored(sandbox, "nodes"))
    finally:
        await engine.close()
    assert [event.result for event in events if isinstance(event, ActionEnded)] == ["done"] * 4
