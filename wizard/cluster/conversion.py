"""Converts the API server's JSON to facts, fast enough for 5,000 nodes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from sys import intern
from typing import Any

from wizard.cluster.shapes import ITEMS, Odd
from wizard.facts.cluster import SIGNS, KubernetesObject, NodeFacts, Taint

_SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_QUANTITY = re.compile(r"(\d{1,15})([kMG]i?|Ki)?")
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def list_parts(text: str, *, at_once: bool = False) -> Iterator[tuple[str, Any]]:
    """Yields the parts of a list from the server: ``("items", item)`` for each item, ``(key, value)`` for the rest.

    Item by item, because the parser holds every thread for as long as one call takes, and a page of 500
    nodes with their images has several megabytes. ``at_once`` is a third faster, if no thread is waiting.
    Raises ValueError if the text is not a JSON object.
    """
    if at_once:
        whole = json.loads(text)
        if not isinstance(whole, dict):
            raise Odd("is not a JSON object")
        yield from ((key, value) for key, value in whole.items() if key != "items")
        items = whole.get("items") or ()
        if not isinstance(items, (list, tuple)):
            raise Odd("is not a list", "items")
        yield from (("items", item) for item in items)
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
            if key == "items" and value is not None:
                raise Odd("is not a list", "items")
            if key != "items":
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
    """Returns the facts of one node. A node without a Ready condition is not ready. Raises Odd.

    Only what cannot be converted is checked field by field, since that takes twice as long as the conversion.
    """
    try:
        return _node_facts(node)
    except (AttributeError, KeyError, TypeError, ValueError):
        ITEMS["Node"](node)
    return _node_facts(node)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("not text")
    return value


def _node_facts(node: KubernetesObject) -> NodeFacts:
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    information = status.get("nodeInfo") or {}
    annotations = metadata.get("annotations") or {}
    ready: dict[str, Any] = next((one for one in status.get("conditions") or () if one.get("type") == "Ready"), {})
    return NodeFacts(
        name=_text(metadata["name"] or None),
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
        provider_id=_text(spec.get("providerID") or ""),
        allocatable={
            intern(name): whole_number(quantity if type(quantity) is int else _text(quantity))
            for name, quantity in (status.get("allocatable") or {}).items()
            if name == "pods" or "/" in name
        },
        annotations={key: _text(annotations[key]) for key in SIGNS if key in annotations},
        created=_text(metadata.get("creationTimestamp") or ""),
    )


def whole_number(quantity: object) -> int:
    """Returns a count as Kubernetes writes it (``50``, ``1k``); 0 for anything else."""
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
    """Returns the distribution of Kubernetes, detected from its version, API groups, and nodes.

    ``groups`` are the names of the API groups, ``server`` the API server's URL. "Kubernetes" if unknown. The
    marks are conventions of the distributions, not a contract of the API.
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
    # Mixed nodes in one cluster (a virtual kubelet, an edge site) do not identify the distribution.
    marked = {name for node in nodes for name in _marks_of(node)}
    return marked.pop() if len(marked) == 1 else "Kubernetes"


def _marks_of(node: NodeFacts) -> Iterator[str]:
    for attribute, mark, name in _NODE_MARKS:
        if getattr(node, attribute).startswith(mark):
            yield name
    for mark, name in _LABEL_MARKS:
        if any(label.startswith(mark) for label in node.labels):
            yield name
