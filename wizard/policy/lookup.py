"""The node at a path."""

from __future__ import annotations

from wizard.errors import InputError
from wizard.policy.changes import Path
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.readings import inherited
from wizard.policy.tree import Mapping, Node, Sequence, resolved


def lookup(document: PolicyDocument, path: Path) -> Node | None:
    """Returns the node at a path, following aliases and merge keys; None if there is none.

    Raises InputError if a key on the path is a duplicate, because parsers differ on which one they use.
    """
    node: Node = document.tree.root
    for depth, name in enumerate(path):
        target = resolved(node)
        if isinstance(target, Sequence) and isinstance(name, int) and name < len(target.children):
            node = target.children[name]
            continue
        if not isinstance(target, Mapping) or isinstance(name, int):
            return None
        pairs = target.all(name)
        if len(pairs) > 1:
            raise twice(document, pairs[1][0], path[: depth + 1])
        found = pairs[0][1] if pairs else inherited(target, name)
        if found is None:
            return None
        node = found
    return node


def twice(document: PolicyDocument, key: Node, path: Path) -> InputError:
    """Returns the error about a key that is there a second time."""
    return document.refusal(key, f"{show_path(path)} appears a second time here.", "Remove one of the two.")
