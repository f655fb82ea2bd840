"""The one gateway to Kubernetes: what the wizard asks of an API server, and nothing else does.

It lives on the event loop that it was made on. Objects go in and out as JSON; errors come out as ours.
"""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Container, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

from wizard.answers import UNDECIDED, OwnershipChoice
from wizard.cluster.concurrency import together
from wizard.cluster.conversion import find_distribution, list_parts, node_facts
from wizard.cluster.kubeconfig import read_access
from wizard.cluster.refusals import ApiRefusal, ApplyConflict, FieldConflict, Target, read_conflicts
from wizard.cluster.transport import APPLY_PATCH, JSON, MERGE_PATCH, TRANSIENT, Answer, Retry, Transport
from wizard.credentials import Interactive
from wizard.errors import ClusterError, ConflictError
from wizard.escaping import printable
from wizard.facts import ClusterIdentity, KubernetesObject, NodeFacts, Right
from wizard.names import FIELD_MANAGER
from wizard.ownership import without_fields

T = TypeVar("T")

PAGE = 500
"""How many objects are asked for at once, as kubectl does."""

SAMPLE = 5
"""How many nodes are looked at to tell the distribution."""

SLICE_SECONDS = 0.005
"""How long converting a page may hold the loop before others get their turn."""

WATCH_SECONDS = 240
"""How long one watch lasts before it is opened anew; the server ends it by itself then."""

RECONNECT_SECONDS = 1.0
"""How long a watch that ended at once waits before it is opened anew."""

BUSY_TRIES = 5
"""How often a watch is asked for again where the server is too busy for it, before the list is read anew."""

POLL_SECONDS = 2.0
"""How often a list is read anew where it may not be watched."""

BORROWED_NAMESPACE = "default"
"""Where namespaced objects are checked as long as their own namespace does not exist."""

METADATA_OBJECT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
"""As the garbage collector asks: for metadata alone. Who does not know it answers with the objects whole (Kubernetes
documentation, API concepts, "Metadata-only fetches")."""

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"

_KINDS: Mapping[str, tuple[str, str, bool]] = {
    "Namespace": ("/api/v1", "namespaces", False),
    "Node": ("/api/v1", "nodes", False),
    "ResourceQuota": ("/api/v1", "resourcequotas", True),
    "ConfigMap": ("/api/v1", "configmaps", True),
    "Pod": ("/api/v1", "pods", True),
    "Event": ("/api/v1", "events", True),
    "DaemonSet": ("/apis/apps/v1", "daemonsets", True),
}

Change = Literal["create", "configure", "unchanged"]


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """Some of the objects of a list. ``total`` is how many there are, None where the server does not say.

    After ``restarted`` the list begins anew: what came before it no longer counts. ``version`` is the list's
    resource version, from which a watch goes on; it is known with the last slice.
    """

    items: tuple[T, ...]
    total: int | None = None
    restarted: bool = False
    version: str = ""


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """What a watch saw. ``listed`` replaces all that was seen before; the others are about one object each."""

    kind: Literal["listed", "changed", "deleted"]
    objects: tuple[T, ...]


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """An object that was applied, or would be: as it was before (None: not there), and as it is after."""

    object: KubernetesObject
    before: KubernetesObject | None
    change: Change
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectCheck:
    """What the server said to the dry run of one object.

    ``checked`` says who checked it: "server", "server (in default)" where its namespace does not exist yet, or
    why nobody did. ``after`` is the object as it would be (None where it was refused), ``before`` as it is.
    ``wanted`` is the object as the plan has it, ``sent`` what an apply sends of it: without the fields that were left
    to others, and with ``forced`` where fields of others are taken. With conflicts that are not decided, ``change``
    says so, and ``after`` is what taking those fields over would give.
    """

    title: str
    change: Literal["create", "configure", "unchanged", "conflict", "failed", "skipped"]
    checked: str
    message: str = ""
    todo: str = ""
    warnings: tuple[str, ...] = ()
    conflicts: tuple[FieldConflict, ...] = ()
    before: KubernetesObject | None = None
    after: KubernetesObject | None = None
    wanted: KubernetesObject | None = None
    sent: KubernetesObject | None = None
    forced: bool = False


