"""Beside the rows of the ledger: who cannot list nodes, a webhook that is down, a policy, and many nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clusters import cluster_of
from tests.ledger.doors import answers_of, engine_on, normal, run_with
from tests.ledger.harness import SCENARIO, check_done, opened, until_deleted
from tests.ledger.situations import IN_DEFAULT, NEW, Expected
from tests.ledger.states import State
from wizard.cluster import Gateway
from wizard.cluster.refusals import ApiRefusal, Target
from wizard.engine.executor import Executor
from wizard.engine.looking import look

BLIND = {
    "limited": {
        "rules": [
            *SCENARIO["users"]["limited"]["rules"][2:],
            {
                "verbs": ["get", "list", "watch", "create", "patch", "delete"],
                "resources": ["daemonsets"],
                "groups": ["apps"],
            },
            {"verbs": ["get"], "resources": ["nodes"]},
            {
                "verbs": ["get", "list", "watch"],
                "resources": ["namespaces", "pods", "pods/log", "configmaps", "resourcequotas", "events"],
            },
        ]
    },
    "admin": {"all": True},
}
"""Everything but listing nodes."""


async def test_nodes_that_are_named_are_enough_where_nodes_cannot_be_listed(tmp_path: Path) -> None:
    async with opened("sandbox", tmp_path, users=BLIND) as cluster:
        before = await State.of(cluster)
        seen = await run_with(cluster, "nodes: {names: [w1, w3]}", limited=True)
        assert seen.exit == 0, seen.error or seen.summary
        assert seen.shown["objects"] == {kind: dict(changes) for kind, changes in NEW.items()}
        assert (seen.shown["label"], seen.shown["wait"]) == (["w1", "w3"], (["w1", "w3"], 50))
        assert seen.shown["checked"] == {"Namespace": "server", **IN_DEFAULT}
        check_done(Expected(NEW, label=["w1", "w3"]), before, await State.of(cluster))
        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.out + undone.error
        assert (await until_deleted(cluster)).whole == before.whole


async def test_without_a_list_of_nodes_and_without_names_nothing_is_done(tmp_path: Path) -> None:
    async with opened("sandbox", tmp_path, users=BLIND) as cluster:
        before = await State.of(cluster)
        seen = await run_with(cluster, "", limited=True)
        assert seen.exit == 1
        assert (await State.of(cluster)).whole == before.whole


async def test_a_webhook_that_is_down_rejects_the_plan_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run asks webhooks too; one that does not answer is a rejection, and no crash."""
    said = 'Internal error occurred: failed calling webhook "validate.example.com": failed to call webhook: timeout'
    apply = Gateway.apply

    async def asked(self: Gateway, item: Any, *, dry_run: bool = False, force: bool = False) -> Any:
        if item["kind"] == "DaemonSet":
            raise ApiRefusal(Target("patch", "daemonsets.apps", "smarter-device-manager"), 500, {"message": said})
        return await apply(self, item, dry_run=dry_run, force=force)

    monkeypatch.setattr(Gateway, "apply", asked)
    async with opened("sandbox", tmp_path) as cluster:
        before = await State.of(cluster)
        seen = await run_with(cluster, "")
        assert seen.exit == 3
        assert seen.shown["gates"] == {"rejected": ["DaemonSet smarter-device-manager"]}
        assert seen.shown["checked"]["DaemonSet"] == "server"
        assert "validate.example.com" in str(seen.error)
        assert (await State.of(cluster)).whole == before.whole


async def test_a_policy_is_one_action_of_the_plan_and_of_its_undo(tmp_path: Path) -> None:
    policy, merged = tmp_path / "policy.yaml", tmp_path / "merged.yaml"
    policy.write_text('version: "0.2"\n')
    async with opened("sandbox", tmp_path) as cluster:
        before = await State.of(cluster)
        seen = await run_with(cluster, f"policy: {{file: {policy}, output: {merged}}}")
        assert seen.exit == 0, seen.error
        written = [change for change in seen.changes if not change["object"]]
        assert len(written) == 1
        assert "+++" in written[0]["after"] and "smarter-devices/fuse" in written[0]["after"]
        assert "smarter-devices/fuse" in merged.read_text()
        assert policy.read_text() == 'version: "0.2"\n'
        check_done(Expected(NEW, label=[f"w{number}" for number in range(1, 6)]), before, await State.of(cluster))

        again = await run_with(cluster, f"policy: {{file: {policy}, output: {merged}}}")
        assert again.made is not None and not again.made.changed

        undone = await cluster.command("undo", "--yes")
        assert undone.code == 0, undone.out + undone.error
        assert (await until_deleted(cluster)).whole == before.whole
        assert not merged.exists()


async def test_five_thousand_nodes_are_one_action_and_one_wait(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "large", tmp_path) as cluster, engine_on(cluster) as engine:
        before = await State.of(cluster)
        plan = await look(engine, answers_of(""))
        found = normal(plan.to_json())
        fit = {verdict.node.name for verdict in plan.chosen}
        assert len(fit) > 4000
        assert found["label"] == [name for name in before.nodes if name in fit]
        assert found["wait"] == (found["label"], 50)
        allowed = int(found["objects"]["ResourceQuota"][".spec.hard.pods"][1].replace("k", "000"))
        assert allowed >= len(fit)
        assert [action.id for action in plan.actions][-2:] == ["label", "rollout"]
        some = sorted(fit)[:50]
        plan = await look(engine, answers_of(f"nodes: {{names: [{', '.join(some)}]}}"))
        outcome = await Executor(engine, plan, lambda event: None).execute(agreed=plan.digest, door="run")
        assert outcome.complete
        assert await cluster.labelled() == set(some)
