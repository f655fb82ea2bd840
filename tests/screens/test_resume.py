"""A run that was cut off is offered again, with its choices, where it stood."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from screens.app import AppOptions, WizardApp, make_app
from tests.screens.conftest import running, screen_text, until
from wizard.choices.answers import Answers, SecurityModulesChoice
from wizard.choices.target import Target
from wizard.engine.engine import Engine
from wizard.engine.looking import act, ignored, look
from wizard.sandbox import Sandbox


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[Target]:
    sandbox = await Sandbox.start("mixed", speed=100.0)
    sandbox.write_kubeconfig(tmp_path / "kubeconfig")
    yield Target(kubeconfig=str(tmp_path / "kubeconfig"))
    await sandbox.stop()


async def cut_off_after_an_apply(target: Target) -> None:
    engine = Engine(target)
    await engine.open()
    answers = Answers(security_modules=SecurityModulesChoice(acknowledged=True))
    engine.note_answers(answers)
    plan = await look(engine, answers)
    await act(engine, plan, ignored, door="run", only=plan.ids("apply"))
    await engine.close(interrupted=True)


def on(target: Target, *, fresh: bool = False) -> WizardApp:
    return make_app(AppOptions(target=target, answers=Answers(), fresh=fresh))


async def test_going_on(target: Target) -> None:
    await cut_off_after_an_apply(target)
    app = on(target)
    async with running(app) as pilot:
        await until(pilot, lambda: "Resume the interrupted run?" in screen_text(app))
        assert "DaemonSet smarter-device-manager: done" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app._main.current == "manifest")
        assert app.walk_through.session.answers.security_modules.acknowledged
        await until(pilot, lambda: "unchanged" in screen_text(app))
        await app.action_go("summary")
        await until(pilot, lambda: bool(re.search(r"done +Manifest: already on the cluster", screen_text(app))))
        assert "3 Manifest✓" in screen_text(app)


async def test_starting_afresh_asks_once(target: Target) -> None:
    await cut_off_after_an_apply(target)
    app = on(target)
    async with running(app) as pilot:
        await until(pilot, lambda: "Resume the interrupted run?" in screen_text(app))
        await pilot.press("tab", "enter")
        await until(pilot, lambda: app.walk_through.interrupted is None)
        assert not app.walk_through.session.answers.security_modules.acknowledged
    again = on(target)
    async with running(again):
        assert again.walk_through.interrupted is None


@pytest.mark.parametrize("key", ["escape", "ctrl+q", "ctrl+c"])
async def test_what_is_not_decided_is_asked_again(target: Target, key: str) -> None:
    await cut_off_after_an_apply(target)
    for _ in range(2):
        app = on(target)
        async with running(app) as pilot:
            await until(pilot, lambda app=app: "Resume the interrupted run?" in screen_text(app))  # type: ignore[misc]
            await pilot.press(key)
            await until(pilot, lambda app=app: "Resume the interrupted run?" not in screen_text(app))  # type: ignore[misc]
            assert "Quit podman-wizard?" not in screen_text(app)
            assert not app.walk_through.session.answers.security_modules.acknowledged


async def test_fresh_does_not_ask(target: Target) -> None:
    await cut_off_after_an_apply(target)
    app = on(target, fresh=True)
    async with running(app):
        assert "Resume the interrupted run?" not in screen_text(app)


async def test_another_cluster_by_key(target: Target) -> None:
    app = on(target)
    async with running(app) as pilot:
        await pilot.press("k")
        await until(pilot, lambda: "Which cluster?" in screen_text(app) and "Another kubeconfig" in screen_text(app))
        await pilot.press("home", "enter")
        await until(pilot, lambda: app.walk_through.target.context is not None and app.walk_through.facts is not None)
        await until(pilot, lambda: " passed ─" in screen_text(app))


async def test_where_no_journal_can_be_kept_one_may_look(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in-the-way").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "in-the-way"))
    app = on(target)
    async with running(app) as pilot:
        await until(pilot, lambda: " passed ─" in screen_text(app))
        assert "READ ONLY" in screen_text(app)
        assert "Set XDG_STATE_HOME" in app.walk_through.why_not_act()


async def test_a_second_wizard_reads_until_the_first_has_ended(target: Target) -> None:
    first = Engine(target)
    await first.open()
    first.claim()
    app = on(target)
    async with running(app) as pilot:
        await until(pilot, lambda: " passed ─" in screen_text(app))
        assert "READ ONLY" in screen_text(app)
        assert "is changing this cluster" in app.walk_through.why_not_act()
        await first.close()
        await pilot.press("r")
        await until(pilot, lambda: not app.walk_through.session.read_only)
        await until(pilot, lambda: "READ ONLY" not in screen_text(app))
