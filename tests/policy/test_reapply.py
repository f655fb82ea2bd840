"""Edits made again on a file that someone else changed in the meantime."""

from __future__ import annotations

import pytest

from wizard.errors import InputError
from wizard.policy import PolicyDocument, merge_podman, reapply_edits, remove_field, set_policy_word, set_value

BEFORE = """\
version: "0.2"
workspace:
  specs:
    kubernetes:
      cpu: {policy: read}   # cores
      memory:
        policy: write
      tolerations:
        policy: read
        value:
          - key: gpu   # k
            effect: NoSchedule
"""
KUBERNETES = ("workspace", "specs", "kubernetes")


def document(text: str) -> PolicyDocument:
    return PolicyDocument.parse(text.encode(), "policy.yaml")


def test_both_changes_are_there_and_so_are_the_comments() -> None:
    mine = remove_field(merge_podman(document(BEFORE)).document, (*KUBERNETES, "memory"))
    now = BEFORE.replace("# cores", "# cores of ours").replace("cpu: {policy: read}", "cpu: {policy: append}")
    made = reapply_edits(document(BEFORE), mine, document(now))
    assert made.both == ()
    expected = mine.text.replace("# cores", "# cores of ours").replace("cpu: {policy: read}", "cpu: {policy: append}")
    assert made.document.text == expected


def test_what_both_changed_is_named_and_the_edit_wins() -> None:
    mine = set_policy_word(document(BEFORE), (*KUBERNETES, "cpu"), "write")
    now = document(BEFORE.replace("cpu: {policy: read}", "cpu: {policy: append}"))
    made = reapply_edits(document(BEFORE), mine, now)
    assert made.both == ("workspace.specs.kubernetes.cpu.policy",)
    assert "cpu: {policy: write}   # cores" in made.document.text
    same = document(BEFORE.replace("cpu: {policy: read}", "cpu: {policy: write}"))
    assert reapply_edits(document(BEFORE), mine, same) == (same, ())


def test_an_item_changes_where_it_is_now() -> None:
    mine = set_value(document(BEFORE), (*KUBERNETES, "tolerations"), [{"key": "gpu", "effect": "NoExecute"}])
    now = document("# head\n" + BEFORE)
    made = reapply_edits(document(BEFORE), mine, now)
    assert made.document.text == "# head\n" + BEFORE.replace("NoSchedule", "NoExecute")


def test_what_cannot_be_made_again_is_refused() -> None:
    mine = set_policy_word(document(BEFORE), (*KUBERNETES, "cpu"), "write")
    with pytest.raises(InputError):
        reapply_edits(document(BEFORE), mine, document(BEFORE.replace("cpu: {policy: read}", "cpu: [a]")))
