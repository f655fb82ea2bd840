"""Checks whether this cluster and your permissions are enough for the plan. Each rule yields one finding.

A rule that cannot read what it needs yields ``unknown`` with the missing permission; one that does not apply yields
``skipped`` with the reason. No rule depends on another. Each module holds the rules of one category.
"""

from __future__ import annotations

from wizard.facts.cluster import ClusterFacts, Unread
from wizard.finding import Finding, Outcome
from wizard.findings.prerequisites.admission import autopilot, openshift, pod_security, terminating, webhook
from wizard.findings.prerequisites.connection import clock, reachable, version
from wizard.findings.prerequisites.device_manager import capacity, duplicates, installed, kubelet_path, memory, running
from wizard.findings.prerequisites.documents import documents
from wizard.findings.prerequisites.drift import drift
from wizard.findings.prerequisites.fuse import need
from wizard.findings.prerequisites.node_pools import durable, scaled
from wizard.findings.prerequisites.nodes import eligible, kernel, os_arch, ready, tainted, virtual
from wizard.findings.prerequisites.owners import field_owners, gitops
from wizard.findings.prerequisites.quota import critical_class, quota
from wizard.findings.prerequisites.rights import rights
from wizard.findings.prerequisites.situation import Judged, Rule, Situation, not_looked_at

__all__ = ["RULES", "Situation", "judge_prerequisites"]


def judge_prerequisites(situation: Situation) -> tuple[Finding, ...]:
    """Returns one finding per rule, in the order of the rules."""
    return tuple(_apply(rule, situation) for rule in RULES)


def _apply(rule: Rule, situation: Situation) -> Finding:
    judged = _out_of_sight(rule, situation.facts) or rule.judge(situation)
    return Finding(
        rule.id,
        rule.category,
        judged.outcome,
        judged.title,
        judged.detail,
        judged.evidence,
        judged.confidence,
        judged.remedies,
        judged.nodes,
    )


def _out_of_sight(rule: Rule, facts: ClusterFacts) -> Judged | None:
    """Returns the finding of a rule that cannot run: its data cannot be read, or there are no nodes."""
    for unread in facts.unread:
        if unread.resource in rule.needs:
            return not_looked_at(rule.title, rule.why, unread)
    if "nodes" in rule.needs and facts.nodes is None:
        return not_looked_at(rule.title, rule.why, Unread("nodes", "list", "nodes", "these facts do not include nodes"))
    if "nodes" in rule.needs and not facts.nodes and rule.id != "node.eligible":
        return Judged(Outcome.SKIPPED, f"No nodes: {rule.title}"[:55], "This cluster has no nodes.")
    return None


_DAEMON_SET, _QUOTAS, _NAMESPACES = "daemonsets.apps", "resourcequotas", "namespaces"

RULES: tuple[Rule, ...] = (
    Rule("kube.reachable", "connection", "the API server", "The wizard uses it for everything.", reachable),
    Rule("rbac.plan", "permissions", "your permissions", "Each step needs some.", rights),
    Rule("node.eligible", "nodes", "nodes that qualify", "Only they can offer FUSE.", eligible, ("nodes",)),
    Rule("kube.version", "connection", "the Kubernetes version", "The wizard uses server-side apply.", version),
    Rule("kube.clock-skew", "connection", "the clocks", "Tokens and certificates depend on the time.", clock),
    Rule(
        "namespace.terminating",
        "admission",
        "the namespace",
        "Nothing can be created in a namespace that is being deleted.",
        terminating,
        (_NAMESPACES,),
    ),
    Rule(
        "adm.psa-namespace",
        "admission",
        "Pod Security",
        "An enforced level can reject the device manager.",
        pod_security,
        (_NAMESPACES,),
    ),
    Rule("adm.autopilot", "admission", "GKE Autopilot", "It forbids host paths.", autopilot),
    Rule(
        "adm.webhook", "admission", "admission webhooks", "An admission policy can reject the device manager.", webhook
    ),
    Rule(
        "adm.openshift-scc",
        "admission",
        "security context constraints",
        "OpenShift rejects host paths without one.",
        openshift,
    ),
    Rule(
        "quota.daemonset-pods",
        "quota",
        "the quota",
        "It limits how many nodes can run the device manager.",
        quota,
        ("nodes", _QUOTAS),
    ),
    Rule("quota.critical-class", "quota", "critical pods", "GKE requires a quota for them.", critical_class),
    Rule("node.taints", "nodes", "taints", "The DaemonSet tolerates only a few by default.", tainted, ("nodes",)),
    Rule(
        "node.os-arch", "nodes", "operating systems", "The image supports two CPU architectures.", os_arch, ("nodes",)
    ),
    Rule("node.virtual", "nodes", "virtual nodes", "DaemonSets do not run there.", virtual, ("nodes",)),
    Rule("node.kernel-min", "nodes", "kernels", "FUSE in user namespaces needs a recent one.", kernel, ("nodes",)),
    Rule("node.needs-fuse", "nodes", "the need for FUSE", "Some workspaces can do without it.", need, ("nodes",)),
    Rule("node.ready", "nodes", "node readiness", "The rollout waits for every selected node.", ready, ("nodes",)),
    Rule(
        "node.label-durable",
        "nodes",
        "managed pools",
        "A replacement node does not have the label.",
        durable,
        ("nodes",),
    ),
    Rule(
        "node.drift",
        "nodes",
        "nodes that changed since",
        "Nodes come and go after the installation.",
        drift,
        ("nodes", _DAEMON_SET),
    ),
    Rule("node.autoscaled", "nodes", "autoscaled pools", "It must know the resource to add nodes.", scaled),
    Rule(
        "plugin.installed",
        "device manager",
        "the current installation",
        "The plan changes it.",
        installed,
        (_DAEMON_SET,),
    ),
    Rule(
        "plugin.running", "device manager", "device manager pods", "A failing pod offers no FUSE.", running, ("pods",)
    ),
    Rule(
        "plugin.duplicate-resource",
        "device manager",
        "other device plugins",
        "Two plugins that offer the same resource on a node interfere.",
        duplicates,
        (_DAEMON_SET,),
    ),
    Rule(
        "plugin.kubelet-path",
        "device manager",
        "the plugin folder",
        "The plugin registers with the kubelet there.",
        kubelet_path,
        ("nodes",),
    ),
    Rule(
        "plugin.capacity-vs-maxpods",
        "device manager",
        "FUSE devices per node",
        "They limit how many workspaces a node can run.",
        capacity,
        ("nodes",),
    ),
    Rule(
        "plugin.memory-limit",
        "device manager",
        "the memory limit",
        "The guide's 15Mi is no longer enough.",
        memory,
        (_DAEMON_SET,),
    ),
    Rule(
        "gitops.owner",
        "field managers",
        "GitOps tools",
        "They revert changes to the objects they manage.",
        gitops,
        (_DAEMON_SET,),
    ),
    Rule(
        "field.owner",
        "field managers",
        "other field managers",
        "The server protects the fields they set.",
        field_owners,
        (_DAEMON_SET,),
    ),
    Rule("docs.podman", "documents", "documents", "The guide says to read them first.", documents),
)
"""All rules, in the order in which findings are shown: decisive ones first."""
