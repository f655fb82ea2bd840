"""The HTTP side of the simulated API server: paths, verbs, media types, lists in pages, watches, logs."""

from __future__ import annotations

import asyncio
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

from aiohttp import web

from wizard.sandbox import continuations, kinds, protobuf, refusals, selectors
from wizard.sandbox.access import ANONYMOUS, Attributes, User, path_refusal
from wizard.sandbox.cluster import APPLY, JSON, MERGE, STRATEGIC, Cluster, Deletion, Write
from wizard.sandbox.documents import read_json, read_yaml, unreadable
from wizard.sandbox.faults import FaultPlan
from wizard.sandbox.field_ownership import Manager, updated
from wizard.sandbox.kinds import POD, Kind
from wizard.sandbox.openapi import document, index
from wizard.sandbox.refusals import Refusal
from wizard.sandbox.schema import types
from wizard.sandbox.store import Change, Object, Version
from wizard.sandbox.tables import metadata_list, metadata_only, table

ACCEPTED = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
BOOKMARK_SECONDS = 60.0
Shape = Literal["whole", "metadata", "metadata list", "table"]
"""The requested form of objects: whole, only their metadata (one, or a list), or as rows."""
SHAPES: Mapping[str, Shape] = {
    "": "whole",
    "PartialObjectMetadata": "metadata",
    "PartialObjectMetadataList": "metadata list",
    "Table": "table",
}
AS = "as"
"""``/as/<user>`` in front of a path names the user: kubectl sends no token without TLS."""
LogReader = Callable[[Version, Mapping[str, str]], "Log"]


@dataclass(frozen=True)
class Log:
    """A container's output, and whether more can follow."""

    text: str
    complete: bool


@dataclass(frozen=True)
class Target:
    """What a path under ``/api`` or ``/apis`` names."""

    kind: Kind | None
    plural: str
    group: str
    namespace: str
    name: str
    subresource: str


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


