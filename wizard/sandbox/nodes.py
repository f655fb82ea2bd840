"""The nodes of a scenario, as their kubelets registered them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wizard.sandbox.clock import Clock
from wizard.sandbox.field_ownership import Manager, updated
from wizard.sandbox.kinds import NODE
from wizard.sandbox.scenarios import NodeGroup, Scenario, systems
from wizard.sandbox.store import Object

AGE_SECONDS = 19 * 86_400
"""The age of the nodes of a new sandbox."""


@dataclass(frozen=True)
class Machine:
    """The properties of a simulated node that the API does not show."""

    group: NodeGroup
    system: Mapping[str, Any]
    """Its entry in systems.yaml."""

    @property
    def operating_system(self) -> str:
        return str(self.system.get("os", "linux"))

    @property
    def runs_pods(self) -> bool:
        """Whether Linux containers can run there."""
        return self.operating_system == "linux" and not self.system.get("virtual", False)

    @property
    def has_fuse(self) -> bool:
        return self.runs_pods and not self.group.no_fuse

    @property
    def security(self) -> Mapping[str, Any]:
        """What confines containers there (see systems.yaml)."""
        found: Mapping[str, Any] = self.system.get("security", {})
        return found


def machines(scenario: Scenario) -> Iterator[tuple[str, Machine, int]]:
    """Yields the name of each node, its properties, and its number in its group."""
    table = systems()
    for group in scenario.node_groups:
        machine = Machine(group, table[group.system])
        for number in range(1, group.count + 1):
            yield group.name.format(n=number), machine, number


def objects(scenario: Scenario, clock: Clock) -> Iterator[tuple[Object, Machine]]:
    """Returns node objects to store. Nodes of a group share equal parts, including ownership."""
    shared: dict[int, Object] = {}
    now = clock.now(-AGE_SECONDS)
    for index, (name, machine, number) in enumerate(machines(scenario)):
        first = shared.get(id(machine.group))
        node = _node(name, machine, number, index, first, now)
        if first is None:
            node["metadata"]["managedFields"] = _ownership(node, now)
            shared[id(machine.group)] = node
        else:
            node["metadata"]["managedFields"] = first["metadata"]["managedFields"]
        yield node, machine


def _node(name: str, machine: Machine, number: int, index: int, alike: Object | None, now: str) -> Object:
    group, system = machine.group, machine.system
    arch, os_name = group.arch, machine.operating_system
    zone = group.zones[(number - 1) % len(group.zones)] if group.zones else ""
    labels = {
        "beta.kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": os_name,
        "kubernetes.io/arch": arch,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": os_name,
    }
    if group.instance_type:
        labels["node.kubernetes.io/instance-type"] = group.instance_type
    if zone:
        labels["topology.kubernetes.io/zone"] = zone
        if "-" in zone and zone[-1].isalpha():
            labels["topology.kubernetes.io/region"] = zone[:-1].rstrip("-")
    labels |= group.labels
    address = f"10.{1 + index // 65_025}.{index // 255 % 255}.{index % 255 + 1}"
    identity = hashlib.sha256(name.encode()).hexdigest()
    status = alike["status"] if alike else _status(machine, now)
    info = {
        "machineID": identity[:32],
        "systemUUID": str(uuid.UUID(identity[:32])),
        "bootID": str(uuid.UUID(identity[32:])),
    }
    spec: Object = {"providerID": f"{group.provider}{name}"} if group.provider else {}
    if group.taints:
        spec["taints"] = list(group.taints)
    if group.unschedulable:
        spec["unschedulable"] = True
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "uid": str(uuid.UUID(hashlib.sha256(f"uid {name}".encode()).hexdigest()[:32])),
            "creationTimestamp": now,
            "labels": dict(sorted(labels.items())),
            "annotations": {"node.alpha.kubernetes.io/ttl": "0", **system.get("annotations", {})},
        },
        "spec": spec,
        "status": {
            **status,
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "nodeInfo": {**info, **status["nodeInfo"], **info},
        },
    }


def _status(machine: Machine, now: str) -> Object:
    group, system = machine.group, machine.system
    amounts = {"cpu": group.cpu, "ephemeral-storage": "100Gi", "memory": group.memory, "pods": group.pods}
    ready = "kubelet is posting ready status"
    minor = int(group.kubelet.split(".")[1])
    if minor < 30 and machine.security.get("apparmor"):  # kubelets do not report it since 1.30
        ready += ". AppArmor enabled"
    conditions = [
        _condition(kind, "False", reason, f"kubelet has {said}", now)
        for kind, reason, said in (
            ("MemoryPressure", "KubeletHasSufficientMemory", "sufficient memory available"),
            ("DiskPressure", "KubeletHasNoDiskPressure", "no disk pressure"),
            ("PIDPressure", "KubeletHasSufficientPID", "sufficient PID available"),
        )
    ]
    if group.ready:
        conditions.append(_condition("Ready", "True", "KubeletReady", ready, now))
    else:
        text = "Kubelet stopped posting node status."
        conditions.append(_condition("Ready", "Unknown", "NodeStatusUnknown", text, now))
    return {
        "capacity": dict(amounts),
        "allocatable": {**amounts, "ephemeral-storage": "90Gi"},
        "conditions": conditions,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "kernelVersion": system["kernel"],
            "osImage": system["os-image"],
            "containerRuntimeVersion": system["runtime"],
            "kubeletVersion": group.kubelet + system.get("kubelet-suffix", ""),
            "kubeProxyVersion": "",
            "operatingSystem": machine.operating_system,
            "architecture": group.arch,
        },
    }


def _condition(kind: str, status: str, reason: str, message: str, now: str) -> Object:
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    return {"type": kind, "status": status, **times, "reason": reason, "message": message}


CONTROLLERS_LABELS = ("beta.kubernetes.io/arch", "beta.kubernetes.io/os")


def _ownership(node: Object, now: str) -> list[Object]:
    """Returns the field ownership of a new node: the kubelet owns labels and status, the controllers the rest."""
    metadata = node["metadata"]
    kubelets = {name: value for name, value in metadata["labels"].items() if name not in CONTROLLERS_LABELS}
    steps: list[tuple[str, str, Object]] = [
        ("kubelet", "", {"metadata": {"labels": kubelets}, "spec": {}, "status": {}}),
        ("kubelet", "status", {"metadata": {"labels": kubelets}, "spec": {}, "status": node["status"]}),
        ("kube-controller-manager", "", node),
    ]
    before: Object = {**NODE.zero}
    for manager, subresource, after in steps:
        writer = Manager(manager, "Update", "v1", subresource)
        owned = updated(before, after, NODE.schema, writer, now)
        before = {**after, "metadata": {**after["metadata"], "managedFields": owned}}
    listed: list[Object] = before["metadata"]["managedFields"]
    return listed
