"""Pools that make and replace their nodes: whether labels last there, and whether they grow for FUSE."""

from __future__ import annotations

import re
import shlex
from datetime import datetime, timedelta

from wizard.autoscaling import RESOURCES
from wizard.facts import ScaledPool
from wizard.findings import Outcome, Remedy
from wizard.names import FUSE_RESOURCE, NODE_LABEL, NODE_LABEL_VALUE
from wizard.nodes import make_pool, pools
from wizard.prerequisites.situation import Judged, Situation, counted, not_looked_at

STALE = timedelta(hours=1)
"""A status that is older tells of an autoscaler that no longer runs; it writes every ten seconds."""


def durable(situation: Situation) -> Judged:
    """Labels that go with their node."""
    if situation.every_node:
        return Judged(Outcome.SKIPPED, "No labels, nothing to keep", "The daemon set has no node selector.")
    if not situation.chosen:
        return Judged(Outcome.SKIPPED, "No labels, nothing to keep", "No node is chosen.")
    carried = {(pool.manager, pool.name) for pool in situation.facts.scaled_pools if _labelled(pool)}
    managed = [(pool, count) for pool, count in pools(situation.chosen) if (pool.manager, pool.name) not in carried]
    if not managed:
        return Judged(
            Outcome.PASS,
            "No sign of a pool that loses the label",
            "Pools of other kinds may replace their nodes all the same.",
            (
                "no label of Karpenter, EKS, AKS or GKE on the chosen nodes"
                if not carried
                else "the pools of the chosen nodes carry the label themselves",
            ),
            confidence="medium",
        )
    number = sum(count for _, count in managed)
    return Judged(
        Outcome.WARNING,
        "Node labels of a managed pool do not last",
        f"{number} of {len(situation.chosen)} chosen nodes are made by {counted(len(managed), 'pool')}. A node that "
        "replaces one comes without the label, unless the pool carries it.",
        tuple(f"{pool.manager} pool {pool.name}: {counted(count, 'node')}" for pool, count in managed[:5]),
        tuple(
            Remedy(f"Label pool {pool.name} itself. {pool.caution}", pool.command, touches=f"pool {pool.name}")
            for pool, _ in managed
        ),
        number,
    )


def scaled(situation: Situation) -> Judged:
    """Pools that an autoscaler does not grow for a workspace with FUSE."""
    facts = situation.facts
    current = [pool for pool in facts.scaled_pools if not _stale(pool, facts.read_at)]
    deaf = [pool for pool in current if _is_deaf(pool)]
    hidden = [unread for unread in facts.unread if unread.resource in RESOURCES]
    if deaf:
        meant = situation.answers.nodes.all or situation.every_node or any(map(_labelled, deaf))
        number = len(deaf)
        return Judged(
            Outcome.WARNING if meant else Outcome.INFO,
            f"{counted(number, 'autoscaled pool')} {'does' if number == 1 else 'do'} not grow for FUSE",
            f"Its autoscaler adds a node where it knows that the node would offer {FUSE_RESOURCE}. Workspaces that "
            "find no free device elsewhere stay pending, and no node comes.",
            (
                *(f"{pool.manager}, pool {pool.name}: {_why_deaf(pool)}" for pool in deaf[:5]),
                *([f"and {number - 5} more"] if number > 5 else []),
                *(f"not read: {unread.what} ({unread.verb} {unread.resource})" for unread in hidden),
            ),
            tuple(dict.fromkeys(remedy for pool in deaf for remedy in _remedies(pool))),
        )
    if hidden:
        return not_looked_at("autoscaled pools", "An autoscaler must know of a device to grow for it.", hidden[0])
    if not current:
        old = len(facts.scaled_pools)
        return Judged(
            Outcome.SKIPPED,
            "No autoscaled pool shows itself",
            "The cluster autoscaler's status is old: it no longer runs."
            if old
            else "Neither a status of the cluster autoscaler, nor Karpenter's pools, nor MachineSets that scale.",
        )
    return Judged(
        Outcome.PASS,
        f"{counted(len(current), 'autoscaled pool')} can grow for FUSE",
        "Those of the cluster autoscaler as long as they keep a node that offers it.",
        tuple(
            f"{pool.manager}, pool {pool.name}: {'knows FUSE' if pool.knows_fuse else counted(pool.nodes, 'node')}"
            for pool in current[:5]
        ),
        confidence="medium",
    )


def _stale(pool: ScaledPool, read_at: str) -> bool:
    try:
        return datetime.fromisoformat(read_at) - datetime.fromisoformat(pool.as_of) > STALE
    except (ValueError, TypeError):
        return False


