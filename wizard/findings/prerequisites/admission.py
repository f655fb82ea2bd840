"""Rules about admission: whether the cluster accepts the device manager's pods."""

from __future__ import annotations

import re

from wizard.facts.cluster import DRY_RUN
from wizard.finding import Outcome, Remedy
from wizard.findings.prerequisites.situation import WANTS_QUOTA, Judged, Situation, in_manifest, not_looked_at
from wizard.manifest import enforced_level
from wizard.names import BORROWED_NAMESPACE, ENFORCE_LABEL, NAMESPACE
from wizard.text.counting import counted


def terminating(situation: Situation) -> Judged:
    """Checks that the namespace is not being deleted."""
    namespace = situation.object("Namespace")
    if namespace is None:
        return Judged(Outcome.OK, f"Namespace {NAMESPACE}: not created yet", evidence=("no such namespace",))
    phase = namespace.get("status", {}).get("phase", "Active")
    deleted = namespace["metadata"].get("deletionTimestamp")
    if phase == "Terminating" or deleted:
        since = f" since {deleted}" if deleted else ""
        return Judged(
            Outcome.BLOCKER,
            f"Namespace {NAMESPACE} is being deleted",
            "Nothing can be created in it until the deletion finishes.",
            (f"namespace {NAMESPACE}: phase {phase}{since}",),
            (
                Remedy(
                    "Wait until it is deleted, then refresh.", f"kubectl wait --for=delete ns/{NAMESPACE} --timeout=5m"
                ),
                Remedy("Find what blocks the deletion: see its conditions.", f"kubectl get ns {NAMESPACE} -o yaml"),
            ),
        )
    return Judged(Outcome.OK, f"Namespace {NAMESPACE} exists", evidence=(f"phase {phase}",))


def pod_security(situation: Situation) -> Judged:
    """Checks that no Pod Security level rejects the device manager."""
    level, seen = enforced_level(situation.facts)
    switch = situation.switch("pod-security")
    if level:
        return Judged(
            Outcome.WARNING,
            f"Pod Security {level} rejects the device manager",
            "The device manager mounts host paths, which only the privileged level allows. The DaemonSet would be "
            "created but get no pods.",
            (seen,),
            (in_manifest(switch, "Label its namespace privileged"),),
        )
    labels = (situation.object("Namespace") or {}).get("metadata", {}).get("labels") or {}
    if labels.get(ENFORCE_LABEL) == "privileged":
        return Judged(
            Outcome.OK, "The namespace is privileged for Pod Security", evidence=(f"{ENFORCE_LABEL}=privileged",)
        )
    if unread := situation.unread(DRY_RUN):
        return not_looked_at("Pod Security", "A cluster-wide default shows only in a dry run of a pod.", unread)
    return Judged(
        Outcome.OK,
        "No known Pod Security level blocks the pods",
        "A cluster-wide default cannot be read. The server-side dry run in Manifest reports it.",
        ("dry run of the device manager's pod: not rejected by Pod Security",),
        confidence="medium",
    )


def autopilot(situation: Situation) -> Judged:
    """Checks for GKE Autopilot, which does not allow the device manager."""
    refusal = situation.facts.pod_refusal
    members = [node for node in situation.facts.nodes or () if node.name.startswith("gk3-")]
    refused = "autogke-" in refusal or "GKE Warden" in refusal
    if not (refused or members):
        return Judged(
            Outcome.SKIPPED,
            "Not GKE Autopilot",
            "No node name starts with gk3-, and the GKE Warden webhook did not reject anything.",
        )
    remedies = (
        Remedy("Use a cluster in GKE's Standard mode for workspaces with Podman.", touches="the cluster"),
        Remedy("Ask Google to allow this workload (WorkloadAllowlist).", touches="the cluster's policy"),
    )
    seen = (
        (f"{counted(len(members), 'node')} with a name that starts with gk3-, as only in Autopilot",) if members else ()
    )
    then = "Autopilot forbids host networking and host paths outside /var/log. The device manager needs host paths."
    if refused:
        said = f"dry run of the pod: {refusal[:200]}"
        return Judged(
            Outcome.BLOCKER, "GKE Autopilot rejects the device manager", then, (said, *seen), remedies, len(members)
        )
    return Judged(
        Outcome.WARNING,
        "GKE Autopilot does not allow the device manager",
        f"{then} No rejection was seen: either nothing was checked, or an allowlist admits the pod.",
        seen,
        remedies,
        len(members),
        "medium",
    )


