"""What is wrong with a policy."""

from __future__ import annotations

from wizard.escaping import printable
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.entries import (
    FUSE_RESOURCE,
    PODMAN_FIELDS,
    WHOLE_NUMBER,
    Entry,
    Path,
    entries,
    own_or_inherited,
    quantity,
)
from wizard.policy.findings import Findings, Problem, normalized
from wizard.policy.readings import data_of, is_merge_key
from wizard.policy.schema import schema, wrong_shape
from wizard.policy.tree import Collection, Mapping, Node, Scalar, key_text, resolved
from wizard.policy.words import WORDS


def check(document: PolicyDocument) -> tuple[Problem, ...]:
    """All problems and warnings, in the order of the file; what is missing comes first."""
    return _Check(document).all()


def podman_problems(document: PolicyDocument) -> tuple[Problem, ...]:
    """Those of the two fields that Podman needs."""
    checker = _Check(document)
    found = {entry.path: entry for entry in entries(document) if entry.path in PODMAN_FIELDS}
    for entry in found.values():
        checker.one_field(entry)
    checker.resources(found)
    return checker.sorted()


class _Check(Findings):
    def all(self) -> tuple[Problem, ...]:
        self.version()
        self.duplicates()
        self.unknown_tags()
        found = {entry.path: entry for entry in entries(self.document)}
        for entry in found.values():
            if entry.field is None:
                self.unknown_field(entry)
            self.one_field(entry)
        self.resources(found)
        return self.sorted()

    def version(self) -> None:
        node = self.document.at(("version",))
        target = resolved(node) if node is not None else None
        wanted = schema().version
        todo = f'Write version: "{wanted}".'
        if target is None or (isinstance(target, Scalar) and target.is_null):
            self.add("problem", "version-missing", node, ("version",), "The policy does not say its version.", todo)
        elif not isinstance(target, Scalar) or target.value != wanted:
            shown = printable(target.value) if isinstance(target, Scalar) else "no single value"
            self.add(
                "problem",
                "version-unsupported",
                node,
                ("version",),
                f"The version is {shown}; Coder 1.19 and later know only {wanted}.",
                todo,
            )

    def duplicates(self) -> None:
        waiting: list[tuple[Node, Path]] = [(self.document.tree.root, ())]
        while waiting:
            node, path = waiting.pop()
            if isinstance(node, Mapping):
                seen: set[str] = set()
                for key, value in node.pairs:
                    name = key_text(key)
                    if name is None:
                        continue
                    here = (*path, name)
                    if name in seen and not is_merge_key(key):
                        self.add(
                            "problem",
                            "duplicate-key",
                            key,
                            here,
                            f"{show_path(here)} stands here a second time.",
                            "Remove one of the two; parsers refuse the file or take either.",
                        )
                    seen.add(name)
                    if isinstance(value, Collection):
                        waiting.append((value, here))
            elif isinstance(node, Collection):
                waiting += [(item, path) for item in node.children if isinstance(item, Collection)]

    def one_field(self, entry: Entry) -> None:
        target = resolved(entry.node)
        if isinstance(target, Scalar) and target.is_null:
            return
        if not isinstance(target, Mapping):
            if entry.field is not None or entry.path in schema().groups:
                wanted = "policy and value under it" if entry.field is not None else "fields under it"
                self.add(
                    "problem",
                    "wrong-shape",
                    entry.node,
                    entry.path,
                    f"{show_path(entry.path)} needs {wanted}.",
                    "Write a mapping.",
                )
            return
        if entry.field is None:
            return
        for name, (key, _) in own_or_inherited(target).items():
            if name not in ("policy", "value"):
                near = next((word for word in ("policy", "value") if normalized(word) == normalized(name)), "")
                self.add(
                    "warning",
                    "unknown-field",
                    key,
                    (*entry.path, name),
                    f"{show_path((*entry.path, name))} is not known; a field has policy and value.",
                    f"Did you mean {near}?" if near else "Remove it.",
                )
        self.word(entry)
        self.value(entry)

    def word(self, entry: Entry) -> None:
        node = entry.part("policy")
        if node is None or entry.field is None:
            return
        path = (*entry.path, "policy")
        word = entry.word
        if word not in WORDS:
            near = next((known for known in WORDS if known == (word or "").strip().lower()), "")
            shown = f"{printable(word)!r}" if word is not None else "nothing"
            self.add(
                "problem",
                "wrong-word",
                node,
                path,
                f"The policy word of {show_path(entry.path)} is {shown}, not one of {', '.join(WORDS)}.",
                f"Did you mean {near}?"
                if near
                else "read: may not change it; write: may replace it; append: may add to it.",
            )
        elif word == "append" and not entry.field.can_be_appended:
            self.add(
                "warning",
                "append-to-single-value",
                node,
                path,
                f"{show_path(entry.path)} is {entry.field.shape_in_words}: nothing can be appended to it.",
                "Write read or write.",
            )
        self.two_readings(node, path)

    def value(self, entry: Entry) -> None:
        node = entry.part("value")
        if node is None or entry.field is None:
            return
        path = (*entry.path, "value")
        data = data_of(node)
        why = wrong_shape(entry.field.shape, data, entry.field) if data is not None else ""
        if why:
            self.add(
                "problem" if entry.field.sure else "warning",
                "wrong-shape",
                node,
                path,
                f"The value of {show_path(entry.path)} {printable(why)}.",
                f"It wants {entry.field.shape_in_words}.",
            )
        self.two_readings(node, path)

    def resources(self, found: dict[Path, Entry]) -> None:
        """Checks what Podman needs, and that requests equal limits, which Kubernetes wants of extended resources."""
        amounts: list[dict[str, Node]] = []
        for path in PODMAN_FIELDS:
            entry = found.get(path)
            value = resolved(part) if entry is not None and (part := entry.part("value")) is not None else None
            own = own_or_inherited(value) if isinstance(value, Mapping) else {}
            amounts.append({name: node for name, (_, node) in own.items()})
            self.fuse(path, entry, amounts[-1].get(FUSE_RESOURCE))
        requests, limits = amounts
        for name in dict.fromkeys([*requests, *limits]):
            # what Kubernetes itself knows may differ, and a request that is missing is taken from the limit
            is_native = "/" not in name or "kubernetes.io/" in name
            if is_native or name not in requests or (name == FUSE_RESOURCE and name not in limits):
                continue
            request, limit = (quantity(side[name]) if name in side else None for side in (requests, limits))
            if request != limit:
                at = limits.get(name, requests.get(name))
                shown = [printable(part) if part is not None else "none" for part in (request, limit)]
                self.add(
                    "problem",
                    "request-unlike-limit",
                    at,
                    (*PODMAN_FIELDS[1], "value", name),
                    f"The request of {printable(name)} is {shown[0]}, its limit {shown[1]}; "
                    "Kubernetes refuses such pods.",
                    "Make the two equal.",
                )

    def fuse(self, path: Path, entry: Entry | None, count: Node | None) -> None:
        target = resolved(count) if count is not None else None
        if target is None or (isinstance(target, Scalar) and target.is_null):
            self.add(
                "problem",
                "fuse-missing",
                entry.key if entry is not None else None,
                path,
                f"{show_path(path)} does not ask for {FUSE_RESOURCE}, so workspaces get no FUSE device.",
                "podman-wizard policy merge adds it.",
            )
            return
        assert entry is not None and count is not None
        here = (*path, "value", FUSE_RESOURCE)
        amount = quantity(count)
        if amount is None or not WHOLE_NUMBER.fullmatch(amount):
            self.add(
                "problem",
                "wrong-shape",
                count,
                here,
                f"The count of {FUSE_RESOURCE} is not a whole number from 1.",
                'Write "1".',
            )
        elif isinstance(target, Scalar) and not target.style and target.tag is None:
            self.add(
                "warning",
                "count-not-text",
                count,
                here,
                f"The count of {FUSE_RESOURCE} is a bare number.",
                f'Write "{amount}".',
            )
        if entry.word == "write":
            self.add(
                "warning",
                "write-with-value",
                entry.part("policy"),
                (*path, "policy"),
                f"With write, a workspace can replace {show_path(path)} and drop FUSE.",
                "read: every workspace gets just this; append: workspaces may add other resources and keep FUSE.",
            )
