"""Edits of one item of a list: it changes, and all else keeps its bytes, its comments, its aliases."""

from __future__ import annotations

import copy
import difflib
import json
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.policy.test_commands import Runner
from wizard.errors import InputError
from wizard.policy import PolicyDocument, prove, set_value
from wizard.policy.text_editor import Append, Edit, Remove, Set, apply

KUBERNETES = "workspace.specs.kubernetes"
PREFER = "PreferNoSchedule"
FIELD = ("workspace", "specs", "kubernetes", "tolerations")
VALUE = (*FIELD, "value")
KEYS = {
    "tolerations": (["key"], ["key", "value"], ["key", "operator", "effect"]),
    "env": (["key"], ["key", "value"]),
    "annotations": (["key"], ["key", "value"]),
    "node-selector": (["key"], ["key", "value"]),
}
"""The fields with lists of items, and the keys that an item has here."""
some = settings(
    max_examples=120,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(pytest.MonkeyPatch(), tmp_path)


class Lists:
    """Writes a policy with a list of items in any style; ``own`` are the comments of each item."""

    def __init__(self, draw: Any, field: str) -> None:
        self.draw = draw
        self.field = field
        self.number = 0
        self.own: list[list[str]] = []

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def comment(self) -> str:
        self.number += 1
        return f"# c{self.number}" + self.pick("", ": x", " 'q", ", {")

    def at_end(self, own: list[str]) -> str:
        if self.pick(True, True, False):
            return str(self.pick("", "", " "))
        own.append(self.comment())
        return f"  {own[-1]}"

    def scalar(self) -> str:
        return str(self.pick("a", "'b, c'", '"d: e"', '"1"', "x y", "NoSchedule", "*text"))

    def block(self, dash: int) -> list[str]:
        lines: list[str] = []
        gap = self.pick(" ", " ", "   ")
        for _ in range(self.pick(1, 2, 3, 4)):
            own: list[str] = []
            lines += [""] * self.pick(0, 0, 1)
            if self.pick(True, False):
                own.append(self.comment())
                lines.append(" " * dash + own[-1])
            keys = self.pick(*KEYS[self.field])
            if self.pick(True, True, True, False):
                for number, key in enumerate(keys):
                    start = " " * dash + "-" + gap if not number else " " * (dash + 1) + " " * len(gap)
                    lines.append(f"{start}{key}: {self.scalar()}{self.at_end(own)}")
                    if number and self.pick(True, False, False):
                        own.append(self.comment())
                        lines.append(" " * (dash + 1 + len(gap)) + own[-1])
            else:
                pairs = ", ".join(f"{key}: {self.scalar()}" for key in keys)
                lines.append(f"{' ' * dash}-{gap}{{{pairs}}}{self.at_end(own)}")
            self.own.append(own)
        return lines

    def brackets(self, indent: int) -> list[str]:
        items = []
        for _ in range(self.pick(1, 2, 3)):
            keys = self.pick(*KEYS[self.field][:2])
            items.append("{" + ", ".join(f"{key}: {self.scalar()}" for key in keys) + "}")
            self.own.append([])
        comma = self.pick("", "", ",")
        if self.pick(True, False):
            return [f"[{', '.join(items)}{comma}]"]
        lines = ["["]
        for number, item in enumerate(items):
            end = "," if number + 1 < len(items) else comma
            lines.append(" " * (indent + 2) + item + end + self.at_end(self.own[number]))
        return [*lines, " " * indent + "]"]

    def policy(self) -> bytes:
        lines = [
            'version: "0.2"',
            "x-shared: &shared {a: b}  # shared",
            "x-text: &text aliased",
            "workspace:",
            "  specs:",
        ]
        lines += ["    kubernetes:", "      labels: {policy: read, value: *shared}"]
        lines += [f"      {self.field}:", "        policy: read"]
        if self.pick(True, True, False):
            lines.append("        value:" + self.pick("", "  # tolerated"))
            lines += self.block(8 + self.pick(0, 2))
        else:
            first, *more = self.brackets(8)
            lines += [f"        value: {first}", *more]
        if self.pick(True, False):
            lines += ["      # about cpu", "      cpu: {policy: read}"]
        text = "\n".join(lines) + self.pick("\n", "")
        return str(self.pick(text, text.replace("\n", "\r\n"))).encode()


@st.composite
def lists(draw: Any, field: str) -> tuple[bytes, list[list[str]]]:
    writer = Lists(draw, field)
    return writer.policy(), writer.own


def load(content: bytes) -> Any:
    return yaml.load(content.decode(), Loader=yaml.CSafeLoader)


def tolerations(data: Any) -> Any:
    for key in VALUE:
        data = data[key]
    return data


def comments(content: bytes) -> list[str]:
    return re.findall(r"# (?:c\d+|shared|tolerated|about)[^\r\n]*", content.decode())


def lines_that_differ(before: bytes, after: bytes) -> tuple[list[bytes], list[bytes]]:
    """Returns the lines that only one of the two has, in order: by another way than the proof's."""
    old, new = before.splitlines(), after.splitlines()
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    differ = [block for block in blocks if block[0] != "equal"]
    removed = [line for _, start, end, _, _ in differ for line in old[start:end]]
    return removed, [line for _, _, _, start, end in differ for line in new[start:end]]


@some
@pytest.mark.parametrize("field", KEYS)
@given(data=st.data())
def test_one_item_changes_and_nothing_else(field: str, data: st.DataObject) -> None:
    content, own = data.draw(lists(field))
    before = PolicyDocument.parse(content, "policy.yaml")
    expected = copy.deepcopy(load(content))
    items = expected["workspace"]["specs"]["kubernetes"][field]["value"]
    value_at = (*FIELD[:-1], field, "value")
    last = KEYS[field][-1][-1]
    number = data.draw(st.integers(0, len(items) - 1))
    kind = data.draw(st.sampled_from(["change", "add key", "remove key", "remove", "append", "whole list"]))
    value = data.draw(st.sampled_from(["new", "yes", "a: b", "12"]))
    edit: Edit
    if kind == "change":
        key = data.draw(st.sampled_from(list(items[number])))
        items[number][key] = value
        edit = Set((*value_at, number, key), value)
    elif kind == "add key":
        items[number]["more"] = 30
        edit = Set((*value_at, number, "more"), 30)
    elif kind == "remove key":
        key = data.draw(st.sampled_from(list(items[number])))
        del items[number][key]
        edit = Remove((*value_at, number, key))
    elif kind == "remove":
        del items[number]
        edit = Remove((*value_at, number))
    elif kind == "append":
        items.append({"key": value, last: "NoExecute"})
        edit = Append(value_at, {"key": value, last: "NoExecute"})
    else:
        items[number][last] = value
        edit = Set(value_at, copy.deepcopy(items))
    try:
        after = apply(before, [edit])
    except InputError as error:
        # the next key cannot take the place of the first one past a comment
        assert kind == "remove key", str(error)
        assert "comment between" in error.what
        return
    assert load(after.content) == expected
    proof = prove(before, after)
    assert proof.other_bytes_changed == 0
    removed, added = lines_that_differ(content, after.content)
    if kind in ("change", "append", "add key"):
        assert len(removed) <= 1, removed
    if kind in ("change", "remove key", "remove"):
        assert len(added) <= 1, added
    gone = [] if kind not in ("remove key", "remove") else own[number]
    kept = [comment for comment in comments(content) if comment not in gone]
    assert [comment for comment in comments(after.content) if comment not in gone] == kept
    if kind == "change":
        assert comments(after.content) == comments(content)
        assert (proof.lines_added, proof.lines_removed) == (0, 0)
        assert proof.lines_changed <= 1
    if kind in ("append", "add key"):
        assert comments(after.content) == comments(content)
        assert proof.lines_removed == 0
        assert proof.lines_changed <= 1
    if kind != "remove":  # a blank line above may become the last one
        assert after.content.endswith(b"\n") == content.endswith(b"\n")


TWO = dedent(
    """\
    version: "0.2"
    workspace:
      specs:
        kubernetes:
          cpu: {policy: read}  # c
          env:
            policy: append
            value:
              A.B: x # dot
              C: y
          annotations:
            policy: read
            value:
              # one
              - key: a/b.c
                value: x
          tolerations:
            policy: read
            value:
              # GPU nodes
              - key: gpu  # k
                effect: NoSchedule   # why
                value: "1"
              - key: gpu
                effect: NoExecute
    """
)


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        ("tolerations[key=gpu,effect=NoSchedule].value", "yes", '            value: "1"', '            value: "yes"'),
        ('tolerations[key="gpu",effect=NoExecute].effect', PREFER, "effect: NoExecute", f"effect: {PREFER}"),
        ("tolerations.value[1].effect", PREFER, "effect: NoExecute", f"effect: {PREFER}"),
        ("annotations[a/b.c]", "on", "            value: x", '            value: "on"'),
        ("annotations[key=a/b.c].value", "2", "            value: x", "            value: 2"),
        ("cpu", "4", "cpu: {policy: read}  # c", "cpu: {policy: read, value: 4}  # c"),
        ("cpu.policy", "write", "cpu: {policy: read}", "cpu: {policy: write}"),
        ("env.A.B", "z", "A.B: x # dot", "A.B: z # dot"),
        ('env."A.B"', "z", "A.B: x # dot", "A.B: z # dot"),
        ("env[A.B]", "z", "A.B: x # dot", "A.B: z # dot"),
        ("env[key=C]", "z", "C: y", "C: z"),
        ("env.NEW", "z", "          C: y\n", "          C: y\n          NEW: z\n"),
        (
            "annotations[new]",
            "z",
            "            value: x\n",
            "            value: x\n          - key: new\n            value: z\n",
        ),
        (
            "tolerations[key=pool,effect=NoExecute].tolerationSeconds",
            "30",
            "            effect: NoExecute\n",
            "            effect: NoExecute\n          - key: pool\n            effect: NoExecute\n"
            "            tolerationSeconds: 30\n",
        ),
        (
            "node-selector[pool]",
            "z",
            "            effect: NoExecute\n",
            "            effect: NoExecute\n      node-selector:\n        value:\n          - key: pool\n"
            "            value: z\n",
        ),
    ],
)
def test_set_changes_what_the_path_names(run: Runner, path: str, value: str, old: str, new: str) -> None:
    done = run("set", run.file(TWO.encode()), f"{KUBERNETES}.{path}", value)
    assert (done.code, done.out.decode()) == (0, TWO.replace(old, new))


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("tolerations[1]", "          - key: gpu\n            effect: NoExecute\n"),
        ("tolerations[effect=NoExecute].effect", "            effect: NoExecute\n"),
        ("tolerations[key=gpu,value=1].value", '            value: "1"\n'),
        ("env.C", "          C: y\n"),
        ("cpu", "      cpu: {policy: read}  # c\n"),
    ],
)
def test_unset_removes_what_the_path_names(run: Runner, path: str, gone: str) -> None:
    done = run("unset", run.file(TWO.encode()), f"{KUBERNETES}.{path}")
    assert (done.code, done.out.decode()) == (0, TWO.replace(gone, ""))


