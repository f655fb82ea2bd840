"""The problems and warnings of a policy, and those that a merge reports too."""

from __future__ import annotations

from dataclasses import dataclass

from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.entries import PODMAN_FIELDS, Entry, entries, meant_paths
from wizard.policy.readings import Reading, differ, is_merge_key, readings
from wizard.policy.schema import schema
from wizard.policy.tree import Collection, Mapping, Node, Scalar, Sequence, key_text
from wizard.text.escaping import printable

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """A problem or warning of ``policy check``; ``severity`` is ``problem`` or ``warning``.

    ``path`` has the number of each item on the way. ``line`` and ``column`` count from 1, and are 0 for a missing
    thing, which has no place.
    """

    severity: str
    id: str
    line: int
    column: int
    path: Path
    message: str
    hint: str = ""


def merge_warnings(document: PolicyDocument) -> tuple[Problem, ...]:
    """Returns what a merge keeps but reports: unknown fields and tags, duplicate keys, two readings."""
    checker = Findings(document)
    checker.unknown_tags()
    checker.keys()
    checker.lookalikes()
    for entry in entries(document):
        if entry.field is None:
            checker.unknown_field(entry)
        word = entry.part("policy")
        if word is not None:
            checker.two_readings(word, (*entry.path, "policy"))
    return checker.sorted()


