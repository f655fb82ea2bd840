"""The steps of the wizard, in order, and their texts.

Apart from the session, so that the first picture need not wait for it. The texts are in ``assets/steps``, one Markdown
file a step, the same for screens and plain mode::

    # List title
    ## Task title
    > Introduction, one line

    Help, in paragraphs. A line that starts with "- " is an entry of a list.
    [[Press f to ...]]

What stands in double brackets concerns keys or other parts of the screens. Plain mode leaves it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Literal

from wizard.resources import asset_text

StepId = Literal["prerequisites", "security-modules", "manifest", "nodes", "policy", "verify", "summary"]
StepState = Literal["", "ok", "!", "blocked"]

STEPS: tuple[tuple[StepId, str], ...] = (
    ("prerequisites", "Prerequisites"),
    ("security-modules", "Security modules"),
    ("manifest", "Manifest"),
    ("nodes", "Nodes"),
    ("policy", "Template"),
    ("verify", "Verify"),
    ("summary", "Summary"),
)
STEP_TITLES: dict[StepId, str] = dict(STEPS)


def task_title(step: StepId) -> str:
    """Returns the step as a task ("Label nodes")."""
    return _prefixed(step, "## ")


def step_introduction(step: str, keys: bool = True) -> str:
    """Returns the sentence under the title; without ``keys``, for plain mode."""
    return _without_blanks(_for_keys(_prefixed(step, "> "), keys))


def step_help(step: str, keys: bool = True) -> str:
    """Returns the explanation of the step, one line for each paragraph; without ``keys``, for plain mode."""
    _, _, text = _source(step).partition("\n\n")
    paragraphs = re.split(r"\n\s*\n", _for_keys(text, keys))
    return "\n\n".join(shown for one in paragraphs if (shown := "\n".join(_lines(one)))) + "\n"


def _lines(paragraph: str) -> Iterable[str]:
    """Yields the text on one line, then each entry of its list, indented."""
    text, *entries = re.split(r"(?m)^- ", paragraph)
    if text := _without_blanks(text):
        yield text
    for entry in entries:
        yield f"  {_without_blanks(entry)}"


def _for_keys(text: str, keys: bool) -> str:
    return re.sub(r"(?s)\[\[(.*?)\]\]", r"\1" if keys else "", text)


def _without_blanks(text: str) -> str:
    return " ".join(text.split())


def _prefixed(step: str, prefix: str) -> str:
    return next(line.removeprefix(prefix) for line in _source(step).splitlines() if line.startswith(prefix))


@cache
def _source(step: str) -> str:
    return asset_text("steps", f"{step}.md")
