"""Colours on a light ground, and that none of them is the only sign of anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from screens.app import WizardApp
from tests.screens.conftest import app_of, on_facts, running
from tests.screens.every_screen import contrasts, every_screen, wizard


async def test_every_screen_reads_on_a_light_ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with wizard(tmp_path, light=True) as pilot:
        seen: set[str] = set()
        async for name in every_screen(pilot):
            poor = {text.strip(): round(ratio, 1) for ratio, text in contrasts(app_of(pilot)) if ratio < 4.5}
            assert not poor, name
            seen |= _colours(app_of(pilot))
        # The colours are there: this is no screen that is left black on white.
        assert len(seen) >= 5


async def test_the_ground_is_changed_while_it_runs() -> None:
    app = on_facts()
    async with running(app) as pilot:
        await app.action_go("security-modules")
        await pilot.pause()
        dark = _colours(app)
        app.theme = "ansi-light"
        await pilot.pause()
        light = _colours(app)
        assert min(ratio for ratio, _ in contrasts(app)) >= 4.5
        app.theme = "ansi-dark"
        await pilot.pause()
        assert _colours(app) == dark
        assert len(light - dark) >= 3


async def test_without_colour_a_light_ground_has_none_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = on_facts(light=True)
    async with running(app) as pilot:
        app.theme = "ansi-light"
        await pilot.pause()
        assert _colours(app) <= {"default"}


def _colours(app: WizardApp) -> set[str]:
    styles = [style for strip in app.screen._compositor.render_strips() for _, style, _ in strip if style]
    return {re.sub(r"\W+", " ", style.color.name) for style in styles if style.color}
