"""Every screen, as a picture, at two sizes; the facts are saved ones, so no time, port or uid is in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from rich.terminal_theme import DEFAULT_TERMINAL_THEME
from textual.pilot import Pilot

from screens.app import WizardApp
from screens.operation import Operation
from tests.screens.conftest import on_facts, screen_text, until, was_read
from wizard.engine.engine import Engine
from wizard.engine.events import ActionProgress, ActionStarted, ObjectResult

SIZES = [(80, 24), (120, 40)]
STEPS = ["prerequisites", "security-modules", "manifest", "nodes", "verify", "summary"]
NUMBERS = {"prerequisites": 0, "security-modules": 1, "manifest": 2, "nodes": 3, "policy": 4, "verify": 5, "summary": 6}

Snapshot = Callable[..., bool]


def walk_to(app: WizardApp, step: str, *keys: str) -> Callable[[Pilot[object]], object]:
    async def run(pilot: Pilot[object]) -> None:
        await until(pilot, lambda: was_read(app))
        for _ in range(NUMBERS[step]):
            await pilot.press("ctrl+n")
        await until(pilot, lambda: app._main.current == step)
        if step == "nodes":
            await until(pilot, lambda: "noble-00000" in screen_text(app))
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        if "slash" in keys:
            await until(pilot, lambda: "noble-00000" not in screen_text(app))
        await pilot.pause()

    return run


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("step", STEPS)
def test_step(snap_compare: Snapshot, step: str, size: tuple[int, int]) -> None:
    app = on_facts()
    assert snap_compare(app, terminal_size=size, run_before=walk_to(app, step))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    ("step", "keys"),
    [
        pytest.param("prerequisites", ["enter"], id="story"),
        pytest.param("prerequisites", ["f1"], id="help"),
        pytest.param("prerequisites", ["ctrl+q"], id="quit"),
        pytest.param("security-modules", ["c"], id="commands"),
        pytest.param("manifest", ["y"], id="yaml"),
        pytest.param("manifest", ["g"], id="changes"),
        pytest.param("manifest", ["v"], id="value"),
        pytest.param("nodes", ["g"], id="groups"),
        pytest.param("nodes", ["slash", *"jammy"], id="filter"),
        pytest.param("summary", ["e"], id="answers"),
    ],
)
def test_page(snap_compare: Snapshot, step: str, keys: list[str], size: tuple[int, int]) -> None:
    app = on_facts()
    assert snap_compare(app, terminal_size=size, run_before=walk_to(app, step, *keys))


@pytest.mark.parametrize("size", [(60, 20), (40, 10), (39, 9)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_small(snap_compare: Snapshot, size: tuple[int, int]) -> None:
    app = on_facts()
    assert snap_compare(app, terminal_size=size, run_before=walk_to(app, "manifest"))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_verify_at_work(snap_compare: Snapshot, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screens.operation.monotonic", lambda: 0.0)
    app = on_facts()
    kinds = ("6 x Amazon Linux 2023", "1 x Bottlerocket 1.21", "31 x Ubuntu 24.04", "18 x Ubuntu 22.04")

    async def work(engine: Engine, operation: Operation) -> None:
        operation.take(ActionStarted("verify", "Test Podman on 4 node types", 4))
        operation.take(ObjectResult("verify", kinds[0], "proved", message="Rootless Podman ran a container"))
        cause = "A mount is denied: AppArmor's profile of the container forbids it"
        operation.take(ObjectResult("verify", kinds[2], "failed", message=cause))
        operation.take(ActionProgress("verify", 2, 4, 12.0, waiting=2))
        await asyncio.Event().wait()

    async def run(pilot: Pilot[object]) -> None:
        await until(pilot, lambda: was_read(app))
        await app.action_go("verify")
        app.walk_through.begin("verify", "Test Podman on 4 node types", kinds, work)
        await until(pilot, lambda: "2 of 4, 12 s" in screen_text(app))
        await pilot.press("down", "down")
        await until(pilot, lambda: "Found  does not work" in screen_text(app))

    assert snap_compare(app, terminal_size=size, run_before=run)


@pytest.mark.parametrize("step", STEPS)
def test_light(snap_compare: Snapshot, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The picture's own ground is that of a light terminal too.
    monkeypatch.setattr("rich.console.SVG_EXPORT_THEME", DEFAULT_TERMINAL_THEME)
    app = on_facts(light=True)
    assert snap_compare(app, terminal_size=(80, 24), run_before=walk_to(app, step))


def test_without_colour(snap_compare: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = on_facts()
    assert snap_compare(app, terminal_size=(80, 24), run_before=walk_to(app, "security-modules"))
