"""A policy that changed or vanished while it was edited, misspelled names, and FUSE made sure, on screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.screens.conftest import app_of
from tests.screens.test_policy import at_policy, go_to, picture, policy, row, settle, type_text
from wizard.policy import fuse_guarantee, new_policy

__all__ = ["policy"]


async def test_changes_are_made_again_on_what_is_there_now(policy: Path) -> None:
    async with at_policy(policy, (110, 40)) as (pilot, step):
        await go_to(pilot, step, "cpu")
        await pilot.press("r")
        theirs = policy.read_bytes().replace(b"gpu-count:", b"# theirs\n      gpu-count:")
        assert theirs != policy.read_bytes()
        policy.write_bytes(theirs)
        await pilot.press("s")
        await pilot.pause()
        shown = picture(pilot)
        assert "policy.yaml has changed on disk" in shown
        assert "Your changes on it would be:" in shown
        buttons = next(line for line in shown.splitlines() if "Keep editing" in line)
        assert "Discard changes" in buttons, "the last button is cut"
        await pilot.press("enter")
        await settle(pilot)
        assert step.dirty
        assert "Your changes were made again" in picture(pilot)
        assert policy.read_bytes() == theirs
        await pilot.press("s")
        await pilot.pause()
        await pilot.press("right", "enter")
        await settle(pilot)
        written = policy.read_bytes()
        assert b"# theirs" in written
        assert not step.dirty
        assert written == step.model.document.content
        assert step.model.document.data["workspace"]["specs"]["kubernetes"]["cpu"]["policy"] == "read"


async def test_a_file_that_vanished_is_created_again(policy: Path) -> None:
    async with at_policy(policy) as (pilot, step):
        await go_to(pilot, step, "cpu")
        await pilot.press("r")
        policy.unlink()
        await pilot.press("s")
        await pilot.pause()
        assert "policy.yaml was deleted. This creates it again." in picture(pilot)
        await pilot.press("right", "enter")
        await settle(pilot)
        assert policy.read_bytes() == step.model.document.content
        assert not step.dirty


async def test_a_misspelt_resource_is_asked_about_and_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("policy.yaml")
    file.write_bytes(new_policy("podman").replace(b"smarter-devices/fuse", b"smarter-device/fuse"))
    async with at_policy(file) as (pilot, step):
        await pilot.press("m")
        await pilot.pause()
        assert "The policy has names that differ from what Podman needs" in picture(pilot)
        await pilot.press("right", "enter")
        await settle(pilot)
        assert step.model.document.content == new_policy("podman")


async def test_fuse_is_made_sure_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = Path("policy.yaml")
    file.write_bytes(new_policy("podman"))
    async with at_policy(file) as (pilot, step):
        assert not fuse_guarantee(step.model.document).sure
        await pilot.press("M")
        await pilot.pause()
        assert "How can every workspace be sure to get FUSE?" in picture(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert fuse_guarantee(step.model.document).sure
        assert step.model.document.text.count("policy: append") == 2


@pytest.mark.parametrize(("width", "is_shown"), [(109, False), (110, True), (140, True)])
async def test_the_text_of_the_file_is_beside_its_fields(policy: Path, width: int, is_shown: bool) -> None:
    async with at_policy(policy, (width, 40)) as (pilot, step):
        await go_to(pilot, step, "cpu")
        line = step.model.document.key_line(("workspace", "specs", "kubernetes", "cpu"))
        assert (f"{line} > cpu:" in picture(pilot)) == is_shown
        await pilot.press("m")
        await go_to(pilot, step, "resource-limits")
        assert ("+ smarter-devices/fuse:" in picture(pilot)) == is_shown
        await pilot.resize_terminal(80, 24)
        await settle(pilot)
        assert not step.fields.source.display


ITEMS = """\
version: "0.2"
workspace:
  specs:
    kubernetes:
      tolerations:
        policy: append
        value:
          # the first
          - key: gpu # k
            operator: Exists
          - {key: spot, operator: Equal, value: "true"} # spot
      env:
        policy: write
        value:
          A: "1" # a
          B: two
