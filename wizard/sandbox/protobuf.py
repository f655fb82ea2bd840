"""The part of Kubernetes' protobuf that ``kubectl auth`` sends: access reviews."""

from __future__ import annotations

from typing import Any

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"

# field numbers of the envelope around every object, and of authorization.k8s.io/v1
_TYPE = {1: "apiVersion", 2: "kind"}
_RESOURCE = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
_SPECS: dict[str, dict[int, Any]] = {
    "SelfSubjectAccessReview": {
        1: ("resourceAttributes", dict(enumerate(_RESOURCE, 1))),
        2: ("nonResourceAttributes", {1: "path", 2: "verb"}),
    },
    "SelfSubjectRulesReview": {1: "namespace"},
    "SelfSubjectReview": {},
}


def read_review(content: bytes) -> dict[str, Any]:
    """Reads the review in a request's body. Raises ValueError for anything else."""
    if not content.startswith(MAGIC):
        raise ValueError("it does not begin as Kubernetes' protobuf does")
    envelope = dict(_fields(content[len(MAGIC) :]))
    types = {_TYPE[number]: value.decode() for number, value in _fields(envelope.get(1, b"")) if number in _TYPE}
    shape = _SPECS.get(types.get("kind", ""))
    if shape is None:
        raise ValueError(f"{types.get('kind')} is not read from protobuf")
    spec: dict[str, Any] = {}
    for number, value in _fields(dict(_fields(envelope.get(2, b""))).get(2, b"")):
        inner = shape.get(number)
        if isinstance(inner, tuple):
            name, names = inner
            spec[name] = {names[key]: text.decode() for key, text in _fields(value) if key in names and text}
        elif inner:
            spec[inner] = value.decode()
    return {**types, "spec": spec}


def _fields(content: bytes) -> list[tuple[int, bytes]]:
    """The length-delimited fields of a message, by number; other kinds do not occur in what is read here."""
    found, at = [], 0
    while at < len(content):
        tag, at = _number(content, at)
        length, at = _number(content, at)
        if tag & 7 == 2:
            found.append((tag >> 3, content[at : at + length]))
            at += length
    return found


def _number(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
