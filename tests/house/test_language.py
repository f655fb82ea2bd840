"""The words that users read: phrases that are always wrong here, and numbers without ``counted``.

The voice and the glossary are in wizard/README.md.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WRONG = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bhand(s|ed|ing)?[- ]over\b|\bhand the plan\b": "export the plan",
    r"\bkinds? of nodes?\b": "node type",
    r"\bdepartures?\b": "adjustment, or GitOps change",
    r"\(s\)": "counted()",
    r"\bmay not\b": "cannot",
    r"\byou may\b": "you can",
    r"\bis told\b|\bare told\b|\bit tells\b|\btells of\b": "say what it shows",
    r"\btake(s)? (it|them|that|this|the label) (back|off)\b": "undo, or remove the label",
    r"\bgive(s|n)? back\b|\bput(s)? back\b|\bset(s)? back\b": "restore, or revert",
    r"\bdaemon sets?\b": "DaemonSet",
    r"\bconfig maps?\b": "ConfigMap",
    r"\bstands? (there|here|in the way)\b": "is, or blocks",
    r"\bwhat is there\b": "existing",
    r"\bsomebody\b": "someone, or the name",
    r"\botherwise than\b": "differs from",
    r"\bline drops?\b|\bdropped line\b": "connection is lost",
    r"\bin flight\b": "in progress",
    r"\bcut off\b": "interrupted",
    r"\bgo(es)? on\b": "continue, or resume",
    r"\blet(s)? go of\b": "discard",
    r"\bof its own accord\b|\bby and by\b": "say when",
    r"\bwhole story\b|\blong text\b": "details",
    r"\bpolicy words?\b": "field policy",
    r"\btick(s|ed)?( it)? off\b": "mark done",
    r"\ba bug of ours\b": "internal error",
    r"\bthe guide's own\b": "the guide's",
    r"\bunlabelled\b|\blabelled\b|\blabelling\b": "labeled (U.S. spelling)",
    r"\bcolours?\b|\brecognis|\bbehaviours?\b|\bcancelled\b|\borganis|\bcentre\b": "U.S. spelling",
    r"\bplease\b": "no please",
    r"\bwe\b|\bours\b|\btheirs\b": "name the manager",
    r"\bfor the taking\b|\blives on\b|\bwas not heard\b|\ba trap\b": "no metaphors",
    r"\bnobody\b|\bno one is late\b": "say no node, no user",
    r"\bmachine that\b|\bno machine\b": "node",
    r"\bhas it done\b|\bcame to pass\b|\bhalf-way\b": "say what happened",
    r"\brights? (to|that|you|missing)\b|\bmissing rights\b|\byour rights\b": "permission",
    r"\bcannot be made\b": "cannot be created",
    r"\bauthors? of\b": "user",
    r"\bun-shar": "copy the shared part",
    r"\brefuses? (your|the) (context|credentials)\b": "rejected",
    r"\bas it was\b": "unchanged",
    r"\bthe rest of the story\b|\bmatter\b": "finding",
}
"""Phrases that are wrong wherever a user reads them, and what to say."""

ALLOWED = {
    ("wizard/nodes/verdicts.py", "unlabelled"): "an alias that the filter keeps",
    ("wizard/nodes/verdicts.py", "labelled"): "an alias that the filter keeps",
}
"""Literals that are words of a contract and not of the prose."""

KEYS = {"labelled", "unlabelled", "cancelled", "ours", "theirs"}
"""Keys of JSON, and names of attributes, which stay."""


ANY_WRONG = re.compile("|".join(WRONG), re.IGNORECASE)
"""One search for all of them, since most texts have none."""


def wrong_in(text: str) -> Iterator[tuple[str, str]]:
    """The wrong phrases in a text, each with what to say instead."""
    if ANY_WRONG.search(text):
        for wrong, instead in WRONG.items():
            if match := re.search(wrong, text, re.IGNORECASE):
                yield match[0], instead


@cache
def literals(path: Path) -> tuple[tuple[int, str], ...]:
    """The texts of a module, each with its line."""
    return tuple(_literals(path))


def _literals(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module that are no docstrings; the fixed parts of an f-string are one text."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docs.add(id(node.value))  # the text under an attribute
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | inside:
            yield node.lineno, node.value


def sources() -> list[Path]:
    found = [*ROOT.glob("wizard/**/*.py"), *ROOT.glob("screens/**/*.py")]
    # What imitates an API server or Coder has their words.
    return [path for path in sorted(found) if "sandbox" not in path.parts]


def texts() -> list[Path]:
    return [ROOT / "README.md", *sorted(ROOT.glob("assets/explanations/*.md")), *sorted(ROOT.glob("assets/steps/*.md"))]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_of_a_module_has_a_phrase_that_is_wrong(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    found = [
        f"{name}:{line}: {phrase!r} (say: {instead}) in {text!r}"
        for line, text in literals(path)
        if text not in KEYS and " " in text.strip()
        for phrase, instead in wrong_in(text)
        if (name, phrase.lower()) not in ALLOWED
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_has_a_phrase_that_is_wrong(path: Path) -> None:
    prose = re.sub(r"`[^`]*`", "", re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL))
    found = [
        f"{number}: {phrase!r} (say: {instead})"
        for number, line in enumerate(prose.splitlines(), 1)
        for phrase, instead in wrong_in(line)
    ]
    assert not found, f"{path.relative_to(ROOT)}:\n" + "\n".join(found)


NOUNS = "nodes|objects|pods|files|fields|conflicts|adjustments|permissions|warnings|problems|changes|devices|workspaces"
UNCOUNTED = re.compile(rf"(?<!of ){{}} (?:{NOUNS})\b")


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_number_and_its_noun_come_from_counted(path: Path) -> None:
    """``{count} nodes`` says "1 nodes"; ``{done} of {total} nodes`` and a fixed number are fine."""
    found = [f"{path.relative_to(ROOT)}:{line}: {text!r}" for line, text in literals(path) if UNCOUNTED.search(text)]
    assert not found, "\n".join(found)


def test_a_phrase_that_is_wrong_is_found() -> None:
    assert list(wrong_in("Mend it, please.")) == [("Mend", "fix"), ("please", "no please")]
    assert not list(wrong_in("Fix it and repeat."))
    assert UNCOUNTED.search("Label {} nodes")
    assert not UNCOUNTED.search("{} of {} nodes ready")
