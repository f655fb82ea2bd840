"""The forecast by kind of node, and after the rollout what happened, in the same rows."""

from __future__ import annotations

import asyncio

import pytest

from screens.app import WizardApp
from screens.operation import Operation
from tests.screens.conftest import apply_and_label, beside_the_steps, on_facts, on_sandbox, running, screen_text, until
from wizard.choices.answers import Answers, ManifestChoice, NodesChoice, RolloutChoice, SecurityModulesChoice
from wizard.engine.engine import Engine
from wizard.engine.events import ActionProgress, ActionStarted


def rows(app: WizardApp) -> list[str]:
    """The rows under the columns' names, with what is beside them cut off."""
    lines = [line.partition("│")[0] for line in screen_text(app).splitlines()]
    start = next(number for number, line in enumerate(lines) if "forecast" in line and "result" in line)
    found = []
    for line in lines[start + 1 :]:
        row = line[24:] if app.size.width >= 110 else line
        if "───" in line or not row.strip():
            break
        found.append(" ".join(row.split()))
    return found


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_what_came_otherwise_than_forecast_stands_first_with_its_remedy(size: tuple[int, int]) -> None:
    answers = Answers(
        security_modules=SecurityModulesChoice(acknowledged=True),
        manifest=ManifestChoice(preset="guide"),
        rollout=RolloutChoice(timeout=6),
    )
    app = on_sandbox("failing", answers)
    async with running(app, size) as pilot:
        await apply_and_label(pilot, 9)
        await until(pilot, lambda: "differ from the forecast" in beside_the_steps(app))
        expected = [
            "failed 2 x Ubuntu 22.04 pod image",
            "failed 1 x Debian 12 pod no /dev/fuse",
            "failed 1 x RHCOS 9.6 pod memory",
            "warning 1 x Ubuntu 22.04 pod not ready",
            "done 4 x Ubuntu 22.04 pod ready",
        ]
        assert rows(app) == expected
        remedies = ["adjustment image", "modprobe fuse", "adjustment memory", "fix its kubelet"]
        for remedy in remedies:
            await until(pilot, lambda remedy=remedy: remedy in beside_the_steps(app))  # type: ignore[misc]
            await pilot.press("down")
        # The same table is there when one has turned away from the result.
        await pilot.press("enter", "f")
        await until(pilot, lambda: "f Nodes" in screen_text(app).splitlines()[-1])
        assert rows(app) == expected
        # Other nodes, another forecast: what happened to the last ones is none of theirs.
        await app.walk_through.change(lambda session: session.choose_nodes(("nofuse-1",)))
        await until(pilot, lambda: rows(app) == ["ok 1 x Debian 12 pod"])


async def test_a_wait_says_when_the_last_node_became_ready_and_when_it_gives_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr("screens.operation.monotonic", lambda: clock[0])
    app = on_facts()

    async def work(_: Engine, operation: Operation) -> None:
        operation.take(ActionStarted("rollout", "Wait for 57 nodes", 57))
        operation.take(ActionProgress("rollout", 41, 57, 60.0, (), 16, 12.0, 300.0))
        clock[0] = 8.0
        await asyncio.Event().wait()

    async with running(app, (120, 40)) as pilot:
        await app.action_go("nodes")
        app.walk_through.begin("nodes", "Wait for 57 nodes", (), work)
        words = "41 of 57 ready, last 20 s ago, gives up after 300 s without another"
        await until(pilot, lambda: words in screen_text(app))


async def test_before_the_rollout_the_forecast_says_why_a_marked_node_gets_no_pod() -> None:
    names = ("noble-00000", "jammy-00000", "control-1")
    app = on_facts()
    async with running(app) as pilot:
        without = ManifestChoice(without=("tolerations",))
        choice = Answers(nodes=NodesChoice(all=False, names=names), manifest=without)
        await app.walk_through.change(lambda session: session.choose(choice))
        await app._main.go("nodes")
        await pilot.press("f")
        await until(pilot, lambda: "forecast" in screen_text(app))
        assert rows(app) == [
            "warning 1 x Ubuntu 24.04 no pod",
            "ok 1 x Ubuntu 22.04 pod",
            "ok 1 x Ubuntu 24.04 pod",
        ]
        assert "doesnottoleratethetaintnode-role.kubernetes.io/control-plane" in "".join(beside_the_steps(app).split())
        keys = screen_text(app).splitlines()[-1]
        assert "Select all" not in keys and "Filter" not in keys


async def test_a_selected_node_that_is_gone_is_dropped_and_said() -> None:
    app = on_sandbox()
    async with running(app) as pilot:
        walk = app.walk_through
        chosen = ("flatcar-arm-1", "sles-worker-1", "talos-a7k-m2p")
        await walk.change(lambda session: session.choose_nodes(chosen))

        async def delete() -> None:
            for name in chosen[:2]:
                assert await walk.engine.gateway.delete("Node", name)

        await walk.run(delete())
        await app.action_go("nodes")
        await walk.read()
        await until(pilot, lambda: walk.session.answers.nodes.names == ("talos-a7k-m2p",) and not walk.reading)
        gone = "2 selected nodes no longer exist: flatcar-arm-1, sles-worker-1."
        await until(pilot, lambda: gone in beside_the_steps(app))
        assert walk.trouble is None
        await walk.read()
        await until(pilot, lambda: gone not in beside_the_steps(app))
