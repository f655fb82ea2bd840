"""Verify and Summary at the end of the whole way: what ran on each kind of node, what was done, what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from screens.app import AppOptions, WizardApp, make_app
from screens.steps.step import ListStep
from screens.steps.summary import ANSWERS_FILE, SummaryStep
from screens.steps.verify import VerifyStep
from screens.widgets.dialogs import Confirm
from tests.facts_for_tests import cluster, nodes
from tests.screens.conftest import on_facts, on_sandbox, running, screen_text, until
from wizard.answers_file import read_answers
from wizard.choices.answers import Answers, SecurityModulesChoice
from wizard.choices.target import Target
from wizard.cluster import Gateway
from wizard.cluster.gateway import ApplyResult
from wizard.engine.podman_check import Proof
from wizard.manifest.asking import ObjectCheck, apply_checked
from wizard.sandbox import Sandbox

ACKNOWLEDGED = Answers(security_modules=SecurityModulesChoice(acknowledged=True))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lines(step: ListStep[Any]) -> list[str]:
    return [f"{item.state} {item.what}" for item in step.rows.items]


async def work(app: WizardApp, pilot: Pilot[Any], step: Any, key: str) -> None:
    """Does what a key of a step does, to its end, and turns away from the result."""
    walk = app.walk_through
    await app.action_go(step)
    if step == "manifest":
        await until(pilot, lambda: bool(walk.session.checks))
    await pilot.press(key)
    await until(pilot, lambda: isinstance(app.screen, Confirm))
    await pilot.press("right", "enter")
    await until(pilot, lambda: app._main.showing_progress and walk.operation is not None and walk.operation.ended)
    await pilot.press("enter")
    await until(pilot, lambda: not walk.reading and not app._main.showing_progress)


async def test_what_an_earlier_session_applied_is_not_said_to_be_missing() -> None:
    app = on_sandbox("owned", answers=ACKNOWLEDGED)
    async with running(app) as pilot:
        await app.action_go("summary")
        step = app._main.step
        assert isinstance(step, SummaryStep)
        await until(pilot, lambda: "skipped Manifest: not applied in this session" in lines(step))
        await app.walk_through.change(lambda session: session.decide("DaemonSet", "skip"))
        await until(pilot, lambda: "skipped Manifest: nothing to apply, what differs is skipped" in lines(step))


async def test_verification_is_shown_kind_by_kind_and_summed_up() -> None:
    app = on_sandbox(answers=ACKNOWLEDGED)
    async with running(app) as pilot:
        walk = app.walk_through
        await work(app, pilot, "manifest", "a")
        await work(app, pilot, "nodes", "l")
        await app.action_go("verify")
        await pilot.press("space", "v")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("right", "enter")
        await until(pilot, lambda: app._main.showing_progress)
        operation = walk.operation
        assert operation is not None
        assert len(operation.rows) == 8, "each kind has a row from the start"
        await until(pilot, lambda: operation.ended)
        assert {row.state for row in operation.rows} == {"done", "failed"}
        await pilot.press("enter")
        await until(pilot, lambda: "Podman works on 4 of 8 node types, 1 of 5 done" in screen_text(app))
        assert walk.session.step_states()["verify"] == "!"

        for key in ("ctrl+n", "escape", "escape", "ctrl+n", "ctrl+n"):
            await pilot.press(key)
            await pilot.pause()
        step = app.query_one(SummaryStep)
        await until(pilot, lambda: app._main.current == "summary")
        assert walk.session.ticks == {"fuse"} and len(walk.session.proofs) == 8
        found = lines(step)
        assert found[0] == "done Manifest: 4 objects applied"
        assert "failed Verify: Podman works on 4 of 8 node types" in found
        failed = [line for line in found if line.startswith("failed Verify: 1 x ")]
        assert len(failed) == 4
        step.rows.move_to(failed[-1].removeprefix("failed "))
        await pilot.pause()
        assert "A mount is denied" in " ".join(screen_text(app).split())


async def test_where_all_is_well_verify_is_done() -> None:
    app = on_facts(cluster(*nodes(3)))
    async with running(app) as pilot:
        session = app.walk_through.session
        session.proofs = (Proof("3 x Ubuntu", "node-1", 3, True, "Rootless Podman works"),)
        await app.action_go("summary")
        await pilot.pause()
        assert "done Verify: Podman works on 1 of 1 node type" in lines(app.query_one(SummaryStep))
        assert session.step_states()["verify"] == "ok"
        session.proofs = ()
        assert session.step_states()["verify"] == ""
        await app.action_go("verify")
        for _ in app.query_one(VerifyStep).steps():
            await pilot.press("space", "down")
        assert session.step_states()["verify"] == "ok", "the guide's own test proves it as well"


async def test_the_answers_that_were_exported_are_among_the_files_at_once() -> None:
    app = on_facts(cluster(*nodes(3)))
    async with running(app) as pilot:
        await app.action_go("summary")
        await pilot.press("e", "w", "escape")
        await until(pilot, lambda: f"info Written: {ANSWERS_FILE}" in lines(app.query_one(SummaryStep)))
        assert read_answers(Path(ANSWERS_FILE)) == app.walk_through.session.answers


async def test_an_apply_that_was_stopped_half_way_is_told_and_can_be_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(gateway: Gateway, check: ObjectCheck, on_before: Callable[..., None]) -> Awaitable[ApplyResult]:
        return apply_checked(gateway, check, on_before) if check.ref.kind == "Namespace" else asyncio.Event().wait()  # type: ignore[return-value]

    monkeypatch.setattr("wizard.manifest.asking.apply_checked", stuck)
    async with await Sandbox.start("mixed", speed=100) as sandbox:
        kubeconfig = tmp_path / "the config"
        sandbox.write_kubeconfig(kubeconfig)
        app = make_app(AppOptions(target=Target(kubeconfig=str(kubeconfig)), answers=ACKNOWLEDGED))
        async with running(app) as pilot:
            walk = app.walk_through
            walk.was_named()
            await app.action_go("manifest")
            await until(pilot, lambda: bool(walk.session.checks))
            await pilot.press("a")
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            await pilot.press("tab", "enter")
            await until(pilot, lambda: walk.operation is not None and walk.operation.done == 1)
            await pilot.press("x")
            await until(pilot, lambda: "stopped  1 of 4 objects applied" in screen_text(app) and not walk.reading)
            await app.action_go("summary")
            step = app.query_one(SummaryStep)
            undo = f"podman-wizard --kubeconfig '{kubeconfig}' --context sandbox-mixed undo --yes"
            await until(pilot, lambda: "failed Manifest: stopped, 1 of 4 objects applied" in lines(step))
            assert f"info Undo: {undo}" in lines(step), "on this cluster, not on the one that is current by then"
            assert undo in step.commands()
            assert walk.session.step_states()["manifest"] == "!"


async def test_in_the_sandbox_no_command_is_offered_that_would_undo_on_a_real_cluster() -> None:
    app = on_sandbox(answers=ACKNOWLEDGED)
    async with running(app) as pilot:
        await work(app, pilot, "manifest", "a")
        await app.action_go("summary")
        step = app.query_one(SummaryStep)
        await until(
            pilot, lambda: any(line.startswith("info Undo: not needed, the sandbox ends") for line in lines(step))
        )
        assert not any("undo" in line for line in step.commands())
