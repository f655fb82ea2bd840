"""Whether two trees, or a tree and plain data, are the same."""

from __future__ import annotations

from wizard.policy.readings import Reading, readings
from wizard.policy.tree import Alias, Collection, Node, Scalar, resolved


def same(expected: Node, found: Node) -> bool:
    """Whether two trees have the same data, anchors, aliases, and tags, in the same order."""
    return difference(expected, found) is None


def difference(expected: Node, found: Node) -> Node | None:
    """Returns the first node of the found tree that is not the same as in the expected one; None if all are."""
    waiting = [(expected, found)]
    while waiting:
        one, other = waiting.pop()
        if type(one) is not type(other) or one.tag != other.tag or one.anchor != other.anchor:
            return other
        if isinstance(one, Scalar):
            assert isinstance(other, Scalar)
            alike = one.value == other.value and (not one.style) == (not other.style)
            if not alike and readings(one) != readings(other):
                return other
        elif isinstance(one, Alias):
            assert isinstance(other, Alias)
            if one.name != other.name:
                return other
        else:
            assert isinstance(one, Collection) and isinstance(other, Collection)
            if len(one.children) != len(other.children):
                return other
            waiting += zip(one.children, other.children, strict=True)
    return None


def equal_data(node: Node, wanted: Node) -> bool:
    """Whether a node already has the wanted data in both versions of YAML; it can have its own tag."""
    if isinstance(node, Scalar) and isinstance(wanted, Scalar):
        found = tuple(Reading("str", one.value) if one.kind == node.tag else one for one in readings(node))
        return found == readings(wanted)
    return type(node) is type(wanted) and not isinstance(node, Scalar) and same_data(node, wanted)


def same_data(node: Node, wanted: Node) -> bool:
    """Compares collections like ``equal_data``, item by item."""
    if not isinstance(node, Collection) or not isinstance(wanted, Collection):
        return equal_data(node, wanted)
    if len(node.children) != len(wanted.children):
        return False
    return all(equal_data(resolved(one), other) for one, other in zip(node.children, wanted.children, strict=True))
