"""The guard against the wrong cluster: one that was never changed from here wants its context typed."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Button, Input

from screens.app import AppOptions, WizardApp, make_app
from screens.widgets.dialogs import Confirm
from tests.screens.conftest import running, screen_text, until
from wizard.choices.answers import Answers, OwnershipChoice, SecurityModulesChoice
from wizard.choices.target import Target
from wizard.findings.security_modules import Probe
from wizard.sandbox import Sandbox


async def test_the_first_change_on_a_cluster_wants_its_context_typed(tmp_path: Path) -> None:
    async with await Sandbox.start("mixed", speed=100) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "config")
        answers = Answers(security_modules=SecurityModulesChoice(acknowledged=True))
        app = make_app(AppOptions(target=Target(kubeconfig=str(tmp_path / "config")), answers=answers))
        async with running(app) as pilot:
            session = app.walk_through.session
            await pilot.press("ctrl+n", "ctrl+n")
            await until(pilot, lambda: bool(session.checks))
            await pilot.press("a")
            await until(pilot, lambda: "To confirm, type sandbox-mixed" in screen_text(app))
            assert sandbox.identity in screen_text(app).replace("\n", "").replace(" ", "").replace("│", "")
            await pilot.press(*"sandbox-mixe", "tab", "tab", "enter")
            assert app.walk_through.operation is None

        app = make_app(AppOptions(target=Target(kubeconfig=str(tmp_path / "config")), answers=answers))
        async with running(app) as pilot:
            session = app.walk_through.session
            await pilot.press("ctrl+n", "ctrl+n")
            await until(pilot, lambda: bool(session.checks))
            await pilot.press("a")
            await until(pilot, lambda: "To confirm, type sandbox-mixed" in screen_text(app))
            await pilot.press(*"sandbox-mixed", "tab", "tab", "enter")
            await until(pilot, lambda: session.applied is not None)
            await until(pilot, lambda: not app.walk_through.busy and not app.walk_through.reading)
            assert app.walk_through.type_first() == ""


async def test_pods_too_want_the_context_typed_once(tmp_path: Path) -> None:
    async with await Sandbox.start("mixed", speed=100) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "config")
        app = make_app(AppOptions(target=Target(kubeconfig=str(tmp_path / "config")), answers=Answers()))
        async with running(app) as pilot:
            await pilot.press("ctrl+n", "p")
            await until(pilot, lambda: "To confirm, type sandbox-mixed" in screen_text(app))
            await pilot.press("tab", "tab", "enter")
            assert app.walk_through.operation is None
            await pilot.press("escape")
            await until(pilot, lambda: len(app.screen_stack) == 1)
            await pilot.press("p")
            await until(pilot, lambda: "To confirm, type sandbox-mixed" in screen_text(app))
            await pilot.press(*"sandbox", "enter", "enter")
            assert app.walk_through.operation is None
            # With the whole word, enter goes on to the button, and once more presses it.
            await pilot.press(*"-mixed", "enter")
            await until(pilot, lambda: isinstance(app.focused, Button) and app.focused.id != "back")
            assert app.walk_through.operation is None
            await pilot.press("enter")
            await until(pilot, lambda: bool(session_probes(app)) and not app.walk_through.busy)
            assert app.walk_through.type_first() == ""


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (120, 40)])
@pytest.mark.parametrize("what", ["probe", "apply", "label", "unlabel", "verify"])
async def test_every_change_is_confirmed_with_the_cluster_its_uid_and_its_context_typed(
    tmp_path: Path, what: str, size: tuple[int, int]
) -> None:
    steps = {"probe": (1, "p"), "apply": (2, "a"), "label": (3, "l"), "unlabel": (3, "u"), "verify": (5, "v")}
    async with await Sandbox.start("owned" if what in ("unlabel", "verify") else "mixed", speed=100) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "config")
        answers = Answers(security_modules=SecurityModulesChoice(acknowledged=True), ownership=OwnershipChoice("leave"))
        app = make_app(AppOptions(target=Target(kubeconfig=str(tmp_path / "config")), answers=answers))
        async with running(app, size) as pilot:
            step, key = steps[what]
            await pilot.press(*["ctrl+n"] * step)
            if what == "apply":
                await until(pilot, lambda: bool(app.walk_through.session.checks))
            await pilot.press(key)
            await until(pilot, lambda: isinstance(app.screen, Confirm))
            await pilot.pause()
            shown = "".join(screen_text(app).split()).replace("│", "")
            assert sandbox.url.partition("//")[2] in shown and sandbox.identity in shown and "v1.36.2" in shown
            assert f"Toconfirm,typesandbox-{sandbox.scenario}" in shown
            # Field and buttons are in view, however many lines stand over them.
            for widget in (app.screen.query_one(Input), *app.screen.query(Button)):
                box = app.screen.query_one(".dialog-box").content_region
                assert box.contains_region(widget.region), (widget, widget.region, box)
            assert all(button.disabled for button in app.screen.query(Button) if button.id != "back")


@pytest.mark.parametrize(("step", "key"), [(1, "p"), (5, "v")])
async def test_who_may_only_read_sends_no_pods(tmp_path: Path, step: int, key: str) -> None:
    async with await Sandbox.start("mixed", speed=100) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "config")
        app = make_app(AppOptions(target=Target(kubeconfig=str(tmp_path / "config")), answers=Answers()))
        async with running(app) as pilot:
            app.walk_through.session.read_only = "Another podman-wizard (process 7) is changing this cluster."
            await pilot.press(*["ctrl+n"] * step, key)
            await until(pilot, lambda: "Another podman-wizard" in screen_text(app))
            assert app.walk_through.operation is None
            assert len(app.screen_stack) == 1


def session_probes(app: WizardApp) -> tuple[Probe, ...]:
    judgement = app.walk_through.session.judgement
    return judgement.probes if judgement else ()
