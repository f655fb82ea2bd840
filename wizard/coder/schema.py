"""The deployment's own JSON Schema of templates, if it serves one, as a further check.

It describes templates, not policies, and no real one was available for testing. It is therefore used only to
find policy fields that it does not name; a schema of an unfamiliar form finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wizard.policy import PolicyDocument

_DEEPEST = 12


def unknown_fields(schema: Mapping[str, Any], document: PolicyDocument) -> tuple[tuple[str, int], ...]:
    """Returns the fields of a policy that the schema does not name: dotted paths and their lines, from 1."""
    from wizard.policy.document import show_path
    from wizard.policy.entries import entries

    return tuple(
        (show_path(entry.path), document.line(entry.key))
        for entry in entries(document)
        if not _names(schema, entry.path)
    )


def _names(schema: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    here: list[Mapping[str, Any]] = [schema]
    for name in path:
        forms = [form for part in here for form in _forms(schema, part, 0)]
        named = [form["properties"] for form in forms if isinstance(form.get("properties"), Mapping)]
        if not named or any(form.get("additionalProperties") or form.get("patternProperties") for form in forms):
            return True  # the schema does not list the keys allowed here
        here = [properties[name] for properties in named if isinstance(properties.get(name), Mapping)]
        if not here:
            return any(name in properties for properties in named)
    return True


def _forms(schema: Mapping[str, Any], part: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """Yields a part of the schema, and the parts that it refers to or combines."""
    if depth > _DEEPEST:
        return
    yield part
    reference = part.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Any = schema
        for name in reference[2:].split("/"):
            target = target.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(target, Mapping) else None
        if isinstance(target, Mapping):
            yield from _forms(schema, target, depth + 1)
    for word in ("allOf", "anyOf", "oneOf"):
        parts = part.get(word)
        for other in parts if isinstance(parts, list) else ():
            if isinstance(other, Mapping):
                yield from _forms(schema, other, depth + 1)