_OF_THE_NAMESPACE = (
    (r"(minimum|maximum) \S+ usage per |max limit to request ratio per ", "A LimitRange", "limitrange"),
    (r"exceeded quota: |failed quota: ", "A ResourceQuota", "resourcequota"),
)
"""What the admission plugins LimitRanger and ResourceQuota say (plugin/pkg/admission in kubernetes/kubernetes 1.36)."""


def _by_limits(situation: Situation, refusal: str) -> Judged | None:
    """Judges a refusal by the limits of a namespace; None if it is another."""
    evidence = (f"dry run of the pod: {refusal[:300]}",)
    for pattern, what, kind in _OF_THE_NAMESPACE:
        if not re.search(pattern, refusal):
            continue
        if situation.object("Namespace") is None:
            return Judged(
                Outcome.UNKNOWN,
                "Not known whether an admission policy rejects the pods",
                f"The namespace {NAMESPACE} does not exist yet, so the pod was tried in {BORROWED_NAMESPACE}. {what} "
                "of that namespace rejected it, which says nothing about the new one.",
                evidence,
                (Remedy("Refresh after the manifest is applied.", touches="nothing"),),
            )
        return Judged(
            Outcome.WARNING,
            f"{what} rejects the device manager",
            "The DaemonSet would be created but get no pods.",
            evidence,
            (
                Remedy(
                    f"See what the namespace {NAMESPACE} allows, and change it there, or set the memory of the pods "
                    "with the adjustment memory.",
                    f"kubectl -n {NAMESPACE} describe {kind}",
                    touches="the namespace",
                ),
            ),
        )
    return None


def webhook(situation: Situation) -> Judged:
    """Checks that no admission policy rejects the device manager."""
    refusal = situation.facts.pod_refusal
    others = ("PodSecurity", "autogke-", "GKE Warden", WANTS_QUOTA)
    if not refusal or any(words in refusal for words in others):
        if unread := situation.unread(DRY_RUN):
            return not_looked_at("admission policies", "An admission policy shows only in a dry run of a pod.", unread)
        return Judged(
            Outcome.OK,
            "No known admission policy rejects the pods",
            "Other namespaces can have other policies." if situation.object("Namespace") is None else "",
            ("dry run of the device manager's pod: not rejected by a policy",),
            confidence="medium",
        )
    if "failed calling webhook" in refusal:
        return Judged(
            Outcome.WARNING,
            "An admission webhook does not respond",
            "Until the webhook responds, the server rejects every pod that the webhook must check. The DaemonSet would "
            "be created but get no pods.",
            (f"dry run of the pod: {refusal[:300]}",),
            (
                Remedy(
                    "Find the webhook by its name, and check the service behind it.",
                    "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
                    touches="nothing",
                ),
            ),
        )
    if (judged := _by_limits(situation, refusal)) is not None:
        return judged
    return Judged(
        Outcome.WARNING,
        "An admission policy rejects the device manager",
        "The DaemonSet may be created but get no pods.",
        (f"dry run of the pod: {refusal[:300]}",),
        (Remedy(f"Exempt the namespace {NAMESPACE} from this policy.", touches="the cluster's policy"),),
    )


def openshift(situation: Situation) -> Judged:
    """Checks OpenShift's security context constraints."""
    distribution = situation.facts.identity.distribution
    if distribution not in ("OpenShift", "MicroShift"):
        return Judged(Outcome.SKIPPED, "No security context constraints", "Only OpenShift has them.", (distribution,))
    if situation.facts.plugin_pods:
        number = len(situation.facts.plugin_pods)
        return Judged(
            Outcome.OK,
            "OpenShift admits the device manager's pods",
            evidence=(f"{counted(number, 'pod')} in namespace {NAMESPACE}: the service account can use a constraint",),
        )
    return Judged(
        Outcome.WARNING,
        "OpenShift requires an SCC for the pods",
        "OpenShift rejects pods with host paths unless their service account can use a security context constraint "
        "that allows them.",
        (f"distribution {distribution}",),
        (
            Remedy(
                "Grant the constraint to the service account of this namespace only.",
                f"oc adm policy add-scc-to-user privileged -z default -n {NAMESPACE}",
                touches="the device manager's namespace",
            ),
        ),
    )
