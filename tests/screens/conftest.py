"""Apps for tests: on the sandbox, or on saved facts, where nothing depends on time, port or uid."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

from screens.app import AppOptions, WizardApp, make_app
from tests.facts_for_tests import (
    BOTTLEROCKET,
    CONTROL_PLANE,
    TALOS,
    UBUNTU_22,
    UBUNTU_24,
    WINDOWS,
    cluster,
    node,
    nodes,
)
from wizard.choices.answers import Answers
from wizard.choices.target import Target
from wizard.facts.cluster import ClusterFacts, ClusterIdentity

IDENTITY = ClusterIdentity(
    context="prod-eu", server="https://10.0.0.1:6443", version="v1.31.2", distribution="EKS", user="admin"
)


@pytest.fixture(autouse=True)
def quiet_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("COLORTERM", "truecolor")


def sixty_nodes() -> ClusterFacts:
    """Fifty-seven nodes that qualify, of four kinds, and three that do not."""
    members = (
        *nodes(31, "noble", **UBUNTU_24),
        *nodes(18, "jammy", labelled=True, **UBUNTU_22),
        *nodes(6, "amazon"),
        node("bottle-1", **BOTTLEROCKET),
        node("talos-1", **TALOS),
        node("control-1", taints=(CONTROL_PLANE,), **UBUNTU_24),
        node("win-1", **WINDOWS),
        node("old-1", kernel="3.10.0-1160.el7.x86_64", os_image="CentOS Linux 7 (Core)"),
    )
    return replace(cluster(*members), identity=IDENTITY, read_at="2026-03-14T18:31:00Z")


def on_facts(facts: ClusterFacts | None = None, **options: Any) -> WizardApp:
    """The wizard on saved facts."""
    return make_app(AppOptions(target=Target(), answers=Answers(), facts=facts or sixty_nodes(), **options))


def on_sandbox(scenario: str = "mixed", answers: Answers | None = None, **options: Any) -> WizardApp:
    """The wizard on the sandbox, whose time runs fast."""
    return make_app(
        AppOptions(target=Target(sandbox=scenario), answers=answers or Answers(), sandbox_speed=100.0, **options)
    )


@asynccontextmanager
async def running(app: WizardApp, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[Any]]:
    """The app, once the cluster has been read."""
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: bool(was_read(app)))
        yield pilot


def was_read(app: WizardApp) -> bool:
    walk = app.walk_through
    return not walk.reading and (walk.session.judgement is not None or walk.trouble is not None)


def ended(app: WizardApp) -> bool:
    """Whether the work that was begun last has come to its end, and the cluster was read again."""
    operation = app.walk_through.operation
    return operation is not None and operation.ended and not app.walk_through.reading


def app_of(pilot: Pilot[Any]) -> WizardApp:
    """The wizard that a pilot steers."""
    assert isinstance(pilot.app, WizardApp)
    return pilot.app


async def apply_and_label(pilot: Pilot[Any], count: int) -> None:
    """From Prerequisites to the end of the rollout: the four objects, and the label on that many nodes."""
    app = app_of(pilot)
    session = app.walk_through.session
    await pilot.press("ctrl+n", "ctrl+n")
    await until(pilot, lambda: bool(session.checks))
    await pilot.press("a")
    await until(pilot, lambda: "Apply 4 objects?" in screen_text(app))
    await pilot.press("tab", "enter")
    await until(pilot, lambda: session.applied is not None and ended(app))
    await pilot.press("enter", "ctrl+n", "l")
    await until(pilot, lambda: f"Label {count} nodes?" in screen_text(app))
    await pilot.press("tab", "enter")
    await until(pilot, lambda: session.rollout is not None and ended(app), 40)


async def until(pilot: Pilot[Any], state: Callable[[], bool], seconds: float = 25.0) -> None:
    """Waits until a state is reached; the tests' only way to wait."""
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        # What was sent is worked off; that the processor rests is waited for once, when the state is reached: a
        # sandbox in the same process keeps it at work.
        await pilot.pause(0.02)
        if state():
            await pilot.pause()
            return
    raise AssertionError(f"this state was not reached; the screen:\n{screen_text(pilot.app)}")


def screen_text(app: App[Any]) -> str:
    """What stands on the screen, line by line, without the edge that marks the row under the cursor."""
    height = app.size.height
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines[:height]).replace("▌", " ")


def beside_the_steps(app: App[Any]) -> str:
    """What stands beside the list of the steps, as one line: sentences read on where they were folded."""
    steps = app.screen.query_one("#steps").region
    side = steps.right if steps.height > 1 else 0
    return " ".join(" ".join(line[side:] for line in screen_text(app).splitlines()[1:-1]).split())
