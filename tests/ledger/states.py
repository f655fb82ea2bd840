"""What a cluster holds of what the wizard changes, and how two such states differ; shares no code with the wizard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.clusters import Cluster

NAME = "smarter-device-manager"
PATHS = {
    "Namespace": f"/api/v1/namespaces/{NAME}",
    "ResourceQuota": f"/api/v1/namespaces/{NAME}/resourcequotas/{NAME}",
    "ConfigMap": f"/api/v1/namespaces/{NAME}/configmaps/{NAME}",
    "DaemonSet": f"/apis/apps/v1/namespaces/{NAME}/daemonsets/{NAME}",
}
"""The guide's objects, in its order."""

SERVER_METADATA = {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}
LAST_APPLIED = ".metadata.annotations.kubectl.kubernetes.io/last-applied-configuration"
GENERATION = ".metadata.annotations.deprecated.daemonset.template.generation"
NUDGED = ".metadata.annotations.podman-wizard/nudged"
TAKEN_OVER = ".metadata.annotations.podman-wizard/taken-over"
KEYS = {"containers": "name", "volumes": "name", "volumeMounts": "mountPath", "env": "name"}

Values = Mapping[str, Any]


@dataclass(frozen=True)
class State:
    """The guide's objects (None: not there), and the labels of every node."""

    objects: Mapping[str, Any]
    nodes: Mapping[str, Mapping[str, str]]

    @classmethod
    async def of(cls, cluster: Cluster) -> State:
        objects = {kind: await cluster.get(path) for kind, path in PATHS.items()}
        nodes = (await cluster.get("/api/v1/nodes"))["items"]
        return cls(objects, {node["metadata"]["name"]: node["metadata"].get("labels") or {} for node in nodes})

    def contents(self, *, noise: bool) -> dict[str, Values | None]:
        """The fields of every object by their paths; ``noise``: with what kubectl keeps for itself."""
        return {kind: item and dict(fields(item, noise=noise)) for kind, item in self.objects.items()}

    @property
    def versions(self) -> dict[str, str]:
        """Who wrote what: any write to an object itself changes it."""
        return {kind: json.dumps(owners(item), sort_keys=True) for kind, item in self.objects.items() if item}

    @property
    def whole(self) -> dict[str, Any]:
        """Everything that an undo must give back, ownership included."""
        kinds = {
            kind: None if item is None else {"fields": dict(fields(item, noise=True)), "owners": owners(item)}
            for kind, item in self.objects.items()
        }
        return {**kinds, "nodes": dict(self.nodes)}


def fields(item: Mapping[str, Any], *, noise: bool) -> Iterator[tuple[str, Any]]:
    """The fields of an object by the paths that the server's conflicts have; without status and server metadata."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in SERVER_METADATA}
    rest = {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    for path, value in _leaves({"metadata": metadata, **rest}, ""):
        if path in (GENERATION, NUDGED) or (path in (LAST_APPLIED, TAKEN_OVER) and not noise):
            continue
        yield path, value


def _leaves(value: Any, path: str, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}", key)
    elif isinstance(value, list) and name in KEYS:
        for inner in value:
            yield from _leaves(inner, f'{path}[{KEYS[name]}="{inner[KEYS[name]]}"]')
    elif value not in ([], None):
        yield path, value


def owners(item: Mapping[str, Any]) -> list[Any]:
    """Who owns which fields of the object itself, without times."""
    found = []
    for entry in item["metadata"].get("managedFields", ()):
        owned = _without_noise(entry["fieldsV1"])
        if owned and not entry.get("subresource"):
            found.append([entry["manager"], entry["operation"], json.dumps(owned, sort_keys=True)])
    return sorted(found)


def _without_noise(owned: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without what tools keep for themselves, and without what contained nothing else."""
    names = {"f:deprecated.daemonset.template.generation", "f:podman-wizard/nudged"}
    found = {key: (_without_noise(below), below) for key, below in owned.items() if key not in names}
    return {key: below for key, (below, whole) in found.items() if below or not whole}


def managers_of(item: Mapping[str, Any] | None, path: str) -> list[str]:
    """The managers that own a field, or the whole list or map that it is in."""
    found = set()
    for entry in (item or {}).get("metadata", {}).get("managedFields", ()):
        for owned in () if entry.get("subresource") else _owned(entry["fieldsV1"], ""):
            if path == owned or path.startswith((f"{owned}.", f"{owned}[")):
                found.add(str(entry["manager"]))
    return sorted(found)


def _owned(tree: Mapping[str, Any], path: str) -> Iterator[str]:
    """The paths in a set of fields that have none below them."""
    below = {key: inner for key, inner in tree.items() if key != "."}
    if not below and path:
        yield path
    for key, inner in below.items():
        if key.startswith("f:"):
            yield from _owned(inner, f"{path}.{key[2:]}")
        elif key.startswith("k:"):
            pairs = ",".join(f"{name}={json.dumps(value)}" for name, value in json.loads(key[2:]).items())
            yield from _owned(inner, f"{path}[{pairs}]")
