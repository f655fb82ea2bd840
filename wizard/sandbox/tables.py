"""Lists as tables, as ``kubectl get`` requests them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wizard.sandbox.store import Object, Version


@dataclass(frozen=True)
class Column:
    """One column; a ``wide`` one is shown by ``-o wide`` only."""

    name: str
    value: Callable[[Object], Any]
    description: str = ""
    wide: bool = False
    type: str = "string"


def _age(obj: Object) -> str:
    created = obj["metadata"].get("creationTimestamp")
    if not created:
        return "<unknown>"
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(created.replace("Z", "+00:00"))).total_seconds())
    if seconds < 120:
        return f"{max(seconds, 0)}s"
    for limit, unit, size in ((600, "m", 60), (10_800, "m", 60), (172_800, "h", 3_600)):
        if seconds < limit:
            rest = f"{seconds % 60}s" if limit == 600 and seconds % 60 else ""
            return f"{seconds // size}{unit}{rest}"
    return f"{seconds // 86_400}d"


def _at(*path: str, default: Any = "<none>") -> Callable[[Object], Any]:
    def value(obj: Object) -> Any:
        found: Any = obj
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return default if found in (None, "") else found

    return value


def _node_status(node: Object) -> str:
    ready = next((one["status"] for one in node["status"].get("conditions", ()) if one["type"] == "Ready"), "Unknown")
    texts = ["Ready" if ready == "True" else "NotReady" if ready == "False" else "Unknown"]
    if node["spec"].get("unschedulable"):
        texts.append("SchedulingDisabled")
    return ",".join(texts)


def _roles(node: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    return (
        ",".join(sorted(key[len(prefix) :] for key in node["metadata"].get("labels", {}) if key.startswith(prefix)))
        or "<none>"
    )


def _address(kind: str) -> Callable[[Object], str]:
    return lambda node: next((a["address"] for a in node["status"].get("addresses", ()) if a["type"] == kind), "<none>")


def _kernel(node: Object) -> str:
    info = node["status"].get("nodeInfo", {})
    return f"{info.get('kernelVersion', '<unknown>')} ({info.get('architecture', '')})"


def _pod_status(pod: Object) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for one in pod["status"].get("containerStatuses", ()):
        for state in ("waiting", "terminated"):
            if reason := one.get("state", {}).get(state, {}).get("reason"):
                return str(reason)
    return str(pod["status"].get("reason") or pod["status"].get("phase", "Unknown"))


def _ready(pod: Object) -> str:
    statuses = pod["status"].get("containerStatuses", ())
    return f"{sum(bool(one.get('ready')) for one in statuses)}/{len(pod['spec']['containers'])}"


def _selector(obj: Object) -> str:
    return ",".join(f"{k}={v}" for k, v in obj["spec"]["template"]["spec"].get("nodeSelector", {}).items()) or "<none>"


def _hard(quota: Object) -> str:
    status = quota.get("status", {})
    used = status.get("used", {})
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard}" for name, hard in sorted(status.get("hard", {}).items()))


def _number(name: str) -> Callable[[Object], Any]:
    return _at("status", name, default=0)


NAME = Column("Name", _at("metadata", "name"), "The object's name.")
AGE = Column("Age", _age, "Time since the object was created.")

COLUMNS: dict[str, tuple[Column, ...]] = {
    "nodes": (
        NAME,
        Column("Status", _node_status, "Whether the node is ready and accepts pods."),
        Column("Roles", _roles, "The roles in the node's labels."),
        AGE,
        Column("Version", _at("status", "nodeInfo", "kubeletVersion"), "The kubelet's version."),
        Column("Internal-IP", _address("InternalIP"), "The address inside the cluster.", wide=True),
        Column("External-IP", _address("ExternalIP"), "The address outside the cluster.", wide=True),
        Column("OS-Image", _at("status", "nodeInfo", "osImage"), "The operating system.", wide=True),
        Column("Kernel-Version", _kernel, "The kernel and the architecture.", wide=True),
        Column("Container-Runtime", _at("status", "nodeInfo", "containerRuntimeVersion"), "The runtime.", wide=True),
    ),
    "pods": (
        NAME,
        Column("Ready", _ready, "Containers that are ready."),
        Column("Status", _pod_status, "The state of the pod."),
        Column(
            "Restarts", lambda pod: sum(c.get("restartCount", 0) for c in pod["status"].get("containerStatuses", ()))
        ),
        AGE,
        Column("IP", _at("status", "podIP"), "The pod's address.", wide=True),
        Column("Node", _at("spec", "nodeName"), "The node of the pod.", wide=True),
    ),
    "daemonsets": (
        NAME,
        Column("Desired", _number("desiredNumberScheduled"), "Nodes that should run it.", type="integer"),
        Column("Current", _number("currentNumberScheduled"), "Nodes that have a pod.", type="integer"),
        Column("Ready", _number("numberReady"), "Pods that are ready.", type="integer"),
        Column("Up-to-date", _number("updatedNumberScheduled"), "Pods of the current template.", type="integer"),
        Column("Available", _number("numberAvailable"), "Pods that are available.", type="integer"),
        Column("Node Selector", _selector, "Labels of the nodes it runs on."),
        AGE,
    ),
    "namespaces": (NAME, Column("Status", _at("status", "phase"), "Active or Terminating."), AGE),
    "configmaps": (
        NAME,
        Column("Data", lambda o: len(o.get("data", {})), "The number of entries.", type="integer"),
        AGE,
    ),
    "secrets": (
        NAME,
        Column("Type", _at("type"), "The type of the secret."),
        Column("Data", lambda o: len(o.get("data", {})), "The number of entries.", type="integer"),
        AGE,
    ),
    "resourcequotas": (NAME, Column("Request", _hard, "Usage and limit of each resource."), AGE),
    "events": (
        Column("Last Seen", _age, "When the event last happened."),
        Column("Type", _at("type"), "Normal or Warning."),
        Column("Reason", _at("reason"), "The reason, as one word."),
        Column(
            "Object",
            lambda e: f"{e['involvedObject'].get('kind', '').lower()}/{e['involvedObject'].get('name', '')}",
            "The object of the event.",
        ),
        Column("Message", _at("message"), "What happened."),
        Column("Name", _at("metadata", "name"), "The event's name.", wide=True),
    ),
}


def metadata_only(version: Version) -> Object:
    """Returns an object's metadata as a separate object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": version.obj["metadata"]}


def metadata_list(versions: Iterable[Version], metadata: Object) -> Object:
    """Returns a list with only the metadata of objects, as controllers request it."""
    kind = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
    return {**kind, "metadata": metadata, "items": [metadata_only(version) for version in versions]}


def table(plural: str, versions: Iterable[Version], metadata: Object, include: str) -> Object:
    """A ``Table`` of objects; ``include`` is ``None``, ``Metadata``, or ``Object``: what each row includes."""
    columns = COLUMNS.get(plural, (NAME, AGE))
    definitions = [
        {
            "name": column.name,
            "type": column.type,
            "format": "name" if column.name == "Name" else "",
            "description": column.description,
            "priority": int(column.wide),
        }
        for column in columns
    ]
    rows = []
    for version in versions:
        row: Object = {"cells": [column.value(version.obj) for column in columns]}
        if include == "Metadata":
            row["object"] = metadata_only(version)
        elif include == "Object":
            row["object"] = version.obj
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    }
