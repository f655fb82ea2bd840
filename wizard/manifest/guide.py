"""The manifest of Coder's Podman guide: its four objects, and the numbers in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import yaml

from wizard.facts.differences import LAST_APPLIED, unified
from wizard.facts.objects import KubernetesObject, all_paths
from wizard.resources import asset_text

MANIFEST: Final = "smarter-device-manager.yaml"
GUIDE_QUOTA: Final = 50
GUIDE_DEVICES: Final = 50
CONTAINER: Final = "smarter-device-manager"

Objects = tuple[KubernetesObject, ...]


@lru_cache(maxsize=1)
def _guide() -> Objects:
    return tuple(yaml.safe_load_all(asset_text("manifests", MANIFEST)))


def guide_objects() -> Objects:
    """Returns a copy of the guide's Namespace, ResourceQuota, ConfigMap, and DaemonSet, in this order."""
    return copy.deepcopy(_guide())


def edit(objects: Objects, kind: str, change: Callable[[KubernetesObject], None]) -> Objects:
    """Returns copies of the objects, with ``change`` made to the one of this kind."""
    changed = tuple(copy.deepcopy(item) for item in objects)
    for item in changed:
        if item["kind"] == kind:
            change(item)
    return changed


def pod_of(daemon_set: KubernetesObject) -> dict[str, Any]:
    """Returns the pod specification of a DaemonSet."""
    spec = daemon_set["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def container_of(daemon_set: KubernetesObject) -> dict[str, Any]:
    """Returns the device manager's container, which may stand beside others; an empty mapping if it is missing."""
    containers = pod_of(daemon_set).get("containers") or ()
    return next((one for one in containers if one.get("name") == CONTAINER), {})


@lru_cache(maxsize=1)
def _guide_paths() -> dict[str, frozenset[str]]:
    return {item["kind"]: frozenset(all_paths(item)) for item in _guide()}


def added_to_guide(live: KubernetesObject) -> frozenset[str]:
    """Returns the paths that the last ``kubectl apply`` of an object set, and the guide's object does not have.

    Someone wrote them into their copy of the manifest on purpose: a label for a service mesh, a second container. The
    annotation of ``kubectl apply`` is one of them if there are any, because only it tells.
    """
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED, "")
    try:
        applied = json.loads(text)
    except ValueError:
        return frozenset()
    guide = _guide_paths().get(live["kind"], frozenset())
    added = frozenset(all_paths(applied)) - guide if isinstance(applied, dict) else frozenset()
    return added | {f".metadata.annotations.{LAST_APPLIED}"} if added else added


def against_guide(objects: Sequence[KubernetesObject]) -> str:
    """Returns the changes of a rendering to the guide's manifest as a unified diff."""
    return unified(guide_objects(), objects, names=("guide", "manifest"))
