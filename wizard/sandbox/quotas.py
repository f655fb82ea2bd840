"""The ResourceQuota controller: reports limits and usage, and recounts when a pod ends."""

from __future__ import annotations

import asyncio

from wizard.sandbox.admission import counts
from wizard.sandbox.cluster import Cluster
from wizard.sandbox.kinds import RESOURCE_QUOTA
from wizard.sandbox.store import Change, Key

MANAGER = "kube-controller-manager"
SYNC_SECONDS = 0.1


class QuotaController:
    """Keeps the status of all quotas. Only pods are counted."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting: dict[Key, asyncio.TimerHandle] = {}
        self._ends = [
            cluster.store.listen("resourcequotas", self._quota_changed),
            cluster.store.listen("pods", self._pod_changed),
        ]

    def stop(self) -> None:
        for end in self._ends:
            end()
        for handle in self._waiting.values():
            handle.cancel()

    def _quota_changed(self, change: Change) -> None:
        if change.type == "DELETED" or (change.previous and change.previous.obj["spec"] == change.version.obj["spec"]):
            return
        self._later(change.version.key)

    def _pod_changed(self, change: Change) -> None:
        ended = change.version.obj["status"].get("phase") in ("Succeeded", "Failed")
        if change.type != "DELETED" and not ended:
            return
        for quota in self._cluster.store.all("resourcequotas", change.version.key[0]):
            self._later(quota.key)

    def _later(self, key: Key) -> None:
        if key not in self._waiting:
            self._waiting[key] = self._cluster.clock.later(SYNC_SECONDS, lambda: self._count(key))

    def _count(self, key: Key) -> None:
        self._waiting.pop(key, None)
        live = self._cluster.store.get("resourcequotas", key)
        if live is None:
            return
        quota = live.obj
        hard = quota["spec"].get("hard", {})
        used = dict.fromkeys(hard, "0")
        if "pods" in hard:
            pods = self._cluster.store.all("pods", key[0])
            used["pods"] = str(sum(counts(quota, pod.obj) for pod in pods))
        status = {"hard": hard, "used": used}
        if status != quota.get("status"):
            self._cluster.record(RESOURCE_QUOTA, {**quota, "status": status}, MANAGER)
