"""Objects as YAML, the differences between them as text, and who owns which field of a live one."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wizard.facts import KubernetesObject
from wizard.names import NUDGE_ANNOTATION

_NOISE = ("managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink")
NOISY_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.daemonset.template.generation",
    NUDGE_ANNOTATION,
)
"""Annotations that tools keep for themselves: a change of theirs is no change of the object."""


class _Dumper(yaml.SafeDumper):
    """Writes YAML as the guide does: lists indented, texts of several lines as blocks, double quotes."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    if "\n" in text:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    resolve: Any = dumper.resolve
    quoted = resolve(yaml.ScalarNode, text, (True, False)) != "tag:yaml.org,2002:str"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quoted else None)


_Dumper.add_representer(str, _text)


def to_yaml(objects: Iterable[KubernetesObject]) -> str:
    """Objects as one YAML text, a document each, keys in the order that they have."""
    documents = [_document(item) for item in objects]
    # A text that keeps its last empty lines would keep one more.
    spaced = [text if text.endswith("\n\n") else f"{text}\n" for text in documents[:-1]]
    return "---\n".join([*spaced, *documents[-1:]])


def _document(item: KubernetesObject) -> str:
    text = yaml.dump(item, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
    # PyYAML ends a document with "..." where its last text keeps empty lines; "---" does as well.
    return text.removesuffix("...\n")


def unified(
    before: Sequence[KubernetesObject],
    after: Sequence[KubernetesObject],
    width: int = 3,
    names: tuple[str, str] = ("before", "after"),
) -> str:
    """The unified diff from some objects to others, object by object with ``width`` lines around; "" where equal.

    Objects are paired by kind and name; one that is on one side only is shown whole.
    """
    old = {_name(item): item for item in before}
    new = {_name(item): item for item in after}
    parts: list[str] = []
    for name in dict.fromkeys([*old, *new]):
        left, right = (to_yaml([side[name]]).splitlines() if name in side else [] for side in (old, new))
        titles = f"{names[0]}/{name}", f"{names[1]}/{name}"
        parts.extend(difflib.unified_diff(left, right, *titles, lineterm="", n=width))
    return "".join(f"{line}\n" for line in parts)


def file_diff(path: Path, old: bytes | None, new: bytes, names: tuple[str, str] = ("now", "then")) -> str:
    """The unified diff from what a file holds (None: there is none) to what it will; "" where that is the same."""

    def lines(content: bytes | None) -> list[str]:
        return [f"{line}\n" for line in (content or b"").decode("utf-8", "replace").splitlines()]

    titles = f"{names[0]}/{path.name}", f"{names[1]}/{path.name}"
    return "".join(difflib.unified_diff(lines(old), lines(new), *titles))


def _name(item: KubernetesObject) -> str:
    return f"{item['kind']}/{item['metadata']['name']}"


def against_guide(objects: Sequence[KubernetesObject]) -> str:
    """How the objects of a rendering depart from the guide's, as a unified diff."""
    # The manifest's rendering stands on this module's YAML, so the import cannot be at the top.
    from wizard.manifest import guide_objects

    return unified(guide_objects(), objects, names=("guide", "manifest"))


def against_cluster(live: Sequence[KubernetesObject], result: Sequence[KubernetesObject]) -> str:
    """What an apply would change, as a unified diff: the live objects against the results of the server's dry run.

    Both sides carry the server's defaults, so these cancel out; what only the server writes is left out.
    """
    return unified([cleaned(item) for item in live], [cleaned(item) for item in result], names=("cluster", "applied"))


def cleaned(item: KubernetesObject) -> KubernetesObject:
    """A copy without what only the server writes: status, managed fields, uid, versions, times; keys sorted."""
    copied = copy.deepcopy(item)
    copied.pop("status", None)
    metadata = copied.get("metadata", {})
    for key in _NOISE:
        metadata.pop(key, None)
    annotations = metadata.get("annotations", {})
    for key in NOISY_ANNOTATIONS:
        annotations.pop(key, None)
    if not annotations:
        metadata.pop("annotations", None)
    result = _sorted(copied)
    assert isinstance(result, dict)
    return result


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class FieldOwner:
    """One field and who wrote it last: the field manager, how ("Apply", "Update") and when (RFC 3339, or "")."""

    path: str
    manager: str
    operation: str
    time: str


def owners(item: KubernetesObject) -> tuple[FieldOwner, ...]:
    """Who owns which fields of a live object, from its managed fields; the status and its like are left out.

    A path is written as the server's conflicts write it: ``.spec.template.spec.containers[name="x"].image``.
    A field that several own is there several times.
    """
    found: list[FieldOwner] = []
    for entry in item.get("metadata", {}).get("managedFields") or ():
        if entry.get("subresource"):
            continue
        manager, operation, time = entry.get("manager", ""), entry.get("operation", ""), entry.get("time", "")
        found.extend(FieldOwner(path, manager, operation, time) for path in _leaves(entry.get("fieldsV1") or {}, ""))
    return tuple(sorted(found, key=lambda owner: (owner.path, owner.manager)))


def _leaves(fields: Mapping[str, Any], path: str) -> Iterator[str]:
    # "." stands for the item itself. Where anything of an item is owned besides its key, that says it all.
    inner = {step: rest for step, rest in fields.items() if step != "."}
    if not inner:
        if path:
            yield path
        return
    for step, rest in inner.items():
        kind, _, text = step.partition(":")
        if kind == "f":
            here = f"{path}.{text}"
        elif kind == "k":
            keys = ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(text).items())
            here = f"{path}[{keys}]"
        else:  # "v" is an item of a set, "i" an index
            here = f"{path}[{'=' if kind == 'v' else ''}{text}]"
        yield from _leaves(rest, here)


