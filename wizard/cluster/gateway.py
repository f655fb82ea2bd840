"""The gateway to Kubernetes: all requests of the wizard to an API server.

It belongs to the event loop on which it was created. Objects go in and out as JSON; errors are the wizard's own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

from wizard.abandoning import abandonable
from wizard.cluster import shapes
from wizard.cluster.concurrency import together
from wizard.cluster.conversion import find_distribution, node_facts
from wizard.cluster.credentials import Interactive
from wizard.cluster.kubeconfig import read_access
from wizard.cluster.lists import METADATA_OBJECT, ListReader, ListSlice
from wizard.cluster.paths import ListQuery, path_of
from wizard.cluster.refusals import ApiRefusal, ApplyConflict, read_conflicts, unless_rejected
from wizard.cluster.shapes import Shape, require_flat
from wizard.cluster.transport import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    TRANSIENT,
    Answer,
    Options,
    Retry,
    Transport,
)
from wizard.cluster.watches import Watch, WatchEvent
from wizard.facts.changes import changes_between, counts
from wizard.facts.cluster import ClusterIdentity, KubernetesObject, NodeFacts
from wizard.facts.objects import ObjectRef, with_canonical_quantities
from wizard.names import FIELD_MANAGER
from wizard.text.escaping import printable

T = TypeVar("T")

SAMPLE = 5
"""How many nodes are read to detect the distribution."""

Change = Literal["create", "configure", "unchanged"]


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """An object that was applied: as it was before (None: it did not exist), and as it is now."""

    object: KubernetesObject
    before: KubernetesObject | None
    change: Literal["create", "configure", "unchanged"]
    warnings: tuple[str, ...] = ()


class Gateway:
    """A connection to one cluster. Create it with ``connect``; close it, or use it with ``async with``."""

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
        """Connects as kubectl would with the same options, and reads the server's version.

        ``sandbox`` is the scenario if the server is a sandbox. ``interactive`` gives a credential plugin the
        real terminal. Raises InputError if the kubeconfig cannot be used, ClusterError if the server cannot be
        reached or rejects the credentials.
        """
        access = await abandonable(read_access, kubeconfig, context)
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
        """The warnings from the server so far, each once."""
        return tuple(self._transport.warnings)

    @property
    def clock_skew(self) -> float:
        """Seconds by which the server's clock is ahead of the local one."""
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
        self, method: str, path: str, *, shape: Shape | None = None, **options: Unpack[Options]
    ) -> Answer[Any]:
        """Sends one request, for anything without its own method; see ``Transport.request``."""
        return await self._transport.request(method, path, shape=shape, **options)

    # The cluster and the user

    async def _read_version(self) -> str:
        try:
            answer = await self.request("GET", "/version", shape=shapes.VERSION)
        except ApiRefusal as refusal:
            # Hardened clusters deny /version to anonymous users, and some to all users.
            if refusal.status != 403:
                raise
            return ""
        return str(answer.body.get("gitVersion", ""))

    async def identity(self) -> ClusterIdentity:
        """Returns the identity of the cluster. Parts that are denied are empty; raises ClusterError without an answer.

        The UID is the key of the journal's folder, so a temporary error of the server must not leave it empty.
        """
        reads: list[Coroutine[Any, Any, Any]] = [
            self._read_version(),
            unless_rejected(self.get("Namespace", "kube-system"), but=TRANSIENT),
            unless_rejected(self._read_user()),
            self.api_groups(),
            unless_rejected(self._sample()),
        ]
        version, system, user, names, nodes = await together(reads)
        access = self._transport.access
        return ClusterIdentity(
            context=access.context,
            server=access.server,
            version=printable(version),
            distribution=find_distribution(version, access.server, names, nodes or ()),
            uid=system["metadata"]["uid"] if system else "",
            user=printable(user or ""),
            sandbox=self._sandbox,
        )

    async def _sample(self) -> list[NodeFacts]:
        """Returns some nodes."""
        shape = shapes.struct(items=shapes.list_of(shapes.ITEMS["Node"]))
        answer = await self.request("GET", path_of("Node"), query={"limit": str(SAMPLE)}, shape=shape)
        return [node_facts(node) for node in answer.body.get("items", ())]

    async def api_groups(self) -> tuple[str, ...]:
        """Returns the API groups of the server; none if it does not list them."""
        groups = await unless_rejected(self.request("GET", "/apis", shape=shapes.GROUPS))
        return tuple(group["name"] for group in groups.body.get("groups", ())) if groups else ()

    async def _read_user(self) -> str:
        """Returns the name of the user; the API exists since Kubernetes 1.28, before that it answers 404."""
        answer = await self.request(
            "POST",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            body={"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
            idempotent=True,
            shape=shapes.USER_REVIEW,
        )
        return str(_at(answer.body, "status", "userInfo", "username") or "")

    # Reading

    async def get(self, kind: str, name: str, namespace: str = "") -> KubernetesObject | None:
        """Returns an object with its managed fields, None if it does not exist. Raises ApiRefusal."""
        try:
            answer = await self.request("GET", path_of(kind, name, namespace), shape=shapes.OBJECTS[kind])
        except ApiRefusal as refusal:
            if refusal.status == 404:
                return None
            raise
        return dict(answer.body)

    async def list(
        self, kind: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> tuple[KubernetesObject, ...]:
        """Returns all objects of a kind, in one namespace or in all; ``labels`` and ``fields`` are selectors."""
        found: list[KubernetesObject] = []
        async for part in self.slices(kind, namespace, labels=labels, fields=fields, convert=_as_it_is):
            found = [*([] if part.restarted else found), *part.items]
        return tuple(found)

    async def nodes(self, selector: str = "", *, at_once: bool = False) -> AsyncGenerator[ListSlice[NodeFacts], None]:
        """Yields the nodes, in slices as they come; ``selector`` is a label selector. Raises ApiRefusal."""
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
    ) -> AsyncGenerator[ListSlice[T], None]:
        """Yields a list in slices, converted while reading so that a page is never kept whole as objects.

        The server prepares the next page while one is converted. ``at_once`` reads a page in one go, for commands:
        it blocks everything else on the loop. With ``metadata_only``, spec and status can be missing, which are
        nine tenths of a node.
        """
        query = ListQuery(kind, namespace, labels, fields)
        reader = ListReader(self._transport, query, convert, at_once=at_once, metadata_only=metadata_only)
        async with aclosing(reader.slices()) as slices:
            async for part in slices:
                yield part

    async def log(self, namespace: str, pod: str, container: str = "", *, tail: int = 0, limit: int = 1_000_000) -> str:
        """Returns a pod's log: its last ``tail`` lines (0: all), ``limit`` bytes at most. Raises ApiRefusal."""
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
    ) -> AsyncGenerator[WatchEvent[T], None]:
        """Yields the objects of a list, and then their changes, without end.

        After a lost connection, the watch continues from the same point; a server that is too busy for a watch gets
        new requests at growing intervals; if it no longer remembers the point, the list is read again. If watching is
        not allowed, the list is read every two seconds. Raises ApiRefusal if listing is denied, ClusterError if the
        server does not answer.
        """
        watch = Watch(self._transport, ListQuery(kind, namespace, labels, fields), convert)
        async with aclosing(watch.events()) as events:
            async for event in events:
                yield event

    # Changing

    async def apply(self, item: KubernetesObject, *, dry_run: bool = False, force: bool = False) -> ApplyResult:
        """Makes a server-side apply with our field manager and strict validation; ``force`` takes over others' fields.

        Quantities are sent as the server stores them, since a conflict compares texts. Raises ApplyConflict if other
        managers own fields with other values, ApiRefusal for any other rejection.
        """
        metadata = item["metadata"]
        kind, name, namespace = item["kind"], metadata["name"], metadata.get("namespace", "")
        before = await unless_rejected(self.get(kind, name, namespace))
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        if force:
            query["force"] = "true"
        try:
            answer = await self.request(
                "PATCH",
                path_of(kind, name, namespace),
                query=query,
                body=with_canonical_quantities(item),
                content_type=APPLY_PATCH,
                shape=shapes.OBJECTS[kind],
            )
        except ApiRefusal as refusal:
            conflicts = read_conflicts(refusal, before)
            if conflicts:
                raise ApplyConflict(f"{kind} {name}", conflicts) from None
            raise
        change: Change = "configure"
        if before is None:
            change = "create"
        elif not counts(changes_between(ObjectRef.of(item), before, answer.body)):
            change = "unchanged"
        return ApplyResult(answer.body, before, change, answer.warnings)

    async def json_patch(
        self, ref: ObjectRef, operations: Sequence[Mapping[str, Any]], *, dry_run: bool = False
    ) -> KubernetesObject:
        """Makes a JSON patch (RFC 6902) and returns the object after it.

        Raises ApiRefusal: 409 if the patch has a resource version that is not the current one.
        """
        query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        path = path_of(ref.kind, ref.name, ref.namespace)
        answer = await self.request(
            "PATCH", path, query=query, body=list(operations), content_type=JSON_PATCH, shape=shapes.OBJECTS[ref.kind]
        )
        return dict(answer.body)

    async def exists(self, kind: str, name: str, namespace: str = "") -> bool:
        """Tells whether an object exists and can be read."""
        return await unless_rejected(self.get(kind, name, namespace)) is not None

    async def create(
        self, item: KubernetesObject, *, dry_run: bool = False, idempotent: bool = False
    ) -> KubernetesObject:
        """Creates an object. Raises ApiRefusal (409 if it already exists).

        With ``idempotent``, the request is repeated if its answer was lost; then a 409 can be about the
        object of the first try.
        """
        metadata = item["metadata"]
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        path = path_of(item["kind"], namespace=metadata.get("namespace", ""))
        shape = shapes.OBJECTS[item["kind"]]
        return dict((await self.request("POST", path, query=query, body=item, idempotent=idempotent, shape=shape)).body)

    async def replace(self, item: KubernetesObject) -> KubernetesObject:
        """Replaces a whole object. With a resource version, raises ApiRefusal (409) if it changed since."""
        kind, metadata = item["kind"], item["metadata"]
        path = path_of(kind, metadata["name"], metadata.get("namespace", ""))
        query = {"fieldManager": FIELD_MANAGER}
        return dict((await self.request("PUT", path, query=query, body=item, shape=shapes.OBJECTS[kind])).body)

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
        """Sends a merge patch. Raises ApiRefusal."""
        query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        await self._transport.fetch(
            "PATCH",
            path_of(kind, name, namespace),
            query=query,
            body=body,
            content_type=MERGE_PATCH,
            on_retry=on_retry,
            # The object is not needed, so it is not transferred for each of 5,000 nodes.
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
        """Deletes an object; returns False if it no longer existed. ``grace`` is in seconds.

        With ``uid``, deletes only that object; with ``version`` (its resource version), only that version: raises
        ApiRefusal (409) if another object has its name now, or if it changed since.
        """
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        seen = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}
        if seen:
            options["preconditions"] = seen
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if dry_run:
            # In the body: a server ignores the query of a deletion that has one (measured on 1.36.2).
            options["dryRun"] = ["All"]
        try:
            await self.request("DELETE", path_of(kind, name, namespace), body=options)
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
    require_flat(item)
    return item
