"""What may be found in a policy, and the findings that a merge tells of too."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wizard.escaping import printable
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.entries import Entry, Path, entries
from wizard.policy.readings import Reading, differ, readings
from wizard.policy.schema import schema
from wizard.policy.tree import Collection, Mapping, Node, Scalar, key_text


@dataclass(frozen=True)
class Problem:
    """Something that ``policy check`` finds; ``severity`` is ``problem`` or ``warning``.

    ``line`` and ``column`` count from 1; 0 where a thing is missing and has no place.
    """

    severity: str
    id: str
    line: int
    column: int
    path: Path
    message: str
    hint: str = ""


def merge_warnings(document: PolicyDocument) -> tuple[Problem, ...]:
    """What a merge leaves as it is, but says: unknown fields and tags, and words with two readings."""
    checker = Findings(document)
    checker.unknown_tags()
    for entry in entries(document):
        if entry.field is None:
            checker.unknown_field(entry)
        word = entry.part("policy")
        if word is not None:
            checker.two_readings(word, (*entry.path, "policy"))
    return checker.sorted()


def normalized(name: str) -> str:
    """A key without case, dashes and underscores, by which near misses are found."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


class Findings:
    """A list of findings in the making."""

    def __init__(self, document: PolicyDocument) -> None:
        self.document = document
        self.found: list[Problem] = []

    def add(self, severity: str, id: str, node: Node | None, path: Path, message: str, hint: str = "") -> None:
        line, column = self.document.tree.place(node.start) if node is not None else (0, 0)
        self.found.append(Problem(severity, id, line, column, path, message, hint))

    def sorted(self) -> tuple[Problem, ...]:
        return tuple(sorted(self.found, key=lambda problem: (problem.line, problem.column)))

    def unknown_tags(self) -> None:
        for node in self.document.tree.tagged:
            self.add(
                "warning",
                "unknown-tag",
                node,
                (),
                f"The tag {printable(node.tag or '')} is not one of YAML's own.",
                "It is kept as it is; Coder may refuse it.",
            )

    def unknown_field(self, entry: Entry) -> None:
        hint = "Remove it, or mend its name."
        near = self.near_miss(entry.path)
        if near:
            hint = f"Did you mean {near}?"
        elif entry.path == ("workspace", "type"):
            hint = "It belongs into a workspace template, not into the policy."
        self.add(
            "warning",
            "unknown-field",
            entry.key,
            entry.path,
            f"{show_path(entry.path)} is not a field of version {schema().version}.",
            hint,
        )

    def near_miss(self, path: Path) -> str:
        known = [*schema().fields, *schema().groups]
        names = [other[-1] for other in known if len(other) == len(path) and other[:-1] == path[:-1]]
        for name in names:
            if normalized(name) == normalized(path[-1]):
                return name
        from difflib import get_close_matches

        return next(iter(get_close_matches(path[-1], names, 1, 0.8)), "")

    def two_readings(self, node: Node, path: Path) -> None:
        """Warns of each scalar in a node that the two versions of YAML read differently."""
        waiting = [(node, path)]
        while waiting:
            one, here = waiting.pop()
            if isinstance(one, Scalar) and differ(one):
                old, new = readings(one)
                self.add(
                    "warning",
                    "two-readings",
                    one,
                    here,
                    f"{show_path(here)}: {two_readings_in_words(one, old, new)}",
                    "Put it into quotes, or write what you mean (true, 10).",
                )
            elif isinstance(one, Mapping):
                for key, value in one.pairs:
                    waiting += [(key, here), (value, (*here, key_text(key) or ""))]
            elif isinstance(one, Collection):
                waiting += [(item, here) for item in one.children]


def two_readings_in_words(node: Scalar, old: Reading, new: Reading) -> str:
    """The sentence that says what a scalar is to either version of YAML."""
    return (
        f"{printable(node.value)} is {printable(old.in_words)} in YAML 1.1 and {printable(new.in_words)} in YAML 1.2."
    )