def _is_deaf(pool: ScaledPool) -> bool:
    if pool.knows_fuse or pool.largest == 0:
        return False
    return pool.manager == "Karpenter" or pool.nodes == 0


def _why_deaf(pool: ScaledPool) -> str:
    size = "at zero" if pool.nodes == 0 else counted(pool.nodes, "node")
    bounds = "" if pool.largest is None else f", {pool.smallest} to {pool.largest}"
    return f"{size}{bounds}{', no NodeOverlay names the device' if pool.manager == 'Karpenter' else ''}"


def _labelled(pool: ScaledPool) -> bool:
    return (pool.labels or {}).get(NODE_LABEL) == NODE_LABEL_VALUE


_GROUP_NAMES = (
    ("AKS", re.compile(r"aks-(.+)-\d+-vmss$")),
    ("EKS", re.compile(r"eks-(.+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")),
    ("OpenShift", re.compile(r"MachineSet/openshift-machine-api/(.+)$")),
)


def _managed(pool: ScaledPool) -> tuple[str, str]:
    """Who makes the pool's nodes, and its name there; "" where the autoscaler's name for it does not tell."""
    if pool.manager != "cluster autoscaler":
        return pool.manager, pool.name
    if "/instanceGroups/gke-" in pool.name:
        return "GKE", "POOL"
    for manager, pattern in _GROUP_NAMES:
        if found := pattern.search(pool.name):
            return manager, found[1]
    return "", pool.name


def _remedies(pool: ScaledPool) -> tuple[Remedy, ...]:
    manager, name = _managed(pool)
    touches = f"pool {name}"
    grows = _ways_to_grow(pool, manager, name)
    if _labelled(pool):
        return grows
    if not manager:
        text = f"Have pool {name} give its nodes the label {NODE_LABEL}={NODE_LABEL_VALUE}, where the pool is made."
        return (*grows, Remedy(text, touches=touches))
    made = make_pool(manager, name)
    return (*grows, Remedy(f"Label {touches} itself. {made.caution}", made.command, touches=touches))


def _ways_to_grow(pool: ScaledPool, manager: str, name: str) -> tuple[Remedy, ...]:
    touches, quoted, most = f"pool {name}", shlex.quote(name), pool.largest or "MOST"
    if manager == "Karpenter":
        return (
            Remedy(
                "Tell Karpenter of the device (NodeOverlay: alpha, its feature gate must be on).",
                _NODE_OVERLAY,
                touches="what Karpenter takes these machines to offer",
            ),
        )
    commands = {
        "AKS": f"az aks nodepool update --resource-group GROUP --cluster-name CLUSTER --name {quoted} "
        f"--update-cluster-autoscaler --min-count 1 --max-count {most}",
        "EKS": f"aws eks update-nodegroup-config --cluster-name CLUSTER --nodegroup-name {quoted} "
        f"--scaling-config minSize=1,maxSize={most},desiredSize=1",
        "GKE": f"gcloud container node-pools update {quoted} --cluster CLUSTER --location LOCATION "
        f"--enable-autoscaling --min-nodes 1 --max-nodes {most}",
        "OpenShift": "oc -n openshift-machine-api patch machineautoscaler NAME --type merge "
        '-p \'{"spec":{"minReplicas":1}}\'',
    }
    either = "Or keep" if manager == "EKS" else "Keep"
    keep = Remedy(
        f"{either} one node in {touches}: where one offers FUSE, the autoscaler knows of it.",
        commands.get(manager, ""),
        touches=f"{touches}: one node always runs",
    )
    if manager != "EKS":
        return (keep,)
    group = f"ResourceId={shlex.quote(pool.name)},ResourceType=auto-scaling-group"
    tag = Remedy(
        f"Tell the autoscaler by a tag on the group of {touches}.",
        f"aws autoscaling create-or-update-tags --tags {group},"
        f"Key=k8s.io/cluster-autoscaler/node-template/resources/{FUSE_RESOURCE},Value=50,PropagateAtLaunch=true",
        touches=f"a tag of {touches}",
    )
    return (tag, keep)


_NODE_OVERLAY = f"""\
kubectl apply -f - <<END
apiVersion: karpenter.sh/v1alpha1
kind: NodeOverlay
metadata: {{name: fuse}}
spec:
  requirements: [{{key: node.kubernetes.io/instance-type, operator: In, values: [TYPES]}}]
  capacity: {{{FUSE_RESOURCE}: "50"}}
END"""
