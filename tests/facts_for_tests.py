"""Clusters for tests: a node or a cluster is made with what the test is about, the rest is plain."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from wizard.choices.answers import Answers, NodesChoice
from wizard.facts.cluster import ClusterFacts, ClusterIdentity, KubernetesObject, NodeFacts, Right, Taint
from wizard.names import NAMESPACE, NODE_LABEL
from wizard.nodes.verdicts import NodeVerdict
from wizard.plan.judgement import Judgement, Reading

CONTROL_PLANE = Taint("node-role.kubernetes.io/control-plane", "", "NoSchedule")
UBUNTU_22: dict[str, Any] = {"os_image": "Ubuntu 22.04.4 LTS", "kernel": "5.15.0-105-generic"}
UBUNTU_24: dict[str, Any] = {"os_image": "Ubuntu 24.04.1 LTS", "kernel": "6.8.0-45-generic"}
AMAZON: dict[str, Any] = {"os_image": "Amazon Linux 2023.6.20241010", "kernel": "6.1.112-122.189.amzn2023.x86_64"}
RHCOS: dict[str, Any] = {
    "os_image": "Red Hat Enterprise Linux CoreOS 416.94.202409",
    "kernel": "5.14.0-427.el9.x86_64",
    "container_runtime": "cri-o://1.29.8",
}
BOTTLEROCKET: dict[str, Any] = {"os_image": "Bottlerocket OS 1.21.1 (aws-k8s-1.31)", "kernel": "6.1.102"}
TALOS: dict[str, Any] = {"os_image": "Talos (v1.10.2)", "kernel": "6.12.25-talos"}
WINDOWS: dict[str, Any] = {
    "os_image": "Windows Server 2022 Datacenter",
    "kernel": "10.0.20348.2655",
    "operating_system": "windows",
}

PLAN_RIGHTS = tuple(
    Right(verb, resource, group, namespace, allowed=True)
    for verb, resource, group, namespace in (
        ("list", "nodes", "", ""),
        ("patch", "nodes", "", ""),
        ("patch", "namespaces", "", ""),
        ("create", "namespaces", "", ""),
        ("patch", "resourcequotas", "", NAMESPACE),
        ("patch", "configmaps", "", NAMESPACE),
        ("patch", "daemonsets", "apps", NAMESPACE),
    )
)


def node(name: str = "node-1", *, labelled: bool = False, **fields: Any) -> NodeFacts:
    """A ready Amazon Linux 2023 node, where nothing is in the way, but for what the test says."""
    labels = {"kubernetes.io/os": fields.get("operating_system", "linux"), **fields.pop("labels", {})}
    if labelled:
        labels[NODE_LABEL] = "enabled"
    plain: dict[str, Any] = {
        **AMAZON,
        "container_runtime": "containerd://1.7.22",
        "kubelet_version": "v1.31.2",
        "ready_message": "kubelet is posting ready status",
        "allocatable": {"pods": 50},
    }
    return NodeFacts(name, labels, **{**plain, **fields})


def nodes(count: int, prefix: str = "node", **fields: Any) -> tuple[NodeFacts, ...]:
    return tuple(node(f"{prefix}-{number:05}", **fields) for number in range(count))


def cluster(*members: NodeFacts, distribution: str = "Kubernetes", **fields: Any) -> ClusterFacts:
    """A cluster where the person holds every right, but for what the test says."""
    identity = ClusterIdentity("prod", "https://10.0.0.1:6443", "v1.31.2", distribution, uid="u-1", user="admin")
    plain: dict[str, Any] = {"rights": PLAN_RIGHTS, "nodes": members}
    return ClusterFacts("2026-11-23T18:31:00Z", identity, **{**plain, **fields})


def judged(facts: ClusterFacts, answers: Answers | None = None) -> Judgement:
    """What follows from these facts and choices, before the server was asked."""
    return Judgement(Reading.of(facts), answers or Answers())


def chosen(facts: ClusterFacts, choice: NodesChoice | None = None) -> tuple[NodeVerdict, ...]:
    """The nodes that a choice selects."""
    return judged(facts, Answers(nodes=choice or NodesChoice())).chosen


def namespace(phase: str = "Active", **labels: str) -> KubernetesObject:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {key.replace("__", "/"): text for key, text in labels.items()}},
        "status": {"phase": phase},
    }


def live_quota(spec: dict[str, Any], manager: str = "kubectl-create") -> KubernetesObject:
    """A live ResourceQuota that this manager wrote."""
    hard: dict[str, Any] = {f"f:{name}": {} for name in spec.get("hard", {})}
    entry = {"manager": manager, "operation": "Update", "time": "2026-11-01T10:00:00Z"}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {
            "name": NAMESPACE,
            "namespace": NAMESPACE,
            "managedFields": [{**entry, "fieldsV1": {"f:spec": {"f:hard": {".": {}, **hard}}}}],
        },
        "spec": spec,
    }


def taints() -> st.SearchStrategy[Taint]:
    return st.builds(
        Taint,
        st.sampled_from(["dedicated", "nvidia.com/gpu", "spot", "node.kubernetes.io/unschedulable"]),
        st.sampled_from(["", "coder", "true"]),
        st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"]),
    )


@st.composite
def clusters(draw: st.DrawFn, largest: int = 90) -> ClusterFacts:
    """Clusters of any mix of systems, taints and labels."""
    count = draw(st.integers(0, largest))
    systems = st.sampled_from([UBUNTU_22, UBUNTU_24, AMAZON, RHCOS, BOTTLEROCKET, TALOS, WINDOWS])
    kinds = draw(
        st.lists(
            st.tuples(
                systems, st.lists(taints(), max_size=2), st.booleans(), st.sampled_from(["amd64", "arm64", "arm"])
            ),
            min_size=1,
            max_size=5,
        )
    )
    members = []
    for number in range(count):
        system, marks, labelled, architecture = kinds[number % len(kinds)]
        members.append(
            node(f"node-{number:03}", labelled=labelled, taints=tuple(marks), architecture=architecture, **system)
        )
    return cluster(*members)
