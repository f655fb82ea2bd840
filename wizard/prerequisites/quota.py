"""Whether the quota lets every node have its pod."""

from __future__ import annotations

from wizard.findings import Outcome
from wizard.manifest import GUIDE_QUOTA, expected_pods
from wizard.names import NAMESPACE
from wizard.prerequisites.situation import WANTS_QUOTA, Judged, Situation, counted, in_manifest


def quota(situation: Situation) -> Judged:
    """The quota against the nodes that ask for a pod."""
    switch = situation.switch("pod-quota")
    live = ((situation.object("ResourceQuota") or {}).get("spec") or {}).get("hard") or {}
    limit = str(live.get("pods", GUIDE_QUOTA))
    where = f"quota {NAMESPACE} in the cluster" if "pods" in live else "the manifest's ResourceQuota"
    pods = expected_pods(situation.facts, situation.chosen, everywhere=situation.every_node)
    if not pods:
        return Judged(Outcome.SKIPPED, "No node asks for a pod, so no quota counts", "No node is chosen.")
    if limit.isdecimal() and pods > int(limit):
        whose = "The quota" if "pods" in live else "The guide's quota"
        return Judged(
            Outcome.WARNING,
            f"{whose} of {limit} pods is too small",
            f"The daemon set stops at {limit} nodes and says nothing; {pods - int(limit)} get no FUSE.",
            (f"{pods} nodes ask for a pod; {where} says pods: {limit}",),
            (in_manifest(switch, f"Raise it to {switch.value}"),),
            pods,
        )
    return Judged(
        Outcome.PASS,
        f"{counted(pods, 'node')} fit in the quota of {limit} pods",
        evidence=(f"{where} says pods: {limit}",),
        nodes=pods,
    )


def critical_class(situation: Situation) -> Judged:
    """Whether critical pods want a quota of their own."""
    distribution = situation.facts.identity.distribution
    refusal = situation.facts.pod_refusal
    if WANTS_QUOTA in refusal:
        return Judged(
            Outcome.INFO,
            "This cluster wants the quota for critical pods: keep it",
            "It starts pods of the class system-node-critical only in a namespace with a quota for them. The manifest "
            "has one.",
            (f"the server on a dry run of the pod: {refusal[:300]}",),
        )
    if distribution != "GKE":
        return Judged(
            Outcome.SKIPPED,
            "Critical pods need no quota of their own here",
            "Only GKE is known to want a quota before it starts pods of the class system-node-critical.",
            (f"distribution {distribution}",),
            confidence="medium",
        )
    return Judged(
        Outcome.INFO,
        "GKE wants the quota for critical pods: keep it",
        "Without a quota for the class system-node-critical, GKE refuses the pods. The manifest has one.",
        ("distribution GKE",),
    )