def contested(live: KubernetesObject, wanted: KubernetesObject, manager: str) -> tuple[FieldOwner, ...]:
    """The fields that a server-side apply of ``wanted`` by ``manager`` would take from others.

    As the server judges it: a field that is wanted with another value than it has, and that another manager owns.
    The server may see an amount written otherwise ("0.1", "100m") as the same; here it counts as another.
    """
    wanted_values, live_values = _values(wanted), _values(live)
    return tuple(
        owner
        for owner in owners(live)
        if owner.manager != manager
        and owner.path in wanted_values
        and str(wanted_values[owner.path]) != str(live_values.get(owner.path))
    )


def _values(item: KubernetesObject) -> dict[str, Any]:
    """The plain values of an object by their paths, lists of named things by name as the API server does."""
    found: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                walk(inner, f"{path}.{key}")
        elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
            for one in value:
                key = next((key for key in ("mountPath", "name", "key") if key in one), None)
                if key is not None:
                    walk(one, f"{path}[{key}={json.dumps(one[key])}]")
        else:
            found[path] = value

    walk(item, "")
    return found


MERGED_BY = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
}
"""The lists of a pod that a strategic merge patch merges, by the key that tells their items apart (patchMergeKey in
Kubernetes' own types); every other one is replaced whole."""


def merge_patch_to(
    live: KubernetesObject, wanted: KubernetesObject, base: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The strategic merge patch that makes of ``live`` what is wanted; empty where nothing of it departs.

    What only ``live`` has stays, but for what ``base`` has and ``wanted`` leaves out on purpose: that is removed.
    """
    base = base or {}
    patch: dict[str, Any] = {}
    for key, value in wanted.items():
        there = live.get(key)
        if key in MERGED_BY and isinstance(there, list):
            if items := _merged_items(there, value, base.get(key) or (), MERGED_BY[key]):
                patch[key] = items
        elif isinstance(value, dict) and isinstance(there, dict):
            if inner := merge_patch_to(there, value, base.get(key)):
                patch[key] = inner
        elif not _same(there, value):
            patch[key] = copy.deepcopy(value)
    for key in base.keys() & live.keys() - wanted.keys():
        there = live[key]
        # Of a mapping only what the base has: the rest is somebody's own.
        patch[key] = merge_patch_to(there, {}, base[key]) if isinstance(there, dict) else None
    return {key: value for key, value in patch.items() if value != {}}


def _merged_items(there: Sequence[Any], wanted: Sequence[Any], base: Sequence[Any], key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for item in wanted:
        name = item[key]
        if inner := merge_patch_to(_named(there, key, name), item, _named(base, key, name)):
            found.append({key: name, **inner})
    return found


def _named(items: Iterable[dict[str, Any]], key: str, name: Any) -> dict[str, Any]:
    return next((one for one in items if one.get(key) == name), {})


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same to the server, which writes some numbers as strings ("50")."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    return str(one) == str(other)


def changed_values(before: KubernetesObject, patch: KubernetesObject) -> dict[str, tuple[Any, Any]]:
    """What a patch changes, by path: what is there, and what it makes of it (None: nothing)."""
    old = _values(before)
    return {path: (old.get(path), value) for path, value in _values(patch).items() if not _same(old.get(path), value)}
