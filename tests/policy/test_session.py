"""A policy being edited: undo, proof, diff, and saving it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wizard.editing.saving import save
from wizard.errors import ConflictError
from wizard.policy import EditSession, PolicyDocument, merge_podman, new_policy, remove_field, set_policy_word
from wizard.policy.compare import hunks

DATA = Path(__file__).with_name("data")
CPU = ("workspace", "specs", "kubernetes", "cpu")


@pytest.fixture
def session() -> EditSession:
    return EditSession(PolicyDocument.parse((DATA / "running-deployment.yaml").read_bytes(), "policy.yaml"))


def test_undo_and_redo_walk_through_the_versions(session: EditSession) -> None:
    original = session.document
    session.put(set_policy_word(session.document, CPU, "read"))
    changed = session.document
    session.put(merge_podman(changed).document)
    merged = session.document
    assert [session.undo(), session.undo(), session.undo()] == [changed, original, original]
    assert not session.dirty
    assert [session.redo(), session.redo(), session.redo()] == [changed, merged, merged]
    session.undo()
    session.put(set_policy_word(session.document, CPU, "append"))
    assert not session.can_redo


def test_the_proof_counts_against_the_original(session: EditSession) -> None:
    session.put(merge_podman(session.document).document)
    session.put(set_policy_word(session.document, CPU, "read"))
    assert str(session.proof) == "2 lines added, 1 line changed, 0 other bytes changed, 24 of 24 comments kept"
    session.put(remove_field(session.document, ("workspace", "specs", "kubernetes", "memory")))
    assert session.proof.comments_kept == 23
    assert session.proof.lines_removed == 2


def test_the_proof_sees_bytes_that_an_edit_must_not_touch() -> None:
    before = PolicyDocument.of_text("a: 1\r\nb: 2  # c\n", "")
    after = PolicyDocument.of_text("a: 1\nb: 2\n", "")
    from wizard.policy import prove

    assert str(prove(before, after)) == "1 line changed, 1 other byte changed, 0 of 1 comment kept"


def test_the_diff_fits_its_width(session: EditSession) -> None:
    long = "workspace:\n  dev-urls: {policy: read}  # " + "漢字 long comment " * 20 + "\u202e\n"
    session = EditSession(PolicyDocument.parse(long.encode(), "policy.yaml"))
    session.put(merge_podman(session.document).document)
    lines = session.unified_diff(80).splitlines()
    assert all(sum(2 if "\u2e80" < character < "\ua000" else 1 for character in line) <= 80 for line in lines)
    assert "\u202e" not in "".join(lines)
    assert "long comment long" not in lines
    shown = "".join(line.removeprefix("  > ") if line.startswith("  > ") else line for line in lines)
    assert "漢字 long comment " * 20 in shown


@pytest.mark.parametrize("name", sorted(path.stem for path in (DATA / "merged").glob("*.yaml")))
def test_the_diff_is_a_patch(name: str, tmp_path: Path) -> None:
    before = PolicyDocument.parse((DATA / "nasty" / f"{name}.yaml").read_bytes(), "policy.yaml")
    result = merge_podman(before)
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(before.content)
    subprocess.run(["patch", "--binary", "-s", str(policy)], input=result.diff().encode(), check=result.changed)
    assert policy.read_bytes() == result.document.content


@pytest.mark.parametrize(
    ("old", "new"), [("abcabba", "cbabac"), ("", "ab"), ("ab", ""), ("aaaa", "aa"), ("xay", "xby")]
)
def test_hunks_turn_the_old_lines_into_the_new(old: str, new: str) -> None:
    made, at = [], 0
    for hunk in hunks(old, new):
        made += [*old[at : hunk.start], *new[hunk.new_start : hunk.new_end]]
        at = hunk.end
    assert "".join([*made, *old[at:]]) == new


def test_saving_keeps_a_backup_and_says_where(session: EditSession, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(session.original.content)
    document, snapshot = PolicyDocument.read(policy)
    saved = save(policy, merge_podman(document).document.content, snapshot)
    assert saved.backup is not None
    assert saved.backup.read_bytes() == document.content
    assert list(saved.in_words()) == [f"{policy}: written; its earlier content is in {saved.backup}."]


def test_the_other_names_of_a_replaced_file_are_mentioned(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(new_policy("podman"))
    (tmp_path / "other.yaml").hardlink_to(policy)
    document, snapshot = PolicyDocument.read(policy)
    saved = save(policy, set_policy_word(document, CPU, "read").content, snapshot)
    assert list(saved.in_words())[1:] == [
        f"{policy}: 1 other name of this file (hard links) keeps the earlier content."
    ]
    assert (tmp_path / "other.yaml").read_bytes() == new_policy("podman")


def test_a_file_that_was_deleted_meanwhile_is_not_written_again(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(new_policy("podman"))
    document, snapshot = PolicyDocument.read(policy)
    policy.unlink()
    with pytest.raises(ConflictError):
        save(policy, set_policy_word(document, CPU, "read").content, snapshot)


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(new_policy("podman"))
    document, snapshot = PolicyDocument.read(policy)
    policy.write_bytes(b"# somebody else\n")
    with pytest.raises(ConflictError):
        save(policy, set_policy_word(document, CPU, "read").content, snapshot)
    assert policy.read_bytes() == b"# somebody else\n"
    assert [path.name for path in tmp_path.iterdir()] == ["policy.yaml"]
