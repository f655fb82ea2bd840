"""The hand-over, offered wherever a right is missing: one folder, written without any right on the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from screens.app import AppOptions, make_app
from tests.screens.conftest import on_facts, on_sandbox, running, screen_text, until
from wizard.choices.answers import Answers
from wizard.choices.target import Target
from wizard.sandbox import Sandbox

HERE = Path("podman-wizard-plan")
FILES = {
    "README.md",
    "changes.md",
    "commands.sh",
    "undo.sh",
    "nodes.txt",
    "answers.yaml",
    "kustomization.yaml",
    "manifest",
}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rules(folder: Path) -> list[dict[str, list[str]]]:
    found: list[dict[str, list[str]]] = next(yaml.safe_load_all((folder / "missing-permissions.yaml").read_text()))[
        "rules"
    ]
    return found


@pytest.mark.parametrize("step", ["prerequisites", "manifest", "nodes", "summary"])
async def test_it_is_offered_where_a_right_is_missing(step: str, tmp_path: Path) -> None:
    app = on_sandbox("restricted")
    async with running(app) as pilot:
        await app._main.go(step)  # type: ignore[arg-type]
        await until(pilot, lambda: "h Export plan" in screen_text(app).splitlines()[-1])
        await pilot.press("h")
        await until(pilot, lambda: "the 9 permissions you lack" in " ".join(screen_text(app).split()))
        await pilot.press("enter")
        await until(pilot, lambda: "README.md lists the steps" in " ".join(screen_text(app).split()))
    assert {path.name for path in HERE.iterdir()} == {*FILES, "missing-permissions.yaml"}
    assert {"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"]} in rules(HERE)


async def test_the_summary_names_the_folder_and_a_second_one_gets_its_own(tmp_path: Path) -> None:
    app = on_sandbox("restricted")
    async with running(app, (120, 40)) as pilot:
        await app._main.go("summary")
        for number in ("podman-wizard-plan", "podman-wizard-plan-2"):
            await pilot.press("h", "enter")
            await until(pilot, lambda number=number: "Written to" in screen_text(app) and number in screen_text(app))  # type: ignore[misc]
            await pilot.press("escape")
        await until(pilot, lambda: screen_text(app).count("Written: /") == 2)
        assert app.walk_through.files == [
            str(tmp_path / name) for name in ("podman-wizard-plan", "podman-wizard-plan-2")
        ]


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    app = on_sandbox("restricted")
    async with running(app) as pilot:
        await pilot.press("h", *["backspace"] * 30, *"file/plan", "enter")
        await until(pilot, lambda: "cannot be created" in screen_text(app))
    assert app.walk_through.files == []


async def test_with_all_rights_it_is_in_the_summary_and_the_palette_only() -> None:
    app = on_facts()
    async with running(app) as pilot:
        assert "Export plan" not in screen_text(app)
        assert "Export the plan" in {command.title for command in app.get_system_commands(app.screen)}
        await app._main.go("summary")
        await until(pilot, lambda: "h Export plan" in screen_text(app).splitlines()[-1])
        await pilot.press("h", "enter")
        await until(pilot, lambda: "Written to" in screen_text(app))
    assert {path.name for path in HERE.iterdir()} == FILES
    # Facts that were saved: nothing was asked, and that is what the README says first.
    assert (HERE / "README.md").read_text().split("\n## ")[1].startswith("Not checked")


async def test_it_is_written_from_what_the_server_answered(tmp_path: Path) -> None:
    app = on_sandbox("mixed")
    async with running(app) as pilot:
        await app._main.go("summary")
        await until(pilot, lambda: app.walk_through.plan is not None)
        await pilot.press("h", "enter")
        await until(pilot, lambda: "Written to" in screen_text(app))
    assert "Not checked" not in (HERE / "README.md").read_text()
    assert "Checked by the server." in (HERE / "changes.md").read_text()


async def test_an_undecided_conflict_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    app = on_sandbox("owned")
    async with running(app) as pilot:
        await app._main.go("summary")
        await until(pilot, lambda: app.walk_through.plan is not None)
        await pilot.press("h", "enter")
        await until(pilot, lambda: "undecided. Press f" in " ".join(screen_text(app).split()))
    assert not HERE.exists()


async def test_the_policy_that_the_wizard_was_started_with_is_handed_over(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text('version: "0.2"  # ours\n')
    app = on_facts(policy_file=str(policy))
    async with running(app) as pilot:
        await app._main.go("summary")
        await pilot.press("h", "enter")
        await until(pilot, lambda: "Written to" in screen_text(app))
    text = (HERE / "template-policy.yaml").read_text()
    assert text.startswith('version: "0.2"  # ours\n')
    assert "smarter-devices/fuse" in text
    assert policy.read_text() == 'version: "0.2"  # ours\n'


async def test_who_may_not_create_pods_is_told_before_any_is_sent_and_hands_over(tmp_path: Path) -> None:
    async with await Sandbox.start("restricted", speed=50) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "kubeconfig", "watcher")
        app = make_app(AppOptions(target=Target(kubeconfig=str(tmp_path / "kubeconfig")), answers=Answers()))
        async with running(app) as pilot:
            await app._main.go("security-modules")
            await pilot.press("p")
            await until(pilot, lambda: "You lack permissions that the pods " in screen_text(app))
            assert "need: create pods in default," in screen_text(app)
            await until(pilot, lambda: "h Export plan" in screen_text(app).splitlines()[-1])
            await pilot.press("h", "enter")
            await until(pilot, lambda: "Written to" in screen_text(app))
        assert sandbox._simulation.cluster.store.all("pods") == []
    assert {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete"]} in rules(HERE)
    assert "create pods in default" in (HERE / "README.md").read_text()
