"""The part of ``/openapi/v3`` that shows kubectl that the server validates fields."""

from __future__ import annotations

from functools import cache
from typing import Any

from wizard.sandbox.kinds import KINDS

_QUERY = [
    {"name": name, "in": "query", "schema": {"type": "string"}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


def _place(group: str) -> str:
    return f"apis/{group}/v1" if group else "api/v1"


@cache
def index() -> dict[str, Any]:
    """Returns the list of documents."""
    places = dict.fromkeys(_place(kind.group) for kind in KINDS)
    return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}


@cache
def document(place: str) -> dict[str, Any]:
    """Returns one group's document: its kinds, and the parameters of their patches."""
    paths = {}
    for kind in KINDS:
        if _place(kind.group) != place:
            continue
        where = "namespaces/{namespace}/" if kind.namespaced else ""
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.name}
        operation = {"parameters": _QUERY, "responses": {}, "x-kubernetes-group-version-kind": gvk}
        paths[f"/{place}/{where}{kind.plural}/{{name}}"] = {
            "patch": {**operation, "x-kubernetes-action": "patch"},
            "put": {**operation, "x-kubernetes-action": "put"},
        }
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1"}, "paths": paths}
