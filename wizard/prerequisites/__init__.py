"""Can this cluster, and may this person? Rules judge the facts, one finding each.

A rule that cannot look yields ``unknown`` with the verb that is missing; one that does not apply yields
``skipped`` with the reason. Nothing else depends on it. A module here holds the rules of a category.
"""

from __future__ import annotations

from wizard.answers import Answers
from wizard.facts import ClusterFacts, Unread
from wizard.findings import Finding, Outcome
from wizard.prerequisites.admission import autopilot, openshift, pod_security, terminating, webhook
from wizard.prerequisites.connection import clock, reachable, version
from wizard.prerequisites.device_manager import capacity, duplicates, installed, kubelet_path, memory, running
from wizard.prerequisites.documents import documents
from wizard.prerequisites.node_pools import durable, scaled
from wizard.prerequisites.nodes import eligible, kernel, os_arch, ready, tainted, virtual
from wizard.prerequisites.owners import field_owners, gitops, gitops_owners, gitops_signs, gitops_tool
from wizard.prerequisites.quota import critical_class, quota
from wizard.prerequisites.rights import rights
from wizard.prerequisites.situation import Judged, Rule, Situation, not_looked_at

__all__ = ["RULES", "gitops_owners", "gitops_signs", "gitops_tool", "judge_prerequisites"]


def judge_prerequisites(facts: ClusterFacts, answers: Answers) -> tuple[Finding, ...]:
    """One finding a rule, in the order of the rules. Raises UsageError where a choice for the manifest does not fit."""
    situation = Situation(facts, answers)
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
    """What is found without judging: what the rule needs may not be read, or there is no node to look at."""
    for unread in facts.unread:
        if unread.resource in rule.needs:
            return not_looked_at(rule.title, rule.why, unread)
    if "nodes" in rule.needs and facts.nodes is None:
        return not_looked_at(rule.title, rule.why, Unread("nodes", "list", "nodes", "they are not in these facts"))
    if "nodes" in rule.needs and not facts.nodes and rule.id != "node.eligible":
        return Judged(Outcome.SKIPPED, f"No nodes: {rule.title}"[:55], "This cluster has no nodes.")
    return None


_DAEMON_SET, _QUOTAS, _NAMESPACES = "daemonsets.apps", "resourcequotas", "namespaces"

RULES: tuple[Rule, ...] = (
    Rule("kube.reachable", "connection", "the API server", "Everything goes through it.", reachable),
    Rule("rbac.plan", "rights", "your rights", "Each step takes some.", rights),
    Rule("node.eligible", "nodes", "nodes that qualify", "FUSE is offered by nodes.", eligible, ("nodes",)),
    Rule("kube.version", "connection", "the version", "The wizard writes by server-side apply.", version),
    Rule("kube.clock-skew", "connection", "the clocks", "Tokens and certificates have times.", clock),
    Rule(
        "namespace.terminating",
        "admission",
        "the namespace",
        "Nothing can be created in one that is being deleted.",
        terminating,
        (_NAMESPACES,),
    ),
    Rule(
        "adm.psa-namespace",
        "admission",
        "Pod Security",
        "An enforced level can refuse the device manager.",
        pod_security,
        (_NAMESPACES,),
    ),
    Rule("adm.autopilot", "admission", "GKE Autopilot", "It forbids host paths.", autopilot),
    Rule("adm.webhook", "admission", "admission webhooks", "A policy can refuse the device manager.", webhook),
    Rule("adm.openshift-scc", "admission", "constraints", "OpenShift refuses host paths without one.", openshift),
    Rule(
        "quota.daemonset-pods",
        "quota",
        "the quota",
        "It limits on how many nodes the device manager runs.",
        quota,
        ("nodes", _QUOTAS),
    ),
    Rule("quota.critical-class", "quota", "critical pods", "GKE wants a quota for them.", critical_class),
    Rule("node.taints", "nodes", "taints", "The daemon set tolerates few by itself.", tainted, ("nodes",)),
    Rule("node.os-arch", "nodes", "systems", "The image is built for two architectures.", os_arch, ("nodes",)),
    Rule("node.virtual", "nodes", "virtual nodes", "Daemon sets get no pod there.", virtual, ("nodes",)),
    Rule("node.kernel-min", "nodes", "kernels", "FUSE in user namespaces needs a newer one.", kernel, ("nodes",)),
    Rule("node.ready", "nodes", "nodes that are late", "The rollout waits for every chosen node.", ready, ("nodes",)),
    Rule("node.label-durable", "nodes", "managed pools", "A replaced node loses its label.", durable, ("nodes",)),
    Rule("node.autoscaled", "nodes", "autoscaled pools", "An autoscaler must know of a device to grow for it.", scaled),
    Rule(
        "plugin.installed",
        "device manager",
        "what is installed",
        "The plan changes what is there.",
        installed,
        (_DAEMON_SET,),
    ),
    Rule("plugin.running", "device manager", "running pods", "A pod that fails gives no FUSE.", running, ("pods",)),
    Rule(
        "plugin.duplicate-resource",
        "device manager",
        "other plugins",
        "Two of them on a node get in each other's way.",
        duplicates,
        (_DAEMON_SET,),
    ),
    Rule(
        "plugin.kubelet-path",
        "device manager",
        "the kubelet's folder",
        "The plugin meets the kubelet there.",
        kubelet_path,
        ("nodes",),
    ),
    Rule(
        "plugin.capacity-vs-maxpods",
        "device manager",
        "devices a node",
        "They limit how many workspaces a node serves.",
        capacity,
        ("nodes",),
    ),
    Rule(
        "plugin.memory-limit",
        "device manager",
        "the memory limit",
        "The guide's 15Mi is too little today.",
        memory,
        (_DAEMON_SET,),
    ),
    Rule(
        "gitops.owner",
        "owners",
        "GitOps owners",
        "What they own they set back.",
        gitops,
        (_DAEMON_SET,),
    ),
    Rule(
        "field.owner",
        "owners",
        "owners of fields",
        "The server protects what others have set.",
        field_owners,
        (_DAEMON_SET,),
    ),
    Rule("docs.podman", "documents", "documents", "The guide asks to read them first.", documents),
)
"""Every check, in the order in which findings are shown: what decides comes first."""