def test_an_item_goes_with_its_own_comments_and_the_last_one_leaves_an_empty_list(run: Runner) -> None:
    done = run("unset", run.file(TWO.encode()), f"{KUBERNETES}.tolerations[0]")
    start, end = TWO.index("          # GPU"), TWO.index("          - key: gpu\n")
    assert done.out.decode() == TWO[:start] + TWO[end:]
    done = run("unset", run.file(TWO.encode()), f"{KUBERNETES}.annotations[0]")
    assert "        value: []\n" in done.out.decode()


GPU = f"{KUBERNETES}.tolerations[key=gpu,effect=NoSchedule]"
NO_EXECUTE = f"{KUBERNETES}.tolerations[key=gpu,effect=NoExecute]"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("set", f"{KUBERNETES}.tolerations[key=gpu].value", "x"), 4, "is ambiguous: 2 items match (lines 21, 24)"),
        (("set", f"{KUBERNETES}.tolerations[7].value", "x"), 4, "tolerations[key=gpu,effect=NoExecute]"),
        (("set", f"{KUBERNETES}.cup", "4"), 4, f"Did you mean {KUBERNETES}.cpu?"),
        (("set", "workspace.specs.Kubernetes.cpu", "4"), 4, f"Did you mean {KUBERNETES}.cpu"),
        (("set", "workspace.cpu.policy", "read"), 4, f"Did you mean {KUBERNETES}.cpu.policy?"),
        (("set", f"{KUBERNETES}.cpu", "four"), 4, "is four (text), not a number"),
        (("set", f"{KUBERNETES}.cpu.policy", "wirte"), 4, "Did you mean write?"),
        (("set", f"{KUBERNETES}.cpu", "["), 4, "[ opens here and is not closed"),
        (("set", f"{KUBERNETES}.tolerations[0].efect", "x"), 4, "Did you mean effect?"),
        (("set", f"{KUBERNETES}.cpu.polciy", "read"), 4, f"Did you mean {KUBERNETES}.cpu.policy?"),
        (("unset", f"{KUBERNETES}.disk"), 4, "does not exist"),
        (
            ("unset", f"{GPU}.vlaue"),
            4,
            f"Did you mean {KUBERNETES}.tolerations[key=gpu,effect=NoSchedule,value=1].value?",
        ),
        (("unset", f"{KUBERNETES}.tolerations[1].zebra"), 4, f"{NO_EXECUTE}.key, {NO_EXECUTE}.effect."),
        (("unset", f"{KUBERNETES}.tolerations[key=gpuu,effect=NoExecute].efect"), 4, f"or {NO_EXECUTE}.effect?"),
        (("unset", f"{KUBERNETES}.toleration[1].effect"), 4, f"Did you mean {KUBERNETES}.tolerations[1].effect?"),
        (("unset", f"{KUBERNETES}.tolerations[0].value.x"), 4, "[key=gpu,effect=NoSchedule,value=1].value?"),
        (("unset", f"{KUBERNETES}.annotations[a/b.d].vale"), 4, f"Did you mean {KUBERNETES}.annotations["),
        (("unset", f"{KUBERNETES}.env.c"), 4, f"Did you mean {KUBERNETES}.env.C?"),
        (("unset", f"{KUBERNETES}.env.ZEBRA"), 4, f'What exists there: {KUBERNETES}.env."A.B", {KUBERNETES}.env.C.'),
        (("unset", f"{KUBERNETES}.env.NONE"), 4, "does not exist"),
        (("set", "workspace..x", "1"), 2, "is not a path"),
        (("set", "[0]", "1"), 2, "is not a path"),
        (("set", "", "1"), 2, '"" is not a path'),
        (("set", f"{KUBERNETES}.tolerations[-1].value", "x"), 2, "is not a path at '[-1]"),
    ],
)
def test_what_cannot_be_set_names_the_near_paths(run: Runner, arguments: tuple[str, ...], code: int, says: str) -> None:
    command, *rest = arguments
    file = run.file(TWO.encode())
    done = run(command, file, *rest, "--in-place") if command == "unset" else run(command, "--in-place", file, *rest)
    assert (done.code, done.out, Path(file).read_text()) == (code, b"", TWO)
    assert says in done.err


