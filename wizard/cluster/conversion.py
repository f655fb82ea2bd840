"""From the API server's JSON to facts, quickly enough for 5,000 nodes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from sys import intern
from typing import Any

from wizard.facts import KubernetesObject, NodeFacts, Taint

_SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_QUANTITY = re.compile(r"(\d+)([kMG]i?|Ki)?")
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def list_parts(text: str, *, at_once: bool = False) -> Iterator[tuple[str, Any]]:
    """The parts of a list as the server sends it: ``("items", item)`` for each item, ``(key, value)`` for the rest.

    Item by item, because the parser holds every thread for as long as one call takes, and a page of 500
    nodes with their images has several megabytes. ``at_once`` is a third quicker, for whom no thread waits.
    Raises ValueError where the text is not a JSON object.
    """
    if at_once:
        whole = json.loads(text)
        if not isinstance(whole, dict):
            raise ValueError("not a JSON object")
        yield from ((key, value) for key, value in whole.items() if key != "items")
        yield from (("items", item) for item in whole.get("items") or ())
        return
    position = _expect(text, 0, "{")
    if text[position : position + 1] == "}":
        return
    while True:
        key, position = _value(text, position)
        position = _expect(text, position, ":")
        if key == "items" and text[position : position + 1] == "[":
            position = _skip(text, position + 1)
            while text[position : position + 1] != "]":
                item, position = _value(text, position)
                yield "items", item
                if text[position : position + 1] != "]":
                    position = _expect(text, position, ",")
            position = _skip(text, position + 1)
        else:
            value, position = _value(text, position)
            # Servers of aggregated APIs write an empty list as null.
            if key != "items" or value is not None:
                yield str(key), value
        if text[position : position + 1] == "}":
            return
        position = _expect(text, position, ",")


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _expect(text: str, position: int, character: str) -> int:
    position = _skip(text, position)
    if text[position : position + 1] != character:
        raise ValueError(f"{character!r} expected at {position}")
    return _skip(text, position + 1)


def _value(text: str, position: int) -> tuple[Any, int]:
    value, end = _DECODER.raw_decode(text, position)
    return value, _skip(text, end)


def node_facts(node: KubernetesObject) -> NodeFacts:
    """One node as facts. A node without a Ready condition is not ready."""
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    information = status.get("nodeInfo") or {}
    ready: dict[str, Any] = next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), {})
    return NodeFacts(
        name=metadata["name"],
        labels={intern(key): intern(value) for key, value in (metadata.get("labels") or {}).items()},
        taints=tuple(
            Taint(intern(one["key"]), intern(one.get("value") or ""), intern(one["effect"]))
            for one in spec.get("taints") or ()
        ),
        os_image=intern(information.get("osImage") or ""),
        kernel=intern(information.get("kernelVersion") or ""),
        container_runtime=intern(information.get("containerRuntimeVersion") or ""),
        kubelet_version=intern(information.get("kubeletVersion") or ""),
        operating_system=intern(information.get("operatingSystem") or "linux"),
        architecture=intern(information.get("architecture") or ""),
        ready=ready.get("status") == "True",
        ready_message=intern(ready.get("message") or ""),
        unschedulable=bool(spec.get("unschedulable")),
        provider_id=spec.get("providerID") or "",
        allocatable={
            intern(name): whole_number(quantity)
            for name, quantity in (status.get("allocatable") or {}).items()
            if name == "pods" or "/" in name
        },
    )


def whole_number(quantity: object) -> int:
    """A count as Kubernetes writes it (``50``, ``1k``); 0 for what is no whole number."""
    match = _QUANTITY.fullmatch(str(quantity))
    return int(match[1]) * _SUFFIXES.get(match[2] or "", 1) if match else 0


_VERSION_MARKS = (
    ("+rke2", "RKE2"),
    ("+k3s", "k3s"),
    ("+k0s", "k0s"),
    ("-eks-", "EKS"),
    ("-gke.", "GKE"),
)
_SERVER_MARKS = ((".eks.amazonaws.com", "EKS"), (".azmk8s.io", "AKS"))
_LABEL_MARKS = (
    ("kubernetes.azure.com/", "AKS"),
    ("eks.amazonaws.com/", "EKS"),
    ("cloud.google.com/gke-", "GKE"),
    ("microk8s.io/cluster", "MicroK8s"),
    ("minikube.k8s.io/", "minikube"),
)
_NODE_MARKS = (("os_image", "Talos", "Talos"), ("provider_id", "kind://", "kind"))


def find_distribution(version: str, server: str, groups: Iterable[str], nodes: Iterable[NodeFacts]) -> str:
    """Which distribution of Kubernetes this is, by what it leaves in its version, API groups and nodes.

    ``groups`` are the names of the API groups, ``server`` the API server's URL. "Kubernetes" where nothing
    tells. The marks are conventions of the distributions, not a contract of the API.
    """
    groups = set(groups)
    if "config.openshift.io" in groups:
        return "OpenShift"
    if {"security.openshift.io", "route.openshift.io"} & groups:
        return "MicroShift"
    for mark, name in _VERSION_MARKS:
        if mark in version:
            return name
    host = server.partition("://")[2].partition("/")[0].partition(":")[0]
    for mark, name in _SERVER_MARKS:
        if host.endswith(mark):
            return name
    # Nodes of several kinds in one cluster (a virtual kubelet, an edge site) say nothing about the cluster.
    marked = {name for node in nodes for name in _marks_of(node)}
    return marked.pop() if len(marked) == 1 else "Kubernetes"


def _marks_of(node: NodeFacts) -> Iterator[str]:
    for attribute, mark, name in _NODE_MARKS:
        if getattr(node, attribute).startswith(mark):
            yield name
    for mark, name in _LABEL_MARKS:
        if any(label.startswith(mark) for label in node.labels):
            yield name
