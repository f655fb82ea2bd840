"""Templates composed at random from what makes HCL hard: a merge changes its cuts only, and a second one nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.template.templates import ANNOTATION
from tests.template.terraform import needs_terraform, rejected
from tests.template.traps import ACCEPTED
from wizard.errors import ConflictError, InputError
from wizard.template.document import Document
from wizard.template.merge import MergeResult, merge_template
from wizard.template.module import Module
from wizard.template.tree import Attribute, Body, Expression

PARTS = ("device", "apparmor", "seccomp", "selinux", "user")

COMMENTS = st.sampled_from(["", "# }\n", "// {\n", "/* } { */\n", "/*\n {\n*/\n", '# "\n', "# <<EOT\n", "\n", "\n\n"])
TAILS = st.sampled_from(["", " # }", " // limits = {", " /* { */", "  "])
VALUES = st.sampled_from(
    [
        '"x"',
        '"}"',
        '"${f("}")}"',
        '"$${ %%{ \\" {"',
        "<<EOT\n} container {\n${x}\nEOTX\nEOT  ",
        '<<-e-o\n  # { ${\n  b ? "}" : "{"\n}\n  e-o',
        '["a", # {\n"}",\n]',
        '{ a = "}", "b" : { c = 1 }\n d = 2 }',
        "f(1,\n2) + (x\n)",
        "{ for k, v in x : k => v }",
        '"%{ if x }}%{ endif }"',
        "x[0].y.*.z",
        "coder_agent.main.id",
    ]
)
KEYS = st.sampled_from(["cpu", '"cpu"', '("cpu")', '"a/${b}"', "ä-b", '"smarter-devices/fuse"', '"github.com/fuse"'])
NAMES = st.sampled_from(["alpha", "b-c", "größe", "_d", "e1"])


@st.composite
def objects(draw: st.DrawFn) -> str:
    """A literal object, in any of the forms that Terraform accepts."""
    sign = draw(st.sampled_from([" = ", ": ", " : ", "="]))
    items = draw(st.lists(st.tuples(KEYS, st.sampled_from(['"1"', "1", "var.x", '"2Gi"', '"0"'])), max_size=3))
    if draw(st.booleans()):
        return (
            "{" + draw(st.sampled_from(["", " ", " /* c } */ "])) + ", ".join(f"{k}{sign}{v}" for k, v in items) + "}"
        )
    lines = [f"{k}{sign}{v}" + draw(st.sampled_from(["", ","])) + draw(TAILS) + "\n" + draw(COMMENTS) for k, v in items]
    return "{" + draw(TAILS) + "\n" + draw(COMMENTS) + "".join(lines) + draw(st.sampled_from(["", "  ", "\t"])) + "}"


@st.composite
def blocks(draw: st.DrawFn, header: str, *members: str, indent: str = "") -> str:
    """A block with these members and others between them, in any order; on one line where that is possible."""
    if len(members) <= 1 and draw(st.booleans()) and all("\n" not in one and "{" not in one for one in members):
        return header + " {" + draw(st.sampled_from(["", " ", " /* } */ "])) + "".join(members) + " }"
    others = [f"{name} = {draw(VALUES)}" for name in draw(st.lists(NAMES, max_size=2, unique=True))]
    shuffled = draw(st.permutations([*members, *others]))
    blank = draw(st.sampled_from(["  ", "\t", "", "    "]))
    # Behind the end of a text block, there can only be blanks.
    ends = [draw(st.sampled_from(["", " "]) if one.rstrip().endswith(("EOT", "e-o")) else TAILS) for one in shuffled]
    inside = "".join(blank + one + end + "\n" + draw(COMMENTS) for one, end in zip(shuffled, ends, strict=True))
    return header + " {" + draw(TAILS) + "\n" + draw(COMMENTS) + inside + indent + "}"


@st.composite
def templates(draw: st.DrawFn) -> str:
    maps = [f"{name} = {draw(objects())}" for name in draw(st.sampled_from([(), ("limits",), ("limits", "requests")]))]
    members = ['name = "dev"', "command = [coder_agent.main.init_script]"]
    if draw(st.booleans()):
        members.append(draw(blocks("resources", *maps)))
    if draw(st.booleans()):
        members.append(draw(blocks("security_context")))
    spec = draw(blocks("spec", draw(blocks("container", *members))))
    metadata = [f"annotations = {draw(objects())}"] if draw(st.booleans()) else []
    pod = [spec, *([draw(blocks("metadata", *metadata))] if draw(st.booleans()) else [])]
    if draw(st.booleans()):
        pod = [draw(blocks("spec", draw(blocks("template", *pod))))]
        kind = "kubernetes_deployment_v1"
    else:
        kind = "kubernetes_pod"
    around = [text for text in draw(st.lists(st.sampled_from(ACCEPTED), max_size=2)) if _stands_alone(text)]
    text = "\n".join([*around, draw(blocks(f'resource "{kind}" "main"', *pod))])
    text += draw(st.sampled_from(["", "\n", "\n# end }"]))
    if draw(st.booleans()):
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    return draw(st.sampled_from(["", "\ufeff"])) + text


def _stands_alone(text: str) -> bool:
    """Whether a trap can be put beside others: no attribute is set twice in a file."""
    return text.endswith("\n") and not text.startswith("\ufeff") and "=" not in text.split("{")[0]


def read(text: bytes) -> Module:
    return Module(files={"main.tf": Document.parse(text, "main.tf")})


def simple(document: Document, body: Body) -> list[object]:
    """The structure of a body, made for these tests: names, labels, and texts without anything of an object."""

    def of(value: Expression) -> object:
        if value.kind == "object":
            return [(document.text[item.key.start : item.key.end], of(item.value)) for item in value.items]
        return document.text[value.start : value.end]

    return [
        (one.name, of(one.value)) if isinstance(one, Attribute) else (one.type, one.labels, simple(document, one.body))
        for one in body.members
    ]


def leaves(part: object) -> list[str]:
    if isinstance(part, list | tuple):
        return [leaf for one in part for leaf in leaves(one)]
    return [str(part)]


def is_subsequence(few: list[str], many: list[str]) -> bool:
    rest = iter(many)
    return all(one in rest for one in few)


def merged(text: str, on_conflict: str) -> MergeResult | None:
    """The result of a merge that could be made; None if a person has to decide."""
    try:
        result = merge_template(read(text.encode()), PARTS, on_conflict=on_conflict)
    except InputError:
        return None
    if result.error is not None:
        assert isinstance(result.error, InputError | ConflictError)
        assert result.document is result.before
        return None
    return result


@settings(max_examples=300)
@given(templates(), st.sampled_from(["keep", "both"]))
def test_a_merge_only_adds_and_a_second_one_changes_nothing(text: str, on_conflict: str) -> None:
    result = merged(text, on_conflict)
    if result is None:
        return
    before, after = result.before, result.document
    # Every byte is still there, in order: without what was inserted, the result is the original.
    rest = after.text
    for cut in result.cuts:
        was = before.text[cut.start : cut.end]
        assert not was.strip(" \t"), "something was replaced"
        assert rest[cut.start :].startswith(cut.new)
        rest = rest[: cut.start] + was + rest[cut.start + len(cut.new) :]
    assert rest == before.text
    assert before.comment_texts() == after.comment_texts()
    assert is_subsequence(leaves(simple(before, before.root)), leaves(simple(after, after.root)))
    assert f"{ANNOTATION}/dev" in after.text
    again = merge_template(read(after.content), PARTS, on_conflict=on_conflict)
    assert not again.changed
    assert again.error is None


@settings(max_examples=100)
@given(templates())
def test_a_patch_of_the_diff_gives_the_result(text: str) -> None:
    result = merged(text, "replace")
    if result is None or not result.changed:
        return
    old, new = result.before.full_text.split("\n"), []
    at = 0
    for line in result.diff().split("\n")[2:-1]:
        if line.startswith("@@"):
            start = int(line.split()[1].split(",")[0].lstrip("-"))
            new += old[at : start - 1]
            at = start - 1
        elif line.startswith("\\"):
            continue
        elif line[:1] in (" ", "-"):
            assert old[at] == line[1:]
            at += 1
        if line[:1] in (" ", "+"):
            new.append(line[1:])
    assert "\n".join([*new, *old[at:]]) == result.document.full_text


@needs_terraform
@pytest.mark.timeout(240)
def test_terraform_says_the_same_to_what_was_composed_and_to_what_came_of_it(tmp_path: Path) -> None:
    good: dict[str, None] = {}
    bad: dict[str, None] = {}

    @settings(max_examples=150, database=None, derandomize=True)
    @given(templates(), st.integers(0, 10_000), st.sampled_from(["", "}", '"', "\n", "{", "=", "${", "<<X\n", "#"]))
    def collect(text: str, at: int, new: str) -> None:
        result = merged(text, "both")
        if result is not None:
            good.update(dict.fromkeys([result.before.full_text, result.document.full_text]))
        # The same with a character less or more, which makes most of them invalid.
        place = at % len(text)
        damaged = text[:place] + new + text[place + (not new) :]
        try:
            good[read(damaged.encode()).files["main.tf"].full_text] = None
        except InputError:
            bad[damaged] = None

    collect()
    assert len(good) > 100
    assert len(bad) > 50
    found = rejected([text.encode() for text in (*good, *bad)], tmp_path)
    wrong = [text for number, text in enumerate((*good, *bad)) if (number in found) != (text in bad)]
    assert not wrong, f"{wrong[0] in bad}: {wrong[0]}"