@pytest.mark.parametrize(
    ("value", "path", "new", "after"),
    [
        (
            '[{"key": "a", "effect": "NoExecute"}]',
            "[a].value",
            "z",
            '[{"key": "a", "effect": "NoExecute", "value": "z"}]',
        ),
        ('[{"key": "a"}]', "[b].value", "z", '[{"key": "a"}, {"key": "b", "value": "z"}]'),
        ('[{"key": "a"}]', "[0]", "{key: b}", '[{"key": "b"}]'),
        ("[{key: 'a', value: 'x'}, {key: \"b\"}]", "[a].value", "z", "[{key: 'a', value: 'z'}, {key: \"b\"}]"),
        ("[{key: 'a', value: \"x\"}]", "[a].value", "z", "[{key: 'a', value: \"z\"}]"),
    ],
)
def test_what_is_set_in_an_item_is_quoted_as_its_neighbors_are(
    run: Runner, value: str, path: str, new: str, after: str
) -> None:
    text = TWO[: TWO.index("      tolerations:")] + "      tolerations: {policy: read, value: %s} # c\n"
    done = run("set", run.file((text % value).encode()), f"{KUBERNETES}.tolerations{path}", new)
    assert done.out.decode() == text % after


def test_a_text_that_is_no_yaml_is_set_with_a_type(run: Runner) -> None:
    file, path = run.file(TWO.encode()), f"{KUBERNETES}.env.C"
    refused = run("set", file, path, "a: b")
    assert (refused.code, refused.err.rstrip().endswith("To set it as text, add --type string.")) == (4, True)
    assert b'C: "a: b"' in run("set", file, path, "a: b", "--type", "string").out
    assert 'needs text, and "" is nothing. To set it as text, add --type string.' in run("set", file, path, "").err


