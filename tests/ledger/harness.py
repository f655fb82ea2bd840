"""What every test of the ledger does: prepare a cluster, read a plan as the ledger writes it, compare what was done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import real_api_server
from tests.clusters import Cluster, cluster_of
from tests.ledger.doors import Seen, run_with
from tests.ledger.setups import Offering, Ours, Step, send, until_offered
from tests.ledger.situations import Expected, Situation
from tests.ledger.states import State, managers_of
from wizard.sandbox.scenarios import scenario

SCENARIO = yaml.safe_load((Path(__file__).parent / "scenario.yaml").read_text())


def opened(kind: str, folder: Path, **changed: Any) -> AbstractAsyncContextManager[Cluster]:
    """The ledger's cluster, with some of its scenario changed."""
    return cluster_of(kind, scenario("ledger", {**SCENARIO, **changed}), folder)


async def prepared(cluster: Cluster, steps: Sequence[Step]) -> None:
    for step in steps:
        if isinstance(step, Ours):
            seen = await run_with(cluster, step.answers)
            assert seen.exit == 0, seen.error or seen.summary
        elif isinstance(step, Offering):
            await until_offered(cluster, step)
        else:
            await send(cluster, step)


async def until_deleted(cluster: Cluster) -> State:
    """The state once nothing is being deleted any more."""
    async with asyncio.timeout(30):
        while True:
            state = await State.of(cluster)
            if not any(item and item["metadata"].get("deletionTimestamp") for item in state.objects.values()):
                return state
            await asyncio.sleep(0.02)


def wanted(expected: Expected) -> dict[str, Any]:
    """The same of what the ledger expects."""
    return {
        "objects": {kind: dict(changes) for kind, changes in expected.objects.items()},
        "label": list(expected.label),
        "wake": expected.wake,
        "wait": (list(expected.nodes), expected.wait) if expected.wait is not None else None,
        "checked": {kind: expected.checked.get(kind, "server") for kind in expected.objects},
        "gates": {kind: list(names) for kind, names in expected.gates.items()},
        "losing": list(expected.losing),
        "stage": "asked",
    }


def check_shown(situation: Situation, seen: Seen, before: State) -> None:
    """What a door showed is the plan that the ledger expects, as far as this door shows it."""
    assert seen.shown, seen.error
    expected = wanted(situation.plan)
    expected["gates"] = {kind: names for kind, names in expected["gates"].items() if kind not in seen.unbound}
    assert seen.shown == {key: value for key, value in expected.items() if key in seen.shown}
    for change in seen.changes:
        kind = change["object"].partition(" ")[0]
        if kind in before.objects:
            assert change["owners"] == managers_of(before.objects[kind], change["path"]), change["path"]
    if seen.pods is not None:
        assert seen.pods == len(situation.plan.pods)
    if seen.made is not None:
        pods = [name for row in seen.made.forecast if row.gets_pod for name in row.nodes]
        assert sorted(pods) == sorted(situation.plan.pods)
        findings = {finding.id: finding.title for finding in seen.made.judgement.prerequisites}
        for name, title in situation.finds.items():
            assert title in findings.get(name, ""), findings


def check_folder(folder: Path, situation: Situation) -> None:
    """A hand-over has a file for each object that changes, and takes by force only what is taken."""
    kinds = [path.stem.partition("-")[2].replace("-", "") for path in sorted(folder.glob("manifest/*.yaml"))]
    assert kinds == [kind.lower() for kind in situation.plan.objects]
    script = (folder / "commands.sh").read_text() if kinds else ""
    forced = [line.split()[1] for line in script.splitlines() if re.match(r"apply .*--force-conflicts", line)]
    taken = [kind for kind in situation.forced if kind in situation.plan.objects]
    assert [name.partition("-")[2].replace("-", "") for name in forced] == [kind.lower() for kind in taken]
    assert situation.offers.get("H", "") in (folder / "README.md").read_text()


def check_done(expected: Expected, before: State, after: State) -> None:
    """The cluster is what it was, with the changes that were shown, field by field."""
    contents = before.contents(noise=False)
    for kind, changes in expected.objects.items():
        values = dict(contents[kind] or {})
        for path, (_, value, _) in changes.items():
            if value is None:
                del values[path]
            else:
                values[path] = value
        contents[kind] = values
    assert after.contents(noise=False) == contents
    labels = {name: dict(found) for name, found in before.nodes.items()}
    for name in expected.label:
        labels[name]["smarter-device-manager"] = "enabled"
    assert after.nodes == labels


REAL = pytest.param(
    "real",
    marks=[
        pytest.mark.real_api_server,
        pytest.mark.skipif(bool(real_api_server.missing()), reason=real_api_server.missing() or "found"),
    ],
)
