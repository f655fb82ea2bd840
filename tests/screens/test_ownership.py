"""Fields of others in Manifest: a row each, decided one by one; what a GitOps tool owns, for its repository."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from textual.pilot import Pilot

from screens.app import WizardApp
from tests.screens.conftest import beside_the_steps, on_sandbox, running, screen_text, until
from wizard.choices.answers import Answers, OwnershipChoice, SecurityModulesChoice

ACKNOWLEDGED = Answers(security_modules=SecurityModulesChoice(acknowledged=True))
CONTAINER = 'DaemonSet .spec.template.spec.containers[name="smarter-device-manager"]'


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@asynccontextmanager
async def in_manifest(size: tuple[int, int] = (80, 24)) -> AsyncIterator[tuple[WizardApp, Pilot[Any]]]:
    app = on_sandbox("owned", ACKNOWLEDGED)
    async with running(app, size) as pilot:
        await pilot.press("ctrl+n", "ctrl+n")
        await checked(app, pilot)
        yield app, pilot


async def checked(app: WizardApp, pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: bool(app.walk_through.session.checks))


def changes(app: WizardApp) -> dict[str, str]:
    return {check.title.split()[0]: check.change for check in app.walk_through.session.checks}


def row(app: WizardApp, field: str) -> str:
    """The state of a field's row, as it stands on the screen."""
    line = next(line for line in screen_text(app).splitlines() if f"DaemonSet     {field}" in line)
    return line.partition("DaemonSet")[0].split()[-1]


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (120, 40)])
async def test_every_field_of_another_manager_is_a_row_with_all_that_is_known_of_it(size: tuple[int, int]) -> None:
    async with in_manifest(size) as (app, pilot):
        assert "f Conflicts" in screen_text(app).splitlines()[-1]
        await pilot.press("f")
        assert (row(app, "containers.image"), row(app, "nodeSelector")) == ("conflict", "conflict")
        await pilot.press("enter")
        await until(
            pilot, lambda: "\n Conflict\n" in "\n".join(line.rstrip() for line in screen_text(app).splitlines())
        )
        told = "".join(screen_text(app).split())
        for part in (
            '.spec.template.spec.containers[name="smarter-device-manager"].image',
            "on the cluster: registry.example.org/mirror/smarter-device-manager:v1.20.11",
            "in the manifest: ghcr.io/smarter-project/smarter-device-manager:v1.20.12",
            "argocd, since 20",
        ):
            assert part.replace(" ", "") in told


async def test_each_field_is_decided_by_itself_and_checked_again_and_applied_so() -> None:
    async with in_manifest() as (app, pilot):
        session = app.walk_through.session
        assert changes(app)["DaemonSet"] == "conflict"
        # Nothing is applied while something is open; the fields come into view.
        await pilot.press("a")
        await until(pilot, lambda: "[Conflicts]" in screen_text(app))
        assert "a Apply" not in screen_text(app).splitlines()[-1]
        await pilot.press("l")
        await until(pilot, lambda: row(app, "containers.image") == "leave")
        await checked(app, pilot)
        assert changes(app)["DaemonSet"] == "conflict"
        await pilot.press("down", "t")
        await until(pilot, lambda: row(app, "nodeSelector") == "take")
        await checked(app, pilot)
        assert changes(app)["DaemonSet"] == "configure"
        assert session.answers.ownership.decided == {
            f"{CONTAINER}.image": "leave",
            "DaemonSet .spec.template.spec.nodeSelector": "take",
        }
        await pilot.press("a")
        await until(pilot, lambda: "Apply 1 object?" in screen_text(app))
        assert "left to argocd: DaemonSet containers.image" in screen_text(app)
        assert "taken over from argocd: DaemonSet nodeSelector" in screen_text(app)
        assert "Argo CD manages DaemonSet and can revert it" in " ".join(screen_text(app).split()), screen_text(app)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: session.applied is not None and not app.walk_through.reading)
        assert session.applied is not None and not session.applied.failing
        live = app.walk_through.facts.objects["DaemonSet"] if app.walk_through.facts else {}
        pod = live["spec"]["template"]["spec"]
        assert pod["nodeSelector"] == {"smarter-device-manager": "enabled", "kubernetes.io/os": "linux"}
        assert pod["containers"][0]["image"] == "registry.example.org/mirror/smarter-device-manager:v1.20.11"