class Server:
    """Answers requests from a cluster until it is stopped."""

    def __init__(self, cluster: Cluster, users: Mapping[str, User], faults: FaultPlan, read_log: LogReader) -> None:
        self._cluster = cluster
        self._users = users
        """Users by token."""
        self._faults = faults
        self._read_log = read_log
        self._runner: web.ServerRunner | None = None
        self._stopping = asyncio.Event()

    async def start(self, port: int) -> int:
        """Listens on loopback; returns its port."""
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stops the watches, then everything else."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # --- a request

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        fault = self._faults.next_fault(request.method, request.raw_path)
        if fault:
            return await self._faulty(request, fault)
        return await self._answered(request)

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        warnings: list[str] = []
        try:
            given = await self._dispatch(request, warnings)
        except Refusal as refusal:
            given = answer(refusal.body(), refusal.code)
            given = Answer(given.body, refusal.code, tuple(refusal.headers.items()))
        if isinstance(given, web.StreamResponse):
            return given
        response = web.Response(body=given.body, status=given.status)
        response.headers["Content-Type"] = given.content_type
        for name, value in given.headers:
            response.headers[name] = value
        for warning in warnings:
            quoted = warning.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{quoted}"')
        return response

    async def _faulty(self, request: web.BaseRequest, fault: str) -> web.StreamResponse:
        match fault:
            case "too_many_requests":
                refusal = refusals.too_many_requests(1)
            case "internal_error":
                refusal = refusals.internal("etcdserver: request timed out")
            case "unavailable":
                refusal = Refusal(503, "ServiceUnavailable", "apiserver not ready", {})
            case "slow":
                await asyncio.sleep(self._cluster.clock.seconds(self._faults.slow_seconds))
                return await self._answered(request)
            case _:
                return await self._broken(request, fault)
        return web.Response(
            body=json.dumps(refusal.body()),
            status=refusal.code,
            content_type="application/json",
            headers=refusal.headers,
        )

    async def _broken(self, request: web.BaseRequest, fault: str) -> web.StreamResponse:
        response: web.StreamResponse = web.Response(status=500)
        if fault != "reset":
            response = await self._answered(request)
        if fault == "half_a_body" and isinstance(response, web.Response) and isinstance(response.body, bytes):
            half = web.StreamResponse(status=response.status, headers={"Content-Type": "application/json"})
            half.content_length = len(response.body)
            await half.prepare(request)
            await half.write(response.body[: len(response.body) // 2])
            response = half
        if request.transport is not None:
            request.transport.abort() if fault != "half_a_body" else request.transport.close()
        return response

    def _user(self, request: web.BaseRequest, named: str) -> User:
        """Returns the user of the token, or the user in the path, or the anonymous user."""
        header = request.headers.get("Authorization", "")
        if not header:
            return next((user for user in self._users.values() if user.name == named), ANONYMOUS)
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or token not in self._users:
            raise refusals.unauthorized()
        return self._users[token]

    async def _dispatch(self, request: web.BaseRequest, warnings: list[str]) -> Answer | web.StreamResponse:
        path = unquote(request.raw_path.partition("?")[0])
        parts = [part for part in path.split("/") if part]
        named = ""
        if len(parts) > 1 and parts[0] == AS:
            named, parts = parts[1], parts[2:]
            path = "/" + "/".join(parts)
        user = self._user(request, named)
        resource_path = (len(parts) > 2 and parts[0] == "api") or (len(parts) > 3 and parts[0] == "apis")
        if not resource_path:
            return self._plain(request, user, path, parts)
        group = "" if parts[0] == "api" else parts[1]
        version = parts[1] if not group else parts[2]
        rest = parts[2:] if not group else parts[3:]
        target = _target(group, version, rest)
        verb = _verb(request, target)
        resource = target.kind.resource if target.kind else refusals.Resource(target.plural, target.group)
        # for authorization, a namespace is in its own namespace
        namespace = target.name if resource.plural == "namespaces" and not target.namespace else target.namespace
        user.check(Attributes(verb, resource, namespace, target.name, target.subresource))
        if version != "v1" or (group and group not in kinds.GROUPS):
            return Answer(b"404 page not found\n", 404, content_type="text/plain; charset=utf-8")
        if (group, target.plural) in kinds.REVIEWS:
            if request.method != "POST":
                raise refusals.not_allowed()
            return await self._review(request, user, kinds.REVIEWS[group, target.plural])
        if target.kind is None:
            raise refusals.no_such_path()
        return await self._object_request(request, user, target, verb, warnings)

    # --- paths that are no resource

    def _plain(self, request: web.BaseRequest, user: User, path: str, parts: list[str]) -> Answer:
        if not user.may_get(path, request.method.lower()):
            raise path_refusal(user, path, request.method.lower())
        match parts:
            case ["version"]:
                return answer(self._version())
            case ["healthz" | "livez" | "readyz"]:
                return Answer(b"ok", content_type="text/plain; charset=utf-8")
            case ["api"]:
                address = {"clientCIDR": "0.0.0.0/0", "serverAddress": request.headers.get("Host", "")}
                return answer({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]})
            case ["apis"]:
                return answer(kinds.group_list())
            case ["apis", group] if group in kinds.GROUPS:
                return answer(kinds.group(group))
            case ["api", "v1"]:
                return answer(kinds.resource_list(""))
            case ["apis", group, "v1"] if group in kinds.GROUPS:
                return answer(kinds.resource_list(group))
            case ["openapi", "v3"]:
                return answer(index())
            case ["openapi", "v3", *where] if "/".join(where) in index()["paths"]:
                return answer(document("/".join(where)))
        return Answer(b"404 page not found\n", 404, content_type="text/plain; charset=utf-8")

    def _version(self) -> Object:
        text = self._cluster.scenario.version
        major, minor = text.lstrip("v").split(".")[:2]
        below = str(int(minor.split("+")[0]) - 1)
        return {
            "major": major,
            "minor": minor,
            "emulationMajor": major,
            "emulationMinor": minor,
            "minCompatibilityMajor": major,
            "minCompatibilityMinor": below,
            "gitVersion": text,
            "gitCommit": "0000000000000000000000000000000000000000",
            "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z",
            "goVersion": "go1.26.6",
            "compiler": "gc",
            "platform": "linux/amd64",
        }

    # --- reviews

    async def _review(self, request: web.BaseRequest, user: User, name: str) -> Answer:
        body = await _review_body(request)
        spec = body.get("spec") or {}
        result: Object = {"kind": name, "apiVersion": body.get("apiVersion"), "metadata": {}}
        if name == "SelfSubjectReview":
            info = {"username": user.name, "groups": list(user.groups)}
            result["metadata"] = {"creationTimestamp": self._cluster.clock.now()}
            return answer({**result, "status": {"userInfo": info}}, 201)
        if name == "SelfSubjectRulesReview":
            rules = [rule for rule in user.rules if not rule.namespaces or spec.get("namespace") in rule.namespaces]
            status = {
                "resourceRules": [rule.body() for rule in rules if not rule.paths],
                "nonResourceRules": [rule.body() for rule in rules if rule.paths],
                "incomplete": False,
            }
            return answer({**result, "spec": {}, "status": status}, 201)
        given = {
            part: {key: value for key, value in attributes.items() if value}
            for part, attributes in spec.items()
            if attributes
        }
        if ("resourceAttributes" in given) == ("nonResourceAttributes" in given):
            cause = refusals.field_invalid(
                "spec.resourceAttributes",
                "null",
                "exactly one of nonResourceAttributes or resourceAttributes must be specified",
            )
            raise refusals.invalid(refusals.Resource("", "authorization.k8s.io", name), "", [cause])
        allowed = self._allows(user, given)
        manager = Manager(_manager_name(request), "Update", str(body.get("apiVersion")))
        schema = types()[name]
        entries = updated(
            {"metadata": {}, "spec": {}}, {"metadata": {}, "spec": given}, schema, manager, self._cluster.clock.now()
        )
        if entries:
            result["metadata"]["managedFields"] = entries
        return answer({**result, "spec": given, "status": {"allowed": allowed}}, 201)

    def _allows(self, user: User, spec: Object) -> bool:
        if "nonResourceAttributes" in spec:
            asked = spec["nonResourceAttributes"]
            return user.may_get(asked.get("path", ""), asked.get("verb", "get"))
        asked = spec["resourceAttributes"]
        resource = refusals.Resource(asked.get("resource", ""), asked.get("group", ""))
        where = (asked.get("namespace", ""), asked.get("name", ""), asked.get("subresource", ""))
        return user.may(Attributes(asked.get("verb", ""), resource, *where))

    # --- objects

    async def _object_request(
        self, request: web.BaseRequest, user: User, target: Target, verb: str, warnings: list[str]
    ) -> Answer | web.StreamResponse:
        kind, cluster = target.kind, self._cluster
        assert kind is not None
        described = next((one for one in kind.subresources if one.name == target.subresource), None)
        if target.subresource and (described is None or verb not in described.verbs):
            raise refusals.not_allowed() if described else refusals.no_such_path()
        if kind is POD and target.subresource == "log":
            return await self._log(request, cluster.find(kind, target.namespace, target.name))
        if target.subresource not in ("", "status"):
            raise refusals.not_allowed()
        if not target.subresource and verb not in kind.verbs:
            raise refusals.not_allowed()
        shape = _shape(request)
        match verb:
            case "get":
                return _document(request, kind, cluster.find(kind, target.namespace, target.name), shape)
            case "list":
                return self._list(request, kind, target, shape)
            case "watch":
                return await self._watch(request, kind, target, shape)
            case "deletecollection":
                return await self._delete_collection(request, user, kind, target)
        write = _write(request, user, target.subresource, warnings)
        if verb == "delete":
            return await self._delete(request, kind, target, write)
        if verb == "create":
            if target.name:
                raise refusals.not_allowed()
            body = read_json(await request.text())
            return _document(request, kind, cluster.create(kind, target.namespace, body, write), shape, 201)
        if not target.name:
            raise refusals.not_allowed()
        if verb == "update":
            body = _without_any_version(read_json(await request.text()))
            return _document(request, kind, cluster.replace(kind, target.namespace, target.name, body, write), shape)
        how = request.headers.get("Content-Type", "").partition(";")[0].strip()
        if how == APPLY or how == "application/apply-patch+cbor":
            body = _without_any_version(read_yaml(await request.text()))
            if "fieldManager" not in request.query:
                write.manager = ""
            version, is_new = cluster.apply(kind, target.namespace, target.name, body, write)
            return _document(request, kind, version, shape, 201 if is_new else 200)
        if how not in (MERGE, STRATEGIC, JSON):
            raise refusals.unsupported_media_type()
        body = read_json(await request.text())
        return _document(request, kind, cluster.patch(kind, target.namespace, target.name, body, how, write), shape)

    async def _deletion(self, request: web.BaseRequest) -> tuple[Deletion, bool]:
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

    async def _delete(self, request: web.BaseRequest, kind: Kind, target: Target, write: Write) -> Answer:
        how, dry = await self._deletion(request)
        write.dry_run = dry
        obj, gone = self._cluster.delete(kind, target.namespace, target.name, how, write)
        if not gone:
            return Answer(Version(("", ""), obj).as_document)
        details = {"name": target.name, "group": kind.group, "kind": kind.plural, "uid": obj["metadata"]["uid"]}
        details = {key: value for key, value in details.items() if value}
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return answer(success)

    async def _delete_collection(self, request: web.BaseRequest, user: User, kind: Kind, target: Target) -> Answer:
        how, dry = await self._deletion(request)
        write = Write(user, "", dry_run=dry)
        matches = _matcher(request, kind) or selectors.everything
        versions = [one for one in self._cluster.store.all(kind.plural, target.namespace) if matches(one.obj)]
        for one in versions:
            self._cluster.delete(kind, *one.key, how, write)
        return Answer(_list_body(kind, {"resourceVersion": str(self._cluster.store.resource_version)}, versions))

    # --- lists

    def _list(self, request: web.BaseRequest, kind: Kind, target: Target, shape: Shape) -> Answer:
        if shape == "metadata":
            asked = f"PartialObjectMetadata, but the requested object is a list ({kind.go_type}List)"
            raise refusals.no_such_shape(asked)
        matches = _matcher(request, kind)
        limit = _number(request, "limit")
        selected = matches is not None
        resource_version, versions = self._list_content(request, kind)
        after: tuple[str, str] | None = None
        if text := request.query.get("continue"):
            after = continuations.read(text)[1]
        page: list[Version] = []
        more = 0
        for one in versions if after is None else _from(versions, after):
            if (target.namespace and one.key[0] != target.namespace) or (matches and not matches(one.obj)):
                continue
            if limit and len(page) == limit:
                more += 1
                if selected:
                    break
            else:
                page.append(one)
        metadata: Object = {"resourceVersion": str(resource_version)}
        if more:
            metadata["continue"] = continuations.token(resource_version, page[-1].key)
            if not selected:
                metadata["remainingItemCount"] = more
        if shape == "table":
            return answer(table(kind.plural, page, metadata, request.query.get("includeObject", "Metadata")))
        if shape == "metadata list":
            return answer(metadata_list(page, metadata))
        return Answer(_list_body(kind, metadata, page))

    def _list_content(self, request: web.BaseRequest, kind: Kind) -> tuple[int, list[Version]]:
        """Returns the resource version and content of the requested list. Raises the server's 410."""
        store = self._cluster.store
        text = request.query.get("continue")
        if text:
            resource_version, after = continuations.read(text)
            if resource_version < 0:
                return store.begin_list(kind.plural)
            content = store.resume_list(kind.plural, resource_version)
            if content is None:
                raise refusals.expired(
                    "The provided continue parameter is too old to display a consistent list result. You can start a "
                    "new list without the continue parameter, or use the continue token in this response to retrieve "
                    "the remainder of the results. Continuing with the provided token results in an inconsistent list "
                    "- objects that were created, modified, or deleted between the time the first chunk was returned "
                    "and now may show up in the list.",
                    continuations.token(-1, after),
                )
            return resource_version, content
        if "limit" in request.query:
            return store.begin_list(kind.plural)
        return store.resource_version, store.all(kind.plural)

    # --- watches

    async def _watch(self, request: web.BaseRequest, kind: Kind, target: Target, shape: Shape) -> web.StreamResponse:
        store, loop = self._cluster.store, asyncio.get_running_loop()
        matches = _matcher(request, kind)

        def wanted(obj: Object) -> bool:
            metadata = obj["metadata"]
            return (
                (not target.namespace or metadata.get("namespace") == target.namespace)
                and (not target.name or metadata["name"] == target.name)
                and (matches is None or matches(obj))
            )

        def shown(type_: str, version: Version) -> bytes:
            content = _document(request, kind, version, shape).body
            return b'{"type":"' + type_.encode() + b'","object":' + content + b"}\n"

        def event(change: Change) -> bytes:
            now = change.type != "DELETED" and wanted(change.version.obj)
            before = change.previous is not None and wanted(change.previous.obj)
            if not now and not before:
                return b""
            return shown("DELETED" if not now else "MODIFIED" if before else "ADDED", change.version)

        def bookmark(annotations: Object) -> bytes:
            metadata = {"resourceVersion": str(store.resource_version)} | annotations
            obj = {"kind": kind.name, "apiVersion": kind.api_version, "metadata": metadata}
            return json.dumps({"type": "BOOKMARK", "object": obj}).encode() + b"\n"

        query = request.query
        since = query.get("resourceVersion", "")
        _number(request, "resourceVersion")
        seconds = _number(request, "timeoutSeconds")
        initial = query.get("sendInitialEvents") == "true"
        first: list[bytes] = []
        failed = False
        if since in ("", "0") or initial:
            first = [shown("ADDED", one) for one in store.all(kind.plural) if wanted(one.obj)]
            if initial:
                first.append(bookmark({"annotations": {"k8s.io/initial-events-end": "true"}}))
        else:
            try:
                first = [event(change) for change in store.changes_since(kind.plural, int(since))]
            except Refusal as refusal:
                failed = True
                first = [json.dumps({"type": "ERROR", "object": refusal.body()}).encode() + b"\n"]
        changes: asyncio.Queue[Change] = asyncio.Queue()
        end = store.listen(kind.plural, changes.put_nowait)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            if content := b"".join(first):
                await response.write(content)
            if failed:
                return response
            deadline = loop.time() + (seconds or 1800)
            bookmarks = query.get("allowWatchBookmarks") == "true"
            while (left := deadline - loop.time()) > 0 and not self._stopping.is_set():
                change = await self._next(changes, min(left, BOOKMARK_SECONDS))
                content = b""
                if change is not None:
                    content = event(change)
                    while not changes.empty():
                        content += event(changes.get_nowait())
                elif bookmarks:
                    content = bookmark({})
                if content:
                    await response.write(content)
            await response.write_eof()
        except ConnectionError:
            pass  # the client is gone
        finally:
            end()
        return response

    async def _next(self, changes: asyncio.Queue[Change], seconds: float) -> Change | None:
        """Returns the next change; None at the timeout or if the server stops."""
        waiting = {asyncio.ensure_future(changes.get()), asyncio.ensure_future(self._stopping.wait())}
        try:
            done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            results = [one.result() for one in done]
        finally:
            for one in waiting:
                one.cancel()
        return next((result for result in results if isinstance(result, Change)), None)

    # --- logs

    async def _log(self, request: web.BaseRequest, pod: Version) -> Answer | web.StreamResponse:
        log = self._read_log(pod, request.query)
        if request.query.get("follow") != "true" or log.complete:
            return Answer(log.text.encode(), content_type="text/plain")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        changes: asyncio.Queue[Change] = asyncio.Queue()
        end = self._cluster.store.listen("pods", changes.put_nowait)
        written = ""
        try:
            while True:
                await response.write(log.text[len(written) :].encode())
                written = log.text
                current = self._cluster.store.get("pods", pod.key)
                if log.complete or current is None or self._stopping.is_set():
                    break
                await self._next(changes, BOOKMARK_SECONDS)
                log = self._read_log(current, request.query)
            await response.write_eof()
        except ConnectionError:
            pass  # the client is gone
        finally:
            end()
        return response


async def _review_body(request: web.BaseRequest) -> Object:
    if request.content_type != protobuf.MEDIA_TYPE:
        body: Object = read_json(await request.text() or "{}")
        return body
    try:
        return protobuf.read_review(await request.read())
    except (ValueError, IndexError) as error:
        raise unreadable(str(error)) from error


def _document(request: web.BaseRequest, kind: Kind, version: Version, shape: Shape, status: int = 200) -> Answer:
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


def _target(group: str, version: str, rest: list[str]) -> Target:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = [*rest, "", "", ""][:3]
    kind = kinds.BY_PATH.get((group, version, plural))
    if kind and kind.namespaced and name and not namespace:
        kind = None
    return Target(kind, plural, group, namespace, name, subresource)


def _verb(request: web.BaseRequest, target: Target) -> str:
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


def _without_any_version(body: Any) -> Any:
    """Returns the body of an update without the resource version ``0``, which every version of an object matches."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    if not isinstance(metadata, dict) or metadata.get("resourceVersion") != "0":
        return body
    return {**body, "metadata": {name: value for name, value in metadata.items() if name != "resourceVersion"}}


def _manager_name(request: web.BaseRequest) -> str:
    agent = request.headers.get("User-Agent", "unknown").partition("/")[0]
    return request.query.get("fieldManager") or agent[:128]


def _write(request: web.BaseRequest, user: User, subresource: str, warnings: list[str]) -> Write:
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
        manager=_manager_name(request),
        dry_run="dryRun" in query,
        force=force,
        validation=validation,
        subresource=subresource,
        warnings=warnings,
    )


def _shape(request: web.BaseRequest) -> Shape:
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


def _number(request: web.BaseRequest, name: str) -> int:
    """Reads a parameter that is a whole number, 0 by default. Raises the server's 400."""
    text = request.query.get(name, "")
    if not re.fullmatch(r"[-+]?[0-9]*", text) or text in ("-", "+"):
        raise refusals.bad_request(f"strconv.ParseInt: parsing {json.dumps(text)}: invalid syntax")
    return int(text or 0)


def _matcher(request: web.BaseRequest, kind: Kind) -> selectors.Matches | None:
    """Returns the selectors of a request; None if it has none."""
    labels, fields = request.query.get("labelSelector", ""), request.query.get("fieldSelector", "")
    if not labels.strip() and not fields.strip():
        return None
    by_label, by_field = selectors.label_selector(labels), selectors.field_selector(fields, kind.plural)
    return lambda obj: by_label(obj) and by_field(obj)


def _from(versions: list[Version], after: tuple[str, str]) -> list[Version]:
    return versions[bisect_right(versions, after, key=lambda one: one.key) :]


def _list_body(kind: Kind, metadata: Object, versions: list[Version]) -> bytes:
    head = {"kind": f"{kind.name}List", "apiVersion": kind.api_version, "metadata": metadata}
    opened = json.dumps(head, separators=(",", ":")).encode()[:-1]
    return opened + b',"items":[' + b",".join(one.as_item for one in versions) + b"]}"
