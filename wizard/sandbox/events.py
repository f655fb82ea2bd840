"""Events as components write them: one object for each kind of event, with a count; similar ones are combined."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from wizard.sandbox.cluster import Cluster
from wizard.sandbox.kinds import EVENT
from wizard.sandbox.refusals import Refusal
from wizard.sandbox.store import Object, Version

ALIKE_ALLOWED = 10
"""How many events that differ only in their message are written one by one, as in client-go."""


@dataclass(frozen=True)
class Source:
    """Who reports, under which field manager."""

    component: str
    manager: str
    host: str = ""


DAEMON_SET_CONTROLLER = Source("daemonset-controller", "kube-controller-manager")
SCHEDULER = Source("default-scheduler", "kube-scheduler")


def kubelet(node: str) -> Source:
    """The kubelet of a node."""
    return Source("kubelet", "kubelet", node)


class Recorder:
    """Writes events into a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._names: dict[tuple[str, ...], str] = {}
        self._examples: dict[tuple[str, bool, bool], Version] = {}
        """Events by what their fields depend on."""
        self._alike: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)

    def record(self, about: Object, type_: str, reason: str, message: str, source: Source) -> None:
        """``type_`` is Normal or Warning."""
        metadata = about["metadata"]
        alike = (source.component, source.host, metadata["uid"], type_, reason)
        messages = self._alike[alike]
        if message not in messages and len(messages) >= ALIKE_ALLOWED:
            message = f"(combined from similar events): {message}"
            key = (*alike, "combined")
        else:
            messages.add(message)
            key = (*alike, message)
        namespace = metadata.get("namespace") or "default"
        name = self._names.get(key)
        existing = self._cluster.store.get("events", (namespace, name)) if name else None
        now = self._cluster.clock.now()
        if existing is not None:
            count = existing.obj["count"] + 1
            obj = {**existing.obj, "count": count, "lastTimestamp": now, "message": message}
            self._cluster.record(EVENT, obj, source.manager, subresource="")
            return
        reference = {
            "kind": about["kind"],
            "namespace": metadata.get("namespace"),
            "name": metadata["name"],
            "uid": metadata["uid"],
            "apiVersion": about["apiVersion"],
            "resourceVersion": metadata.get("resourceVersion"),
        }
        name = f"{metadata['name']}.{self._cluster.clock.hexadecimal(16)}"
        event: Object = {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {field: value for field, value in reference.items() if value},
            "reason": reason,
            "message": message,
            "source": {"component": source.component} | ({"host": source.host} if source.host else {}),
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": type_,
            "eventTime": None,
            "reportingComponent": source.component,
            "reportingInstance": source.host,
        }
        example = (source.manager, bool(source.host), bool(metadata.get("namespace")))
        try:
            created = self._cluster.create_as(EVENT, event, source.manager, self._examples.get(example))
        except Refusal:
            return  # its namespace is deleted, or being deleted
        self._examples[example] = created
        self._names[key] = name