class Findings:
    """Collects the problems and warnings of a policy."""

    def __init__(self, document: PolicyDocument) -> None:
        self.document = document
        self.found: list[Problem] = []
        self._told: set[Node] = set()
        self._wrong: set[Node] = set()
        self._no_keys: set[Node] = set()
        self._odd: set[Node] = set()

    def add(self, severity: str, id: str, node: Node | None, path: Path, message: str, hint: str = "") -> None:
        line, column = self.document.tree.place(node.start) if node is not None else (0, 0)
        if node is not None:
            if node in self._no_keys:
                return  # said as precisely as possible
            self._told.add(node)
            if severity == "problem":
                self._wrong.add(node)
        self.found.append(Problem(severity, id, line, column, path, message, hint))

    def is_wrong(self, node: Node) -> bool:
        """Whether there is a problem with a node."""
        return node in self._wrong

    def has_odd_space(self, node: Node) -> bool:
        """Whether a character of a scalar that looks like a space was reported."""
        return node in self._odd

    def sorted(self) -> tuple[Problem, ...]:
        return tuple(sorted(self.found, key=lambda problem: (problem.line, problem.column)))

    def keys(self) -> None:
        """Adds problems about keys that appear twice, and about those that are no text."""
        waiting: list[tuple[Node, Path]] = [(self.document.tree.root, ())]
        while waiting:
            node, path = waiting.pop()
            if isinstance(node, Mapping):
                seen: set[str] = set()
                for key, value in node.pairs:
                    name = key_text(key)
                    if name is None or (isinstance(key, Scalar) and key.is_null):
                        kind = "empty" if name is not None else "a list" if isinstance(key, Sequence) else "a mapping"
                        what = f"A key {f'of {show_path(path)} ' if path else ''}is {kind}."
                        self.add("problem", "wrong-key", key, path, what, "Write text as the key.")
                        self._no_keys.add(key)
                        continue
                    here = (*path, name)
                    if name in seen and not is_merge_key(key):
                        self.add(
                            "problem",
                            "duplicate-key",
                            key,
                            here,
                            f"{show_path(here)} appears a second time here.",
                            "Remove one of the two. Some parsers reject the file, others use either one.",
                        )
                    seen.add(name)
                    if isinstance(value, Collection):
                        waiting.append((value, here))
            elif isinstance(node, Collection):
                items = enumerate(node.children)
                waiting += [(item, (*path, number)) for number, item in items if isinstance(item, Collection)]

    def unknown_tags(self) -> None:
        for node in self.document.tree.tagged:
            self.add(
                "warning",
                "unknown-tag",
                node,
                (),
                f"The tag {printable(node.tag or '')} is not a standard YAML tag.",
                "It is kept, but Coder may reject it.",
            )

    def lookalikes(self) -> None:
        """Adds warnings for characters that look like spaces, and for template syntax that happens to be YAML."""
        text = self.document.text
        if "{{" not in text and text.isascii():
            return
        from wizard.policy.spaces import ODD_SPACE, STRUCTURAL_SPACE, space_in_words  # few policies need them

        if "{{" not in text and not ODD_SPACE.search(text):
            return
        waiting: list[Node] = [self.document.tree.root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Collection):
                waiting += node.children
            if isinstance(node, Scalar) and not node.style and (space := STRUCTURAL_SPACE.search(node.value)):
                what = f"{space_in_words(space[1] or space[2] or space[3])} is part of this text"
                what += "; YAML does not treat it as a space"
                self.add("warning", "odd-space", node, (), f"{what}.", "Replace it with a space.")
                self._odd.add(node)
            elif isinstance(node, Mapping) and node.flow and text.startswith("{{", node.start):
                what = "This is template syntax ({{), which YAML reads as a mapping."
                self.add("warning", "template-syntax", node, (), what, "Render the template, and use the result.")

    def unknown_field(self, entry: Entry) -> None:
        """Adds a warning about a field that Coder does not know, with what was probably meant."""
        path = entry.path
        # a group that is no mapping, whose shape is reported, or a name with the wrong kind of space
        if path in schema().groups or self.has_odd_space(entry.key):
            return
        meant = meant_paths(path, entry.node)
        hint = "Remove it, or correct its name."
        if path == ("workspace", "type"):
            hint = "Move it to a workspace template; it does not belong in a policy."
        elif path[-1] == "resources" and not meant:
            hint = f"Write {' and '.join(other[-1] for other in PODMAN_FIELDS)}."  # Kubernetes has both in it
        elif len(meant) == 1 and meant[0][:-1] == path[:-1]:
            hint = f"Did you mean {meant[0][-1]}?"
        elif meant:
            hint = f"It belongs at {' or '.join(show_path(other) for other in meant)}."
        self.add(
            "warning",
            "unknown-field",
            entry.key,
            path,
            f"{show_path(path)} is not a field of version {schema().version}.",
            hint,
        )

    def two_readings(self, node: Node, path: Path, *, may_be_text: bool = True) -> None:
        """Adds a warning for each scalar that the two versions of YAML read differently.

        It adds none if there is another finding about the scalar.
        """
        waiting = [(node, path)]
        while waiting:
            one, here = waiting.pop()
            if isinstance(one, Scalar) and differ(one) and one not in self._told:
                old, new = readings(one)
                self.add(
                    "warning",
                    "two-readings",
                    one,
                    here,
                    f"{show_path(here)}: {two_readings_in_words(one, old, new)}",
                    _unambiguous(old, new, may_be_text=may_be_text),
                )
            elif isinstance(one, Mapping):
                for key, value in one.pairs:
                    waiting += [(key, here), (value, (*here, key_text(key) or ""))]
            elif isinstance(one, Collection):
                waiting += [(item, (*here, number)) for number, item in enumerate(one.children)]


def _unambiguous(old: Reading, new: Reading, *, may_be_text: bool) -> str:
    """Returns what to write instead of a scalar with two readings."""
    forms = [str(one.value).lower() for one in (old, new) if one.kind in ("bool", "int", "float")]
    if not forms:
        return "Put it in quotes."
    todo = f"Write {' or '.join(dict.fromkeys(forms))}"
    return f"{todo}, or put it in quotes if it is text." if may_be_text else f"{todo}."


def two_readings_in_words(node: Scalar, old: Reading, new: Reading) -> str:
    """Returns a sentence that states how each version of YAML reads a scalar."""
    return (
        f"{printable(node.value)} is {printable(old.in_words)} in YAML 1.1 and {printable(new.in_words)} in YAML 1.2."
    )
