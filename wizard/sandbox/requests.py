"""What a request to the simulated API server asks for: its target, verb, form, selectors, and options."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from wizard.sandbox import kinds, refusals, selectors
from wizard.sandbox.access import User
from wizard.sandbox.cluster import APPLY, Deletion, Write
from wizard.sandbox.documents import read_json
from wizard.sandbox.kinds import Kind

ACCEPTED = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
Shape = Literal["whole", "metadata", "metadata list", "table"]
"""The requested form of objects: whole, only their metadata (one, or a list), or as rows."""
SHAPES: Mapping[str, Shape] = {
    "": "whole",
    "PartialObjectMetadata": "metadata",
    "PartialObjectMetadataList": "metadata list",
    "Table": "table",
}


@dataclass(frozen=True)
class Target:
    """What a path under ``/api`` or ``/apis`` names."""

    kind: Kind | None
    plural: str
    group: str
    namespace: str
    name: str
    subresource: str


def target_of(group: str, version: str, rest: list[str]) -> Target:
    """Reads what a path names: ``rest`` is what follows the version."""
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = [*rest, "", "", ""][:3]
    kind = kinds.BY_PATH.get((group, version, plural))
    if kind and kind.namespaced and name and not namespace:
        kind = None
    return Target(kind, plural, group, namespace, name, subresource)


def verb_of(request: web.BaseRequest, target: Target) -> str:
    """Returns the verb as authorization knows it."""
    match request.method:
        case "GET" | "HEAD":
            if request.query.get("watch") in ("true", "1", ""):
                return "watch"
            return "get" if target.name else "list"
        case "DELETE":
            return "delete" if target.name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(request.method, request.method.lower())


def _deletion_options(query: Mapping[str, str]) -> dict[str, Any]:
    """Returns the options of a deletion without a body."""
    options: dict[str, Any] = {key: query[key] for key in ("gracePeriodSeconds", "propagationPolicy") if key in query}
    return {**options, "dryRun": [query["dryRun"]]} if "dryRun" in query else options


def without_any_version(body: Any) -> Any:
    """Returns the body of an update without the resource version ``0``, which every version of an object matches."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    if not isinstance(metadata, dict) or metadata.get("resourceVersion") != "0":
        return body
    return {**body, "metadata": {name: value for name, value in metadata.items() if name != "resourceVersion"}}


def manager_name(request: web.BaseRequest) -> str:
    """Returns the field manager of a request."""
    agent = request.headers.get("User-Agent", "unknown").partition("/")[0]
    return request.query.get("fieldManager") or agent[:128]


def write_of(request: web.BaseRequest, user: User, subresource: str, warnings: list[str]) -> Write:
    """Reads the options of a change. Raises the server's 422 for a wrong one."""
    query = request.query
    options = {"POST": "CreateOptions", "PUT": "UpdateOptions", "DELETE": "DeleteOptions"}.get(
        request.method, "PatchOptions"
    )
    named = refusals.Resource("", "meta.k8s.io", options)
    if (dry := query.get("dryRun", "All")) != "All":
        raise refusals.invalid(named, "", [refusals.field_unsupported("dryRun", json.dumps(dry), ["All"])])
    validation = query.get("fieldValidation", "Warn")
    if validation not in ("Strict", "Warn", "Ignore"):
        supported = ["", "Ignore", "Strict", "Warn"]
        raise refusals.invalid(
            named, "", [refusals.field_unsupported("fieldValidation", json.dumps(validation), supported)]
        )
    how = request.headers.get("Content-Type", "")
    force = query.get("force") in ("true", "1")
    if "force" in query and not how.startswith(APPLY):
        cause = refusals.field_forbidden("force", "may not be specified for non-apply patch")
        raise refusals.invalid(named, "", [cause])
    return Write(
        user=user,
        manager=manager_name(request),
        dry_run="dryRun" in query,
        force=force,
        validation=validation,
        subresource=subresource,
        warnings=warnings,
    )


def shape_of(request: web.BaseRequest) -> Shape:
    """Returns the requested form of the response. Raises the server's 406 if none is available."""
    header = request.headers.get("Accept", "") or "*/*"
    for wish in header.split(","):
        media, *parameters = [part.strip() for part in wish.split(";")]
        said = dict(part.partition("=")[::2] for part in parameters)
        shape = SHAPES.get(said.get("as", ""))
        known = media in ("application/json", "application/*", "*/*")
        if known and shape and (shape == "whole" or (said.get("g"), said.get("v")) == ("meta.k8s.io", "v1")):
            return shape
    raise refusals.not_acceptable(ACCEPTED)


def number_of(request: web.BaseRequest, name: str) -> int:
    """Reads a parameter that is a whole number, 0 by default. Raises the server's 400."""
    text = request.query.get(name, "")
    if not re.fullmatch(r"[-+]?[0-9]*", text) or text in ("-", "+"):
        raise refusals.bad_request(f"strconv.ParseInt: parsing {json.dumps(text)}: invalid syntax")
    return int(text or 0)


def matcher_of(request: web.BaseRequest, kind: Kind) -> selectors.Matches | None:
    """Returns the selectors of a request; None if it has none."""
    labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    if not labels.strip() and not fields.strip():
        return None
    by_label, by_field = selectors.label_selector(labels), selectors.field_selector(fields, kind.plural)
    return lambda obj: by_label(obj) and by_field(obj)


async def deletion_of(request: web.BaseRequest) -> tuple[Deletion, bool]:
    """Returns how an object is deleted, and whether only a dry run was asked for."""
    text = await request.text()
    # With a body, the query does not count, not even its dryRun (measured on 1.36.2).
    options = read_json(text) if text.strip() else _deletion_options(request.query)
    grace = options.get("gracePeriodSeconds")
    preconditions = options.get("preconditions") or {}
    how = Deletion(
        grace=None if grace is None else int(grace),
        propagation=options.get("propagationPolicy") or "Background",
        uid=preconditions.get("uid", ""),
        resource_version=preconditions.get("resourceVersion", ""),
    )
    return how, "All" in (options.get("dryRun") or [])
