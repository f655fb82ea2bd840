"""What the screen of the template policy does, below the screen: the same bytes as the command, and nothing lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.console import Console

from screens.steps import policy_model
from screens.steps.policy_changes import data_edit, removal, value_removal, word_edit
from screens.steps.policy_model import PolicyModel, Shared, write_through
from screens.steps.policy_rows import Row, field_of, suggested_value, tree_rows
from screens.steps.policy_view import effects, row_detail, starts
from tests.policy.program import main as policy_command
from wizard.choices.answers import Answers, PolicyChoice
from wizard.choices.target import Target
from wizard.engine.engine import Engine
from wizard.errors import ConflictError, InputError
from wizard.journal import journal as journals
from wizard.policy import PODMAN_FIELDS, PolicyDocument, check, fields
from wizard.sandbox import Sandbox

DATA = Path(__file__).parent / "data"
POLICIES = Path(__file__).parents[1] / "policy" / "data"
NASTY = sorted([*(POLICIES / "nasty").glob("*.yaml"), DATA / "running-deployment.yaml"])
KUBERNETES = ("workspace", "specs", "kubernetes")


@pytest.fixture
def desk(tmp_path: Path) -> PolicyModel:
    path = tmp_path / "policy.yaml"
    path.write_bytes((DATA / "running-deployment.yaml").read_bytes())
    desk = PolicyModel()
    desk.open(path)
    return desk


def command(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], *arguments: str
) -> tuple[int, bytes]:
    monkeypatch.setattr(sys, "argv", ["policy", *arguments])
    code = policy_command()
    sys.stdout.flush()
    return code, capfdbinary.readouterr().out


@pytest.mark.parametrize(
    "options", [(), ("--unshare",), ("--on-conflict", "replace")], ids=lambda o: " ".join(o) or "-"
)
@pytest.mark.parametrize("path", NASTY, ids=lambda path: path.stem)
def test_the_screen_merges_to_the_same_bytes_as_the_command(
    path: Path,
    options: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    code, merged = command(monkeypatch, capfdbinary, "merge", str(path), *options)
    desk = PolicyModel()
    conflict = "replace" if "replace" in options else "keep"
    try:
        desk.open(path)
        desk.merge(on_conflict=conflict, unshare="--unshare" in options)
    except (InputError, Shared):
        assert code == 4
        assert desk.edits is None or not desk.dirty
    else:
        assert code == 0
        assert desk.document.content == merged


def test_nasty_policies_are_there() -> None:
    assert len(NASTY) > 40


def test_a_refused_file_leaves_what_is_on_the_desk(desk: PolicyModel, tmp_path: Path) -> None:
    desk.edit(word_edit((*KUBERNETES, "cpu"), "read"))
    before = desk.document.content
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [1\nb: 2\n")
    for path in (bad, tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(InputError):
            desk.open(path)
    assert desk.document.content == before and desk.dirty
    assert desk.path == tmp_path / "policy.yaml"


def test_a_pipe_is_not_waited_for(desk: PolicyModel, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a file"):
        desk.open(tmp_path / "pipe")
    assert desk.refused_text == ""


def test_a_new_policy_is_unsaved_in_full(tmp_path: Path) -> None:
    desk = PolicyModel()
    desk.start("podman")
    assert desk.edits is not None and desk.dirty
    assert desk.edits.proof.lines_added == desk.document.text.count("\n")
    action = desk.writing(tmp_path / "new.yaml")
    assert policy_model.write_now(action).backup is None
    desk.saved(action, desk.document)
    assert not desk.dirty and desk.path == tmp_path / "new.yaml" and desk.changed_on_disk() is None


def test_what_another_program_wrote_is_not_overwritten(desk: PolicyModel) -> None:
    desk.merge()
    assert desk.path is not None
    theirs = desk.path.read_bytes() + b"# theirs\n"
    desk.path.write_bytes(theirs)
    changed = desk.changed_on_disk()
    assert changed is not None and changed.content == theirs
    with pytest.raises(ConflictError):
        policy_model.write_now(desk.writing(desk.path))
    assert desk.path.read_bytes() == theirs
    # by another name for the same file neither
    link = desk.path.with_name("link.yaml")
    link.symlink_to(desk.path)
    with pytest.raises(ConflictError):
        policy_model.write_now(desk.writing(link))


def test_a_shared_field_is_refused_until_it_may_be_copied() -> None:
    desk = PolicyModel()
    desk.open(POLICIES / "nasty" / "24_alias_on_the_way.yaml")
    before = desk.document
    with pytest.raises(Shared) as refused:
        desk.edit(word_edit((*KUBERNETES, "cpu"), "read"))
    assert refused.value.error.line and desk.document is before
    desk.edit(word_edit((*KUBERNETES, "cpu"), "read"), unshare=True)
    assert desk.document.data["workspace"]["specs"]["kubernetes"]["cpu"]["policy"] == "read"


def test_edits_of_fields(desk: PolicyModel) -> None:
    before = desk.document.content
    desk.edit(data_edit((*KUBERNETES, "privileged"), True))
    desk.edit(data_edit((*KUBERNETES, "run-as-user"), 1000, present=False))
    desk.edit(value_removal((*KUBERNETES, "env")))
    desk.edit(removal((*KUBERNETES, "tolerations")))
    kubernetes = desk.document.data["workspace"]["specs"]["kubernetes"]
    assert kubernetes["privileged"]["value"] is True
    assert kubernetes["run-as-user"] == {"policy": "read", "value": 1000}
    assert kubernetes["env"] == {"policy": "append"}
    assert "tolerations" not in kubernetes
    assert desk.edits is not None
    for _ in range(4):
        desk.edits.undo()
    assert desk.document.content == before


# The editor --------------------------------------------------------------------------------------------------


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(path))


def test_the_editor_gets_a_copy_and_gives_one_change(
    desk: PolicyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(tmp_path, monkeypatch, 'echo "# by hand" >> "$1"')
    before = desk.document.content
    assert desk.edit_by_hand()
    assert desk.document.content == before + b"# by hand\n"
    assert desk.path is not None and desk.path.read_bytes() == before
    assert desk.edits is not None and desk.edits.undo().content == before


def test_what_the_editor_broke_is_kept_for_mending(
    desk: PolicyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = desk.document
    editor(tmp_path, monkeypatch, 'echo "broken: [" >> "$1"')
    with pytest.raises(InputError):
        desk.edit_by_hand()
    assert desk.document is before and desk.draft == before.content + b"broken: [\n" and desk.dirty
    editor(tmp_path, monkeypatch, 'sed -i "s/^broken: \\[/# mended/" "$1"')
    assert desk.edit_by_hand()
    assert desk.document.content == before.content + b"# mended\n" and desk.draft is None


@pytest.mark.parametrize("words", ["false", "/nowhere/ed", "'"])
def test_an_editor_that_fails_changes_nothing(desk: PolicyModel, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", words)
    monkeypatch.setenv("EDITOR", "false")
    with pytest.raises(InputError):
        desk.edit_by_hand()
    assert not desk.dirty


# The journal -------------------------------------------------------------------------------------------------


async def test_saving_goes_through_the_journal_unless_another_wizard_holds_it(
    desk: PolicyModel, tmp_path: Path
) -> None:
    before, path = desk.document.content, desk.path
    assert path is not None
    desk.merge()
    async with await Sandbox.start("mixed", speed=100) as sandbox:
        sandbox.write_kubeconfig(tmp_path / "config")
        mine, theirs = (
            Engine(Target(kubeconfig=str(tmp_path / "config"))),
            Engine(Target(kubeconfig=str(tmp_path / "config"))),
        )
        await mine.open()
        outcome, why = await write_through(mine, desk.writing(path), Answers())
        assert (outcome.policy, why) == (path, "")
        assert outcome.backup is not None and outcome.backup.read_bytes() == before
        assert "smarter-devices/fuse" in outcome.outcomes[0].changes[0].after
        [run] = journals.runs(mine.folder)
        assert [change.title for change in run.changes] == [f"Write {path}"]

        desk.saved(desk.writing(path), desk.document)
        desk.put(PolicyDocument.parse(before, path.name))
        await theirs.open()
        outcome, why = await write_through(theirs, desk.writing(path), Answers())
        assert "Another wizard is running" in why and outcome.backup is not None
        assert path.read_bytes() == before
        [run] = journals.runs(mine.folder)
        assert len(run.changes) == 1
        await theirs.close()
        await mine.close()


# Rows --------------------------------------------------------------------------------------------------------


def shown(row: Row) -> str:
    """What stands beside a row, as one text."""
    console = Console(width=200)
    with console.capture() as captured:
        console.print(row_detail(row))
    return captured.get()


def test_the_tree_has_every_field_once_under_its_heading(desk: PolicyModel) -> None:
    rows = tree_rows(desk.document, desk.document)
    assert [row.path for row in rows if row.view] != []
    assert sorted(row.path for row in rows if row.view) == sorted(view.path for view in fields(desk.document))
    shown = [("  " * row.depth + row.label, row.marks.strip(), row.value) for row in rows]
    assert shown[:6] == [
        ("version", "", "0.2"),
        ("workspace", "", ""),
        ("  configure.start", "", "2 entries"),
        ("  dev-urls", "", ""),
        ("  specs.kubernetes", "", ""),
        ("    image", "", ""),
    ]
    assert ("    resource-requests", "+", "sriov 1, + fuse 1") in shown
    assert ("    privileged", "!", "no") in shown
    assert len({row.key for row in rows}) == len(rows)


def test_marks_follow_the_edits(desk: PolicyModel) -> None:
    original = desk.document
    desk.merge()
    rows = {row.label: row for row in tree_rows(original, desk.document)}
    assert rows["resource-limits"].marks == "* " and rows["resource-limits"].value == "sriov 1, fuse 1"
    assert rows["cpu"].marks == "  "


@pytest.mark.parametrize("path", NASTY, ids=lambda path: path.stem)
def test_every_policy_that_can_be_read_has_rows_and_every_problem_a_place(path: Path) -> None:
    try:
        document, _ = PolicyDocument.read(path)
    except InputError:
        return
    rows = tree_rows(document, document)
    known = {row.path for row in rows}
    assert all(field_of(problem, known) in known for problem in check(document))
    placed = sum(len(row.problems) for row in rows)
    missing = sum(problem.id == "fuse-missing" for problem in check(document))
    assert placed + missing >= len(check(document))
    assert effects(document, document)


def test_suggested_value_takes_the_count_of_the_other_field() -> None:
    document, _ = PolicyDocument.read(POLICIES / "nasty" / "40_two_devices.yaml")
    requests, limits = PODMAN_FIELDS
    assert suggested_value(fields(document), limits, 1) == {"smarter-devices/fuse": "2"}
    assert suggested_value(fields(PolicyDocument.parse(b"", "")), requests, 3) == {"smarter-devices/fuse": "3"}
    odd = PolicyDocument.parse(b"workspace: {specs: {kubernetes: {resource-limits: {value: [a]}}}}", "")
    assert suggested_value(fields(odd), limits, 1) is None


@pytest.mark.parametrize(("count", "devices", "added"), [('"2"', 1, "2"), ("true", 3, "3")])
def test_a_row_names_the_count_that_the_merge_adds(tmp_path: Path, count: str, devices: int, added: str) -> None:
    path = tmp_path / "policy.yaml"
    text = (POLICIES / "nasty" / "40_two_devices.yaml").read_text()
    path.write_text(text.replace('"2"', count))
    desk = PolicyModel()
    desk.open(path)
    rows = {row.label: row for row in tree_rows(desk.document, desk.document, devices)}
    assert rows["resource-limits"].value == f"+ fuse {added}"
    assert f'"smarter-devices/fuse": "{added}"' in shown(rows["resource-limits"])
    desk.merge(PolicyChoice(devices=devices))
    assert {row.label: row for row in tree_rows(desk.document, desk.document)}["resource-limits"].value.endswith(added)


@pytest.mark.parametrize(
    ("word", "count", "promised"),
    [("read", "1", True), ("append", "1", True), ("Read", "1", False), ("read", "0", False)],
)
def test_fuse_is_promised_only_where_the_field_is_in_order(word: str, count: str, promised: bool) -> None:
    pairs = "".join(
        f'      {name}: {{policy: {word}, value: {{smarter-devices/fuse: "{count}"}}}}\n'
        for name in ("resource-requests", "resource-limits")
    )
    document = PolicyDocument.parse(f'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n{pairs}'.encode())
    rows = {row.label: row for row in tree_rows(document, document)}
    for name in ("resource-requests", "resource-limits"):
        assert ("Every workspace gets FUSE" in shown(rows[name])) == promised


def test_a_file_is_written_with_no_more_promised_than_it_holds(desk: PolicyModel) -> None:
    assert desk.path is not None
    assert "workspaces do not get a FUSE device" in desk.writing(desk.path).why
    desk.merge()
    assert "every workspace gets a FUSE device" in desk.writing(desk.path).why


def test_a_refused_file_is_the_first_thing_to_see() -> None:
    error = InputError("No.", "Mend it.", file="p.yaml", line=2, column=3)
    first = starts(error, "one\ntwo\n")[0]
    assert (first.state, first.title) == ("failed", "p.yaml:2:3: No.")
    assert [start.id for start in starts(None, "")] == ["open", "podman", "complete"]
