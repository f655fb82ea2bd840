"""Door S: the screens by keyboard, as far as the plan has something to do."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot
from textual.widgets import Button, Static

from screens.app import AppOptions, make_app
from screens.widgets.dialogs import Confirm
from tests.clusters import Cluster
from tests.ledger.doors import Seen, answers_of, show
from tests.ledger.situations import Situation
from tests.screens.conftest import app_of, ended, running, screen_text, until
from wizard.choices.target import Target

CONTEXT = "sandbox-ledger"


async def by_screens(cluster: Cluster, situation: Situation) -> Seen:
    """Applies, labels, and waits by keyboard; what is shown is the session's plan and the questions' lines."""
    path = cluster.kubeconfig_limited if situation.limited else cluster.kubeconfig
    options = AppOptions(target=Target(kubeconfig=str(path)), answers=answers_of(situation.answers))
    app = make_app(options)
    seen = Seen()
    async with running(app, (120, 50)) as pilot:
        await _go(pilot, 2)
        session = app.walk_through.session
        await until(pilot, lambda: session.plan is not None and session.plan.stage == "asked")
        assert session.plan is not None
        seen.made = session.plan
        show(seen, session.plan.to_json())
        if situation.plan.objects:
            await pilot.press("a")
            await _answer(pilot, situation, seen)
        if not situation.plan.gates and (situation.plan.label or situation.plan.wait is not None):
            await _go(pilot, 1)
            await until(pilot, lambda: not app.walk_through.reading and app._main.current == "nodes")
            if situation.plan.label:
                await pilot.press("l")
                await _confirm(pilot, seen)
            else:
                await pilot.press("w")
            await until(pilot, lambda: ended(app) and session.rollout is not None, 60)
        seen.output += screen_text(app)
    return seen


async def _go(pilot: Pilot[Any], steps: int) -> None:
    for _ in range(steps):
        await pilot.press("ctrl+n")


async def _answer(pilot: Pilot[Any], situation: Situation, seen: Seen) -> None:
    """Answers the question before an apply as the row has it."""
    app = app_of(pilot)
    if "blocker" in situation.plan.gates or "conflict" in situation.plan.gates:
        await pilot.pause()
        assert not isinstance(app.screen, Confirm), screen_text(app)
        return
    if "disruption" in situation.plan.gates or situation.loses_until_labelled:
        await until(pilot, lambda: isinstance(app.screen, Confirm) and "Take FUSE from" in screen_text(app))
        if "disruption" in situation.plan.gates:
            await pilot.press("escape")
            await pilot.pause()
            return
        await pilot.press("tab", "enter")
    await until(pilot, lambda: isinstance(app.screen, Confirm) and "Apply " in screen_text(app))
    await _confirm(pilot, seen)
    session = app.walk_through.session
    await until(pilot, lambda: session.applied is not None and ended(app))
    await pilot.press("enter")


async def _confirm(pilot: Pilot[Any], seen: Seen) -> None:
    """Agrees to a question, with the context typed where that is asked for, and keeps what it said."""
    app = app_of(pilot)
    await until(pilot, lambda: isinstance(app.screen, Confirm))
    seen.output += "\n".join(str(one.render()) for one in app.screen.query(Static)) + "\n"
    if f"type {CONTEXT}" in screen_text(app):
        await pilot.press(*CONTEXT, "enter")
        await until(pilot, lambda: isinstance(app.focused, Button) and app.focused.id != "back")
    else:
        await pilot.press("tab")
    await pilot.press("enter")
    await until(pilot, lambda: not isinstance(app.screen, Confirm))