def test_a_value_is_yaml_1_2_or_text(run: Runner) -> None:
    file = run.file(TWO.encode())
    path = f"{KUBERNETES}.env.C"
    for text, written in [("yes", b'"yes"'), ("0o17", b"15"), ("true", b"true"), ("12", b"12"), ("~", b"null")]:
        assert b" C: " + written + b"\n" in run("set", file, path, text).out
    assert b' C: "12"\n' in run("set", file, path, "12", "--type", "string").out


def test_a_change_in_place_keeps_a_backup_and_a_dry_run_writes_nothing(run: Runner) -> None:
    file = run.file(TWO.encode())
    path = f"{KUBERNETES}.tolerations[1].effect"
    dry = run("set", file, path, PREFER, "--in-place", "--dry-run", "--diff")
    assert Path(file).read_text() == TWO
    assert b"+            effect: PreferNoSchedule\n" in dry.out
    done = run("set", file, path, PREFER, "--in-place")
    assert (done.code, done.out) == (0, b"")
    assert Path(file).read_text() == TWO.replace("NoExecute", PREFER)
    assert [path.read_text() for path in run.folder.glob("*.bak")] == [TWO]
    again = run("set", file, path, PREFER, "--in-place")
    assert "nothing to change" in again.err
    assert run("set", "-", path, PREFER, "--in-place", stdin=TWO.encode()).code == 2


