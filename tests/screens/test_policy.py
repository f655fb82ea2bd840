"""The template policy on screen, by its keys."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input

from screens.app import WizardApp
from screens.steps.coder_by_hand import CLICKS
from screens.steps.policy import PolicyStep
from screens.steps.policy_forms import SavePage
from screens.steps.policy_rows import Row, tree_rows
from tests.facts_for_tests import cluster, nodes
from tests.policy.program import main as policy_command
from tests.screens.conftest import on_facts, on_sandbox, running, until
from wizard.policy import PolicyDocument

DATA = Path(__file__).parent / "data"
NASTY = Path(__file__).parents[1] / "policy" / "data" / "nasty"


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("policy.yaml")
    shutil.copyfile(DATA / "running-deployment.yaml", path)
    return path


@asynccontextmanager
async def at_policy(
    file: Path | None, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[Pilot[Any], PolicyStep]]:
    app = on_facts(cluster(*nodes(3)), policy_file=str(file) if file else None)
    app.walk_through.coder = "v1"
    async with app.run_test(size=size) as pilot:
        await app.workers.wait_for_complete()
        await app.action_go("policy")
        await pilot.pause()
        step = app.query_one(PolicyStep)
        yield pilot, step


async def settle(pilot: Pilot[Any]) -> None:
    """Until what was started beside the screen has ended."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def go_to(pilot: Pilot[Any], step: PolicyStep, label: str) -> None:
    step.fields.rows.move_to(next(row.key for row in step.fields.tree_rows if row.label == label))
    await pilot.pause()


async def type_text(pilot: Pilot[Any], text: str) -> None:
    field = pilot.app.screen.query_one(Input) if not isinstance(pilot.app.focused, Input) else pilot.app.focused
    field.value = text
    await pilot.pause()


def picture(pilot: Pilot[Any]) -> str:
    """What is on the screen, as text; several blanks within a line are one."""
    lines = (strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips())
    return "\n".join(re.sub(" +", " ", line) for line in lines)


def row(step: PolicyStep) -> Row:
    current = step.fields.rows.current
    assert isinstance(current, Row)
    return current


async def test_a_file_is_opened_and_its_tree_shown(policy: Path) -> None:
    async with at_policy(policy) as (pilot, _):
        shown = picture(pilot)
        assert "policy.yaml: 2 problems, 1 warning, FUSE not guaranteed" in shown
        assert "specs.kubernetes" in shown and "configure.start" in shown
        assert "0 lines added, 0 other bytes changed, 24 of 24 comments" in shown


