"""Whether the cluster would let the device manager's pods in."""

from __future__ import annotations

from wizard.cluster.gateway import ENFORCE_LABEL
from wizard.facts import DRY_RUN
from wizard.findings import Outcome, Remedy
from wizard.manifest import enforced_level
from wizard.names import NAMESPACE
from wizard.prerequisites.situation import WANTS_QUOTA, Judged, Situation, counted, in_manifest, not_looked_at


def terminating(situation: Situation) -> Judged:
    """The namespace can be written to."""
    namespace = situation.object("Namespace")
    if namespace is None:
        return Judged(Outcome.PASS, f"Namespace {NAMESPACE} will be new", evidence=("no such namespace",))
    phase = namespace.get("status", {}).get("phase", "Active")
    deleted = namespace["metadata"].get("deletionTimestamp")
    if phase == "Terminating" or deleted:
        since = f" since {deleted}" if deleted else ""
        return Judged(
            Outcome.BLOCKER,
            f"Namespace {NAMESPACE} is being deleted",
            "Nothing can be created in it until it is gone.",
            (f"namespace {NAMESPACE}: phase {phase}{since}",),
            (
                Remedy(
                    "Wait until it is gone, then read again.", f"kubectl wait --for=delete ns/{NAMESPACE} --timeout=5m"
                ),
                Remedy("See what holds it: its conditions name it.", f"kubectl get ns {NAMESPACE} -o yaml"),
            ),
        )
    return Judged(Outcome.PASS, f"Namespace {NAMESPACE} is there", evidence=(f"phase {phase}",))


def pod_security(situation: Situation) -> Judged:
    """No Pod Security level refuses the device manager."""
    level, seen = enforced_level(situation.facts)
    switch = situation.switch("pod-security")
    if level:
        return Judged(
            Outcome.WARNING,
            f"Pod Security {level} refuses the device manager",
            "It mounts host paths, which only privileged allows: the daemon set would be accepted and get no pod.",
            (seen,),
            (in_manifest(switch, "Label its namespace privileged"),),
        )
    labels = (situation.object("Namespace") or {}).get("metadata", {}).get("labels") or {}
    if labels.get(ENFORCE_LABEL) == "privileged":
        return Judged(
            Outcome.PASS, "Its namespace is privileged for Pod Security", evidence=(f"{ENFORCE_LABEL}=privileged",)
        )
    if unread := situation.unread(DRY_RUN):
        return not_looked_at("Pod Security", "A cluster's own default shows only when a pod is asked for.", unread)
    return Judged(
        Outcome.PASS,
        "No Pod Security level is known to stand in the way",
        "A default of the whole cluster cannot be read; the server's check of the manifest tells it.",
        ("a dry run of the device manager's pod was not refused for it",),
        confidence="medium",
    )


def autopilot(situation: Situation) -> Judged:
    """GKE Autopilot."""
    refusal = situation.facts.pod_refusal
    members = [node for node in situation.facts.nodes or () if node.name.startswith("gk3-")]
    refused = "autogke-" in refusal or "GKE Warden" in refusal
    if not (refused or members):
        return Judged(Outcome.SKIPPED, "Not GKE Autopilot", "No node is called gk3-, and its webhook was not heard.")
    remedies = (
        Remedy("Use a cluster in GKE's Standard mode for workspaces with Podman.", touches="the cluster"),
        Remedy("Ask Google for an allowlist of this workload (WorkloadAllowlist).", touches="the cluster's policy"),
    )
    seen = (f"{counted(len(members), 'node')} called gk3-, as only Autopilot calls them",) if members else ()
    then = "Autopilot forbids host paths outside /var/log and host networks; the device manager lives on host paths."
    if refused:
        said = f"the server on a dry run of the pod: {refusal[:200]}"
        return Judged(
            Outcome.BLOCKER, "GKE Autopilot refuses the device manager", then, (said, *seen), remedies, len(members)
        )
    return Judged(
        Outcome.WARNING,
        "GKE Autopilot forbids what the device manager needs",
        f"{then} No refusal was seen: nobody asked, or an allowlist lets it in.",
        seen,
        remedies,
        len(members),
        "medium",
    )


def webhook(situation: Situation) -> Judged:
    """No policy of the cluster refuses the device manager."""
    refusal = situation.facts.pod_refusal
    others = ("PodSecurity", "autogke-", "GKE Warden", WANTS_QUOTA)
    if not refusal or any(words in refusal for words in others):
        if unread := situation.unread(DRY_RUN):
            return not_looked_at("policies", "A policy of the cluster shows only when a pod is asked for.", unread)
        return Judged(
            Outcome.PASS,
            "No policy of the cluster is known to refuse the pods",
            "Other policies may hold in other namespaces." if situation.object("Namespace") is None else "",
            ("a dry run of the device manager's pod was not refused by one",),
            confidence="medium",
        )
    if "failed calling webhook" in refusal:
        return Judged(
            Outcome.WARNING,
            "An admission webhook does not answer",
            "As long as it is away, the server makes no pod that it would have to ask it about: the daemon set would "
            "be accepted and get no pod.",
            (f"the server on a dry run of the pod: {refusal[:300]}",),
            (
                Remedy(
                    "Find the webhook by its name, and see what became of the service behind it.",
                    "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations",
                    touches="nothing",
                ),
            ),
        )
    return Judged(
        Outcome.WARNING,
        "A policy of the cluster refuses the device manager",
        "The daemon set may be accepted and get no pod.",
        (f"the server on a dry run of the pod: {refusal[:300]}",),
        (Remedy(f"Exempt the namespace {NAMESPACE} from that policy.", touches="the cluster's policy"),),
    )


def openshift(situation: Situation) -> Judged:
    """OpenShift's security context constraints."""
    distribution = situation.facts.identity.distribution
    if distribution not in ("OpenShift", "MicroShift"):
        return Judged(
            Outcome.SKIPPED, "No security context constraints here", "Only OpenShift has them.", (distribution,)
        )
    if situation.facts.plugin_pods:
        number = len(situation.facts.plugin_pods)
        return Judged(
            Outcome.PASS,
            "OpenShift lets the device manager's pods in",
            evidence=(f"{counted(number, 'pod')} in namespace {NAMESPACE}: the service account may use a constraint",),
        )
    return Judged(
        Outcome.WARNING,
        "OpenShift needs a constraint (SCC) for the pods",
        "Security context constraints refuse host paths to the namespace's service account until it may use one.",
        (f"distribution {distribution}",),
        (
            Remedy(
                "Give the service account the constraint; it holds for this namespace only.",
                f"oc adm policy add-scc-to-user privileged -z default -n {NAMESPACE}",
                touches="the device manager's namespace",
            ),
        ),
    )
