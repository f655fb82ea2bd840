"""The patch formats besides server-side apply: merge patch, JSON patch, strategic merge patch."""

from __future__ import annotations

import json
from typing import Any

from wizard.sandbox.refusals import Refusal, bad_request
from wizard.sandbox.schema import ListOf, Type, child

_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
    "conditions": "type",
    "addresses": "type",
    "ownerReferences": "uid",
    "imagePullSecrets": "name",
    "tolerations": None,
    "taints": "key",
}
"""The keys by which a strategic merge patch identifies the items of a list."""


def merge_patch(target: Any, patch: Any) -> Any:
    """Applies RFC 7386. Parts that the patch does not change stay the same objects."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def strategic_merge_patch(target: Any, patch: Any, of: Type) -> Any:
    """Applies a merge patch that also merges lists of named items; supports ``$patch: delete|replace``."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        kind = child(of, name)
        key = _MERGE_KEYS.get(name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, list) and key and isinstance(kind, ListOf):
            result[name] = _merged_items(result.get(name) or [], value, key, kind)
        elif isinstance(value, list):
            result[name] = value
        else:
            result[name] = strategic_merge_patch(result.get(name), value, kind)
    return result


def _merged_items(target: list[Any], patch: list[Any], key: str, of: ListOf) -> list[Any]:
    result = list(target)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            if isinstance(item, dict) and item.get("$patch") == "replace":
                return [one for one in patch if "$patch" not in one]
            raise bad_request(f"map: {json.dumps(item)} does not contain declared merge key: {key}")
        index = next((i for i, one in enumerate(result) if one.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if index is not None:
                del result[index]
        elif index is None:
            result.append(strategic_merge_patch({}, item, of.item))
        else:
            result[index] = strategic_merge_patch(result[index], item, of.item)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """Applies RFC 6902. Raises the server's 422 if an operation cannot be carried out."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document = json.loads(json.dumps(target))
    for operation in operations:
        try:
            document = _operated(document, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            text = f"the server rejected our request due to an error in our request: {error}"
            raise Refusal(422, "Invalid", text, {}) from error
    return document


def _operated(document: Any, operation: dict[str, Any]) -> Any:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "test":
            if _at(document, path) != operation.get("value"):
                raise ValueError(f"testing path {operation['path']} value failed")
        case "add":
            return _added(document, path, operation["value"])
        case "replace":
            _at(document, path)
            return _added(_removed(document, path), path, operation["value"])
        case "remove":
            return _removed(document, path)
        case "move":
            source = _pointer(operation["from"])
            value = _at(document, source)
            return _added(_removed(document, source), path, value)
        case "copy":
            return _added(document, path, json.loads(json.dumps(_at(document, _pointer(operation["from"])))))
        case other:
            raise ValueError(f"unexpected kind: {other}")
    return document


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _added(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _at(document, path[:-1])
    if isinstance(parent, list):
        parent.insert(len(parent) if path[-1] == "-" else int(path[-1]), value)
    else:
        parent[path[-1]] = value
    return document


def _removed(document: Any, path: list[str]) -> Any:
    parent = _at(document, path[:-1])
    if isinstance(parent, list):
        del parent[int(path[-1])]
    else:
        del parent[path[-1]]
    return document
