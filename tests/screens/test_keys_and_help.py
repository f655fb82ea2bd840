"""Every key on every screen: what it is for is said in the help, in the palette, and in the line of keys."""

from __future__ import annotations

import pkgutil
import unicodedata
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from inspect import getmembers, isclass
from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding
from textual.pilot import Pilot
from textual.widgets import Input

import screens
from screens.widgets.pages import HelpPage
from tests.screens.conftest import app_of, on_facts, running, screen_text, until
from tests.screens.every_screen import CODER_V2, LOGIN, POLICY, contrasts, every_screen, walk, wizard
from wizard.coder.connection import BEHAVIOURS_VARIABLE
from wizard.steps import STEPS

LARGE = (120, 90)
TAKEN = {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+z"}
"""By screen and tmux, by the terminal, and by the shell."""


def declared() -> Iterator[tuple[type, Binding]]:
    for module in pkgutil.walk_packages(screens.__path__, "screens."):
        for _, kind in getmembers(import_module(module.name), isclass):
            if kind.__module__ == module.name:
                for binding in vars(kind).get("BINDINGS", ()):
                    assert isinstance(binding, Binding), f"{kind.__name__}: {binding}"
                    yield kind, binding


def test_every_binding_has_an_id_a_tooltip_and_a_group() -> None:
    seen = list(declared())
    assert len(seen) > 70
    for kind, binding in seen:
        where = f"{kind.__name__}, {binding.key}"
        assert binding.id, where
        assert len(binding.tooltip) > 3, where
        assert binding.tooltip != binding.description or binding.tooltip == "Quit", where
        assert getattr(kind, "BINDING_GROUP_TITLE", None), where
        assert not TAKEN & set(binding.key.split(",")), where
    twice = [name for name, count in Counter(binding.id for _, binding in seen).items() if count > 1]
    # The questions for a line and for a row take what stands there; the help is a page that f1 closes too.
    assert sorted(map(str, twice)) == ["dialog.take", "page.close", "page.quit"]


async def test_every_screen_has_a_help_that_says_what_each_of_its_keys_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    async with wizard(tmp_path, LARGE) as pilot:
        async for name in every_screen(pilot):
            names.append(name)
            await keys_are_explained(pilot, name)
    assert len(names) > 45


async def test_so_it_is_where_coder_is_not_known_and_on_coder_v2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_bytes(POLICY.read_bytes())
    async with running(on_facts(policy_file="policy.yaml"), LARGE) as pilot:
        async for name in walk(pilot, LOGIN):
            await keys_are_explained(pilot, name)
    monkeypatch.setenv(BEHAVIOURS_VARIABLE, "v2")
    async with wizard(tmp_path, LARGE) as pilot:
        async for name in walk(pilot, CODER_V2):
            await keys_are_explained(pilot, name)


async def keys_are_explained(pilot: Pilot[Any], name: str) -> None:
    """The cluster, the keys with their help, and text that can be read, on the screen in view."""
    app = app_of(pilot)
    screen = app.screen
    assert screen_text(app).startswith(" podman-wizard  "), f"{name}: which cluster it is does not stay in view"
    ours = [active for active in screen.active_bindings.values() if active.enabled and active.binding.show]
    assert ours, name
    # On black xterm's own red has 3.6.
    assert [(text, ratio) for ratio, text in contrasts(app) if ratio < 3.5] == [], name
    for active in ours:
        binding = active.binding
        assert binding.id, f"{name}: {binding}"
        assert binding.tooltip, f"{name}: {binding}"
        assert getattr(type(active.node), "BINDING_GROUP_TITLE", None), f"{name}: {binding}"
    if isinstance(screen, HelpPage):
        return
    await pilot.press("f1")
    await until(pilot, lambda: isinstance(app.screen, HelpPage))
    said = screen_text(app)
    text = " ".join(said.split())
    for active in ours:
        assert active.binding.tooltip in text, f"{name}: {active.binding.id} is not in the help:\n{said}"
        assert app.get_key_display(active.binding) in text, name
    await pilot.press("f1")
    await until(pilot, lambda: app.screen is screen)


async def test_the_palette_knows_each_step_and_action() -> None:
    app = on_facts()
    async with running(app) as pilot:
        for step, _ in STEPS:
            await app.action_go(step)
            await pilot.pause()
            commands = {command.title: command.help for command in app.get_system_commands(app.screen)}
            for other, title in STEPS:
                assert f"Go to {title}" in commands
                for binding in app._step_class(other).actions():
                    assert other == step or f"{title}: {binding.description}" in commands
            for active in app.screen.active_bindings.values():
                if active.enabled and active.binding.show and active.node is not app:
                    assert active.binding.tooltip in commands.values(), active.binding
            assert all(commands.values())


async def test_the_palette_shows_no_emoji_and_its_cursor_does_not_blink() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Go to " in screen_text(app))
        wide = {one for one in screen_text(app) if unicodedata.east_asian_width(one) in "WF"}
        assert not wide
        await until(pilot, lambda: not app.screen.query_one(Input).cursor_blink)


async def test_an_action_of_another_step_is_done_there() -> None:
    app = on_facts()
    async with running(app) as pilot:
        commands = {command.title: command.callback for command in app.get_system_commands(app.screen)}
        commands["Nodes: Selector"]()
        await until(pilot, lambda: "Select by label" in screen_text(app))
        assert app._main.current == "nodes"
