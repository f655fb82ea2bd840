"""The HTTP side of the simulated API server: from a request to whoever answers it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import unquote

from aiohttp import web

from wizard.sandbox import kinds, refusals, selectors
from wizard.sandbox.access import ANONYMOUS, Attributes, User, path_refusal
from wizard.sandbox.cluster import APPLY, JSON, MERGE, STRATEGIC, Cluster, Write
from wizard.sandbox.documents import read_json, read_yaml
from wizard.sandbox.faults import FaultPlan
from wizard.sandbox.kinds import POD, Kind
from wizard.sandbox.listing import Lists
from wizard.sandbox.openapi import document, index
from wizard.sandbox.refusals import Refusal
from wizard.sandbox.requests import (
    Target,
    deletion_of,
    matcher_of,
    shape_of,
    target_of,
    verb_of,
    without_any_version,
    write_of,
)
from wizard.sandbox.responses import Answer, answer, document_of, list_body
from wizard.sandbox.reviews import Reviews
from wizard.sandbox.store import Object, Version
from wizard.sandbox.watching import LogReader, Watches

AS = "as"
"""``/as/<user>`` in front of a path names the user: kubectl sends no token without TLS."""


class Server:
    """Answers requests from a cluster until it is stopped."""

    def __init__(self, cluster: Cluster, users: Mapping[str, User], faults: FaultPlan, read_log: LogReader) -> None:
        self._cluster = cluster
        self._users = users
        """Users by token."""
        self._faults = faults
        self._runner: web.ServerRunner | None = None
        self._stopping = asyncio.Event()
        self._reviews = Reviews(cluster.clock)
        self._lists = Lists(cluster.store)
        self._watches = Watches(cluster.store, read_log, self._stopping)

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
        target = target_of(group, version, rest)
        verb = verb_of(request, target)
        resource = target.kind.resource if target.kind else refusals.Resource(target.plural, target.group)
        # for authorization, a namespace is in its own namespace
        namespace = target.name if resource.plural == "namespaces" and not target.namespace else target.namespace
        user.check(Attributes(verb, resource, namespace, target.name, target.subresource))
        if version != "v1" or (group and group not in kinds.GROUPS):
            return Answer(b"404 page not found\n", 404, content_type="text/plain; charset=utf-8")
        if (group, target.plural) in kinds.REVIEWS:
            if request.method != "POST":
                raise refusals.not_allowed()
            return await self._reviews.answer_to(request, user, kinds.REVIEWS[group, target.plural])
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
            return await self._watches.log(request, cluster.find(kind, target.namespace, target.name))
        if target.subresource not in ("", "status"):
            raise refusals.not_allowed()
        if not target.subresource and verb not in kind.verbs:
            raise refusals.not_allowed()
        shape = shape_of(request)
        match verb:
            case "get":
                return document_of(request, kind, cluster.find(kind, target.namespace, target.name), shape)
            case "list":
                return self._lists.answer_to(request, kind, target, shape)
            case "watch":
                return await self._watches.watch(request, kind, target, shape)
            case "deletecollection":
                return await self._delete_collection(request, user, kind, target)
        write = write_of(request, user, target.subresource, warnings)
        if verb == "delete":
            return await self._delete(request, kind, target, write)
        return await self._written(request, kind, target, verb, write)

    async def _written(self, request: web.BaseRequest, kind: Kind, target: Target, verb: str, write: Write) -> Answer:
        """Creates or changes an object, and answers with it."""
        cluster, shape = self._cluster, shape_of(request)
        if verb == "create":
            if target.name:
                raise refusals.not_allowed()
            body = read_json(await request.text())
            return document_of(request, kind, cluster.create(kind, target.namespace, body, write), shape, 201)
        if not target.name:
            raise refusals.not_allowed()
        if verb == "update":
            body = without_any_version(read_json(await request.text()))
            return document_of(request, kind, cluster.replace(kind, target.namespace, target.name, body, write), shape)
        version, is_new = await self._patched(request, kind, target, write)
        return document_of(request, kind, version, shape, 201 if is_new else 200)

    async def _patched(
        self, request: web.BaseRequest, kind: Kind, target: Target, write: Write
    ) -> tuple[Version, bool]:
        """Carries out a patch or an apply; returns the object, and whether it is new."""
        how = request.headers.get("Content-Type", "").partition(";")[0].strip()
        if how == APPLY or how == "application/apply-patch+cbor":
            body = without_any_version(read_yaml(await request.text()))
            if "fieldManager" not in request.query:
                write.manager = ""
            return self._cluster.apply(kind, target.namespace, target.name, body, write)
        if how not in (MERGE, STRATEGIC, JSON):
            raise refusals.unsupported_media_type()
        body = read_json(await request.text())
        return self._cluster.patch(kind, target.namespace, target.name, body, how, write), False

    async def _delete(self, request: web.BaseRequest, kind: Kind, target: Target, write: Write) -> Answer:
        how, dry = await deletion_of(request)
        write.dry_run = dry
        obj, gone = self._cluster.delete(kind, target.namespace, target.name, how, write)
        if not gone:
            return Answer(Version(("", ""), obj).as_document)
        details = {"name": target.name, "group": kind.group, "kind": kind.plural, "uid": obj["metadata"]["uid"]}
        details = {key: value for key, value in details.items() if value}
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        return answer(success)

    async def _delete_collection(self, request: web.BaseRequest, user: User, kind: Kind, target: Target) -> Answer:
        how, dry = await deletion_of(request)
        write = Write(user, "", dry_run=dry)
        matches = matcher_of(request, kind) or selectors.everything
        versions = [one for one in self._cluster.store.all(kind.plural, target.namespace) if matches(one.obj)]
        for one in versions:
            self._cluster.delete(kind, *one.key, how, write)
        return Answer(list_body(kind, {"resourceVersion": str(self._cluster.store.resource_version)}, versions))
