"""Facts: what was read from a cluster at one time, without any judgment.

Facts are plain frozen data. They can be saved and loaded (``to_json``, ``from_json``), so that a bug report or a
demonstration can use them without the cluster. They contain no credentials.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wizard.facts.full_nodes import FullNode, RunningPod
from wizard.names import FUSE_RESOURCE, NODE_LABEL, NODE_LABEL_VALUE

FACTS_VERSION = 1

KubernetesObject = dict[str, Any]
"""An object in JSON, as the API server returns it."""


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint; ``str()`` is the form of ``kubectl taint``."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


SIGNS = (
    "machine.openshift.io/machine",
    "oci.oraclecloud.com/node-pool-id",
    "cluster.x-k8s.io/owner-name",
    "kwok.x-k8s.io/node",
)
"""The annotations of a node that show who made it."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node, as the kubelet and the cloud provider describe it.

    ``allocatable`` has only the counts of ``pods`` and of device plugins' extended resources, ``annotations`` only the
    SIGNS of whoever made the node. ``created`` is the time at which the node joined, as Kubernetes writes it.
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
    annotations: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    @property
    def labelled(self) -> bool:
        """Whether the node has the label that the guide's node selector requires."""
        return self.labels.get(NODE_LABEL) == NODE_LABEL_VALUE

    @property
    def fuse_devices(self) -> int:
        """How many FUSE devices the node advertises now."""
        return self.allocatable.get(FUSE_RESOURCE, 0)


Purpose = Literal["plan", "observe", "pods"]
"""What a permission is for: the plan itself, watching its rollout, or the probe pods and test pods."""


@dataclass(frozen=True, slots=True)
class Right:
    """A permission and its access review. ``allowed`` is None if the review itself failed."""

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
"""The name of the read that asks admission (in ``Unread.what``)."""

LEVEL_REFUSES = "violates PodSecurity"
"""Part of the server's message when a Pod Security level rejects a pod."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A fact that could not be read: what it is, the required verb and resource, and the server's message."""

    what: str
    verb: str
    resource: str
    message: str


@dataclass(frozen=True, slots=True)
class DevicePlugin:
    """Another DaemonSet in the cluster that seems to offer FUSE devices."""

    namespace: str
    name: str
    image: str


@dataclass(frozen=True, slots=True)
class ScaledPool:
    """An autoscaled pool (``manager``: "cluster autoscaler", "Karpenter", "OpenShift").

    ``nodes`` is its current target size, ``largest`` is None without a limit. ``labels`` are the labels of its new
    nodes, None if they are not known. ``knows_fuse`` says that the FUSE resource is configured in its autoscaler.
    ``as_of`` is when the manager wrote this, "" if it is current.
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
    """The identity of a cluster. ``uid`` is the uid of the namespace kube-system, "" if it cannot be read."""

    context: str
    server: str
    version: str
    distribution: str
    uid: str = ""
    user: str = ""
    sandbox: str = ""
    """The scenario, if this is the sandbox."""

    @property
    def words(self) -> str:
        """The cluster as every confirmation names it: context, server, version, and uid."""
        uid = f", uid {self.uid}" if self.uid and not self.sandbox else ""
        return f"{self.context or 'in-cluster'}, {self.server}, {self.version}{uid}"


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """All facts. ``nodes`` is None if they cannot be listed.

    ``objects`` has the existing objects of the guide by kind, as the server returns them (with managed fields).
    ``clock_skew`` is in seconds, positive if the server is ahead.
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
    """The warnings of the server, each once."""
    pod_refusal: str = ""
    """The server's message if admission rejects a dry run of the device manager's pod: Pod Security, a webhook, or a
    required quota for critical pods."""
    scaled_pools: tuple[ScaledPool, ...] = ()
    full_nodes: tuple[FullNode, ...] = ()
    """The nodes without a pod of the device manager, and without room for one more pod."""
    labelled_by_run: Mapping[str, str] = field(default_factory=dict)
    """By node, the start of the wizard's run that set its label last, as the journal on this machine has it."""

    def rights_for(self, pods_in: Collection[str] = ()) -> tuple[Right, ...]:
        """Returns the required permissions if probe pods or test pods run in these namespaces (default: in none)."""
        return tuple(right for right in self.rights if right.purpose != "pods" or right.namespace in pods_in)

    def missing_rights(self, pods_in: Collection[str] = ()) -> tuple[Right, ...]:
        """Returns the permissions of ``rights_for`` that the server denies."""
        return tuple(right for right in self.rights_for(pods_in) if right.allowed is False)

    def to_json(self) -> dict[str, Any]:
        """Returns a document for ``from_json`` with JSON types only."""
        return {"facts": FACTS_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ClusterFacts:
        """Returns the facts of a document whose types were checked.

        Raises ValueError, KeyError, or TypeError if it is not one of this version.
        """
        content = dict(document)
        if content.pop("facts", None) != FACTS_VERSION:
            raise ValueError("not a facts file of this version")
        nodes = content.get("nodes")
        content["identity"] = ClusterIdentity(**content["identity"])
        content["rights"] = tuple(Right(**right) for right in content.get("rights", ()))
        content["nodes"] = (
            None
            if nodes is None
            else tuple(NodeFacts(**{**n, "taints": tuple(Taint(**t) for t in n.get("taints", ()))}) for n in nodes)
        )
        content["device_plugins"] = tuple(DevicePlugin(**plugin) for plugin in content.get("device_plugins", ()))
        content["unread"] = tuple(Unread(**unread) for unread in content.get("unread", ()))
        content["plugin_pods"] = tuple(content.get("plugin_pods", ()))
        # A null was taken out, and this field has no default: the pool has no limit.
        pools = ({"largest": None, **pool} for pool in content.get("scaled_pools", ()))
        content["scaled_pools"] = tuple(ScaledPool(**pool) for pool in pools)
        content["full_nodes"] = tuple(
            FullNode(
                one["node"],
                one["excess"],
                tuple(RunningPod(**pod) for pod in one["pods"]) if one.get("pods") is not None else None,
            )
            for one in content.get("full_nodes", ())
        )
        content["warnings"] = tuple(content.get("warnings", ()))
        return cls(**content)
