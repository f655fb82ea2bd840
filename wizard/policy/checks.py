"""The checks of a policy."""

from __future__ import annotations

from wizard.names import FUSE_RESOURCE
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.entries import (
    KUBERNETES,
    PODMAN_FIELDS,
    Entry,
    Path,
    entries,
    fuse_like,
    is_whole,
    meant_paths,
    own_or_inherited,
    quantity,
    same_amount,
    value_of,
)
from wizard.policy.findings import Findings, Problem
from wizard.policy.near import near
from wizard.policy.readings import data_of, differ
from wizard.policy.rules import is_native, resource_fault, wrong_parts
from wizard.policy.schema import schema
from wizard.policy.tree import Mapping, Node, Scalar, Sequence, resolved
from wizard.policy.words import WORDS
from wizard.text.escaping import printable, visible

_MOST_NAMES = 20
"""The number of names that are compared with a name that may be misspelt."""


def check(document: PolicyDocument) -> tuple[Problem, ...]:
    """Returns all problems and warnings in the order of the file; those about missing things come first."""
    return _Check(document).all()


def podman_problems(document: PolicyDocument) -> tuple[Problem, ...]:
    """Returns the problems and warnings of the two fields that Podman needs."""
    checker = _Check(document)
    found = {entry.path: entry for entry in entries(document) if entry.path in PODMAN_FIELDS}
    checker.fuse_counts(found)
    for entry in found.values():
        checker.one_field(entry)
    checker.resources(found)
    return checker.sorted()


