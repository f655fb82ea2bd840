"""Rules about quotas: whether they allow a pod on every node."""

from __future__ import annotations

from wizard import quantities
from wizard.finding import Outcome
from wizard.findings.prerequisites.situation import WANTS_QUOTA, Judged, Situation, in_manifest
from wizard.manifest import GUIDE_QUOTA
from wizard.names import NAMESPACE
from wizard.text.counting import counted


def quota(situation: Situation) -> Judged:
    """Compares the quota with the number of nodes that need a pod."""
    switch = situation.switch("pod-quota")
    live = ((situation.object("ResourceQuota") or {}).get("spec") or {}).get("hard") or {}
    limit = quantities.whole(live.get("pods", GUIDE_QUOTA))
    where = f"quota {NAMESPACE} in the cluster" if "pods" in live else "the manifest's ResourceQuota"
    pods = situation.expected_pods
    if not pods:
        return Judged(Outcome.SKIPPED, "No node needs a pod, so no quota applies", "No node is selected.")
    if limit is not None and pods > limit:
        whose = "The quota" if "pods" in live else "The guide's quota"
        return Judged(
            Outcome.WARNING,
            f"{whose} of {counted(limit, 'pod')} is too small",
            f"The DaemonSet stops at {counted(limit, 'pod')} without an error. {pods - limit} of "
            f"{counted(pods, 'node')} get no FUSE.",
            (f"{counted(pods, 'node')} with a pod; {where} has pods: {limit}",),
            (in_manifest(switch, f"Raise it to {switch.value}"),),
            pods,
        )
    return Judged(
        Outcome.OK,
        f"The quota of {counted(limit or 0, 'pod')} covers {counted(pods, 'node')}",
        evidence=(f"{where} has pods: {limit}",),
        nodes=pods,
    )


def critical_class(situation: Situation) -> Judged:
    """Checks whether critical pods require their own quota."""
    distribution = situation.facts.identity.distribution
    refusal = situation.facts.pod_refusal
    if WANTS_QUOTA in refusal:
        return Judged(
            Outcome.INFO,
            "Keep the quota: the cluster requires it",
            "This cluster starts pods of the class system-node-critical only in a namespace with a quota for them. The "
            "manifest has one.",
            (f"dry run of the pod: {refusal[:300]}",),
        )
    if distribution != "GKE":
        return Judged(
            Outcome.SKIPPED,
            "Critical pods need no quota on this cluster",
            "Only GKE is known to require a quota for pods of the class system-node-critical.",
            (f"distribution {distribution}",),
            confidence="medium",
        )
    return Judged(
        Outcome.INFO,
        "Keep the quota: GKE requires it for critical pods",
        "Without a quota for the class system-node-critical, GKE rejects the pods. The manifest has one.",
        ("distribution GKE",),
    )
