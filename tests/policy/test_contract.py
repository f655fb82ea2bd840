"""The contract of an edit, on generated policies: data, bytes, comments; judged without our own reader."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from tests.policy.generated import policies, policies_in_braces
from wizard.errors import InputError
from wizard.policy import (
    FUSE_RESOURCE,
    EditSession,
    PolicyDocument,
    add_field,
    merge_podman,
    remove_field,
    set_policy_word,
    set_value,
)

KUBERNETES = ("workspace", "specs", "kubernetes")
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
some = settings(max_examples=120, phases=PHASES, suppress_health_check=list(HealthCheck))
few = settings(some, max_examples=30)


def load(content: bytes) -> Any:
    return yaml.load(content.decode("utf-8-sig"), Loader=yaml.CSafeLoader)


def comments(content: bytes) -> list[str]:
    """The generator numbers its comments, and no scalar of it holds such a number."""
    return re.findall(r"# c\d+[^\r\n]*", content.decode("utf-8-sig"))


def parsed(content: bytes) -> PolicyDocument:
    try:
        load(content)
    except yaml.YAMLError:
        assume(False)
    return PolicyDocument.parse(content, "policy.yaml")


def merged_data(data: Any) -> Any:
    """The merge as plain data, written down anew."""
    data = copy.deepcopy(data) or {}
    if data.get("version") is None:
        data = {"version": "0.2", **{key: value for key, value in data.items() if key != "version"}}
    at = data
    for name in KUBERNETES:
        if at.get(name) is None:
            at[name] = {}
        at = at[name]
    for name in ("resource-requests", "resource-limits"):
        field = at.get(name)
        if not field:
            field = at[name] = {"policy": "write"}
        if field.get("value") is None:
            field["value"] = {}
        field["value"].setdefault(FUSE_RESOURCE, "1")
    return data


def lines_are_kept(before: bytes, after: bytes) -> bool:
    """Whether the lines before are a subsequence of those after, line ends included but for a missing last one."""
    old = before.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    new = iter(after.removeprefix(b"\xef\xbb\xbf").split(b"\n"))
    last = old.pop()
    return all(line in new for line in old) and (not last or any(line.rstrip(b"\r") == last for line in new))


@some
@given(policies())
def test_a_merge_makes_just_the_merge(content: bytes) -> None:
    document = parsed(content)
    result = merge_podman(document)
    after = result.document.content
    assert load(after) == merged_data(load(content))
    assert comments(after) == comments(content)
    assert result.proof.other_bytes_changed == 0
    # some of what looks like a comment stands deep enough to belong to a text block
    assert result.proof.comments_kept == result.proof.comments <= len(comments(content))
    assert result.proof.lines_removed == 0
    if not result.proof.lines_changed:
        assert lines_are_kept(content, after)
    assert after.startswith(b"\xef\xbb\xbf") == content.startswith(b"\xef\xbb\xbf")
    if content.rstrip(b"\r\n"):
        assert after.endswith(b"\n") == content.endswith(b"\n") or load(content) is None
    again = merge_podman(result.document)
    assert again.document.content == after
    assert not again.changes


@some
@given(st.one_of(policies(), policies_in_braces()), st.data())
def test_edits_do_what_they_say_and_undo_restores_the_bytes(content: bytes, data: st.DataObject) -> None:
    session = EditSession(parsed(content))
    history = [content]
    for _ in range(data.draw(st.integers(1, 4))):
        before = session.document
        plain = load(before.content)
        fields = ((plain.get("workspace") or {}).get("specs") or {}).get("kubernetes") or {}
        names = [name for name in fields if isinstance(fields[name], dict)]
        edit = data.draw(st.sampled_from(["word", "value", "remove", "add"]))
        if not names and edit != "add":
            continue
        name = data.draw(st.sampled_from(names)) if edit != "add" else "runtime-class-name"
        if edit == "add" and name in fields:
            continue
        path = (*KUBERNETES, name)
        value: Any = data.draw(
            st.sampled_from(
                [
                    "kata",
                    "yes",
                    4,
                    1.5,
                    True,
                    {"A": "1", "b c": "x: y"},
                    [{"key": "a", "value": "b"}],
                    "two\nlines\n",
                    {},
                    None,
                    "012",
                ]
            )
        )
        word = data.draw(st.sampled_from(["read", "write", "append"]))
        try:
            if edit == "word":
                after = set_policy_word(before, path, word)
            elif edit == "value":
                after = set_value(before, path, value)
            elif edit == "add":
                after = add_field(before, path, word, value)
            else:
                after = remove_field(before, path)
        except InputError as error:
            # an honest refusal: the block scalar at the end, or an end that cannot be kept
            assert not before.content.endswith(b"\n"), str(error)
            return
        expected = copy.deepcopy(plain)
        _make(expected, path, edit, word, value)
        assert load(after.content) == expected
        kept = iter(comments(before.content))
        assert all(comment in kept for comment in comments(after.content)), "a comment moved or changed"
        if edit == "word" or edit == "add":
            assert comments(after.content) == comments(before.content)
        session.put(after)
        if after.content != history[-1]:
            history.append(after.content)
    for expected_content in reversed(history[:-1]):
        assert session.undo().content == expected_content
    assert session.document.content == content
    assert not session.dirty
    assert session.proof.comments_kept == session.proof.comments
    for expected_content in history[1:]:
        assert session.redo().content == expected_content


def _make(data: Any, path: tuple[str, ...], edit: str, word: str, value: Any) -> None:
    for name in path[:-1]:
        if data.get(name) is None:
            data[name] = {}
        data = data[name]
    if edit == "remove":
        del data[path[-1]]
        return
    field = data.setdefault(path[-1], {})
    if edit in ("word", "add"):
        field["policy"] = word
    if edit in ("value", "add"):
        field["value"] = value


@some
@given(policies_in_braces())
def test_a_merge_into_braces_makes_just_the_merge(content: bytes) -> None:
    result = merge_podman(parsed(content))
    after = result.document.content
    assert load(after) == merged_data(load(content))
    assert comments(after) == comments(content)
    assert result.proof.other_bytes_changed == 0
    assert result.proof.lines_removed == 0
    assert after.endswith(b"\n") == content.endswith(b"\n")
    assert after.count(b"\r\n") == (after.count(b"\n") if b"\r" in content else 0)
    if b'"workspace"' in content:
        json.loads(after)
    assert merge_podman(result.document).document is result.document


@pytest.mark.parametrize("mode", ["read", "append"])
@few
@given(content=policies())
def test_a_mode_sets_both_words_and_another_count_is_kept(mode: str, content: bytes) -> None:
    document = parsed(content)
    result = merge_podman(document, mode=mode, devices=3)
    fields = load(result.document.content)["workspace"]["specs"]["kubernetes"]
    was = ((load(content).get("workspace") or {}).get("specs") or {}).get("kubernetes") or {}
    had = any(
        FUSE_RESOURCE in ((was.get(name) or {}).get("value") or {}) for name in ("resource-requests", "resource-limits")
    )
    for name in ("resource-requests", "resource-limits"):
        assert fields[name]["policy"] == mode
        assert fields[name]["value"][FUSE_RESOURCE] == ("1" if had else "3")
    assert bool(result.conflicts) == had
