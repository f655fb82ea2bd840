"""Nasty policies, each written for one trap; what the merge makes of them was looked at and stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
import yaml_edit

from wizard.errors import InputError
from wizard.policy import EditSession, PolicyDocument, merge_podman

DATA = Path(__file__).with_name("data")
NASTY = sorted(path.stem for path in (DATA / "nasty").glob("*.yaml"))
REFUSED = {
    "22_two_documents": (3, 1, "second document"),
    "23_anchor_on_the_way": (5, 26, "anchor &fuse"),
    "24_alias_on_the_way": (7, 17, "is the alias *common"),
    "26_field_from_a_merge_key": (10, 7, "merge key"),
    "31b_line_of_a_tab": (5, 1, "tab"),
    "41_wrong_shape": (8, 11, "is a list"),
    "43_duplicate_on_the_way": (6, 5, "second time"),
}
UNCHANGED = {"46_already_merged"}


def nasty(name: str) -> bytes:
    return (DATA / "nasty" / f"{name}.yaml").read_bytes()


@pytest.mark.parametrize("name", [name for name in NASTY if name not in REFUSED])
def test_the_merge_gives_the_bytes_that_were_looked_at(name: str) -> None:
    before = PolicyDocument.parse(nasty(name), name)
    result = merge_podman(before)
    assert result.document.content == (DATA / "merged" / f"{name}.yaml").read_bytes()
    assert result.proof.other_bytes_changed == 0
    assert result.proof.comments_kept == result.proof.comments
    assert result.changed == (name not in UNCHANGED)
    again = merge_podman(PolicyDocument.parse(result.document.content, name))
    assert not again.changed
    assert not again.changes


@pytest.mark.parametrize("name", [name for name in NASTY if name not in REFUSED])
def test_undoing_the_merge_restores_the_bytes(name: str) -> None:
    session = EditSession(PolicyDocument.parse(nasty(name), name))
    session.put(merge_podman(session.document).document)
    assert session.undo().content == nasty(name)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_edited_safely_is_refused_with_its_place(name: str) -> None:
    line, column, reason = REFUSED[name]
    with pytest.raises(InputError) as refusal:
        merge_podman(PolicyDocument.parse(nasty(name), name))
    assert (refusal.value.line, refusal.value.column) == (line, column)
    assert reason in refusal.value.what
    assert refusal.value.todo


@pytest.mark.parametrize("name", ["23_anchor_on_the_way", "24_alias_on_the_way", "26_field_from_a_merge_key"])
def test_what_is_shared_can_be_unshared_as_an_explicit_choice(name: str) -> None:
    result = merge_podman(PolicyDocument.parse(nasty(name), name), unshare=True)
    assert result.document.content == (DATA / "unshared" / f"{name}.yaml").read_bytes()
    assert not merge_podman(result.document).changed


def second_opinion(content: bytes) -> str:
    """The same two fields added by yaml-edit."""
    one = yaml_edit.ScalarValue("1", style="double-quoted")
    document: Any = yaml_edit.Document.parse(content.decode())
    kubernetes = document["workspace"].as_mapping()["specs"].as_mapping()["kubernetes"].as_mapping()
    for field in ("resource-requests", "resource-limits"):
        kubernetes[field] = {"policy": "write", "value": {"smarter-devices/fuse": one}}
    return str(document)


def load(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


SAME_BYTES = [
    "01_plain",
    "02_comment_of_next_section",
    "08_flow_one_line",
    "15_no_last_line_end",
    "16_crlf",
    "25_merge_key",
    "29_duplicate_elsewhere",
    "30_long_lines",
    "31_tabs_and_trailing_blanks",
    "36_lists_last",
]
# yaml-edit puts the new key before the comments that are indented as the mapping's own keys
OTHER_PLACE = [
    "03_commented_out_sibling",
    "04_staircase_of_comments",
    "12_block_scalar_last",
    "13_block_scalar_that_keeps",
    "32_unicode",
    "37_hashes",
]


@pytest.mark.parametrize("name", SAME_BYTES + OTHER_PLACE)
def test_a_second_opinion_agrees(name: str) -> None:
    ours = merge_podman(PolicyDocument.parse(nasty(name), name)).document.text
    theirs = second_opinion(nasty(name))
    assert load(ours) == load(theirs)
    if name in SAME_BYTES:
        assert ours == theirs
