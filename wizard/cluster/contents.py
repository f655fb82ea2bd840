"""The objects in a namespace, of every kind that the server has, found by discovery.

Only metadata is requested, so that no secret is read.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from wizard.cluster import shapes
from wizard.cluster.concurrency import together
from wizard.cluster.gateway import Gateway
from wizard.cluster.lists import METADATA_LIST, MOST_PAGES, PAGE
from wizard.cluster.refusals import ApiRefusal
from wizard.errors import ClusterError
from wizard.facts.cluster import KubernetesObject
from wizard.text.counting import counted

AT_ONCE = 12
"""How many requests run at the same time: a cluster with many operators has some hundred kinds."""

DERIVED: frozenset[tuple[str, str]] = frozenset(
    {("", "events"), ("events.k8s.io", "events"), ("", "endpoints"), ("discovery.k8s.io", "endpointslices")}
)
"""Kinds (group and plural) that users do not create: they come and go with other objects."""

DERIVED_GROUPS: frozenset[str] = frozenset({"metrics.k8s.io", "packages.operators.coreos.com"})
"""Groups that only show objects from elsewhere: usage of pods, and the catalogs of the Operator Lifecycle Manager,
which are listed in each namespace."""

FURNITURE: Mapping[str, frozenset[str]] = {
    "ServiceAccount": frozenset({"default", "builder", "deployer"}),
    "ConfigMap": frozenset({"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"}),
    "RoleBinding": frozenset({"system:deployers", "system:image-builders", "system:image-pullers"}),
}
"""Objects that controllers create in each namespace, by kind: those of Kubernetes, OpenShift, and Istio."""

TOKEN = re.compile(r"(default|builder|deployer)-(token|dockercfg)-[a-z0-9]{5}")
"""The secrets of those service accounts (Kubernetes before 1.24, OpenShift)."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The objects that users created, and the kinds that could not be read, with the reason."""

    objects: tuple[KubernetesObject, ...] = ()
    unread: Mapping[str, str] | None = None

    @property
    def unread_words(self) -> str:
        """The kinds that could not be read, and why, for the middle of a sentence; "" if all could."""
        unread = self.unread or {}
        kinds = list(unread)
        if not kinds:
            return ""
        more = f" and {counted(len(kinds) - 3, 'more kind')}" if len(kinds) > 3 else ""
        return f"{', '.join(kinds[:3])}{more} ({unread[kinds[0]]})"


@dataclass(frozen=True, slots=True)
class _Resource:
    group: str
    version: str
    plural: str
    kind: str

    @property
    def name(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str) -> str:
        prefix = f"/apis/{quote(self.group, safe='')}" if self.group else "/api"
        return f"{prefix}/{quote(self.version, safe='')}/namespaces/{namespace}/{quote(self.plural, safe='')}"


async def read_contents(gateway: Gateway, namespace: str) -> Contents:
    """Lists the objects of each kind in a namespace; a kind that cannot be read is reported in the result.

    Leaves out the objects that the system creates in each namespace, and those with an owner in it (a pod of a
    DaemonSet), which are deleted with their owner. Raises ClusterError if the server does not answer at all.
    """
    unread: dict[str, str] = {}
    gate = asyncio.Semaphore(AT_ONCE)
    resources = await _resources(gateway, gate, unread)

    async def look(resource: _Resource) -> list[KubernetesObject]:
        async with gate:
            try:
                return await _list(gateway, resource, namespace)
            except ApiRefusal as refusal:
                if refusal.status == 401:
                    raise
                if refusal.status not in (404, 405):
                    unread[resource.name] = "no permission to list them" if refusal.status == 403 else refusal.message
                return []

    # By UID, because some groups show the objects of another group.
    found = {item["metadata"].get("uid"): item for part in await together(map(look, resources)) for item in part}
    put_there = [item for item in found.values() if not _is_furniture(item) and not _owners(item) & found.keys()]
    return Contents(tuple(put_there), dict(sorted(unread.items())))


async def _resources(gateway: Gateway, gate: asyncio.Semaphore, unread: dict[str, str]) -> list[_Resource]:
    """Returns the kinds that can be listed in a namespace, each once, in the version that its group prefers."""
    groups: list[tuple[str, list[str]]] = [("", ["v1"])]
    answer = await gateway.request("GET", "/apis", shape=shapes.GROUPS)
    for group in answer.body.get("groups", ()):
        preferred = group.get("preferredVersion", {}).get("version")
        versions = [one["version"] for one in group.get("versions", ())]
        groups.append((group["name"], sorted(versions, key=lambda one: one != preferred)))

    async def read(group: str, version: str) -> list[_Resource]:
        async with gate:
            path = f"/apis/{quote(group, safe='')}/{quote(version, safe='')}" if group else f"/api/{version}"
            try:
                listed = (await gateway.request("GET", path, shape=shapes.RESOURCES)).body
            except ApiRefusal as refusal:
                if refusal.status == 401:
                    raise
                if refusal.status != 404:
                    unread[f"kinds of {group or 'v1'}"] = refusal.message or refusal.what
                return []
            except ClusterError as error:
                unread[f"kinds of {group or 'v1'}"] = error.what
                return []
        return [
            _Resource(group, version, one["name"], one.get("kind", one["name"]))
            for one in listed.get("resources", ())
            if one.get("namespaced") and "/" not in one["name"] and "list" in one.get("verbs", ())
        ]

    wanted = [(group, version) for group, versions in groups if group not in DERIVED_GROUPS for version in versions]
    once: dict[tuple[str, str], _Resource] = {}
    for resource in (one for part in await together(read(*one) for one in wanted) for one in part):
        once.setdefault((resource.group, resource.plural), resource)
    return [resource for key, resource in once.items() if key not in DERIVED]


async def _list(gateway: Gateway, resource: _Resource, namespace: str) -> list[KubernetesObject]:
    found: list[KubernetesObject] = []
    query = {"limit": str(PAGE)}
    for _ in range(MOST_PAGES):
        answer = await gateway.request(
            "GET", resource.path(namespace), query=query, accept=METADATA_LIST, shape=shapes.METADATA_LIST
        )
        for item in answer.body.get("items", ()):
            # With metadata only, the kind is PartialObjectMetadata.
            found.append({"kind": resource.kind, "metadata": item["metadata"]})
        token = answer.body.get("metadata", {}).get("continue")
        if not token or token == query.get("continue"):
            break
        query["continue"] = token
    return found


def _owners(item: KubernetesObject) -> set[Any]:
    return {reference.get("uid") for reference in item["metadata"].get("ownerReferences") or ()}


def _is_furniture(item: KubernetesObject) -> bool:
    metadata, kind = item["metadata"], item["kind"]
    name = str(metadata.get("name"))
    # The Operator Lifecycle Manager shows an operator that watches all namespaces in each of them.
    copied = "olm.copiedFrom" in (metadata.get("labels") or {})
    return copied or name in FURNITURE.get(kind, ()) or (kind == "Secret" and TOKEN.fullmatch(name) is not None)
