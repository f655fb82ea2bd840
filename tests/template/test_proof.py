"""The proof does not trust what was written: a cut at a wrong place, or with other text, is found."""

from __future__ import annotations

import pytest

from tests.template.templates import pod
from wizard.editing.cuts import Cut, apply_cuts, untouched
from wizard.errors import InputError
from wizard.template.document import Document
from wizard.template.proof import proved
from wizard.template.tree import Block
from wizard.template.writing import Edits, NewAttribute, cuts_of

TEXT = pod() + "# end }\n"


def container_of(document: Document) -> Block:
    (resource,) = document.root.blocks("resource")[1:]
    return resource.body.blocks("spec")[0].body.blocks("container")[0]


@pytest.fixture
def document() -> Document:
    return Document.parse(TEXT.encode(), "main.tf")


@pytest.fixture
def edits(document: Document) -> Edits:
    planned = Edits()
    planned.add(container_of(document), NewAttribute("tty", "true"))
    return planned


def test_the_planned_edit_is_proved(document: Document, edits: Edits) -> None:
    after = proved(document, edits, cuts_of(document, edits))
    assert after.text.replace("      tty = true\n", "") == TEXT


@pytest.mark.parametrize(
    ("place", "new", "why"),
    [
        ("# the workspace", "\ntty = true\n", "another part"),
        ("the workspace", "tty = true", "a comment would change"),
        ("      resources {", "      tty = true\n      # why\n", "a comment would change"),
        ("      resources {", "      tty = true\n", "another part"),  # there, but not where it was planned
        ("      resources {", "      tty = false\n", "another part"),
        ("      resources {", "      tty = true", "after an argument"),
        ("cpu = ", "x = 1\n", "another part"),
    ],
)
def test_another_edit_is_not(document: Document, edits: Edits, place: str, new: str, why: str) -> None:
    at = TEXT.index(place)
    with pytest.raises(InputError, match="Nothing was written") as error:
        proved(document, edits, [Cut(at, at, new)])
    assert why in error.value.what


def test_an_edit_that_was_not_made_is_not_proved(document: Document, edits: Edits) -> None:
    with pytest.raises(InputError, match="another part"):
        proved(document, edits, [])


def test_cuts_that_overlap_are_never_made(document: Document, edits: Edits) -> None:
    with pytest.raises(ValueError, match="overlap"):
        apply_cuts(TEXT, [Cut(3, 9, "a"), Cut(5, 6, "b")])
    with pytest.raises(InputError):
        proved(document, edits, [Cut(3, 3, "a"), Cut(3, 3, "b")])


def test_a_byte_outside_the_cuts_is_noticed() -> None:
    before = "\ufeffä = 1\nb = 2\n"
    cuts = [Cut(6, 6, "ß = 3\n")]
    after = "\ufeff" + apply_cuts(before[1:], cuts)
    assert after == "\ufeffä = 1\nß = 3\nb = 2\n"
    assert untouched(before.encode(), after.encode(), cuts, before[1:])
    for changed in (after.replace("b", "c"), after.replace("ä", "a"), after + "\n", after.replace("\ufeff", "")):
        assert not untouched(before.encode(), changed.encode(), cuts, before[1:])
