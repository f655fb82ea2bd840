"""What was read from a cluster, once, with its time; nothing here is judged.

Facts are plain frozen data. They can be saved and loaded (``to_json``, ``from_json``), so that a bug
report or a demonstration replays without the cluster. They hold no credentials.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wizard.names import FUSE_RESOURCE, NODE_LABEL, NODE_LABEL_VALUE

FACTS_VERSION = 1

KubernetesObject = dict[str, Any]
"""An object as the API server has it in JSON."""


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint; ``str()`` is the form of ``kubectl taint``."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node: what the kubelet and the cloud say of it.

    ``allocatable`` has counts of extended resources of device plugins and of ``pods`` only.
    """

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    os_image: str = ""
    kernel: str = ""
    container_runtime: str = ""
    kubelet_version: str = ""
    operating_system: str = "linux"
    architecture: str = "amd64"
    ready: bool = True
    ready_message: str = ""
    unschedulable: bool = False
    provider_id: str = ""
    allocatable: Mapping[str, int] = field(default_factory=dict)

    @property
    def labelled(self) -> bool:
        """Whether the daemon set's node selector of the guide finds this node."""
        return self.labels.get(NODE_LABEL) == NODE_LABEL_VALUE

    @property
    def fuse_devices(self) -> int:
        """How many FUSE devices the node advertises now."""
        return self.allocatable.get(FUSE_RESOURCE, 0)


Purpose = Literal["plan", "observe", "pods"]
"""What a right is for: the plan itself, seeing how its rollout goes, or the short pods of probe and verification."""


@dataclass(frozen=True, slots=True)
class Right:
    """One access review: may the person do this? ``allowed`` is None where the review itself failed."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    subresource: str = ""
    allowed: bool | None = None
    reason: str = ""
    purpose: Purpose = "plan"

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        resource = f"{resource}/{self.subresource}" if self.subresource else resource
        return f"{self.verb} {resource}" + (f" in {self.namespace}" if self.namespace else "")


DRY_RUN = "a dry run of the device manager's pod"
"""What the reading is called that asks admission."""

LEVEL_REFUSES = "violates PodSecurity"
"""What a server says of a pod that a Pod Security level refuses."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read: what, the verb and resource that it takes, and the server's words."""

    what: str
    verb: str
    resource: str
    message: str


@dataclass(frozen=True, slots=True)
class DevicePlugin:
    """A daemon set elsewhere in the cluster that looks as if it offers FUSE devices too."""

    namespace: str
    name: str
    image: str


@dataclass(frozen=True, slots=True)
class ScaledPool:
    """A pool of nodes that an autoscaler grows (``manager``: "cluster autoscaler", "Karpenter", "OpenShift").

    ``nodes`` is how many it is meant to have now, ``largest`` None where nothing limits it. ``labels`` are those that
    its nodes come with, None where that is not told. ``knows_fuse`` says that its autoscaler was told of the FUSE
    device. ``as_of`` is when the manager wrote it, "" where it is what holds now.
    """

    manager: str
    name: str
    nodes: int
    smallest: int
    largest: int | None
    labels: Mapping[str, str] | None = None
    knows_fuse: bool = False
    as_of: str = ""


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """Which cluster this is. ``uid`` is the uid of the namespace kube-system, "" where it may not be read."""

    context: str
    server: str
    version: str
    distribution: str
    uid: str = ""
    user: str = ""
    sandbox: str = ""
    """The sandbox's scenario, where it is one."""

    @property
    def words(self) -> str:
        """The cluster as every confirmation names it: context, server, version, and the uid by which it is known."""
        uid = f", uid {self.uid}" if self.uid and not self.sandbox else ""
        return f"{self.context or 'in-cluster'}, {self.server}, {self.version}{uid}"


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """All that was read. ``nodes`` is None where they may not be listed.

    ``objects`` holds the objects of the guide that are there, by kind, as the server has them (managed
    fields included). ``clock_skew`` is in seconds, positive where the server is ahead.
    """

    read_at: str
    identity: ClusterIdentity
    rights: tuple[Right, ...] = ()
    nodes: tuple[NodeFacts, ...] | None = None
    objects: Mapping[str, KubernetesObject] = field(default_factory=dict)
    device_plugins: tuple[DevicePlugin, ...] = ()
    plugin_pods: tuple[KubernetesObject, ...] = ()
    unread: tuple[Unread, ...] = ()
    clock_skew: float = 0.0
    warnings: tuple[str, ...] = ()
    """Warnings that the server sent along, each once."""
    pod_refusal: str = ""
    """The server's words where admission refuses a dry run of the device manager's pod: Pod Security, a webhook, or
    the wish for a quota of critical pods."""
    scaled_pools: tuple[ScaledPool, ...] = ()

    def rights_for(self, pods_in: Collection[str] = ()) -> tuple[Right, ...]:
        """The rights that count where short pods run in these namespaces; by default where none runs at all."""
        return tuple(right for right in self.rights if right.purpose != "pods" or right.namespace in pods_in)

    def missing_rights(self, pods_in: Collection[str] = ()) -> tuple[Right, ...]:
        """Those of ``rights_for`` that the server denies."""
        return tuple(right for right in self.rights_for(pods_in) if right.allowed is False)

    def to_json(self) -> dict[str, Any]:
        """A document for ``from_json``: JSON types only."""
        return {"facts": FACTS_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ClusterFacts:
        """The facts again. Raises ValueError, KeyError or TypeError where the document is not of ``to_json``."""
        content = dict(document)
        if content.pop("facts", None) != FACTS_VERSION:
            raise ValueError("not a facts file of this version")
        nodes = content["nodes"]
        for node in nodes or ():
            if not isinstance(node["labels"], Mapping) or not isinstance(node["allocatable"], Mapping):
                raise TypeError(f"node {node['name']}: labels and allocatable must be mappings")
        content["identity"] = ClusterIdentity(**content["identity"])
        content["rights"] = tuple(Right(**right) for right in content["rights"])
        content["nodes"] = (
            None
            if nodes is None
            else tuple(NodeFacts(**{**n, "taints": tuple(Taint(**t) for t in n["taints"])}) for n in nodes)
        )
        content["device_plugins"] = tuple(DevicePlugin(**plugin) for plugin in content["device_plugins"])
        content["unread"] = tuple(Unread(**unread) for unread in content["unread"])
        content["plugin_pods"] = tuple(content["plugin_pods"])
        content["scaled_pools"] = tuple(ScaledPool(**pool) for pool in content.get("scaled_pools", ()))
        for pool in content["scaled_pools"]:
            if not isinstance(pool.labels or {}, Mapping) or not isinstance(pool.nodes, int):
                raise TypeError(f"pool {pool.name}: labels must be a mapping, nodes a number")
        content["warnings"] = tuple(content["warnings"])
        return cls(**content)
