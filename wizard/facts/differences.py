"""Objects as YAML, the differences between them as text, and the managers of the fields of a live object."""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wizard.facts.cluster import KubernetesObject
from wizard.facts.objects import SERVER_METADATA, same_value
from wizard.names import NUDGE_ANNOTATION, TAKEN_OVER_ANNOTATION

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""What ``kubectl apply`` keeps of the file that it applied."""

NOISY_ANNOTATIONS = (
    LAST_APPLIED,
    "deprecated.daemonset.template.generation",
    NUDGE_ANNOTATION,
    TAKEN_OVER_ANNOTATION,
)
"""Annotations that tools keep for themselves; a change of one is not a change of the object."""


class _Dumper(yaml.SafeDumper):
    """Writes YAML as the guide does: lists indented, multi-line texts as blocks, double quotes."""

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
    """Returns objects as one YAML text, one document each, with keys in their existing order."""
    documents = [_document(item) for item in objects]
    # A text that keeps its trailing empty lines would gain one.
    spaced = [text if text.endswith("\n\n") else f"{text}\n" for text in documents[:-1]]
    return "---\n".join([*spaced, *documents[-1:]])


def _document(item: KubernetesObject) -> str:
    text = yaml.dump(item, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
    # PyYAML ends a document with "..." if its last text keeps empty lines; "---" is enough.
    return text.removesuffix("...\n")


def unified(
    before: Sequence[KubernetesObject],
    after: Sequence[KubernetesObject],
    width: int = 3,
    names: tuple[str, str] = ("before", "after"),
) -> str:
    """Returns the unified diff between two sets of objects, with ``width`` lines of context; "" if they are equal.

    Objects are paired by kind and name; an object on only one side is shown whole.
    """
    old = {_name(item): item for item in before}
    new = {_name(item): item for item in after}
    parts: list[str] = []
    for name in dict.fromkeys([*old, *new]):
        left, right = (to_yaml([side[name]]).splitlines() if name in side else [] for side in (old, new))
        titles = f"{names[0]}/{name}", f"{names[1]}/{name}"
        parts.extend(difflib.unified_diff(left, right, *titles, lineterm="", n=width))
    return "".join(f"{line}\n" for line in parts)


def file_diff(path: Path, old: bytes | None, new: bytes, names: tuple[str, str] = ("current", "new")) -> str:
    """Returns the unified diff from a file's current content (None: no file) to the new one; "" if they are equal."""

    def lines(content: bytes | None) -> list[str]:
        return [f"{line}\n" for line in (content or b"").decode("utf-8", "replace").splitlines()]

    titles = f"{names[0]}/{path.name}", f"{names[1]}/{path.name}"
    return "".join(difflib.unified_diff(lines(old), lines(new), *titles))


def _name(item: KubernetesObject) -> str:
    return f"{item['kind']}/{item['metadata']['name']}"


def against_cluster(live: Sequence[KubernetesObject], result: Sequence[KubernetesObject]) -> str:
    """Returns what an apply would change as a unified diff: the live objects against the server's dry run.

    Both sides have the server's defaults, so these cancel out; fields that only the server writes are left out.
    """
    return unified([cleaned(item) for item in live], [cleaned(item) for item in result], names=("cluster", "applied"))


def cleaned(item: KubernetesObject) -> KubernetesObject:
    """Returns a copy with sorted keys, without what only the server writes: status, managed fields, UID, and so on."""
    copied = copy.deepcopy(item)
    copied.pop("status", None)
    metadata = copied.get("metadata", {})
    for key in SERVER_METADATA:
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
    """One field and its last write: the field manager, how ("Apply", "Update"), and when (RFC 3339, or "")."""

    path: str
    manager: str
    operation: str
    time: str


def owners(item: KubernetesObject) -> tuple[FieldOwner, ...]:
    """Returns the managers of the fields of a live object, without subresources such as the status.

    Paths have the form of the server's conflicts: ``.spec.template.spec.containers[name="x"].image``. A field with
    several managers appears several times.
    """
    found: list[FieldOwner] = []
    for entry in item.get("metadata", {}).get("managedFields") or ():
        if entry.get("subresource"):
            continue
        manager, operation, time = entry.get("manager", ""), entry.get("operation", ""), entry.get("time", "")
        found.extend(FieldOwner(path, manager, operation, time) for path in _leaves(entry.get("fieldsV1") or {}, ""))
    return tuple(sorted(found, key=lambda owner: (owner.path, owner.manager)))


def _leaves(fields: Mapping[str, Any], path: str) -> Iterator[str]:
    # "." is the item itself. If more of an item is owned than its key, the rest includes the item.
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


MERGED_BY = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
}
"""The lists of a pod that a strategic merge patch merges, and the key of their items (patchMergeKey in the types of
Kubernetes); every other list is replaced whole."""


def merge_patch_to(
    live: KubernetesObject, wanted: KubernetesObject, base: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Returns the strategic merge patch from ``live`` to what is wanted; empty if they agree.

    What only ``live`` has stays, except what ``base`` has and ``wanted`` leaves out on purpose: that is removed.
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
        elif not same_value(key, there, value):
            patch[key] = copy.deepcopy(value)
    for key in base.keys() & live.keys() - wanted.keys():
        there = live[key]
        # Of a mapping, remove only what the base has: the rest was added by others.
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