async def test_one_key_decides_what_is_still_open_and_nothing_else() -> None:
    async with in_manifest() as (app, pilot):
        await pilot.press("f", "l")
        await until(pilot, lambda: row(app, "containers.image") == "leave")
        await pilot.press("T")
        await until(pilot, lambda: row(app, "nodeSelector") == "take")
        assert row(app, "containers.image") == "leave"
        await checked(app, pilot)
        keys = screen_text(app).splitlines()[-1]
        assert "Take all" not in keys and " Apply 1 object  a" in screen_text(app)


async def test_an_object_is_skipped_and_applied_after_all() -> None:
    async with in_manifest() as (app, pilot):
        await pilot.press("f", "k")
        await until(pilot, lambda: row(app, "nodeSelector") == "skipped")
        await checked(app, pilot)
        assert changes(app)["DaemonSet"] == "skipped"
        await pilot.press("o")
        assert "Nothing to apply: what differs is skipped." in beside_the_steps(app)
        await pilot.press("a", "k")
        assert len(app.screen_stack) == 1, "nothing is asked where nothing would be done"
        await until(pilot, lambda: not app.walk_through.session.answers.ownership.decided)
        await checked(app, pilot)
        assert changes(app)["DaemonSet"] == "conflict"


async def test_what_a_gitops_tool_owns_is_written_for_its_repository_and_skipped(tmp_path: Path) -> None:
    async with in_manifest() as (app, pilot):
        assert "Press w to write an overlay for its repository" in beside_the_steps(app)
        await pilot.press("w")
        await until(pilot, lambda: "DaemonSet is then skipped here" in " ".join(screen_text(app).split()))
        await pilot.press("enter")
        await until(pilot, lambda: "README.md explains how" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: changes(app).get("DaemonSet") == "skipped")
        assert app.walk_through.files == [str(tmp_path / "podman-wizard-overlay")]
    patch = yaml.safe_load((tmp_path / "podman-wizard-overlay" / "daemonset.yaml").read_text())
    assert patch["spec"]["template"]["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert "hostNetwork" not in patch["spec"]["template"]["spec"]


async def test_where_nobody_else_owns_anything_no_such_key_is_offered() -> None:
    app = on_sandbox("mixed", ACKNOWLEDGED)
    async with running(app, (120, 40)) as pilot:
        await pilot.press("ctrl+n", "ctrl+n")
        await checked(app, pilot)
        keys = screen_text(app).splitlines()[-1]
        assert not any(words in keys for words in ("Conflicts", "Overlay", "Take", "Leave", "Skip"))
        assert "Conflicts" not in screen_text(app)


async def test_the_commands_and_the_diff_follow_what_was_decided() -> None:
    async with in_manifest() as (app, pilot):
        await pilot.press("f", "T")
        await until(pilot, lambda: "All conflicts are decided." in screen_text(app))
        await pilot.press("c")
        await until(pilot, lambda: "--force-conflicts" in screen_text(app))
        await pilot.press("escape", "k")
        await until(pilot, lambda: changes(app).get("DaemonSet") == "skipped")
        await checked(app, pilot)
        await pilot.press("d")
        await until(pilot, lambda: "stays as it is on the cluster" in beside_the_steps(app))
        await pilot.press("c")
        await until(pilot, lambda: "# first remove from" in screen_text(app))


async def test_a_decision_about_a_field_that_the_manifest_does_not_set_is_said() -> None:
    misspelled = OwnershipChoice("take", {"DaemonSet .spec.template.spec.nodeSelectr": "leave"})
    app = on_sandbox("owned", replace(ACKNOWLEDGED, ownership=misspelled))
    async with running(app) as pilot:
        await app.action_go("manifest")
        await until(pilot, lambda: "the manifest does not set DaemonSet" in beside_the_steps(app))
        await pilot.press("a")
        await pilot.pause()
        assert len(app.screen_stack) == 1