def path_of(kind: str, name: str = "", namespace: str = "") -> str:
    """The API path of an object, or of a list where there is no name; in all namespaces where there is none."""
    prefix, plural, namespaced = _KINDS[kind]
    place = f"/namespaces/{namespace}" if namespaced and namespace else ""
    return f"{prefix}{place}/{plural}" + (f"/{name}" if name else "")


class Gateway:
    """A connection to one cluster. Make it with ``connect``; close it, or use it with ``async with``."""

    def __init__(self, transport: Transport, sandbox: str = "") -> None:
        self._transport = transport
        self._sandbox = sandbox

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None = None,
        context: str | None = None,
        *,
        sandbox: str = "",
        interactive: Interactive | None = None,
    ) -> Gateway:
        """Connects as kubectl would with the same options, and asks the server for its version.

        ``sandbox`` is the scenario where the server is a sandbox. ``interactive`` gives a credential plugin the
        real terminal. Raises InputError where the kubeconfig cannot be used, ClusterError where the server
        cannot be reached or does not take the credentials.
        """
        access = await asyncio.to_thread(read_access, kubeconfig, context)
        gateway = cls(Transport(access, interactive), sandbox)
        try:
            await gateway._read_version()
        except BaseException:
            await gateway.close()
            raise
        return gateway

    def __repr__(self) -> str:
        return f"Gateway({self._transport.access.context!r}, {self._transport.access.server!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections; a second call does nothing."""
        await self._transport.close()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings that the server sent along so far, each once."""
        return tuple(self._transport.warnings)

    @property
    def clock_skew(self) -> float:
        """Seconds by which the server's clock is ahead of ours."""
        return self._transport.clock_skew

    @property
    def context(self) -> str:
        """The context's name."""
        return self._transport.access.context

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._transport.access.server

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        idempotent: bool | None = None,
        on_retry: Callable[[Retry], None] | None = None,
        accept: str = JSON,
    ) -> Answer[Any]:
        """One request, for what has no method here; see ``Transport.request``."""
        return await self._transport.request(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            idempotent=idempotent,
            on_retry=on_retry,
            accept=accept,
        )

    # Who is there, and who we are

    async def _read_version(self) -> str:
        try:
            answer = await self.request("GET", "/version")
        except ApiRefusal as refusal:
            # Hardened clusters keep /version from those who have not logged in, and some from those who have.
            if refusal.status != 403:
                raise
            return ""
        return str(answer.body.get("gitVersion") or "") if isinstance(answer.body, dict) else ""

    async def identity(self) -> ClusterIdentity:
        """Which cluster this is. What may not be read is left empty; raises ClusterError where nobody answers.

        The uid says where the journal is, so that it must not be missing for a passing trouble of the server's.
        """
        some_nodes = self.request("GET", path_of("Node"), query={"limit": str(SAMPLE)})
        reads: list[Coroutine[Any, Any, Any]] = [
            self._read_version(),
            self._or_none(self.get("Namespace", "kube-system"), but=TRANSIENT),
            self._or_none(self._read_user()),
            self.api_groups(),
            self._or_none(some_nodes),
        ]
        version, system, user, names, nodes = await together(reads)
        sample = [node_facts(node) for node in nodes.body.get("items") or ()] if nodes else []
        access = self._transport.access
        return ClusterIdentity(
            context=access.context,
            server=access.server,
            version=printable(version),
            distribution=find_distribution(version, access.server, names, sample),
            uid=str(_at(system, "metadata", "uid") or ""),
            user=printable(user or ""),
            sandbox=self._sandbox,
        )

    async def api_groups(self) -> tuple[str, ...]:
        """The API groups that the server has; none where it does not say."""
        groups = await self._or_none(self.request("GET", "/apis"))
        return tuple(str(group.get("name")) for group in groups.body.get("groups") or ()) if groups else ()

    async def _or_none(self, work: Awaitable[T], *, but: Container[int] = ()) -> T | None:
        """What is read, None where it is refused; raises where the refusal has a status of ``but``, or is a 401."""
        try:
            return await work
        except ApiRefusal as refusal:
            if refusal.status == 401 or refusal.status in but:
                raise
            return None

    async def _read_user(self) -> str:
        """Our own name; the API is there from Kubernetes 1.28 on, or refused before (404)."""
        answer = await self.request(
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            body={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
            idempotent=True,
        )
        return str(_at(answer.body, "status", "userInfo", "username") or "")

    async def review_rights(self, rights: Iterable[Right]) -> tuple[Right, ...]:
        """Asks the server about each right; ``allowed`` is None where it would not say, ``reason`` has why."""
        return await together(self._review(right) for right in rights)

    async def _review(self, right: Right) -> Right:
        attributes = {
            "verb": right.verb,
            "group": right.group,
            "resource": right.resource,
            "subresource": right.subresource,
            "namespace": right.namespace,
        }
        try:
            answer = await self.request(
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                body={
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SelfSubjectAccessReview",
                    "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
                },
                idempotent=True,
            )
        except ApiRefusal as refusal:
            if refusal.status == 401:
                raise
            return replace(right, allowed=None, reason=refusal.message)
        status = answer.body.get("status") or {}
        reason = status.get("reason") or status.get("evaluationError") or ""
        return replace(right, allowed=bool(status.get("allowed")), reason=printable(str(reason)))

    # Reading

    async def get(self, kind: str, name: str, namespace: str = "") -> KubernetesObject | None:
        """An object with its managed fields, None where it does not exist. Raises ApiRefusal."""
        try:
            answer = await self.request("GET", path_of(kind, name, namespace))
        except ApiRefusal as refusal:
            if refusal.status == 404:
                return None
            raise
        return dict(answer.body)

    async def list(
        self, kind: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> tuple[KubernetesObject, ...]:
        """All objects of a kind, in one namespace or in all; ``labels`` and ``fields`` are selectors."""
        found: list[KubernetesObject] = []
        async for part in self.slices(kind, namespace, labels=labels, fields=fields, convert=_as_it_is):
            found = [*([] if part.restarted else found), *part.items]
        return tuple(found)

    async def custom(self, group: str, plural: str, namespace: str = "") -> tuple[KubernetesObject, ...]:
        """All objects of a custom resource, in the first version that has it; none where no version has.

        Raises ApiRefusal.
        """
        described = await self._or_none(self.request("GET", f"/apis/{group}"))
        for version in described.body.get("versions") or () if described else ():
            path = f"/apis/{group}/{version.get('version')}"
            known = await self._or_none(self.request("GET", path))
            if known and any(resource.get("name") == plural for resource in known.body.get("resources") or ()):
                place = f"/namespaces/{namespace}" if namespace else ""
                return tuple((await self.request("GET", f"{path}{place}/{plural}")).body.get("items") or ())
        return ()

    async def nodes(self, selector: str = "", *, at_once: bool = False) -> AsyncGenerator[Slice[NodeFacts], None]:
        """The nodes, in slices as they come; ``selector`` is a label selector. Raises ApiRefusal."""
        async for part in self.slices("Node", labels=selector, convert=node_facts, at_once=at_once):
            yield part

    async def slices(
        self,
        kind: str,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        convert: Callable[[KubernetesObject], T],
        at_once: bool = False,
        metadata_only: bool = False,
    ) -> AsyncGenerator[Slice[T], None]:
        """A list in pages and slices, converted on the way so that a page is never held whole as objects.

        The server makes the next page while one is converted. ``at_once`` reads a page in one go, for commands:
        with it, a page holds up all that runs beside it. With ``metadata_only`` spec and status may be missing:
        of a node that is nine tenths.
        """
        selectors = _selectors(labels, fields)
        query = {**selectors, "limit": str(PAGE)}
        path = path_of(kind, namespace=namespace)
        accept = METADATA_LIST if metadata_only else JSON
        told, restarted = 0, False

        def ask() -> asyncio.Task[Answer[bytes]]:
            return asyncio.create_task(self._transport.fetch("GET", path, query=dict(query), accept=accept))

        page = ask()
        try:
            while True:
                try:
                    raw = await page
                except ApiRefusal as refusal:
                    if refusal.status != 410 or "continue" not in query:
                        raise
                    # The list is older than the server remembers: the whole of it at once cannot grow too old.
                    query, told, restarted = dict(selectors), 0, True
                    page = ask()
                    continue
                items: list[T] = []
                metadata: Mapping[str, Any] = {}
                token = ""
                text = raw.body.decode("utf-8", "replace")
                del raw
                began = time.perf_counter()
                try:
                    for key, value in list_parts(text, at_once=at_once):
                        if key == "metadata":
                            metadata = value
                            if token := str(metadata.get("continue") or ""):
                                query["continue"] = token
                                page = ask()
                        elif key == "items":
                            # The items of a list have no kind of their own.
                            value.setdefault("kind", kind)
                            items.append(convert(value))
                            if time.perf_counter() - began > SLICE_SECONDS:
                                told += len(items)
                                yield Slice(tuple(items), self._total(metadata, told), restarted)
                                items, restarted = [], False
                                await asyncio.sleep(0)
                                began = time.perf_counter()
                except ValueError:
                    raise ClusterError(
                        f"The list of {Target.of('GET', path)} that the server sent cannot be read.",
                        "Check what stands between here and the server (a proxy), and try again.",
                    ) from None
                told += len(items)
                version = "" if token else str(metadata.get("resourceVersion") or "")
                yield Slice(tuple(items), told if not token else self._total(metadata, told), restarted, version)
                restarted = False
                if not token:
                    return
        finally:
            page.cancel()
            await asyncio.gather(page, return_exceptions=True)

    @staticmethod
    def _total(metadata: Mapping[str, Any], told: int) -> int | None:
        remaining = metadata.get("remainingItemCount")
        return told + int(remaining) if remaining is not None else None

    async def log(self, namespace: str, pod: str, container: str = "", *, tail: int = 0, limit: int = 1_000_000) -> str:
        """A pod's log: its last ``tail`` lines (0: from the start), ``limit`` bytes at most. Raises ApiRefusal."""
        query = {"limitBytes": str(limit)}
        if container:
            query["container"] = container
        if tail:
            query["tailLines"] = str(tail)
        path = path_of("Pod", pod, namespace) + "/log"
        answer = await self._transport.request("GET", path, query=query, accept="*/*", attempts=3)
        return str(answer.body)

    async def watch(
        self,
        kind: str,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        convert: Callable[[KubernetesObject], T],
    ) -> AsyncGenerator[Seen[T], None]:
        """The objects of a list, and then whatever happens to them, without end.

        A lost connection is taken up where it broke off, and a server that is too busy for a watch is asked again at
        growing intervals; where it no longer remembers that point, the list is read anew. Where watching is not
        allowed, the list is read every two seconds. Raises ApiRefusal where listing is refused, ClusterError where
        the server stays away.
        """
        path, selectors = path_of(kind, namespace=namespace), _selectors(labels, fields)
        target = Target("watch", Target.of("GET", path).resource, namespace=namespace)
        version, may_watch, busy = "", True, 0
        while True:
            if not version:
                listed: list[T] = []
                async for part in self.slices(kind, namespace, labels=labels, fields=fields, convert=convert):
                    listed = [*([] if part.restarted else listed), *part.items]
                    version = part.version or version
                yield Seen("listed", tuple(listed))
            if not may_watch or not version:
                version = ""
                await asyncio.sleep(POLL_SECONDS)
                continue
            query = {
                **selectors,
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": version,
                "timeoutSeconds": str(WATCH_SECONDS),
            }
            opened = time.monotonic()
            try:
                lines = self._transport.stream(path, query, silence=WATCH_SECONDS + 30)
                # Whoever leaves this watch leaves the connection with it, not when memory is tidied.
                async with aclosing(lines):
                    async for line in lines:
                        event = json.loads(line)
                        content, happened = event.get("object") or {}, event.get("type")
                        if happened == "ERROR":
                            raise ApiRefusal(target, content.get("code", 0), content)
                        busy = 0
                        version = str((content.get("metadata") or {}).get("resourceVersion") or version)
                        if happened != "BOOKMARK":
                            yield Seen("deleted" if happened == "DELETED" else "changed", (convert(content),))
            except ApiRefusal as refusal:
                if refusal.status in (403, 405):
                    may_watch = False
                # A list is what a busy server can bear least of all.
                busy = busy + 1 if refusal.status in TRANSIENT else 0
                if 0 < busy <= BUSY_TRIES:
                    await asyncio.sleep(RECONNECT_SECONDS * 2 ** (busy - 1))
                    continue
                version, busy = "", 0
                if refusal.status == 410:
                    continue
            except (ClusterError, ValueError):
                # Whether the server is still there is found out by the next request, which has patience.
                if time.monotonic() - opened < RECONNECT_SECONDS:
                    version = ""
            if may_watch and time.monotonic() - opened < RECONNECT_SECONDS:
                await asyncio.sleep(RECONNECT_SECONDS)

    # Changing

    async def apply(self, item: KubernetesObject, *, dry_run: bool = False, force: bool = False) -> ApplyResult:
        """Server-side apply with our field manager and strict validation; ``force`` takes fields of others over.

        Whether something changed is told from the object before and after, without what the server keeps for
        itself. Raises ApplyConflict where other managers own fields, ApiRefusal for any other refusal.
        """
        metadata = item["metadata"]
        kind, name, namespace = item["kind"], metadata["name"], metadata.get("namespace", "")
        before = await self._or_none(self.get(kind, name, namespace))
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        if force:
            query["force"] = "true"
        try:
            answer = await self.request(
                "PATCH", path_of(kind, name, namespace), query=query, body=item, content_type=APPLY_PATCH
            )
        except ApiRefusal as refusal:
            conflicts = read_conflicts(refusal, before)
            if conflicts:
                raise ApplyConflict(f"{kind} {name}", conflicts) from None
            raise
        change: Change = "configure"
        if before is None:
            change = "create"
        elif _content(before) == _content(answer.body):
            change = "unchanged"
        return ApplyResult(answer.body, before, change, answer.warnings)

    async def dry_run_all(
        self, objects: Sequence[KubernetesObject], ownership: OwnershipChoice = UNDECIDED
    ) -> tuple[ObjectCheck, ...]:
        """Has the server check every object, whether or not its namespace exists yet; changes nothing.

        An object whose namespace does not exist is checked in the namespace ``default`` in its place, and what
        is shown has its own names again. A refusal is an answer here: it is told in the check of its object.
        What ``ownership`` decides about fields of others is heeded, as an apply heeds it. Raises ClusterError
        only where the server cannot be reached or does not take the credentials.
        """
        # A namespace that will say itself what it enforces is not to be judged by another one's Pod Security.
        labelled = {
            item["metadata"]["name"]
            for item in objects
            if item["kind"] == "Namespace" and ENFORCE_LABEL in (item["metadata"].get("labels") or {})
        }
        return await together(self._check_as_decided(item, labelled, ownership) for item in objects)

    async def _check_as_decided(
        self, item: KubernetesObject, labelled: set[str], ownership: OwnershipChoice
    ) -> ObjectCheck:
        check = await self._check(item, labelled, ownership)
        if not ownership.skips(item["kind"]):
            return check
        return replace(check, change="skipped", message="", todo="", warnings=(), after=check.before)

    async def _check(self, item: KubernetesObject, labelled: set[str], ownership: OwnershipChoice) -> ObjectCheck:
        check = ObjectCheck(f"{item['kind']} {item['metadata']['name']}", "failed", "server", wanted=item, sent=item)
        try:
            return await self._dry_run(check, item, ownership)
        except ApiRefusal as refusal:
            if not refusal.namespace_missing:
                return _refused(check, refusal)
        metadata = item["metadata"]
        borrowed = copy.deepcopy(item)
        borrowed["metadata"]["namespace"] = BORROWED_NAMESPACE
        if await self._or_none(self.get(item["kind"], metadata["name"], BORROWED_NAMESPACE)):
            # An object of that name is there: the dry run must not be one of changing it.
            borrowed["metadata"]["name"] = f"{metadata['name']}-dry-run"
        check = replace(check, checked=f"server (in {BORROWED_NAMESPACE})")
        try:
            check = replace(await self._dry_run(check, borrowed, ownership), sent=item)
        except ApiRefusal as refusal:
            return _refused(check, refusal)
        if check.after is not None:
            check.after["metadata"] |= {"name": metadata["name"], "namespace": metadata["namespace"]}
        warnings = tuple(
            f"in {BORROWED_NAMESPACE}: {one}"
            for one in check.warnings
            if "violate PodSecurity" not in one or metadata["namespace"] not in labelled
        )
        return replace(check, warnings=warnings)

    async def _dry_run(self, check: ObjectCheck, item: KubernetesObject, ownership: OwnershipChoice) -> ObjectCheck:
        conflicts: tuple[FieldConflict, ...] = ()
        sent, forced = item, False
        try:
            result = await self.apply(item, dry_run=True)
        except ApplyConflict as conflict:
            conflicts = conflict.conflicts
            left = {one.field for one in conflicts if ownership.of(item["kind"], one.field) == "leave"}
            sent = without_fields(item, left)
            result, forced = await self._dry_run_taking(sent, left)
        decided = all(ownership.of(item["kind"], one.field) != "fail" for one in conflicts)
        check = replace(
            check,
            change=result.change if decided else "conflict",
            warnings=result.warnings,
            conflicts=conflicts,
            before=result.before,
            after=result.object,
            sent=sent,
            forced=forced,
        )
        if (result.object.get("status") or {}).get("phase") == "Terminating":
            return replace(
                check,
                change="failed",
                message="the namespace is being deleted; nothing can be made in it",
                todo="Wait until it is gone, then try again.",
            )
        return check

    async def _dry_run_taking(self, item: KubernetesObject, left: set[str]) -> tuple[ApplyResult, bool]:
        """A dry run that takes what is still in conflict, and whether anything is; none of ``left`` is."""
        try:
            return await self.apply(item, dry_run=True), False
        except ApplyConflict as conflict:
            kept = sorted({one.field for one in conflict.conflicts} & left)
            if kept:
                # Forcing would take it against the decision.
                raise ConflictError(
                    f"{conflict.object}: {kept[0]} cannot be left out of an apply.",
                    "Take it, skip the object, or change its source.",
                ) from None
        return await self.apply(item, dry_run=True, force=True), True

    async def create(
        self, item: KubernetesObject, *, dry_run: bool = False, idempotent: bool = False
    ) -> KubernetesObject:
        """Creates an object. Raises ApiRefusal (409 where it is there already).

        With ``idempotent`` the request is repeated where its answer was lost; then a 409 may be about the
        object of the first try.
        """
        metadata = item["metadata"]
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        path = path_of(item["kind"], namespace=metadata.get("namespace", ""))
        return dict((await self.request("POST", path, query=query, body=item, idempotent=idempotent)).body)

    async def replace(self, item: KubernetesObject) -> KubernetesObject:
        """Puts an object back whole. With a resource version, raises ApiRefusal (409) where it changed since."""
        metadata = item["metadata"]
        path = path_of(item["kind"], metadata["name"], metadata.get("namespace", ""))
        return dict((await self.request("PUT", path, query={"fieldManager": FIELD_MANAGER}, body=item)).body)

    async def patch(
        self,
        kind: str,
        name: str,
        body: Mapping[str, Any],
        namespace: str = "",
        *,
        dry_run: bool = False,
        on_retry: Callable[[Retry], None] | None = None,
    ) -> None:
        """A merge patch. Raises ApiRefusal."""
        query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        await self._transport.fetch(
            "PATCH",
            path_of(kind, name, namespace),
            query=query,
            body=body,
            content_type=MERGE_PATCH,
            on_retry=on_retry,
            # Nobody reads the object, so that it does not come over the line for each of 5,000 nodes.
            accept=METADATA_OBJECT,
        )

    async def delete(
        self,
        kind: str,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        version: str = "",
        dry_run: bool = False,
        grace: int | None = None,
    ) -> bool:
        """Deletes an object; False where it was gone already. ``grace`` is in seconds.

        With ``uid`` only that very object, with ``version`` (its resource version) only as it was seen: raises
        ApiRefusal (409) where another one has its name now, or somebody wrote to it since.
        """
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        seen = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}
        if seen:
            options["preconditions"] = seen
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        query = {"dryRun": "All"} if dry_run else None
        try:
            await self.request("DELETE", path_of(kind, name, namespace), query=query, body=options)
        except ApiRefusal as refusal:
            if refusal.status == 404:
                return False
            raise
        return True


def _at(item: Any, *path: str) -> Any:
    for key in path:
        item = item.get(key) if isinstance(item, dict) else None
    return item


def _as_it_is(item: KubernetesObject) -> KubernetesObject:
    return item


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {key: value for key, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


def _refused(check: ObjectCheck, refusal: ApiRefusal) -> ObjectCheck:
    if refusal.status == 401:
        raise refusal
    checked = check.checked if refusal.status in (400, 409, 422, 500) else f"not checked ({refusal.status})"
    return replace(check, change="failed", checked=checked, message=refusal.message or refusal.what, todo=refusal.todo)


def _content(item: KubernetesObject) -> dict[str, Any]:
    """An object without what the server keeps for itself: what a person would call the object."""
    metadata = {
        key: value
        for key, value in item["metadata"].items()
        if key not in ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp")
    }
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}
