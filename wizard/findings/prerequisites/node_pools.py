"""Rules about managed pools: whether labels last on their nodes, and whether they scale up for FUSE."""

from __future__ import annotations

import re
import shlex
from datetime import datetime, timedelta

from wizard.facts.cluster import ScaledPool
from wizard.finding import Outcome, Remedy
from wizard.findings.prerequisites.situation import Judged, Situation, names, not_looked_at
from wizard.names import FUSE_RESOURCE, NODE_LABEL, NODE_LABEL_VALUE
from wizard.nodes.autoscaling import RESOURCES
from wizard.nodes.pools import Pool, make_pool, pool_of, pools
from wizard.text.counting import counted

STALE = timedelta(hours=1)
"""If the status is older, the autoscaler no longer runs: it writes every ten seconds."""


def durable(situation: Situation) -> Judged:
    """Checks for labels that are lost when a pool replaces a node."""
    if situation.every_node:
        return Judged(Outcome.SKIPPED, "No node labels to keep", "The DaemonSet has no node selector.")
    if not situation.chosen:
        return Judged(Outcome.SKIPPED, "No node labels to keep", "No node is selected.")
    carried = {(pool.manager, pool.name) for pool in situation.facts.scaled_pools if _labelled(pool)}
    managed = [(pool, count) for pool, count in pools(situation.chosen) if (pool.manager, pool.name) not in carried]
    if not managed:
        without = [verdict for verdict in situation.chosen if pool_of(verdict.node) is None]
        if without:
            machines = [verdict for verdict in without if _of_a_provider(verdict.node.provider_id)]
            seen = f"no sign of a managed pool on {counted(len(without), 'selected node')}: {names(without)}"
            made = f"the provider's ID of {machines[0].node.name}: {machines[0].node.provider_id}" if machines else ""
            return Judged(
                Outcome.UNKNOWN if machines else Outcome.INFO,
                "Not known whether node labels last" if machines else "Labels last while the nodes do",
                "If something replaces these nodes, a new node does not have the label unless its configuration sets "
                "it. Nodes that stay keep it.",
                tuple(filter(None, (seen, made))),
                nodes=len(without),
                confidence="high" if machines else "medium",
            )
        return Judged(
            Outcome.OK,
            "The pools set the label themselves",
            evidence=("the pools of the selected nodes set the label themselves",),
        )
    number = sum(count for _, count in managed)
    return Judged(
        Outcome.WARNING,
        "Labels on managed-pool nodes do not last",
        f"{number} of {counted(len(situation.chosen), 'selected node')} {'belongs' if number == 1 else 'belong'} to "
        f"{counted(len(managed), 'managed pool')}. Replacement nodes do not have the label unless you set it on the "
        "pool.",
        tuple(f"{pool.manager} pool {pool.name}: {counted(count, 'node')}".strip() for pool, count in managed[:5]),
        tuple(Remedy(_how(pool), pool.command, touches=f"pool {pool.name}") for pool, _ in managed),
        number,
    )


def _of_a_provider(provider_id: str) -> bool:
    """Tells whether a node is a machine of a provider, which can replace it; k3s and kind name only themselves."""
    return bool(provider_id) and provider_id.partition("://")[0] not in ("k3s", "kind")


def _how(pool: Pool) -> str:
    return f"Set the label on pool {pool.name}. {pool.caution}"


def scaled(situation: Situation) -> Judged:
    """Checks for pools that an autoscaler does not scale up for a workspace with FUSE."""
    facts = situation.facts
    current = [pool for pool in facts.scaled_pools if not _stale(pool, facts.read_at)]
    deaf = [pool for pool in current if _is_deaf(pool)]
    hidden = [unread for unread in facts.unread if unread.resource in RESOURCES]
    if deaf:
        meant = situation.answers.nodes.all or situation.every_node or any(map(_labelled, deaf))
        number = len(deaf)
        return Judged(
            Outcome.WARNING if meant else Outcome.INFO,
            f"{counted(number, 'autoscaled pool')} cannot scale up for FUSE",
            f"The autoscaler does not know that a new node would provide {FUSE_RESOURCE}. Workspaces that find no free "
            "device stay Pending, and no node is added.",
            (
                *(f"{pool.manager}, pool {pool.name}: {_why_deaf(pool)}" for pool in deaf[:5]),
                *([f"and {number - 5} more"] if number > 5 else []),
                *(f"not checked: {unread.what} ({unread.verb} {unread.resource})" for unread in hidden),
            ),
            tuple(dict.fromkeys(remedy for pool in deaf for remedy in _remedies(pool))),
        )
    if hidden:
        return not_looked_at("autoscaled pools", "An autoscaler must know the resource to add nodes.", hidden[0])
    if not current:
        old = len(facts.scaled_pools)
        return Judged(
            Outcome.SKIPPED,
            "No autoscaled pools found",
            "The status of the cluster autoscaler is out of date: it no longer runs."
            if old
            else "There is no cluster autoscaler status, no Karpenter NodePool, and no autoscaled MachineSet.",
        )
    return Judged(
        Outcome.OK,
        f"{counted(len(current), 'autoscaled pool')} can scale up for FUSE",
        "A pool of the cluster autoscaler can do so only while it has a node that advertises FUSE.",
        tuple(
            f"{pool.manager}, pool {pool.name}: {'FUSE configured' if pool.knows_fuse else counted(pool.nodes, 'node')}"
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
    size = counted(pool.nodes, "node")
    bounds = "" if pool.largest is None else f", {pool.smallest} to {pool.largest}"
    return f"{size}{bounds}{', no NodeOverlay with the resource' if pool.manager == 'Karpenter' else ''}"


def _labelled(pool: ScaledPool) -> bool:
    return (pool.labels or {}).get(NODE_LABEL) == NODE_LABEL_VALUE


_GROUP_NAMES = (
    ("AKS", re.compile(r"aks-(.+)-\d+-vmss$")),
    ("EKS", re.compile(r"eks-(.+)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")),
    ("OpenShift", re.compile(r"MachineSet/openshift-machine-api/(.+)$")),
)


def _managed(pool: ScaledPool) -> tuple[str, str]:
    """Returns the platform of a pool and its name there; "" if the autoscaler's name for it does not show it."""
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
        text = f"Set the label {NODE_LABEL}={NODE_LABEL_VALUE} in the configuration of pool {name}."
        return (*grows, Remedy(text, touches=touches))
    made = make_pool(manager, name)
    return (*grows, Remedy(_how(made), made.command, touches=touches))


def _ways_to_grow(pool: ScaledPool, manager: str, name: str) -> tuple[Remedy, ...]:
    touches, quoted, most = f"pool {name}", shlex.quote(name), pool.largest or "MOST"
    if manager == "Karpenter":
        return (
            Remedy(
                "Add the resource to Karpenter (NodeOverlay is alpha: turn on its feature gate).",
                _NODE_OVERLAY,
                touches="what Karpenter expects of these machine types",
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
        f"{either} one node in {touches}. From a node that advertises FUSE, the autoscaler learns of the resource.",
        commands.get(manager, ""),
        touches=f"{touches}: one node always runs",
    )
    if manager != "EKS":
        return (keep,)
    group = f"ResourceId={shlex.quote(pool.name)},ResourceType=auto-scaling-group"
    tag = Remedy(
        f"Add the resource as a tag on the Auto Scaling group of {touches}.",
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
