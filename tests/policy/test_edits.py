"""Edits by hand: where new text goes, and what it looks like."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from wizard.errors import InputError, UsageError
from wizard.policy import (
    PolicyDocument,
    add_field,
    fields,
    prove,
    remove_field,
    remove_value,
    set_policy_word,
    set_value,
    value_from_text,
    value_problem,
    value_text,
)
from wizard.policy.text_editor import Remove, Set, apply

CPU = ("workspace", "specs", "kubernetes", "cpu")
LABELS = ("workspace", "specs", "kubernetes", "labels")


def policy(text: str) -> PolicyDocument:
    return PolicyDocument.parse(dedent(text).encode(), "policy.yaml")


def kubernetes(text: str, newline: str = "\n") -> PolicyDocument:
    lines = 'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n' + "".join(
        f"      {line}\n" if line else "\n" for line in dedent(text).strip("\n").split("\n")
    )
    return PolicyDocument.parse(lines.replace("\n", newline).encode(), "policy.yaml")


def body(document: PolicyDocument) -> str:
    head = 'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
    assert document.text.startswith(head)
    return dedent(document.text[len(head) :])


def test_a_policy_word_is_replaced_and_its_comment_stays() -> None:
    after = set_policy_word(kubernetes("cpu:\n  policy: write   # GB"), CPU, "read")
    assert body(after) == "cpu:\n  policy: read   # GB\n"


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_quoted_word_keeps_its_quotes(quote: str) -> None:
    after = set_policy_word(kubernetes(f"cpu: {{policy: {quote}write{quote}}}"), CPU, "append")
    assert body(after) == f"cpu: {{policy: {quote}append{quote}}}\n"


def test_a_word_that_is_there_changes_nothing() -> None:
    before = kubernetes("cpu: {policy: 'write'}")
    assert set_policy_word(before, CPU, "write") is before


def test_no_other_word_is_taken() -> None:
    with pytest.raises(UsageError):
        set_policy_word(kubernetes("cpu: {policy: write}"), CPU, "Write")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (4, "4"),
        (1.5, "1.5"),
        (True, "true"),
        ("kata", "kata"),
        ("yes", '"yes"'),
        ("012", '"012"'),
        ("a: b", '"a: b"'),
        ("#x", '"#x"'),
        ("on", '"on"'),
        ("1", '"1"'),
        ("", '""'),
        ("a\tb", '"a\\tb"'),
        ("\u2028", '"\\u2028"'),
        ([], "[]"),
        ({}, "{}"),
        (None, "null"),
    ],
)
def test_a_value_is_quoted_where_one_of_the_parsers_needs_it(data: Any, text: str) -> None:
    before = kubernetes("cpu:\n  policy: write  # c")
    after = set_value(before, CPU, data)
    assert body(after) == f"cpu:\n  policy: write  # c\n  value: {text}\n"
    assert after.data["workspace"]["specs"]["kubernetes"]["cpu"]["value"] == data


def test_text_of_several_lines_becomes_a_block() -> None:
    after = set_value(kubernetes("cpu:\n  value: x  # c\n  policy: read"), CPU, "one\n\ntwo\n")
    assert body(after) == "cpu:\n  value: |  # c\n    one\n\n    two\n  policy: read\n"


def test_a_list_of_mappings_takes_the_dashes_of_the_file() -> None:
    before = kubernetes(
        """
        tolerations:
          value:
          - key: pool
        cpu:
          policy: read
        """
    )
    after = set_value(before, CPU, [{"key": "a", "value": "b"}, {"key": "c"}])
    assert body(after).endswith("policy: read\n  value:\n  - key: a\n    value: b\n  - key: c\n")


def test_what_stays_in_a_mapping_keeps_its_comments() -> None:
    before = kubernetes(
        """
        labels:
          policy: read
          value:
            # who pays
            cost-center: "4711"  # quoted
            # who owns
            owner: us
            team: blue
        """
    )
    after = set_value(before, LABELS, {"cost-center": "4712", "team": "blue", "zone": "a"})
    assert body(after) == dedent(
        """\
        labels:
          policy: read
          value:
            # who pays
            cost-center: "4712"  # quoted
            team: blue
            zone: a
        """
    )


def test_a_block_becomes_a_single_value_and_back() -> None:
    before = kubernetes("labels:\n  value:   # c\n    a: b\n    c: d  # e\n  policy: read")
    single = set_value(before, LABELS, 5)
    assert body(single) == "labels:\n  value: 5   # c\n  policy: read\n"
    assert body(set_value(single, LABELS, {"a": "b"})) == "labels:\n  value:   # c\n    a: b\n  policy: read\n"


def test_a_block_scalar_is_replaced_whole() -> None:
    before = kubernetes("cpu:\n  value: |  # c\n    one\n    two\n\n  # after\n  policy: read")
    assert body(set_value(before, CPU, 1)) == "cpu:\n  value: 1\n\n  # after\n  policy: read\n"


def test_a_missing_chain_of_parents_is_made_in_the_steps_of_the_file() -> None:
    before = policy("version: '0.2'\nworkspace:\n    dev-urls:\n        policy: write\n")
    after = add_field(before, CPU, "read", "no")
    assert after.text == before.text + (
        "    specs:\n        kubernetes:\n            cpu:\n                policy: read\n                value: 'no'\n"
    )


def test_a_field_that_is_there_is_not_added_again() -> None:
    with pytest.raises(InputError) as refusal:
        add_field(kubernetes("cpu: {policy: read}"), CPU)
    assert refusal.value.line == 5


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_field_goes_with_its_own_comments(newline: str) -> None:
    before = kubernetes(
        """
        # about memory
        memory:
          policy: read

        # about the cpu,
        # two lines
        cpu:  # here
          policy: write  # and here
          # value: 4
        # about labels
        labels:
          policy: read
        """,
        newline,
    )
    after = remove_field(before, CPU)
    assert after.text == before.text.replace(
        before.text[before.text.index("      # about the cpu") : before.text.index("      # about labels")], ""
    )
    assert "# about labels" in after.text


def test_the_last_field_leaves_an_empty_mapping() -> None:
    assert remove_field(kubernetes("cpu:\n  policy: read"), CPU).text.endswith("    kubernetes: {}\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{cpu: {policy: read}, labels: {policy: read}}", "{labels: {policy: read}}"),
        ("{labels: {policy: read}, cpu: {policy: read}}", "{labels: {policy: read}}"),
        ("{labels: {policy: read}, cpu: {policy: read}, }", "{labels: {policy: read}, }"),
        ("{cpu: {policy: read}}", "{}"),
        ('{"labels":1,"cpu":2}', '{"labels":1}'),
        ("{\n  labels: 1,  # l\n  cpu: 2  # c\n}", "{\n  labels: 1  # l\n}"),
        ("{\n  cpu: 2,  # c\n  # about labels\n  labels: 1  # l\n}", "{\n  # about labels\n  labels: 1  # l\n}"),
    ],
)
def test_a_key_in_braces_goes_with_its_comma(before: str, after: str) -> None:
    head = "workspace:\n  specs:\n    kubernetes: "
    document = PolicyDocument.parse((head + before + "\n").encode(), "policy.yaml")
    assert remove_field(document, CPU).text == head + after + "\n"


def test_a_removal_keeps_a_missing_last_line_end() -> None:
    before = PolicyDocument.parse(kubernetes("labels: {policy: read}\ncpu: {policy: read}").content[:-1], "policy.yaml")
    after = remove_field(before, CPU)
    assert after.text.endswith("labels: {policy: read}")


def test_a_value_goes_and_the_word_stays() -> None:
    assert body(remove_value(kubernetes("cpu:\n  policy: read\n  value: 4  # c"), CPU)) == "cpu:\n  policy: read\n"


@pytest.mark.parametrize("place", ["policy: *w", "policy: &w read"])
def test_a_shared_word_is_not_changed_for_others(place: str) -> None:
    text = (
        f"x: &w write\ny: {{{place}}}\nworkspace:\n  specs:\n    kubernetes:\n"
        "      cpu: {policy: &v read}\n      disk: {policy: *v}\n"
    )
    before = PolicyDocument.parse(text.encode(), "policy.yaml")
    with pytest.raises(InputError, match=r"anchor &v.*line 7"):
        set_policy_word(before, CPU, "write")
    after = set_policy_word(before, CPU, "write", unshare=True)
    kubernetes_data = after.data["workspace"]["specs"]["kubernetes"]
    assert kubernetes_data == {"cpu": {"policy": "write"}, "disk": {"policy": "read"}}


def test_typed_values_are_read_as_yaml_and_shown_again() -> None:
    for text in ["4", "kata", '{a: "1", b: [c, d]}', '"yes"', "null"]:
        assert value_text(value_from_text(text)) == text
    with pytest.raises(InputError):
        value_from_text("{a: ")
    with pytest.raises(InputError):
        value_from_text("1\npolicy: write")


def test_a_typed_value_is_held_against_the_schema() -> None:
    assert value_problem(CPU, "four") == "cpu is four (text), not a number of at least 0. Write a number (cores)."
    assert value_problem(CPU, 4) == ""
    assert "list" in value_problem(("workspace", "specs", "kubernetes", "annotations"), {"a": "b"})


def test_all_fields_of_the_file_come_first_in_its_order() -> None:
    views = fields(kubernetes("x-own: 1\nmemory: {policy: read, value: 4}\ncpu:\n  policy: wrong"))
    present = [view for view in views if view.present]
    assert [view.path[-1] for view in present] == ["x-own", "memory", "cpu"]
    assert [view.line for view in present] == [5, 6, 7]
    assert (present[1].word, present[1].value, present[1].data) == ("read", "4", 4)
    assert [problem.id for problem in present[2].problems] == ["wrong-word"]
    missing = [view for view in views if view.for_podman]
    assert len(missing) == 2
    assert all(not view.present and view.problems[0].id == "fuse-missing" for view in missing)
    assert len({view.path for view in views}) == len(views)


def test_a_new_first_key_goes_below_the_head() -> None:
    from wizard.policy import merge_podman

    def version_line(text: str) -> int:
        return merge_podman(PolicyDocument.parse(text.encode(), "p")).document.text.splitlines().index('version: "0.2"')

    assert version_line("workspace: {}\n") == 0
    assert version_line("# head\nworkspace: {}\n") == 1
    assert version_line("# head\n\nworkspace: {}\n") == 2
    assert version_line("# head\n\n# about workspaces\nworkspace: {}\n") == 2
    assert version_line("# head\n---\nworkspace: {}\n") == 2


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("marked", ["&env", "!env", "&env !env"])
@pytest.mark.parametrize("body", ['          A: "1"\n', "          - a\n"], ids=["mapping", "list"])
def test_a_value_is_replaced_with_its_tag_and_keeps_the_anchor_of_its_own(body: str, marked: str, newline: str) -> None:
    head = 'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      env:\n        value:'
    before = f"{head} {marked}\n{body}# end\n".replace("\n", newline).encode()
    after = set_value(PolicyDocument.parse(before), (*CPU[:-1], "env"), "x")
    anchor = " &env" if "&env" in marked else ""
    assert after.content == f"{head}{anchor} x\n# end\n".replace("\n", newline).encode()


def test_the_only_key_of_a_policy_is_not_removed() -> None:
    with pytest.raises(InputError, match="everything in the policy"):
        remove_field(PolicyDocument.parse(b"# head\nworkspace: {}\n"), ("workspace",))


@pytest.mark.parametrize("comment", ["GB, per workspace", "was: {policy: read},", "a:b,c"])
def test_what_a_comment_holds_is_no_comma_and_no_colon(comment: str) -> None:
    head = 'version: "0.2"\nworkspace:\n  specs:\n    kubernetes: {'
    before = f"{head}\n      memory: {{policy: write}}  # {comment}\n      # {comment}\n    }}\n"
    after = add_field(PolicyDocument.parse(before.encode()), CPU, "read")
    comma = before.replace("write}  #", "write},  #")
    assert after.text == comma.replace("\n    }", "\n      cpu: {policy: read}\n    }")
    assert remove_field(after, CPU).text == before
    before = f"version: 0.2\nworkspace:\n  ? dev-urls\n  : ? policy  # {comment}\n    # {comment}\n    : write\n"
    after = set_policy_word(PolicyDocument.parse(before.encode()), ("workspace", "dev-urls"), "read")
    assert after.text == before.replace("write", "read")


def test_a_key_that_a_merge_key_would_bring_back_is_not_removed() -> None:
    text = (
        'version: "0.2"\nx-base: &base\n  cpu: {policy: read, value: 2}\nworkspace:\n  specs:\n    kubernetes:\n'
        "      <<: *base\n      cpu: {policy: write}\n      disk: {<<: {value: 3}, policy: write, value: 4}\n"
    )
    before = PolicyDocument.parse(text.encode(), "policy.yaml")
    for unshare in (False, True):
        with pytest.raises(InputError, match="cpu also comes from a merge key") as refusal:
            remove_field(before, CPU, unshare=unshare)
        assert refusal.value.line == 8
        with pytest.raises(InputError, match="value also comes from a merge key"):
            remove_value(before, (*CPU[:-1], "disk"), unshare=unshare)
    only_inherited = PolicyDocument.parse(text.replace("      cpu: {policy: write}\n", "").encode())
    with pytest.raises(InputError):
        remove_field(only_inherited, CPU, unshare=True)


def test_a_refusal_names_the_whole_path_of_what_others_use() -> None:
    before = kubernetes("tolerations:\n  value: [&t {key: a}]\nnode-selector:\n  value: [*t]\nlabels: {value: [*t]}")
    with pytest.raises(InputError, match=r"specs\.kubernetes\.tolerations contains .* &t, .* on lines 8, 9") as refusal:
        remove_field(before, (*CPU[:-1], "tolerations"))
    assert "--unshare" not in refusal.value.todo


def test_a_copy_of_what_is_shared_keeps_its_tags() -> None:
    before = PolicyDocument.parse(
        b'version: "0.2"\nx-env: &env !common\n  policy: !word append\n  value: !vars\n    A: !secret "1"\n'
        b"    list: !two\n    - !first {a: b}\n    - c\n    text: !long |\n      one\n      two\n"
        b"workspace:\n  specs:\n    kubernetes:\n      env: *env   # ours\n"
    )
    after = set_policy_word(before, (*CPU[:-1], "env"), "read", unshare=True)
    assert after.text.endswith(
        "      env: !common   # ours\n        policy: read\n        value: !vars\n"
        '          A: !secret "1"\n          list: !two\n          - !first {a: b}\n          - c\n'
        "          text: !long |\n            one\n            two\n"
    )


def test_what_stays_in_a_mapping_keeps_its_tags_too() -> None:
    before = kubernetes(
        """
        labels:
          value: !ours
            cost-center: "4711"
            team: !secret "blue"  # quoted
            size: !!int "5"
            list: [!x a]
        """
    )
    data = before.data["workspace"]["specs"]["kubernetes"]["labels"]["value"]
    assert set_value(before, LABELS, data) is before
    after = set_value(before, LABELS, {**data, "cost-center": "4712"})
    assert after.text == before.text.replace("4711", "4712")
    assert '"red"  # quoted' in set_value(before, LABELS, {**data, "team": "red"}).text
    assert "size: 6" in set_value(before, LABELS, {**data, "size": 6}).text


def test_a_removal_at_the_end_of_a_file_without_a_last_line_end_changes_no_other_bytes() -> None:
    before = PolicyDocument.parse(kubernetes("cpu:\n  policy: read\n  value: |-\n    x").content[:-1])
    after = remove_value(before, CPU)
    assert after.text.endswith("policy: read")
    assert str(prove(before, after)) == "2 lines removed, 0 other bytes changed, 0 of 0 comments kept"


def test_an_empty_mapping_becomes_what_its_neighbors_are() -> None:
    from wizard.policy import merge_podman

    def merged(text: str) -> str:
        return merge_podman(kubernetes(text)).document.text

    block = 'resource-requests:   # c\n        policy: write\n        value:\n          smarter-devices/fuse: "1"\n'
    assert block in merged("resource-requests: {}   # c\ncpu:\n  policy: read")
    assert block in merged("resource-requests: {}   # c")
    braces = 'resource-requests: {policy: write, value: {smarter-devices/fuse: "1"}}\n'
    assert braces in merged("resource-requests: {}\ncpu: {policy: read}")
    assert max(map(len, merge_podman(policy("workspace: {}\n")).document.text.splitlines())) < 40
    assert "value: {  # none\n" in merged("resource-requests:\n  policy: read\n  value: {  # none\n  }")


@pytest.mark.parametrize(
    ("value", "then"),
    [
        ("|\n    text\n        ", ""),
        ("|\n    text\n        \n\n  ", ""),
        ("|2\n      text\n      ", ""),
        (">\n    text\n     ", ""),
        ("|\n\n    text\n    \n", ""),
        ("|-\n    text\n    \n      ", ""),
        ("|2\n      text\n      \n    last\n      ", ""),
    ],
)
def test_blanks_that_belong_to_a_text_block_stay_in_it(value: str, then: str) -> None:
    from wizard.policy import merge_podman

    before = kubernetes(f"env:\n  policy: read\n  value: {value}")
    for change in (merge_podman(before).document, set_policy_word(before, LABELS, "read")):
        data = change.data["workspace"]["specs"]["kubernetes"]["env"]
        assert data == before.data["workspace"]["specs"]["kubernetes"]["env"]
        assert str(prove(before, change)).startswith(("8 lines added, 0", "2 lines added, 0"))


@pytest.mark.parametrize("header", ["|", ">", "|+", ">+", "|2", "|2+", "&a\n  |", "|   # c"])
def test_a_text_block_without_a_line_end_keeps_its_value(header: str) -> None:
    from wizard.policy import merge_podman

    text = kubernetes(f"env:\n  value: {header}\n    A=1").text.rstrip("\n")
    before = PolicyDocument.parse(text.encode(), "policy.yaml")
    result = merge_podman(before)
    assert result.document.data["workspace"]["specs"]["kubernetes"]["env"]["value"].strip() == "A=1"
    assert (
        result.document.data["workspace"]["specs"]["kubernetes"]["env"]
        == (before.data["workspace"]["specs"]["kubernetes"]["env"])
    )
    assert str(result.proof).startswith("8 lines added, 1 line changed, 0 other bytes changed")
    assert not merge_podman(result.document).changed


def test_a_removal_between_two_kinds_of_line_ends_changes_no_other_byte() -> None:
    before = PolicyDocument.parse(b"workspace:\r\n  a: 1\n\n  b: 2\r\n\r\n  c: 3\n", "policy.yaml")
    after = remove_field(before, ("workspace", "b"))
    assert prove(before, after).other_bytes_changed == 0


FUSE_FIELD = 'policy: write\n        value:\n          smarter-devices/fuse: "1"\n'


def merged(document: PolicyDocument) -> str:
    from wizard.policy import merge_podman

    result = merge_podman(document)
    assert result.proof.other_bytes_changed == 0
    assert result.proof.comments_kept == result.proof.comments
    assert not merge_podman(result.document).changed
    return result.document.text


def test_a_new_field_goes_beside_its_sibling() -> None:
    text = merged(kubernetes("resource-requests:\n  policy: read\n  # r\n# m\nmemory:\n  policy: read"))
    start = text.index("resource-requests")
    assert text.index("# r") < text.index("resource-limits") < text.index("# m") < text.index("memory")
    assert start < text.index("resource-limits")
    reverse = merged(kubernetes("resource-limits:\n  policy: read\nmemory:\n  policy: read"))
    assert reverse.index("resource-limits") < reverse.index("resource-requests") < reverse.index("memory")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "{resource-requests: {policy: read}, cpu: {policy: read}}",
            '{resource-requests: {policy: read, value: {smarter-devices/fuse: "1"}}, '
            'resource-limits: {policy: write, value: {smarter-devices/fuse: "1"}}, cpu: {policy: read}}',
        ),
        (
            "{\n        resource-requests: {policy: read},  # r\n        cpu: {policy: read}\n      }",
            '{\n        resource-requests: {policy: read, value: {smarter-devices/fuse: "1"}},  # r\n'
            '        resource-limits: {policy: write, value: {smarter-devices/fuse: "1"}},\n'
            "        cpu: {policy: read}\n      }",
        ),
    ],
)
def test_a_new_field_goes_beside_its_sibling_in_braces(before: str, after: str) -> None:
    head = 'version: "0.2"\nworkspace:\n  specs:\n    kubernetes: '
    assert merged(PolicyDocument.parse(f"{head}{before}\n".encode(), "policy.yaml")) == f"{head}{after}\n"


def test_blank_lines_between_fields_are_a_habit() -> None:
    text = merged(kubernetes("cpu:\n  policy: read\n\n# m\nmemory:\n  policy: read"))
    assert text.endswith(
        f"\n\n      resource-requests:\n        {FUSE_FIELD}\n      resource-limits:\n        {FUSE_FIELD}"
    )
    once = merged(kubernetes("cpu:\n  policy: read\n\nmemory:\n  policy: read\ndisk:\n  policy: read"))
    assert f"policy: read\n      resource-requests:\n        {FUSE_FIELD}      resource-limits" in once
    sibling = merged(kubernetes("resource-requests:\n  policy: read\n\nmemory:\n  policy: read"))
    assert f'fuse: "1"\n\n      resource-limits:\n        {FUSE_FIELD}\n      memory:' in sibling


@pytest.mark.parametrize("quote", ["'", '"'])
def test_words_are_quoted_as_the_others_are(quote: str) -> None:
    text = merged(kubernetes(f"cpu:\n  policy: {quote}read{quote}"))
    assert text.count(f"policy: {quote}write{quote}\n") == 2
    mixed = merged(kubernetes(f"cpu:\n  policy: {quote}read{quote}\nmemory:\n  policy: read"))
    assert mixed.count("policy: write\n") == 2
    keys = merged(kubernetes(f"{quote}cpu{quote}:\n  {quote}policy{quote}: {quote}read{quote}"))
    assert f"{quote}resource-limits{quote}:\n        {quote}policy{quote}: {quote}write{quote}\n" in keys


def test_new_fields_go_outside_a_managed_block() -> None:
    from wizard.policy import merge_podman

    block = "# BEGIN ANSIBLE MANAGED BLOCK\n      labels: {policy: read}\n%s# END ANSIBLE MANAGED BLOCK\n"
    head = 'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n'
    text = merged(PolicyDocument.parse((head + block % "").encode(), "policy.yaml"))
    assert text.startswith(head + block % "")
    inside = merge_podman(PolicyDocument.parse((head + block % "    docker: {}\n").encode(), "policy.yaml"))
    assert [(one.id, one.line) for one in inside.warnings] == [("managed-block", 7), ("managed-block", 11)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("disk: &d\n", "disk: &d 4\n"),
        ("disk: &d # why\n", "disk: &d 4 # why\n"),
        ("disk:\n  &d 3\n", "disk:\n  &d 4\n"),
        ("{disk: &d , other: 1}\n", "{disk: &d 4 , other: 1}\n"),
    ],
)
def test_an_anchor_that_nothing_refers_to_stays(before: str, after: str) -> None:
    assert apply(PolicyDocument.of_text(before, "p"), [Set(("disk",), 4)]).text == after


def test_an_anchor_on_an_empty_group_stays_when_the_group_gets_a_field() -> None:
    made = apply(PolicyDocument.of_text("workspace: &w # why\n  # own\n", "p"), [Set(("workspace", "cpu"), 4)])
    assert made.text == "workspace: &w # why\n  # own\n  cpu: 4\n"


@pytest.mark.parametrize("text", ["", "disk: {}\n", "disk:\n", "a: 1\n", "disk: {policy: read}\n"])
def test_what_does_not_exist_is_not_removed(text: str) -> None:
    with pytest.raises(InputError, match=r"disk\.value does not exist"):
        apply(PolicyDocument.of_text(text, "p"), [Remove(("disk", "value"))])


def test_a_set_gets_no_values() -> None:
    with pytest.raises(InputError, match="!!set"):
        apply(PolicyDocument.of_text("disk: !!set {a, b}\n", "p"), [Set(("disk", "a"), 1)])
