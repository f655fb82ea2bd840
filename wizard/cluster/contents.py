"""What is in a namespace: objects of every kind that the server serves, found by discovery.

Only metadata is asked for, so that no secret is read on the way.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wizard.cluster.concurrency import together
from wizard.cluster.gateway import METADATA_LIST, PAGE, Gateway
from wizard.cluster.refusals import ApiRefusal
from wizard.errors import ClusterError
from wizard.escaping import printable
from wizard.facts import KubernetesObject

AT_ONCE = 12
"""How many requests are under way together: a cluster with many operators serves some hundred kinds."""

DERIVED: frozenset[tuple[str, str]] = frozenset(
    {("", "events"), ("events.k8s.io", "events"), ("", "endpoints"), ("discovery.k8s.io", "endpointslices")}
)
"""Kinds (group and plural) that nobody puts there: what they hold comes with other objects, and goes with them."""

DERIVED_GROUPS: frozenset[str] = frozenset({"metrics.k8s.io", "packages.operators.coreos.com"})
"""Groups that only show what is elsewhere: usage of pods, and the catalogs of the Operator Lifecycle Manager, which
it lists in each namespace."""

FURNITURE: Mapping[str, frozenset[str]] = {
    "ServiceAccount": frozenset({"default", "builder", "deployer"}),
    "ConfigMap": frozenset({"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"}),
    "RoleBinding": frozenset({"system:deployers", "system:image-builders", "system:image-pullers"}),
}
"""What controllers put into each namespace, by kind: Kubernetes' own, OpenShift's, Istio's."""

TOKEN = re.compile(r"(default|builder|deployer)-(token|dockercfg)-[a-z0-9]{5}")
"""The secrets of those service accounts (Kubernetes before 1.24, OpenShift)."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What was found: the objects that someone put there, and why some kinds could not be looked at, by kind."""

    objects: tuple[KubernetesObject, ...] = ()
    unread: Mapping[str, str] | None = None

    @property
    def unread_words(self) -> str:
        """What could not be looked at, and why, in a sentence's middle; "" where all could."""
        unread = self.unread or {}
        kinds = list(unread)
        if not kinds:
            return ""
        more = f" and {len(kinds) - 3} more kinds" if len(kinds) > 3 else ""
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
        prefix = f"/apis/{self.group}" if self.group else "/api"
        return f"{prefix}/{self.version}/namespaces/{namespace}/{self.plural}"


async def read_contents(gateway: Gateway, namespace: str) -> Contents:
    """Looks into a namespace, at each kind that can be listed there; what cannot be looked at is told, not raised.

    Left out is what the system puts into each namespace, and what belongs to an object that is there too (a pod to
    its daemon set): it goes with its owner. Raises ClusterError where the server stays away altogether.
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
                    unread[resource.name] = "no right to list them" if refusal.status == 403 else refusal.message
                return []

    # By uid: some groups show the objects of another one.
    found = {item["metadata"].get("uid"): item for part in await together(map(look, resources)) for item in part}
    put_there = [item for item in found.values() if not _is_furniture(item) and not _owners(item) & found.keys()]
    return Contents(tuple(put_there), dict(sorted(unread.items())))


async def _resources(gateway: Gateway, gate: asyncio.Semaphore, unread: dict[str, str]) -> list[_Resource]:
    """The kinds that can be listed in a namespace, each once, in the version that its group prefers."""
    groups: list[tuple[str, list[str]]] = [("", ["v1"])]
    answer = await gateway.request("GET", "/apis")
    for group in answer.body.get("groups") or ():
        preferred = (group.get("preferredVersion") or {}).get("version")
        versions = [str(one["version"]) for one in group.get("versions") or ()]
        groups.append((str(group["name"]), sorted(versions, key=lambda one: one != preferred)))

    async def read(group: str, version: str) -> list[_Resource]:
        async with gate:
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            try:
                listed = (await gateway.request("GET", path)).body
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
            _Resource(group, version, str(one["name"]), str(one["kind"]))
            for one in listed.get("resources") or ()
            if one.get("namespaced") and "/" not in one["name"] and "list" in (one.get("verbs") or ())
        ]

    wanted = [(group, version) for group, versions in groups if group not in DERIVED_GROUPS for version in versions]
    once: dict[tuple[str, str], _Resource] = {}
    for resource in (one for part in await together(read(*one) for one in wanted) for one in part):
        once.setdefault((resource.group, resource.plural), resource)
    return [resource for key, resource in once.items() if key not in DERIVED]


async def _list(gateway: Gateway, resource: _Resource, namespace: str) -> list[KubernetesObject]:
    found: list[KubernetesObject] = []
    query = {"limit": str(PAGE)}
    while True:
        answer = await gateway.request("GET", resource.path(namespace), query=query, accept=METADATA_LIST)
        for item in answer.body.get("items") or ():
            # What comes as metadata alone says so in place of its kind.
            found.append({"kind": resource.kind, "metadata": item["metadata"]})
        token = (answer.body.get("metadata") or {}).get("continue")
        if not token:
            return found
        query["continue"] = str(token)


def _owners(item: KubernetesObject) -> set[Any]:
    return {reference.get("uid") for reference in item["metadata"].get("ownerReferences") or ()}


def _is_furniture(item: KubernetesObject) -> bool:
    metadata, kind = item["metadata"], item["kind"]
    name = str(metadata.get("name"))
    # The Operator Lifecycle Manager shows an operator that watches all namespaces in each of them.
    copied = "olm.copiedFrom" in (metadata.get("labels") or {})
    return copied or name in FURNITURE.get(kind, ()) or (kind == "Secret" and TOKEN.fullmatch(name) is not None)


def names_of(objects: Iterable[KubernetesObject], most: int = 5) -> str:
    """The first of some objects by kind and name, and how many there are besides."""
    names = [printable(f"{item['kind']} {item['metadata'].get('name')}") for item in objects]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