def test_the_document_of_a_change_names_what_was_there(run: Runner) -> None:
    file = run.file(TWO.encode())
    done = run("set", file, f"{KUBERNETES}.tolerations[0].value", "b", "-o", "json").json
    assert done["schema_version"] == 1
    assert done["changes"] == [
        {"path": f"{KUBERNETES}.tolerations.value[0].value", "before": "1", "after": "b", "line": 23}
    ]
    assert done["text"] == TWO.replace('value: "1"', 'value: "b"')
    refused = run("set", file, f"{KUBERNETES}.cup", "2", "-o", "json")
    assert (refused.code, refused.json["changed"], refused.json["refused"][0]["file"]) == (4, False, file)
    assert "cpu" in refused.json["error"]["todo"]


def test_an_anchor_is_not_changed_for_others(run: Runner) -> None:
    text = TWO.replace('value: "1"', 'value: &v "1"').replace(
        "effect: NoExecute", "effect: NoExecute\n            value: *v"
    )
    file = run.file(text.encode())
    path = f"{KUBERNETES}.tolerations[effect=NoSchedule].value"
    done = run("set", file, path, "b")
    assert (done.code, done.out) == (4, b"")
    assert "anchor &v" in done.err
    copied = yaml.safe_load(run("set", "--unshare", file, path, "b").out)
    assert [item["value"] for item in tolerations(copied)] == ["b", "1"]


def test_a_changed_list_changes_only_the_items_that_differ() -> None:
    before = PolicyDocument.parse(TWO.encode(), "policy.yaml")
    items = tolerations(before.data)
    after = set_value(before, FIELD, [items[0], {"key": "mid"}, {**items[1], "value": "2"}])
    assert prove(before, after).comments_kept == prove(before, after).comments
    assert str(prove(before, after)).startswith("2 lines added, 0 other bytes")
    fewer = set_value(before, FIELD, items[:1])
    assert fewer.text == TWO.replace("          - key: gpu\n            effect: NoExecute\n", "")


