"""The steps that bring a cluster into a situation: requests of others, and earlier work of the wizard's own."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.clusters import Cluster
from tests.ledger.states import NAME, PATHS

FUSE = "smarter-devices/fuse"
GUIDE = {
    item["kind"]: item
    for item in yaml.safe_load_all(
        (Path(__file__).parents[2] / "assets" / "manifests" / "smarter-device-manager.yaml").read_text()
    )
}
"""The guide's objects, by kind."""


@dataclass(frozen=True)
class Request:
    """A request of someone else, made as admin."""

    method: str
    path: str
    body: Any
    content_type: str = "application/json"


@dataclass(frozen=True)
class Ours:
    """An earlier run of the wizard with these answers."""

    answers: str = ""


@dataclass(frozen=True)
class Offering:
    """Waiting until the rollout is done, and exactly these nodes advertise this number of FUSE devices."""

    nodes: Sequence[str]
    devices: int = 50


Step = Request | Ours | Offering


async def send(cluster: Cluster, request: Request) -> None:
    status = await cluster.send(request.method, request.path, request.body, request.content_type)
    assert status in (200, 201), f"{request.method} {request.path}: {status}"


async def until_offered(cluster: Cluster, wanted: Offering) -> None:
    async with asyncio.timeout(30):
        while True:
            nodes = (await cluster.get("/api/v1/nodes"))["items"]
            offered = {node["metadata"]["name"]: int(node["status"]["allocatable"].get(FUSE, 0)) for node in nodes}
            advertising = {name: number for name, number in offered.items() if number}
            if advertising == dict.fromkeys(wanted.nodes, wanted.devices) and await _is_rolled_out(cluster):
                return
            await asyncio.sleep(0.02)


async def _is_rolled_out(cluster: Cluster) -> bool:
    daemon_set = await cluster.get(PATHS["DaemonSet"])
    status = daemon_set["status"]
    desired = status["desiredNumberScheduled"]
    current = status.get("observedGeneration") == daemon_set["metadata"]["generation"]
    return current and desired == status.get("updatedNumberScheduled", 0) == status.get("numberReady", 0)


def kubectl_apply(item: Mapping[str, Any]) -> Request:
    """``kubectl apply`` of an object that does not exist: client-side, so with a copy of what was applied."""
    body = copy.deepcopy(dict(item))
    annotations = body["metadata"].setdefault("annotations", {})
    text = json.dumps({**item, "metadata": {**item["metadata"], "annotations": {}}}, separators=(",", ":")) + "\n"
    annotations["kubectl.kubernetes.io/last-applied-configuration"] = text
    collection = PATHS[item["kind"]].rpartition("/")[0]
    return Request("POST", f"{collection}?fieldManager=kubectl-client-side-apply", body)


def kubectl_label(node: str) -> Request:
    body = {"metadata": {"labels": {NAME: "enabled"}}}
    return Request("PATCH", f"/api/v1/nodes/{node}?fieldManager=kubectl-label", body, "application/merge-patch+json")


def applied(manager: str, item: Mapping[str, Any], *, force: bool = False) -> Request:
    """A server-side apply by another manager."""
    path = f"{PATHS[item['kind']]}?fieldManager={manager}{'&force=true' * force}"
    return Request("PATCH", path, item, "application/apply-patch+yaml")


def patched(manager: str, kind: str, patch: Mapping[str, Any], content_type: str = "strategic-merge-patch") -> Request:
    """A patch as kubectl's commands send it."""
    return Request("PATCH", f"{PATHS[kind]}?fieldManager={manager}", patch, f"application/{content_type}+json")


def part_of(kind: str, **content: Any) -> dict[str, Any]:
    """An apply configuration with only this content."""
    metadata = {"name": NAME, **({} if kind == "Namespace" else {"namespace": NAME})}
    return {"apiVersion": GUIDE[kind]["apiVersion"], "kind": kind, "metadata": metadata, **content}
