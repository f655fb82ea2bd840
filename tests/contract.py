"""The contract of ``-o json``: every document that a test sees is validated against its shape, without unknown keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from wizard.printing.schemas import schema_of
from wizard.printing.shapes import SHAPES


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema_of(SHAPES[name], closed=True))


@cache
def _validators_of_lines() -> dict[str, Draft202012Validator]:
    """Returns the validators of the lines of ``run``, by their event: what is wrong in one is told about that one."""
    shapes = [schema_of(one, closed=True) for one in SHAPES["run"].__args__]
    return {event: Draft202012Validator(one) for one in shapes for event in one["properties"]["event"]["enum"]}


def validate(document: dict[str, Any]) -> None:
    """Raises AssertionError if a document does not have its shape."""
    if set(document) == {"schema_version", "document", "error"}:
        validator = _validator("error")  # what a command prints if it ended before it had a document
    elif document["document"] == "run":
        validator = _validators_of_lines()[document["event"]]
    else:
        validator = _validator(document["document"])
    wrong = [f"{'.'.join(map(str, one.path))}: {one.message}" for one in validator.iter_errors(document)]
    assert not wrong, f"{document['document']}: " + "\n".join(wrong)


def validate_output(text: str) -> None:
    """Validates what a command printed, if it is a document, or one on each line."""
    for document in _documents(text):
        if isinstance(document, dict) and "schema_version" in document and "document" in document:
            validate(document)


def _documents(text: str) -> Iterator[Any]:
    if not text.startswith("{"):
        return
    try:
        yield json.loads(text)
    except ValueError:
        for line in text.splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                return
