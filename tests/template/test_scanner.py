"""The scanner accepts what Terraform accepts, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.template.terraform import needs_terraform, rejected
from tests.template.traps import ACCEPTED, REJECTED
from wizard.errors import InputError
from wizard.template.document import LARGEST, Document


def parse(text: str | bytes) -> Document:
    return Document.parse(text if isinstance(text, bytes) else text.encode(), "main.tf")


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_terraform_accepts_is_read(text: str) -> None:
    assert parse(text).content == text.encode()


@pytest.mark.parametrize("text", REJECTED)
def test_what_terraform_rejects_is_an_error_with_its_place(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert error.value.file == "main.tf"
    assert error.value.line > 0
    assert "This is not valid Terraform" in error.value.what


@needs_terraform
def test_terraform_itself_says_the_same(tmp_path: Path) -> None:
    texts = [*ACCEPTED, *REJECTED]
    found = rejected([text.encode() for text in texts], tmp_path)
    assert {texts[number] for number in found} == set(REJECTED)


def test_a_file_that_is_not_utf8_is_an_error_with_its_line() -> None:
    with pytest.raises(InputError, match="not UTF-8") as error:
        parse(b"a = 1\nb = 2\n# \xff\n")
    assert error.value.line == 3


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 2000 + "]" * 2000, "x {\n" * 2000 + "}\n" * 2000, "a = " + '"${' * 2000, "a = " + "(" * 5000],
    ids=["lists", "blocks", "strings", "parentheses"],
)
def test_deep_nesting_ends_with_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="100 levels of nesting"):
        parse(text)


def test_ninety_levels_are_read() -> None:
    parse("a = " + "{ a = " * 90 + "1" + " }" * 90)


def test_long_chains_need_no_stack() -> None:
    parse("a = " + "-" * 50_000 + "1" + " + 1" * 50_000 + " ? 1 : 2" * 10_000)


def test_a_large_file_ends_with_a_sentence() -> None:
    with pytest.raises(InputError, match="larger than"):
        parse(b"#" * (LARGEST + 1))


def test_the_structure_has_its_places() -> None:
    text = 'resource "kubernetes_pod" main {\n  a = { "k" : 1, l = [x.y[0].z] } # c\n  b {}\n}\n'
    document = parse(text)
    (block,) = document.root.blocks("resource")
    assert block.labels == ("kubernetes_pod", "main")
    attribute = block.body.attribute("a")
    assert attribute is not None
    first, second = attribute.value.items
    assert [(first.key.key, first.sign, first.comma), (second.key.key, second.sign)] == [("k", ":", True), ("l", "=")]
    assert text[first.key.start : first.value.end] == '"k" : 1'
    assert document.comment_texts() == ["# c"]
    assert [reference.names for reference in document.references] == [("x", "y", "z")]
    assert text[block.body.blocks("b")[0].start : block.end].startswith("b {}")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a = 1\nx {\n  b = 1\n", 2, "this block is not closed"),
        ('a = [\n1,\n2\n\nb = "', 5, "there must be ] here. It starts on line 1"),
        ("x {\n  a = 1\n  a = 2\n}\n", 3, "a is set a second time"),
        ("a = <<EOT\nx\n", 1, "this text block has no end"),
    ],
)
def test_an_error_names_where_the_unfinished_thing_starts(text: str, line: int, words: str) -> None:
    with pytest.raises(InputError) as error:
        parse(text)
    assert (error.value.line, words in error.value.what) == (line, True), error.value.what
