"""Label and field selectors, as the server parses them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from wizard.sandbox.refusals import bad_request

Object = Mapping[str, Any]
Matches = Callable[[Object], bool]

_TOKEN = re.compile(r"\s*(==|!=|=|!|\(|\)|,|>|<|[^\s=!(),<>]+)")
_OPERATORS = ("=", "==", "!=", "in", "notin", ">", "<")


def everything(_obj: Object) -> bool:
    """Selects all."""
    return True


class _LabelSelector:
    """Reads a label selector from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = [match[1] for match in _TOKEN.finditer(text)]
        self._position = 0

    def rules(self) -> list[Callable[[Mapping[str, str]], bool]]:
        """Returns a test for each requirement. Raises the server's 400."""
        rules = []
        while self._position < len(self._tokens):
            rules.append(self._requirement())
        return rules

    def _take(self) -> str:
        self._position += 1
        return self._tokens[self._position - 1] if self._position <= len(self._tokens) else ""

    def _requirement(self) -> Callable[[Mapping[str, str]], bool]:
        token = self._take()
        absent = token == "!"
        key = self._take() if absent else token
        if not re.match(r"[A-Za-z0-9]", key):
            raise bad_request(f"unable to parse requirement: found '{key}', expected: identifier")
        after = self._take()
        if after in (",", ""):
            return _absent(key) if absent else _present(key)
        if absent:
            raise bad_request(f"unable to parse requirement: found '{after}', expected: ',' or 'end of string'")
        if after not in _OPERATORS:
            names = "in, notin, =, ==, !=, gt, lt"
            raise bad_request(f"unable to parse requirement: found '{after}', expected: {names}")
        values = self._set() if after in ("in", "notin") else self._value()
        following = self._take()
        if following not in (",", ""):
            raise bad_request(f"unable to parse requirement: found '{following}', expected: ',' or 'end of string'")
        return _rule(key, after, values)

    def _set(self) -> set[str]:
        if (found := self._take()) != "(":
            raise bad_request(f"unable to parse requirement: found '{found}' expected: '('")
        values = set()
        while (word := self._take()) not in (")", ""):
            if word != ",":
                values.add(word)
        return values

    def _value(self) -> set[str]:
        word = self._take()
        if word in _OPERATORS[:3]:
            raise bad_request(f"unable to parse requirement: found '{word}', expected: identifier")
        if word == ",":
            self._position -= 1
        return {"" if word in (",", "") else word}


def label_selector(text: str) -> Matches:
    """Reads ``a=b,c in (d,e),!f``. Raises the server's 400 for an invalid selector."""
    if not text.strip():
        return everything
    rules = _LabelSelector(text).rules()

    def matches(obj: Object) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(rule(labels) for rule in rules)

    return matches


def _present(key: str) -> Callable[[Mapping[str, str]], bool]:
    return lambda labels: key in labels


def _absent(key: str) -> Callable[[Mapping[str, str]], bool]:
    return lambda labels: key not in labels


def _rule(key: str, operator: str, values: set[str]) -> Callable[[Mapping[str, str]], bool]:
    if operator in ("=", "==", "in"):
        return lambda labels: labels.get(key) in values
    if operator in ("!=", "notin"):
        return lambda labels: labels.get(key) not in values
    (value,) = values
    if not re.fullmatch(r"[-+]?[0-9]+", value):
        raise bad_request(
            f"unable to parse requirement: values[0][{key}]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, "
            "the value must be an integer"
        )
    bound = int(value)
    if operator == ">":
        return lambda labels: labels.get(key, "").lstrip("-").isdigit() and int(labels[key]) > bound
    return lambda labels: labels.get(key, "").lstrip("-").isdigit() and int(labels[key]) < bound


def matches_labels(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels match a ``LabelSelector`` object."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(matches_expression(rule, labels) for rule in selector.get("matchExpressions") or ())


def matches_expression(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels match one ``{key, operator, values}``."""
    key, values = rule["key"], rule.get("values") or []
    match rule["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case "Gt":
            return labels.get(key, "").isdigit() and int(labels[key]) > int(values[0])
        case "Lt":
            return labels.get(key, "").isdigit() and int(labels[key]) < int(values[0])
    return False


_FIELDS = {
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
}
"""The selectable fields of each kind, besides name and namespace."""


def field_selector(text: str, plural: str) -> Matches:
    """Reads ``metadata.name=x,type!=Normal``. Raises the server's 400 for a field that is not selectable."""
    if not text.strip():
        return everything
    rules: list[tuple[tuple[str, ...], bool, str]] = []
    for term in text.split(","):
        match = re.fullmatch(r"([^=!]+)(==|!=|=)(.*)", term.strip())
        if not match:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        name, operator, value = match.groups()
        if name not in ("metadata.name", "metadata.namespace", *_FIELDS.get(plural, ())):
            raise bad_request(f"field label not supported: {name}")
        rules.append((tuple(name.split(".")), operator == "!=", value))

    def matches(obj: Object) -> bool:
        return all((_value(obj, path) == value) != negated for path, negated, value in rules)

    return matches


def _value(obj: Any, path: tuple[str, ...]) -> str:
    if path == ("source",):
        path = ("source", "component")
    for name in path:
        obj = obj.get(name) if isinstance(obj, Mapping) else None
    if isinstance(obj, bool) or obj is None:
        return "true" if obj else "false" if path[-1] in ("unschedulable", "hostNetwork") else ""
    return str(obj)
