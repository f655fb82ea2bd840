"""The JSON patch (RFC 6902) that gives an object another content; it needs no more than the permission to patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wizard.facts.objects import KubernetesObject


def content_patch(content: KubernetesObject, live: KubernetesObject) -> list[dict[str, Any]]:
    """Returns the patch from a live object to this content, labels, and annotations.

    The patch fails (409) if the object changed since.
    """
    operations: list[dict[str, Any]] = []
    for key in {**live, **content}:
        if key in ("apiVersion", "kind", "metadata", "status"):
            continue
        if key in content:
            operations.append({"op": "add", "path": f"/{key}", "value": content[key]})
        else:
            operations.append({"op": "remove", "path": f"/{key}"})
    for key in ("labels", "annotations"):
        if key in live["metadata"] or key in content["metadata"]:
            operations.append({"op": "add", "path": f"/metadata/{key}", "value": content["metadata"].get(key) or {}})
    return [*operations, version_of(live)]


def owners_patch(owners: Sequence[Mapping[str, Any]], live: KubernetesObject) -> list[dict[str, Any]]:
    """Returns the patch that sets the managed fields; it fails (409) if the object changed since."""
    return [{"op": "replace", "path": "/metadata/managedFields", "value": list(owners)}, version_of(live)]


def version_of(live: KubernetesObject) -> dict[str, Any]:
    """Returns the operation that binds a patch to this version of an object."""
    return {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]}
