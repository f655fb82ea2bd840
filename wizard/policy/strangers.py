"""Files that are not a template policy, though they are YAML: what they look like."""

from __future__ import annotations

from wizard.errors import InputError
from wizard.policy.near import near
from wizard.policy.readings import inherited
from wizard.policy.tree import Mapping, Node, Scalar, Tree, key_text, resolved
from wizard.text.escaping import printable

_TODO = "Check that this is the right file. A policy has version and, under workspace, fields with a field policy."
_ERROR_KEYS = frozenset(
    ("code", "detail", "details", "documentation_url", "error", "errors", "message", "msg", "reason", "status", "title")
)
_MOST = 200
"""The number of mappings that are looked at to find a field policy."""


def refuse_stranger(tree: Tree, name: str) -> None:
    """Raises InputError if a file is plainly something else than a policy, and says what it looks like."""
    root = tree.root
    if not isinstance(root, Mapping) or not root.children:
        return
    what = _looks_like(root)
    if what:
        line, column = tree.place(root.start)
        raise InputError(f"This is not a template policy: {what}.", _TODO, file=name, line=line, column=column)


def _looks_like(root: Mapping) -> str:
    def has(key: str) -> Node | None:
        found = root.get(key)
        return found if found is not None else inherited(root, key)

    if has("apiVersion") is not None and (kind := has("kind")) is not None:
        return f"it looks like a Kubernetes object of the kind {_text(kind)}"
    workspace = has("workspace")
    if workspace is not None:
        inside = resolved(workspace)
        if isinstance(inside, Mapping) and inside.get("type") is not None and not _has_field_policy(inside):
            return "it looks like a workspace template, because it has workspace.type and no field policy"
        return ""
    version = has("version")
    names = [key_text(key) or "" for key in root.children[::2]]
    if any(near(key, ["workspace"]) for key in names):
        return ""
    if has("services") is not None:
        return "it looks like a Compose file"
    if version is not None and (len(names) == 1 or _text(version) == "0.2"):
        return ""
    if len(names) == 1 and near(names[0], ["version"]):
        return ""
    if all(key.lower() in _ERROR_KEYS or (key.isdigit() and len(key) == 3) for key in names):
        return "it looks like an error message"
    return f"it has no workspace, but {', '.join(printable(key) for key in names[:3])}"


def _text(node: Node) -> str:
    target = resolved(node)
    return printable(target.value) if isinstance(target, Scalar) else ""


def _has_field_policy(mapping: Mapping) -> bool:
    waiting, seen = [mapping], 0
    while waiting and seen < _MOST:
        one = waiting.pop()
        seen += 1
        for key, value in one.pairs:
            target = resolved(value)
            if key_text(key) == "policy" or near(key_text(key) or "", ["policy"]):
                return True
            if isinstance(target, Mapping):
                waiting.append(target)
    return bool(waiting)
