"""The step for Coder v2, as pictures: unasked, merged, the diff, a conflict, a push that failed; on saved facts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from screens.app import WizardApp
from screens.steps.template import TemplateStep
from screens.steps.template_model import InCoder
from tests.screens.conftest import on_facts, screen_text, until, was_read
from wizard.coder.v2.refusals import ImportFailed
from wizard.sandbox.coder_v2 import scenario_templates

Snapshot = Callable[..., bool]
Before = Callable[[Pilot[object]], object]
SIZES = pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def step_of(app: WizardApp) -> TemplateStep:
    return app.query_one(TemplateStep)


def opened(app: WizardApp, template: str, *keys: str, row: str = "") -> Before:
    """Opens ``main.tf`` of a template of the scenario, goes to a row, and presses keys."""
    Path("main.tf").write_text(scenario_templates()[template]["main.tf"])

    async def run(pilot: Pilot[object]) -> None:
        await until(pilot, lambda: was_read(app))
        await app.action_go("policy")
        step = step_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: step.model.read is not None and not step.model.busy)
        if row:
            await until(pilot, lambda: any(one.id == row for one in step.rows.items))
            step.rows.move_to(row)
        for key in keys:
            await pilot.press(key)
        await pilot.pause()

    return run


@SIZES
def test_which_coder(snap_compare: Snapshot, size: tuple[int, int]) -> None:
    app = on_facts()

    async def run(pilot: Pilot[object]) -> None:
        await until(pilot, lambda: was_read(app))
        await app.action_go("policy")
        await until(pilot, lambda: "Which Coder is this?" in screen_text(app))

    assert snap_compare(app, terminal_size=size, run_before=run)


@SIZES
@pytest.mark.parametrize(
    ("template", "keys", "row"),
    [
        pytest.param("kubernetes", [], "part:device", id="merged"),
        pytest.param("kubernetes", ["d"], "", id="diff"),
        pytest.param("kubernetes", ["s"], "", id="write"),
        pytest.param("data-science", [], "trouble", id="conflict"),
        pytest.param("data-science", ["enter"], "trouble", id="decide"),
    ],
)
def test_a_file(snap_compare: Snapshot, template: str, keys: list[str], row: str, size: tuple[int, int]) -> None:
    app = on_facts()
    assert snap_compare(app, terminal_size=size, run_before=opened(app, template, *keys, row=row))


@SIZES
def test_a_push_that_failed(snap_compare: Snapshot, size: tuple[int, int]) -> None:
    app = on_facts()
    merged = opened(app, "kubernetes")

    async def run(pilot: Pilot[object]) -> None:
        await merged(pilot)  # type: ignore[misc]
        model = step_of(app).model
        model.url, model.user, model.version = "https://coder.example.org", "ada", "v2.34.0"
        model.templates = (
            InCoder("data-science", "coder", "calm_cat"),
            InCoder("kubernetes", "coder", "dull_duck"),
        )
        model.choice = model.choice.__class__(file="main.tf", push="kubernetes", org="coder")
        model.draft_trouble = ImportFailed(
            "The import of version brisk_fox3 failed. The active version stays dull_duck.",
            "Correct the template, and push it again.",
            ("Error: Too many resources blocks", "  on main.tf line 61"),
        )
        step_of(app).show()
        await until(pilot, lambda: any(one.id == "push:coder/kubernetes" for one in step_of(app).rows.items))
        step_of(app).rows.move_to("push:coder/kubernetes")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=run)