async def test_policy_words_change_by_one_key_and_come_back(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        before = step.model.document.content
        await go_to(pilot, step, "cpu")
        for key, word in (("r", "read"), ("a", "append"), ("w", "write")):
            await pilot.press(key)
            view = row(step).view
            assert view is not None and view.word == word
        assert step.model.document.content == before
        await pilot.press("u")
        assert row(step).marks.startswith("*") and step.dirty
        await pilot.press("U")
        assert step.model.document.content == before and not step.dirty


async def test_a_wrong_value_is_not_taken_and_a_right_one_is(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        before = step.model.document.content
        await go_to(pilot, step, "gpu-count")
        await pilot.press("enter")
        await type_text(pilot, "many")
        assert "gpu-count is many (text), not a whole number of at least 0" in picture(pilot).replace("\n", "")
        await pilot.press("enter")
        assert step.fields.editor.row is not None and step.model.document.content == before
        await type_text(pilot, "[1")
        assert "not valid YAML" in picture(pilot)
        await pilot.press("enter")
        assert step.model.document.content == before
        await type_text(pilot, "2")
        await pilot.press("enter")
        assert b"gpu-count: {policy: read, value: 2}   # ask the platform team" in step.model.document.content
        assert step.fields.editor.row is None and pilot.app.focused is step.fields.rows


async def test_escape_leaves_the_value_and_then_the_step(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        before = step.model.document.content
        await go_to(pilot, step, "gpu-count")
        await pilot.press("enter")
        await type_text(pilot, "5")
        await pilot.press("escape")
        assert step.fields.editor.row is None and step.model.document.content == before and step.display
        await pilot.press("escape")
        assert not step.display


async def test_a_value_with_two_readings_is_settled_by_enter(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        await go_to(pilot, step, "privileged")
        await pilot.press("enter", "enter")
        assert b"value: false                  # never" in step.model.document.content


async def test_an_emptied_value_is_taken_away(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        await go_to(pilot, step, "container-based-vm")
        await pilot.press("enter")
        await type_text(pilot, "")
        await pilot.press("enter")
        view = row(step).view
        assert view is not None and view.present and not view.has_value


async def test_a_list_with_comments_is_not_rewritten_without_a_word(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        before = step.model.document.content
        await go_to(pilot, step, "configure.start")
        await pilot.press("enter")
        await type_text(pilot, "[{command: ls}]")
        await pilot.press("enter")
        await pilot.pause()
        assert "This also removes 1 comment" in picture(pilot)
        await pilot.press("escape")
        assert step.model.document.content == before


@pytest.mark.parametrize("key", ["plus", "r", "enter"])
async def test_a_missing_field_is_added_by_one_key(policy: Path, key: str) -> None:
    async with at_policy(policy) as (pilot, step):
        await go_to(pilot, step, "run-as-user")
        assert row(step).value == "not set"
        await pilot.press(key)
        if key == "enter":
            await type_text(pilot, "1000")
            await pilot.press("enter")
        added = step.model.document.data["workspace"]["specs"]["kubernetes"]["run-as-user"]
        assert added == ({"policy": "read", "value": 1000} if key == "enter" else {"policy": "read"})


async def test_what_podman_needs_is_added_to_one_field_by_one_key(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        await pilot.press("p")
        assert row(step).label == "resource-requests" and row(step).wants_fuse
        await pilot.press("plus")
        assert not row(step).wants_fuse
        await pilot.press("p")
        assert row(step).label == "resource-limits"
        await pilot.press("enter", "enter")
        merged = step.model.document.content
        await pilot.press("u", "u", "m")
        assert step.model.document.content == merged


async def test_a_field_is_removed_after_a_question(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        before = step.model.document.content
        await go_to(pilot, step, "tolerations")
        await pilot.press("x", "enter")
        assert step.model.document.content == before, "the dangerous choice has no focus"
        await pilot.press("x", "right", "enter")
        assert b"tolerations" not in step.model.document.content


@pytest.mark.parametrize(
    "name", ["02_comment_of_next_section", "09_flow_many_lines", "16_crlf", "33_only_comments", "40_two_devices"]
)
async def test_merging_by_key_gives_the_bytes_of_the_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "policy.yaml"
    shutil.copyfile(NASTY / f"{name}.yaml", path)
    monkeypatch.setattr(sys, "argv", ["policy", "merge", str(path)])
    assert policy_command() == 0
    sys.stdout.flush()
    merged = capfdbinary.readouterr().out
    async with at_policy(path) as (pilot, step):
        await pilot.press("m")
        await pilot.pause()
        if "devices" in name:
            await pilot.press("enter")  # keeping has the focus
        assert step.model.document.content == merged
        await pilot.press("s", "right", "enter")
        await settle(pilot)
    assert path.read_bytes() == merged


async def test_another_count_is_kept_or_replaced_as_one_says(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    shutil.copyfile(NASTY / "40_two_devices.yaml", path)
    async with at_policy(path) as (pilot, step):
        before = step.model.document.content
        await pilot.press("m", "escape")
        assert step.model.document.content == before
        await pilot.press("m", "right", "enter")
        kubernetes = step.model.document.data["workspace"]["specs"]["kubernetes"]
        assert kubernetes["resource-requests"]["value"]["smarter-devices/fuse"] == "1"


async def test_what_is_shared_is_copied_only_by_choice(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    shutil.copyfile(NASTY / "24_alias_on_the_way.yaml", path)
    async with at_policy(path) as (pilot, step):
        before = step.model.document.content
        await pilot.press("m")
        await pilot.pause()
        assert "This change also affects other fields" in picture(pilot)
        await pilot.press("enter")
        assert step.model.document.content == before
        await pilot.press("m", "right", "enter")
        assert step.model.document.content.count(b"smarter-devices/fuse") == 2


async def test_a_refused_merge_is_explained_in_place(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    shutil.copyfile(NASTY / "41_wrong_shape.yaml", path)
    async with at_policy(path) as (pilot, step):
        await pilot.press("m")
        await pilot.pause()
        assert "The merge failed" in picture(pilot) and "Nothing was changed." in picture(pilot)
        await pilot.press("down")
        await pilot.pause()
        assert "The merge failed" not in picture(pilot) and not step.dirty


async def test_diff_effect_problems_and_the_way_back(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        await pilot.press("m", "d")
        await pilot.pause()
        shown = picture(pilot)
        assert '+ smarter-devices/fuse: "1"' in shown and "2 lines added" in shown
        await pilot.press("e")
        await pilot.pause()
        assert "FUSE in every workspace no yes" in picture(pilot)
        await pilot.press("P")
        await pilot.pause()
        assert "warning 88" in picture(pilot)
        await pilot.press("enter")
        assert step.view == "fields" and row(step).label == "privileged"
        await pilot.press("d", "escape")
        assert step.view == "fields" and step.display


async def test_saving_asks_writes_and_remembers(policy: Path) -> None:
    before = policy.read_bytes()
    async with at_policy(policy) as (pilot, step):
        await pilot.press("m", "s")
        assert isinstance(pilot.app.screen, SavePage)
        assert "policy.yaml.DATE-TIME.bak" in picture(pilot)
        await pilot.press("enter")
        assert policy.read_bytes() == before, "writing has not the focus"
        await pilot.press("s", "right", "enter")
        await settle(pilot)
        assert policy.read_bytes() == step.model.document.content != before
        assert not step.dirty
        assert step.session.policy_saved == "policy.yaml"
        written, backup = step.walk.files
        assert written == "policy.yaml" and Path(backup).read_bytes() == before
        assert step.session.answers.policy is not None
        assert step.session.answers.policy.output == "policy.yaml"
        [kept] = Path().glob("policy.yaml.*.bak")
        assert kept.read_bytes() == before
        await pilot.press("u")
        assert step.model.document.content == before and step.dirty


async def test_saving_to_another_file_leaves_the_first(policy: Path) -> None:
    before = policy.read_bytes()
    async with at_policy(policy) as (pilot, step):
        await pilot.press("m", "s")
        pilot.app.screen.query_one(Input).focus()
        await type_text(pilot, "nowhere/policy.yaml")
        await pilot.press("enter", "enter")
        assert isinstance(pilot.app.screen, SavePage), "there is no such folder"
        await type_text(pilot, "merged.yaml")
        await pilot.press("enter", "enter")
        await settle(pilot)
        assert policy.read_bytes() == before
        assert Path("merged.yaml").read_bytes() == step.model.document.content
        assert step.model.path == Path("merged.yaml")


async def test_a_file_that_changed_on_disk_is_shown_and_not_overwritten(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        await pilot.press("m")
        theirs = policy.read_bytes().replace(b"gpu-count: {policy: read, value: 0}", b"gpu-count: {policy: write}")
        policy.write_bytes(theirs)
        await pilot.press("ctrl+n", "escape")
        await pilot.pause()
        assert "policy.yaml was changed after you opened it" in picture(pilot)
        await pilot.press("s")
        await pilot.pause()
        assert "policy.yaml has changed on disk" in picture(pilot) and "gpu-count: {policy: write}" in picture(pilot)
        await pilot.press("escape")
        assert policy.read_bytes() == theirs and step.dirty
        await pilot.press("s", "right", "right", "enter")
        await pilot.pause()
        assert policy.read_bytes() == theirs and not step.dirty and step.model.document.content == theirs


async def test_a_change_between_question_and_answer_is_not_overwritten(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        await pilot.press("m", "s")
        policy.write_bytes(b"workspace: {}\n")
        await pilot.press("right", "enter")
        await settle(pilot)
        assert policy.read_bytes() == b"workspace: {}\n" and step.dirty
        assert "policy.yaml was not written" in picture(pilot)


async def test_a_refused_file_is_explained_with_its_line_and_nothing_is_lost(policy: Path) -> None:
    Path("bad.yaml").write_text('version: "0.2"\nworkspace:\n\tspecs: {}\n')
    async with at_policy(Path("bad.yaml")) as (pilot, step):
        shown = picture(pilot)
        assert "bad.yaml:3:1" in shown and "YAML does not allow a tab here" in shown
        await pilot.press("o")
        await type_text(pilot, "policy.yaml")
        await pilot.press("enter")
        await pilot.pause()
        assert step.model.path == policy
        await pilot.press("m", "o")
        await pilot.pause()
        assert "has unsaved changes" in picture(pilot)
        await pilot.press("right", "enter")
        await type_text(pilot, "bad.yaml")
        await pilot.press("enter")
        assert "bad.yaml:3:1" in picture(pilot)
        await pilot.press("escape")
        assert step.model.path == policy and step.dirty


async def test_the_guides_policies_are_there_to_start_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with at_policy(None) as (pilot, step):
        assert "Start from the guide's short policy" in picture(pilot)
        await pilot.press("down", "enter")
        await pilot.pause()
        assert step.dirty and step.view == "fields"
        await pilot.press("s", "right", "enter")
        await settle(pilot)
        assert Path("policy.yaml").read_bytes() == step.model.document.content
        await pilot.press("n", "down", "enter")
        await pilot.pause()
        assert "dev-urls" in step.model.document.data["workspace"]


async def test_the_clicks_in_coder_are_ticked_off_and_kept(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        await pilot.press("t")
        await settle(pilot)
        await pilot.press("down", "enter", "down", "space")
        await settle(pilot)
        assert step.session.ticks == {CLICKS[0].id, CLICKS[1].id}
        assert "[x] By hand: Upload the policy" in picture(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert step.session.ticks == {CLICKS[0].id}


async def test_changes_and_typing_survive_other_steps(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        await go_to(pilot, step, "gpu-count")
        await pilot.press("w", "enter")
        await type_text(pilot, "7")
        await pilot.press("ctrl+n")
        assert not step.display
        await pilot.press("escape")
        assert step.display and step.dirty
        assert pilot.app.focused is step.fields.editor.field and step.fields.editor.field.value == "7"


async def test_the_editor_hands_back_a_change(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path("editor").absolute()
    script.write_text('#!/bin/sh\necho "# by hand" >> "$1"\n')
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.setattr(WizardApp, "suspend", lambda self: contextlib.nullcontext())
    before = policy.read_bytes()
    async with at_policy(policy) as (pilot, step):
        await pilot.press("E")
        assert step.model.document.content == before + b"# by hand\n" and policy.read_bytes() == before
        await pilot.press("u")
        assert step.model.document.content == before


async def test_what_the_editor_broke_is_explained_kept_and_dropped(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Path("editor").absolute()
    script.write_text('#!/bin/sh\necho "broken: [" >> "$1"\n')
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.setattr(WizardApp, "suspend", lambda self: contextlib.nullcontext())
    async with at_policy(policy) as (pilot, step):
        before = step.model.document
        await pilot.press("E")
        await pilot.pause()
        shown = " ".join(picture(pilot).split())
        assert all(words in shown for words in ("not a valid policy yet", "Your text is kept.", "u to discard it"))
        assert step.model.document is before and step.dirty
        await pilot.press("u")
        assert step.model.document is before and not step.dirty


async def test_saving_is_in_the_journal_of_the_cluster(policy: Path, own_home: Path) -> None:
    before = policy.read_bytes()
    app = on_sandbox(policy_file=str(policy))
    async with running(app) as pilot:
        await app.action_go("policy")
        await pilot.pause()
        await pilot.press("m", "s", "right", "enter")
        await until(pilot, lambda: app.walk_through.session.policy_saved == "policy.yaml")
        assert policy.read_bytes() != before
        [journal] = (own_home / ".local/state/podman-wizard").rglob("*.jsonl")
        assert '"kind":"policy"' in journal.read_text().replace(" ", "")
        assert "policy.yaml was saved" in picture(pilot)


@pytest.mark.parametrize("typed", ["", "mine.yaml"])
async def test_in_a_sandbox_nothing_is_written_elsewhere_unless_its_path_was_typed(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = on_sandbox()
    async with running(app, (100, 30)) as pilot:
        walk = app.walk_through
        await app.action_go("policy")
        await pilot.pause()
        await pilot.press("home", "down", "enter", "s")
        await until(pilot, lambda: isinstance(app.screen, SavePage))
        folder = walk.engine.sandbox_folder
        assert folder is not None and "This folder is deleted when the sandbox ends" in picture(pilot)
        if typed:
            app.screen.query_one(Input).value = typed
        await pilot.pause()
        app.screen.query_one("#write", Button).press()
        expected = typed or str(folder / "policy.yaml")
        await until(pilot, lambda: walk.session.policy_saved == expected)
        assert Path(expected).read_bytes().startswith(b"version")
        assert [path.name for path in tmp_path.iterdir()] == ([typed] if typed else [])
        # The answers name no file that is gone with the sandbox.
        policy = walk.session.answers.policy
        assert policy is not None and policy.file == (typed or None)


async def test_a_refused_file_is_mended_in_the_editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text("workspace: [\n")
    script = tmp_path / "editor"
    script.write_text('#!/bin/sh\necho "workspace: {}" > "$1"\n')
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.setattr(WizardApp, "suspend", lambda self: contextlib.nullcontext())
    async with at_policy(Path("bad.yaml")) as (pilot, step):
        await pilot.press("E")
        await pilot.pause()
        assert step.model.document.content == b"workspace: {}\n" and step.view == "fields"


async def test_text_from_the_file_is_neither_markup_nor_obeyed(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        'version: "0.2"\nworkspace:\n  "[red]x[/red]":\n    policy: "[/bold]"\n    value: "\\x1b[31m\\u202e[link=a]"\n'
    )
    async with at_policy(path) as (pilot, step):
        await go_to(pilot, step, "[red]x[/red]")
        shown = picture(pilot)
        assert "[red]x[/red]" in shown and "[/bold]" in shown
        assert "\x1b" not in shown and "\u202e" not in shown
        await pilot.press("enter", "escape", "P", "e", "d", "s")
        await pilot.pause()
        assert "\x1b" not in picture(pilot)


@pytest.mark.parametrize("size", [(40, 10), (60, 20), (200, 60)])
async def test_no_size_breaks_it(policy: Path, size: tuple[int, int]) -> None:
    async with at_policy(policy, size) as (pilot, step):
        await pilot.press("m", "d", "e", "t", "P", "f", "p", "enter", "escape", "s", "escape")
        await pilot.resize_terminal(30, 8)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert step.dirty


async def test_a_large_policy_is_judged_beside_the_loop(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def judged(*documents: PolicyDocument) -> tuple[Row, ...]:
        threads.append(threading.current_thread())
        return tree_rows(*documents)  # type: ignore[arg-type]

    monkeypatch.setattr("screens.steps.policy_judging.tree_rows", judged)
    steps = "".join(f"        - name: step {number}\n          command: echo {number}\n" for number in range(3000))
    policy.write_text(
        f'version: "0.2"\nworkspace:\n  configure:\n    start:\n      policy: append\n      value:\n{steps}'
        "  specs:\n    kubernetes:\n      cpu:\n        policy: write\n        value: 2\n"
    )
    async with at_policy(policy) as (pilot, step):
        await settle(pilot)
        assert "FUSE not guaranteed" in picture(pilot)
        await pilot.press("m")
        await settle(pilot)
        assert "FUSE not guaranteed" in picture(pilot) and "+" not in "".join(
            row.marks for row in step.fields.tree_rows
        )
        assert step.model.dirty
    assert len(threads) == 2 and threading.main_thread() not in threads