"""


@pytest.fixture
def with_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = Path("policy.yaml")
    file.write_text(ITEMS)
    return file


async def test_the_entries_of_a_value_have_rows_of_their_own(with_items: Path) -> None:
    async with at_policy(with_items) as (pilot, step):
        await go_to(pilot, step, "tolerations")
        assert "gpu" not in [one.label for one in step.fields.tree_rows]
        await pilot.press("i")
        await settle(pilot)
        assert [one.label for one in step.fields.tree_rows if one.item] == ["gpu", "spot"]
        await go_to(pilot, step, "spot")
        assert row(step).line == 11
        assert "line 11" in picture(pilot)
        await pilot.press("i")
        await settle(pilot)
        assert row(step).label == "tolerations"
        assert not [one for one in step.fields.tree_rows if one.item]


@pytest.mark.parametrize(
    ("field", "label", "typed", "before", "after"),
    [
        ("tolerations", "gpu", "{key: gpu, operator: Equal}", "operator: Exists", "operator: Equal"),
        (
            "tolerations",
            "spot",
            '{key: spot, operator: Equal, value: "false"}',
            'spot, operator: Equal, value: "true"',
            'spot, operator: Equal, value: "false"',
        ),
        ("env", "A", '"2"', 'A: "1"', 'A: "2"'),
    ],
)
async def test_one_entry_is_changed_and_nothing_else(
    with_items: Path, field: str, label: str, typed: str, before: str, after: str
) -> None:
    async with at_policy(with_items) as (pilot, step):
        await go_to(pilot, step, field)
        await pilot.press("i")
        await go_to(pilot, step, label)
        await pilot.press("enter")
        await type_text(pilot, typed)
        await pilot.press("enter")
        await settle(pilot)
        assert step.model.document.text == ITEMS.replace(before, after)
        assert row(step).label == label and row(step).marks.startswith("*")


@pytest.mark.parametrize(
    ("field", "typed", "after"),
    [
        ("tolerations", "{key: new, operator: Exists}", "          - {key: new, operator: Exists}\n      env:"),
        ("env", "C: three", "          C: three\n"),
        ("env", "{C: three}", "          C: three\n"),
        ("env", "C: 1.10", '          C: "1.10"\n'),
        ("tolerations", "{key: 5}", '          - {key: "5"}\n      env:'),
    ],
)
async def test_an_entry_is_added(with_items: Path, field: str, typed: str, after: str) -> None:
    async with at_policy(with_items) as (pilot, step):
        await go_to(pilot, step, field)
        await pilot.press("plus")
        await type_text(pilot, typed)
        await pilot.press("enter")
        await settle(pilot)
        made = step.model.document.text
        assert after in made and made.replace(after.removesuffix("      env:"), "") == ITEMS
        assert row(step).item is not None and row(step).changed


async def test_an_entry_is_removed_after_a_question(with_items: Path) -> None:
    async with at_policy(with_items) as (pilot, step):
        await go_to(pilot, step, "env")
        await pilot.press("i")
        await go_to(pilot, step, "B")
        await pilot.press("x")
        await pilot.pause()
        assert "Remove B?" in picture(pilot) and step.model.document.text == ITEMS
        await pilot.press("right", "enter")
        await settle(pilot)
        assert step.model.document.text == ITEMS.replace("          B: two\n", "")


@pytest.mark.parametrize(
    ("field", "typed", "problem"),
    [
        ("tolerations", "{kye: a}", "kye is an unknown key. Did you mean key?"),
        ("tolerations", "{value: a}", "The entry has no key, and operator is not Exists."),
        ("tolerations", "{key: a, operator: Exists, value: b}", "value is b, though operator is Exists."),
        ("tolerations", "gpu", "The entry is gpu (text), not a mapping."),
        ("env", "'': b", 'env."" has an empty name.'),
        ("tolerations", "[", "opens here and is not closed"),
        ("env", "word", "Enter a name and a value"),
        ("env", "A: 3", "A exists already"),
    ],
)
async def test_what_is_no_entry_is_not_added(with_items: Path, field: str, typed: str, problem: str) -> None:
    async with at_policy(with_items) as (pilot, step):
        await go_to(pilot, step, field)
        await pilot.press("plus")
        await type_text(pilot, typed)
        assert problem in step.fields.editor.problem(typed)[0]
        assert problem.split()[-1] in picture(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert step.fields.is_typing and step.model.document.text == ITEMS


async def test_after_a_save_the_backup_is_named_in_every_tab(with_items: Path) -> None:
    async with at_policy(with_items) as (pilot, step):
        await pilot.press("m", "d", "s")
        await pilot.pause()
        await pilot.press("right", "enter")
        await settle(pilot)
        assert not step.dirty
        assert "policy.yaml was saved" in picture(pilot) and ".bak" in picture(pilot)


@pytest.mark.parametrize(("width", "mark"), [(80, "Template*"), (60, "unsaved: Template")])
async def test_unsaved_edits_are_marked_in_every_step(with_items: Path, width: int, mark: str) -> None:
    async with at_policy(with_items, (width, 24)) as (pilot, step):
        await pilot.press("m")
        await settle(pilot)
        assert mark not in picture(pilot) and "policy.yaml, unsaved" in picture(pilot)
        await app_of(pilot).action_go("prerequisites")
        await settle(pilot)
        assert mark in picture(pilot)
        await app_of(pilot).action_go("policy")
        await pilot.press("u")
        await app_of(pilot).action_go("prerequisites")
        await settle(pilot)
        assert mark not in picture(pilot) and not step.dirty


async def test_a_typed_number_stays_as_it_was_typed_where_text_is_needed(with_items: Path) -> None:
    async with at_policy(with_items) as (pilot, step):
        await go_to(pilot, step, "env")
        await pilot.press("i")
        await go_to(pilot, step, "B")
        await pilot.press("enter")
        await type_text(pilot, "1.10")
        await pilot.press("enter")
        await settle(pilot)
        assert step.model.document.text == ITEMS.replace("B: two", 'B: "1.10"')
