"""The responses of the simulated API server: objects and lists in the form that was asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from wizard.sandbox import refusals
from wizard.sandbox.kinds import Kind
from wizard.sandbox.requests import Shape
from wizard.sandbox.store import Object, Version
from wizard.sandbox.tables import metadata_only, table


@dataclass(frozen=True)
class Answer:
    """A body with its status."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"


def answer(body: Any, status: int = 200) -> Answer:
    """An answer in JSON."""
    return Answer(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(), status)


def document_of(request: web.BaseRequest, kind: Kind, version: Version, shape: Shape, status: int = 200) -> Answer:
    """Returns one object in the requested form."""
    match shape:
        case "whole":
            return Answer(version.as_document, status)
        case "metadata":
            return answer(metadata_only(version), status)
        case "metadata list":
            raise refusals.no_such_shape(
                f"PartialObjectMetadataList, but the requested object is not a list ({kind.go_type})"
            )
        case "table":
            metadata = {"resourceVersion": version.obj["metadata"]["resourceVersion"]}
            rows = table(kind.plural, [version], metadata, request.query.get("includeObject", "Metadata"))
            return answer(rows, status)


def list_body(kind: Kind, metadata: Object, versions: list[Version]) -> bytes:
    """Returns a list, from objects that are JSON already."""
    head = {"kind": f"{kind.name}List", "apiVersion": kind.api_version, "metadata": metadata}
    opened = json.dumps(head, separators=(",", ":")).encode()[:-1]
    return opened + b',"items":[' + b",".join(one.as_item for one in versions) + b"]}"
