"""References to Kubernetes objects, and the values in an object by their paths.

A path is written as the server's conflicts write it: ``.spec.template.spec.containers[name="x"].image``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wizard import quantities

Json = Any
"""What ``json.loads`` returns."""

KubernetesObject = dict[str, Any]
"""An object as the API server has it in JSON."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """An object by kind, name, and namespace ("" if it has none)."""

    kind: str
    name: str
    namespace: str = ""

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> ObjectRef:
        """Returns the reference to an object."""
        metadata = item["metadata"]
        return cls(item["kind"], metadata["name"], metadata.get("namespace") or "")

    @property
    def title(self) -> str:
        """The object as people call it: ``DaemonSet smarter-device-manager``."""
        return f"{self.kind} {self.name}"


SERVER_METADATA: Final = frozenset(
    {"managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "deletionTimestamp"}
)
"""Fields of metadata that only the server writes: never a change of the object."""

LIST_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "ownerReferences": ("uid",),
}
"""The lists whose items the server tells apart by keys (listMapKeys in Kubernetes' own types). A change in any other
list is a change of the whole list."""

QUANTITY_PARENTS: Final = ("limits", "requests", "hard", "capacity", "allocatable", "overhead")
"""The maps whose values are quantities, which the server compares by value."""


def leaves(item: Json, path: str = "", name: str = "") -> Iterator[tuple[str, Json]]:
    """Yields the values of an object by their paths; a list without keys, and an empty map, is one value."""
    if isinstance(item, Mapping) and (item or not path):
        for key, inner in item.items():
            yield from leaves(inner, f"{path}.{key}", key)
    elif isinstance(item, list) and item and name in LIST_KEYS and all(isinstance(one, Mapping) for one in item):
        for one in item:
            yield from leaves(one, f"{path}{item_step(one, name)}")
    else:
        yield path, item


def all_paths(item: Json, path: str = "", name: str = "") -> Iterator[str]:
    """Yields the paths of an object's values, and of the maps, lists, and items that hold them; not of empty ones."""
    if path and item not in ({}, []):
        yield path
    if isinstance(item, Mapping):
        for key, inner in item.items():
            yield from all_paths(inner, f"{path}.{key}", key)
    elif isinstance(item, list) and name in LIST_KEYS and all(isinstance(one, Mapping) for one in item):
        for one in item:
            yield from all_paths(one, f"{path}{item_step(one, name)}")


def item_step(item: Mapping[str, Any], name: str) -> str:
    """Returns how a path names an item of a list with keys: ``[name="x"]``."""
    return "[" + ",".join(f"{key}={json.dumps(item[key])}" for key in LIST_KEYS[name] if key in item) + "]"


def same_value(path: str, one: Json, other: Json) -> bool:
    """Tells whether two values of a field are the same to the server; quantities are compared by value."""
    if one == other and type(one) is type(other):
        return True
    if one is None or other is None or isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_value(f"{path}.{key}", one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            same_value(path, left, right) for left, right in zip(one, other, strict=True)
        )
    if isinstance(one, Mapping | list) or isinstance(other, Mapping | list):
        return False
    if any(f".{parent}." in path for parent in QUANTITY_PARENTS) or path.endswith(".sizeLimit"):
        return quantities.equal(one, other)
    return str(one) == str(other)


def with_canonical_quantities(item: KubernetesObject) -> KubernetesObject:
    """Returns a copy of an object whose quantities are written as the server stores them: ``1000`` is ``1k``."""
    return {**item, "spec": _canonical(item["spec"])} if "spec" in item else item


def _canonical(value: Json) -> Json:
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    if not isinstance(value, Mapping):
        return value
    return {
        key: {name: _canonical_quantity(amount) for name, amount in inner.items()}
        if key in QUANTITY_PARENTS and isinstance(inner, Mapping)
        else _canonical(inner)
        for key, inner in value.items()
    }


def _canonical_quantity(value: Json) -> Json:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return value
    try:
        return quantities.canonical(value)
    except quantities.QuantityError:
        return value  # the server says what is wrong with it
