"""A hasty hand, or a slow line: keys that come faster than the screens follow, and whatever is pasted."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import pytest
from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Input

from screens.app import WizardApp
from screens.operation import Operation
from screens.widgets.dialogs import Dialog
from screens.widgets.rows import RowList
from tests.screens.conftest import on_facts, on_sandbox, running, screen_text, until
from wizard.choices.answers import Answers, SecurityModulesChoice
from wizard.engine.engine import Engine
from wizard.steps import StepId

ACKNOWLEDGED = Answers(security_modules=SecurityModulesChoice(acknowledged=True))


def at_once(app: WizardApp, *keys: str) -> None:
    """As the terminal delivers keys that were typed in one go: none waits for what the one before brings."""
    for key in keys:
        character = key if len(key) == 1 else None
        app.post_message(events.Key(_character_to_key(key) if character else key, character))


async def test_the_keys_of_a_step_that_was_left_do_nothing() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await pilot.press("ctrl+n", "ctrl+n", "d")
        await until(pilot, lambda: "[Diff]" in screen_text(app))
        at_once(app, "o", "ctrl+n")
        await until(pilot, lambda: "57 of 60 selected" in screen_text(app) and app.focused is not None)
        before = app.walk_through.session.answers
        assert app.focused in list(app._main.step.query("*"))
        assert "space Select" in screen_text(app).splitlines()[-1]
        at_once(app, "space")
        await until(pilot, lambda: "57 of 60 selected" not in screen_text(app))
        assert app.walk_through.session.answers.manifest == before.manifest


async def test_a_filter_that_was_left_before_it_opened_takes_no_letters() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await app.action_go("nodes")
        await until(pilot, lambda: "57 of 60 selected" in screen_text(app))
        at_once(app, "/", "escape")
        await until(pilot, lambda: app._main.current == "manifest")
        await pilot.pause()
        assert app.focused in list(app._main.step.query("*"))


async def test_a_key_that_is_pressed_twice_asks_once() -> None:
    app = on_sandbox(answers=ACKNOWLEDGED)
    async with running(app) as pilot:
        at_once(app, "k", "k")
        await until(pilot, lambda: "Which cluster?" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, Dialog))
        assert "Which cluster?" not in screen_text(app)
        await app.action_go("nodes")
        await until(pilot, lambda: "8 of 12 selected" in screen_text(app))
        at_once(app, "l", "l", "l")
        await until(pilot, lambda: "Label 8 nodes?" in screen_text(app))
        await pilot.pause()
        await pilot.press("escape")
        await until(pilot, lambda: "Label 8 nodes?" not in screen_text(app))
        assert app.screen is app._main


PASTED = "a\x07b\x0ec\x9bd\x7fe\u202ef\tg\u2069h"
"""With a bell, a change of the character set, a sequence's start of one byte, and text that would run backwards."""


@pytest.mark.parametrize(
    ("step", "keys", "waits_for"),
    [
        ("manifest", ["v", "end", "enter"], "Current value:"),
        ("manifest", ["s"], "Save the manifest"),
        ("nodes", ["s"], "Select by label"),
        ("nodes", ["/"], "Filter "),
        ("policy", ["o"], "enter to accept"),
    ],
)
async def test_what_is_pasted_is_not_obeyed_by_the_terminal(step: StepId, keys: list[str], waits_for: str) -> None:
    app = on_facts()
    app.walk_through.coder = "v1"
    async with running(app) as pilot:
        await app.action_go(step)
        at_once(app, *keys)
        await until(pilot, lambda: waits_for in screen_text(app) and isinstance(app.focused, Input))
        app.post_message(events.Paste(PASTED + "\r\nsecond line"))
        await until(pilot, lambda: "abcdef gh" in screen_text(app))
        assert screen_text(app).replace("\n", "").isprintable()


async def test_an_end_while_a_choice_is_being_taken_is_no_crash() -> None:
    app = on_facts()
    go_on = threading.Event()
    async with running(app) as pilot:
        await app.action_go("nodes")
        await until(pilot, lambda: "57 of 60 selected" in screen_text(app))
        app.run_worker(app.walk_through.compute(go_on.wait))
        await pilot.press("n")
        await until(pilot, lambda: any(worker.group == "marks" for worker in app.workers))
        threading.Timer(0.5, go_on.set).start()
    assert go_on.is_set()


async def resize_and_back(pilot: Pilot[Any]) -> None:
    await pilot.resize_terminal(39, 9)
    await until(pilot, lambda: "terminal is too small" in screen_text(pilot.app) and pilot.app.focused is None)
    await pilot.resize_terminal(80, 24)
    await until(pilot, lambda: "terminal is too small" not in screen_text(pilot.app))


async def test_keys_work_again_when_the_terminal_is_large_enough_again() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await resize_and_back(pilot)
        await pilot.press("down")
        await until(pilot, lambda: app._main.step.query_one(RowList).cursor == 1)
        await app.action_go("nodes")
        await until(pilot, lambda: "57 of 60 selected" in screen_text(app))
        await pilot.press("slash", *"jam")
        await resize_and_back(pilot)
        await pilot.press(*"my")
        await until(pilot, lambda: "Filter  jammy" in screen_text(app))


async def test_work_can_be_stopped_and_left_after_the_terminal_was_too_small() -> None:
    app = on_facts()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def work(engine: Engine, operation: Operation) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(stop.wait(), loop))

    async with running(app) as pilot:
        await app.action_go("manifest")
        app.walk_through.begin("manifest", "Apply 2 objects", ("Namespace a", "DaemonSet b"), work).stops_softly = False
        await until(pilot, lambda: "x Stop" in screen_text(app))
        await resize_and_back(pilot)
        await until(pilot, lambda: "x Stop" in screen_text(app))
        await until(pilot, lambda: re.search(r"0 of 2, [2-9] s", screen_text(app)) is not None)
        await app.action_go("policy")
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: re.search(r"0 of 2, \d+ s", screen_text(app)) is not None)
        await pilot.resize_terminal(80, 24)
        await app.action_go("manifest")
        await pilot.press("x")
        await until(pilot, lambda: "enter Back" in screen_text(app))
        said = screen_text(app)
        assert "stopped  0 of 2 done" in said
        assert "waiting" not in said, "nothing waits any more"
        await resize_and_back(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "[Objects]" in screen_text(app))