class _Check(Findings):
    def all(self) -> tuple[Problem, ...]:
        self.version()
        self.keys()
        self.unknown_tags()
        self.lookalikes()
        found = {entry.path: entry for entry in entries(self.document)}
        self.fuse_counts(found)
        for entry in found.values():
            if entry.field is None:
                self.unknown_field(entry)
            self.one_field(entry)
        self.resources(found)
        self.seccomp(found)
        return self.sorted()

    def version(self) -> None:
        node = self.document.at(("version",))
        target = resolved(node) if node is not None else None
        wanted = schema().version
        todo = f'Write version: "{wanted}".'
        if target is None or (isinstance(target, Scalar) and target.is_null):
            self.add("problem", "version-missing", node, ("version",), "The policy has no version.", todo)
        elif not isinstance(target, Scalar) or target.value != wanted:
            shown = printable(target.value) if isinstance(target, Scalar) else "not a single value"
            self.add(
                "problem",
                "version-unsupported",
                node,
                ("version",),
                f"The version is {shown}; Coder 1.19 and later support only {wanted}.",
                todo,
            )

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
            if name not in ("policy", "value") and not self.has_odd_space(key):
                meant = near(name, [word for word in ("policy", "value") if entry.part(word) is None])
                todo = f"Did you mean {meant}?" if meant else "Remove it."
                if not meant and entry.field.shape in ("quantities", "texts") and entry.part("value") is None:
                    todo = "Put it under value."
                self.add(
                    "warning",
                    "unknown-field",
                    key,
                    (*entry.path, name),
                    f"{show_path((*entry.path, name))} is unknown; a field has only policy and value.",
                    todo,
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
            target = resolved(node)
            meant = near(word or _only_word(target), WORDS)
            shown = repr(printable(word)) if word is not None else _kind(target)
            hint = "Use read (workspaces cannot change it), write (can replace it), or append (can add to it)."
            if meant:
                hint = f"Did you mean {meant}?" if word is not None else f"Write {meant} without brackets."
            self.add(
                "problem",
                "wrong-word",
                node,
                path,
                f"The field policy of {show_path(entry.path)} is {shown}, not one of {', '.join(WORDS)}.",
                hint,
            )
        elif word == "append" and not entry.field.can_be_appended:
            self.add(
                "warning",
                "append-to-single-value",
                node,
                path,
                f"{show_path(entry.path)} is {entry.field.shape_in_words}, so append has no effect on it.",
                "Use read or write.",
            )
        self.two_readings(node, path)

    def value(self, entry: Entry) -> None:
        node = entry.part("value")
        if node is None or entry.field is None:
            return
        path = (*entry.path, "value")
        target = resolved(node)
        if isinstance(target, Scalar) and target.is_null:
            if entry.path not in PODMAN_FIELDS:  # there, the FUSE device is missing
                what = f"{show_path(entry.path)} has an empty value."
                self.add("warning", "empty-value", node, path, what, "Write a value, or remove the line.")
        else:
            count = own_or_inherited(target).get(FUSE_RESOURCE) if isinstance(target, Mapping) else None
            for wrong in wrong_parts(entry.field, node):
                if entry.path in PODMAN_FIELDS and count is not None and wrong.node is count[1]:
                    continue  # said more precisely by ``fuse``
                self.add(
                    wrong.severity or ("problem" if entry.field.sure else "warning"),
                    wrong.id,
                    wrong.node,
                    (*path, *wrong.keys),
                    f"{show_path((*entry.path, *wrong.keys))} {wrong.what}.",
                    wrong.todo,
                )
        self.two_readings(node, path, may_be_text=entry.field.shape not in ("boolean", "integer", "number"))

    def fuse_counts(self, found: dict[Path, Entry]) -> None:
        """Checks what Podman needs. It comes before ``one_field``, because it says more about the counts."""
        for path in PODMAN_FIELDS:
            entry = found.get(path)
            value = resolved(part) if entry is not None and (part := entry.part("value")) is not None else None
            mapping = value if isinstance(value, Mapping) else None
            if entry is None or not (_is_no_mapping(resolved(entry.node)) or _is_no_mapping(value)):
                self.fuse(path, entry, mapping, _requested(entry).get(FUSE_RESOURCE), _misnamed(path, entry, found))

    def resources(self, found: dict[Path, Entry]) -> None:
        """Checks the requests that their limits rule out."""
        requests, limits = (_requested(found.get(path)) for path in PODMAN_FIELDS)
        alone = [name for name in limits if name not in requests and not is_native(name)][:_MOST_NAMES]
        for name in dict.fromkeys([*requests, *limits]):
            if not (name == FUSE_RESOURCE and name not in limits):
                self.amounts(name, requests.get(name), limits.get(name), alone)

    def amounts(self, name: str, request_at: Node | None, limit_at: Node | None, others: list[str]) -> None:
        """Checks the request and the limit of one resource as Kubernetes does.

        ``others`` are extended resources that have only a limit.
        """
        request, limit = (quantity(node) if node is not None else None for node in (request_at, limit_at))
        if any(at is not None and self.is_wrong(at) for at in (request_at, limit_at)) or resource_fault(name)[0]:
            return  # said with the resource itself
        # a missing request defaults to the limit; only these resources can have a limit above the request
        if request_at is None or any(
            at is not None and value_of(amount) is None for at, amount in ((request_at, request), (limit_at, limit))
        ):
            return  # one that is no quantity was said already
        shown = [printable(part) if part is not None else "missing" for part in (request, limit)]
        if is_native(name) and not name.startswith("hugepages-"):
            if limit_at is None:
                return
            asked, most = value_of(request), value_of(limit)
            if asked is None or most is None or asked <= most:
                return
            todo = "Set the request to at most the limit."
        elif same_amount(request, limit):
            return
        else:
            todo = "Set both to the same number."
            if limit_at is None:
                todo = f"Add {visible(name)} to {PODMAN_FIELDS[1][-1]}, with the same number."
            if limit_at is None and (meant := near(name, others)):
                todo = f"The limits have {visible(meant)}. Write the same name in both."
        self.add(
            "problem",
            "request-unlike-limit",
            limit_at if limit_at is not None else request_at,
            (*PODMAN_FIELDS[1], "value", name),
            f"{visible(name)}: the request is {shown[0]} and the limit is {shown[1]}. Kubernetes rejects such pods.",
            todo,
        )

    def fuse(self, path: Path, entry: Entry | None, mapping: Mapping | None, count: Node | None, misnamed: str) -> None:
        """Checks one of the two fields; ``misnamed`` says how to correct the name under which the device may be."""
        target = resolved(count) if count is not None else None
        if target is None or (isinstance(target, Scalar) and target.is_null):
            like = fuse_like(mapping) if count is None else None
            if like is not None:
                self.nearly_fuse(path, *like)
                return
            self.add(
                "problem",
                "fuse-missing",
                entry.key if entry is not None else None,
                path,
                f"{show_path(path)} does not request {FUSE_RESOURCE}, so workspaces get no FUSE device.",
                misnamed or "To add it, run podman-wizard policy merge.",
            )
            return
        assert entry is not None and count is not None
        here = (*path, "value", FUSE_RESOURCE)
        amount = quantity(count)
        shown = visible(amount) if amount is not None else _kind(target)
        if not is_whole(amount):
            self.add(
                "problem",
                "wrong-shape",
                count,
                here,
                f"The count of {FUSE_RESOURCE} is {shown}, not a whole number of at least 1.",
                'Write "1".',
            )
        elif isinstance(target, Scalar) and (differ(target) or not isinstance(data_of(target), str)):
            self.add(
                "warning",
                "count-not-text",
                count,
                here,
                f"The count of {FUSE_RESOURCE} is a number without quotes.",
                f'Write "{int(value_of(amount) or 1)}".',
            )
        if entry.word == "write":
            self.add(
                "warning",
                "write-with-value",
                entry.part("policy"),
                (*path, "policy"),
                f"With write, a workspace can replace {show_path(path)} and lose FUSE.",
                "Use read (every workspace gets exactly this), or append (workspaces can add other resources and "
                "keep FUSE).",
            )

    def seccomp(self, found: dict[Path, Entry]) -> None:
        """Checks the two fields of a seccomp profile, of which Kubernetes accepts only some combinations."""
        paths = [(*KUBERNETES, name) for name in ("seccomp-profile-type", "seccomp-profile-localhost-profile")]
        kind_at, profile_at = (found[path].part("value") if path in found else None for path in paths)
        kind, profile = (data_of(node) if node is not None else None for node in (kind_at, profile_at))
        if kind == "Localhost" and profile is None and not (paths[1] in found and found[paths[1]].word == "write"):
            what, at, path = f"is Localhost, which needs {paths[1][-1]}", kind_at, paths[0]
            todo = f"Add {paths[1][-1]} with the path of the profile."
        elif profile is not None and kind in ("Unconfined", "RuntimeDefault"):
            what, at, path = f"has a value, though {paths[0][-1]} is {kind}", profile_at, paths[1]
            todo = "Remove it, or write Localhost as the type."
        else:
            return
        message = f"{show_path(path)} {what}. Kubernetes rejects such pods."
        self.add("warning", "seccomp-profile", at, (*path, "value"), message, todo)

    def nearly_fuse(self, path: Path, key: Node, name: str, kind: str) -> None:
        """Adds a problem about a resource that is not the FUSE resource, though it looks like it."""
        why = "which no node offers" if kind == "misspelt" else "which another device plugin offers"
        todo = f"Did you mean {FUSE_RESOURCE}?"
        if kind != "misspelt":
            todo = (
                f"Write {FUSE_RESOURCE}, which smarter-device-manager offers, unless the nodes have the other plugin."
            )
        self.add(
            "problem",
            "fuse-misspelt" if kind == "misspelt" else "fuse-of-another-plugin",
            key,
            (*path, "value", name),
            f"{show_path(path)} requests {visible(name)}, {why}.",
            todo,
        )


def _requested(entry: Entry | None) -> dict[str, Node]:
    """Returns the amounts in a field's value by resource."""
    value = entry.part("value") if entry is not None else None
    mapping = resolved(value) if value is not None else None
    own = own_or_inherited(mapping) if isinstance(mapping, Mapping) else {}
    return {name: node for name, (_, node) in own.items()}


def _is_no_mapping(node: Node | None) -> bool:
    """Whether there is something else than a mapping, which is a problem by itself."""
    return node is not None and not isinstance(node, Mapping) and not (isinstance(node, Scalar) and node.is_null)


def _misnamed(path: Path, entry: Entry | None, found: dict[Path, Entry]) -> str:
    """Returns how to correct the name of a field, or of its value, that is probably meant; "" if there is none."""
    if entry is None:
        others = (other.path for other in found.values() if other.field is None and other.path[:-1] == path[:-1])
        wrong = next((other[-1] for other in others if meant_paths(other) == (path,)), "")
        return f"Write {path[-1]} in place of {visible(wrong)}." if wrong else ""
    target = resolved(entry.node)
    names = own_or_inherited(target) if isinstance(target, Mapping) and entry.part("value") is None else {}
    wrong = next((name for name in names if name != "policy" and near(name, ["value"])), "")
    return f"Write value in place of {visible(wrong)}." if wrong else ""


def _only_word(node: Node) -> str:
    """Returns the one word in a list; "" if it is no such list."""
    if isinstance(node, Sequence) and len(node.children) == 1:
        word = resolved(node.children[0])
        return word.value if isinstance(word, Scalar) else ""
    return ""


def _kind(node: Node) -> str:
    return "nothing" if isinstance(node, Scalar) else "a list" if isinstance(node, Sequence) else "a mapping"