def test_the_effect_of_a_policy_is_shown(run: Runner) -> None:
    file = run.file(TWO.encode())
    done = run("effect", file)
    assert done.code == 0
    lines = done.out.decode().splitlines()
    assert re.search(r"env +can add +\{A.B: x, C: y\}", lines[1])
    assert re.search(r"memory +cannot change\*$", done.out.decode(), re.M)
    assert "Every workspace gets a FUSE device: no" in lines
    as_json = run("effect", file, "-o", "json").json
    assert as_json["fuse"]["sure"] is False
    assert as_json["fields"][0] == {
        "path": f"{KUBERNETES}.cpu",
        "effect": "cannot change",
        "value": "",
        "assumed": False,
    }
    refused = run("effect", run.file(b"a: [", "bad.yaml"), "-o", "json")
    assert (refused.code, json.loads(refused.out)["refused"][0]["line"]) == (4, 1)


ODD = """\
version: "0.2"
workspace:
  specs:
    kubernetes:
      annotations:
        value:
          - name: a.b
            value: x
      tolerations:
        value:
          - - key: no mapping
          # BEGIN ANSIBLE MANAGED BLOCK
          - key: b
          # END ANSIBLE MANAGED BLOCK
          -
      node-selector:
        value:
          # BEGIN ANSIBLE MANAGED BLOCK
          zone: a
          # END ANSIBLE MANAGED BLOCK
"""


@pytest.mark.parametrize(
    ("arguments", "before", "after"),
    [
        (("set", "annotations.a.b", "w"), "            value: x\n", "            value: w\n"),
        (("set", "annotations.a.b.value", "w"), "            value: x\n", "            value: w\n"),
        (
            ("set", "annotations.c.d", "z"),
            "            value: x\n",
            "            value: x\n          - name: c.d\n            value: z\n",
        ),
        (("unset", "tolerations[1]"), "          - key: b\n", ""),
        (("unset", "node-selector.zone"), "          zone: a\n", None),
    ],
)
def test_items_are_named_like_entries_and_markers_of_other_tools_stay(
    run: Runner, arguments: tuple[str, ...], before: str, after: str | None
) -> None:
    command, path, *value = arguments
    done = run(command, run.file(ODD.encode()), f"{KUBERNETES}.{path}", *value)
    assert done.code == 0, done.err
    if after is not None:
        assert done.out.decode() == ODD.replace(before, after)
    else:
        assert before not in done.out.decode()


def test_the_key_of_a_managed_block_goes_without_its_markers(run: Runner) -> None:
    text = ODD.replace("          zone: a\n", "          zone: a\n          rack: b\n")
    done = run("unset", run.file(text.encode()), f"{KUBERNETES}.node-selector.zone")
    assert done.out.decode() == text.replace("          zone: a\n", "")


def test_a_number_where_text_is_needed_is_mentioned(run: Runner) -> None:
    file = run.file(TWO.encode())
    done = run("set", file, f"{KUBERNETES}.env.C", "1.10")
    assert b" C: 1.1\n" in done.out and "To set it as text, add --type string." in done.err
    assert "--type" not in run("set", file, f"{KUBERNETES}.cpu", "2").err


def test_a_misspelt_resource_is_not_set(run: Runner) -> None:
    done = run("set", run.file(TWO.encode()), f"{KUBERNETES}.resource-limits.smarter-device/fuse", "1")
    assert done.code == 4 and "Did you mean smarter-devices/fuse?" in done.err


def test_a_value_that_is_not_yaml_is_refused_at_its_own_column(run: Runner) -> None:
    assert "the value:1:3: " in run("set", run.file(TWO.encode()), f"{KUBERNETES}.env.C", "$x: {").err


def test_what_a_merge_key_brings_is_not_called_missing(run: Runner) -> None:
    text = "x: &x\n  value: {A: b}\n" + ODD.replace("      annot", "      env:\n        <<: *x\n      annot")
    done = run("unset", run.file(text.encode()), f"{KUBERNETES}.env.value")
    assert done.code == 4 and "comes from a merge key" in done.err
