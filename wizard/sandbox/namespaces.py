"""The controllers of namespaces: a new one gets what its pods need; a deleted one is emptied, then removed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from wizard.sandbox.cluster import SYSTEM, Cluster, Deletion, Write
from wizard.sandbox.kinds import CONFIG_MAP, KINDS, NAMESPACE, POD, SERVICE_ACCOUNT, Kind
from wizard.sandbox.refusals import Refusal
from wizard.sandbox.store import Change, Object

MANAGER = "kube-controller-manager"
LOOK_SECONDS = 0.2
LAST_LOOK_SECONDS = 0.4
"""Seconds for which an empty namespace still exists."""
GARBAGE_COLLECTION = ("foregroundDeletion", "orphan")
NAMES = ("default", "kube-node-lease", "kube-public", "kube-system")
"""The namespaces of every cluster."""


class NamespaceController:
    """Fills new namespaces, and empties those that are being deleted."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._end = cluster.store.listen("namespaces", self._changed)
        for namespace in cluster.store.all("namespaces"):
            self._furnish(namespace.key[1])

    async def stop(self) -> None:
        self._end()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _changed(self, change: Change) -> None:
        name = change.version.key[1]
        if change.type == "ADDED":
            self._furnish(name)
        if (
            change.type != "DELETED"
            and change.version.obj["metadata"].get("deletionTimestamp")
            and name not in self._tasks
        ):
            task = asyncio.get_running_loop().create_task(self._empty(name))
            self._tasks[name] = task
            task.add_done_callback(lambda _: self._tasks.pop(name, None))

    def _furnish(self, name: str) -> None:
        """Creates what each namespace gets: a service account for pods, and the cluster's certificate."""
        account = {"metadata": {"name": "default", "namespace": name}}
        note = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints"
        metadata = {"name": "kube-root-ca.crt", "namespace": name, "annotations": {"kubernetes.io/description": note}}
        certificate = {"metadata": metadata, "data": {"ca.crt": ""}}
        for kind, obj in ((SERVICE_ACCOUNT, account), (CONFIG_MAP, certificate)):
            with suppress(Refusal):
                named = {"kind": kind.name, "apiVersion": kind.api_version, **obj}
                self._cluster.create_as(kind, named, MANAGER)

    def _kinds(self) -> list[Kind]:
        # pods last: their owners would create new ones
        return [kind for kind in KINDS if kind.namespaced and kind is not POD] + [POD]

    async def _empty(self, name: str) -> None:
        store, clock = self._cluster.store, self._cluster.clock
        pause = max(clock.seconds(LOOK_SECONDS), 0.002)
        while True:
            await asyncio.sleep(pause)
            pods = 0
            for kind in self._kinds():
                for one in store.all(kind.plural, name):
                    pods += kind is POD
                    if not (kind is POD and one.obj["metadata"].get("deletionTimestamp")):
                        self._delete(kind, one.key)
            if not pods:
                break
            self._write(name, remaining=pods)
        self._write(name, remaining=0)
        await asyncio.sleep(clock.seconds(LAST_LOOK_SECONDS))
        while True:
            live = store.get("namespaces", ("", name))
            if live is None or not live.obj["metadata"].get("finalizers"):
                break  # until those who hold it let go, it stays, although it is empty
            await asyncio.sleep(pause)
        store.remove("namespaces", ("", name))

    def _delete(self, kind: Kind, key: tuple[str, str]) -> None:
        with suppress(Refusal):  # it may be gone already
            self._cluster.delete(kind, *key, Deletion(), Write(SYSTEM, MANAGER))

    def _write(self, name: str, remaining: int) -> None:
        live = self._cluster.store.get("namespaces", ("", name))
        if live is None:
            return
        now = self._cluster.clock.now()
        content = (
            "True",
            "SomeResourcesRemain",
            f"Some resources are remaining: pods. has {remaining} resource instances",
        )
        if not remaining:
            content = ("False", "ContentRemoved", "All content successfully removed")
        conditions: list[Object] = [
            {"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}
            for kind, status, reason, message in (
                (
                    "NamespaceDeletionDiscoveryFailure",
                    "False",
                    "ResourcesDiscovered",
                    "All resources successfully discovered",
                ),
                (
                    "NamespaceDeletionGroupVersionParsingFailure",
                    "False",
                    "ParsedGroupVersions",
                    "All legacy kube types successfully parsed",
                ),
                (
                    "NamespaceDeletionContentFailure",
                    "False",
                    "ContentDeleted",
                    "All content successfully deleted, may be waiting on finalization",
                ),
                ("NamespaceContentRemaining", *content),
                (
                    "NamespaceFinalizersRemaining",
                    "False",
                    "ContentHasNoFinalizers",
                    "All content-preserving finalizers finished",
                ),
            )
        ]
        # What the garbage collector removes when it is done; other finalizers are not the controller's.
        held = [one for one in live.obj["metadata"].get("finalizers", ()) if one not in GARBAGE_COLLECTION]
        metadata = {key: value for key, value in live.obj["metadata"].items() if key != "finalizers"}
        if held:
            metadata["finalizers"] = held
        obj = {**live.obj, "metadata": metadata, "status": {**live.obj["status"], "conditions": conditions}}
        self._cluster.record(NAMESPACE, obj, MANAGER)
