"""Can this cluster, and may this person? Rules judge the facts, one finding each.

A rule that cannot look yields ``unknown`` with the verb that is missing; one that does not apply yields
``skipped`` with the reason. Nothing else depends on it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from wizard.answers import Answers
from wizard.differences import FieldOwner, contested
from wizard.errors import WizardError
from wizard.facts import ClusterFacts, KubernetesObject, Right
from wizard.findings import Confidence, Finding, Outcome, Remedy
from wizard.manifest import (
    GUIDE_DEVICES,
    GUIDE_QUOTA,
    Rendering,
    Switch,
    enforced_level,
    expected_pods,
    pods_per_node,
    render,
)
from wizard.names import FIELD_MANAGER, FUSE_RESOURCE, NAMESPACE, NODE_LABEL, OTHER_FUSE_RESOURCES
from wizard.nodes import NodeVerdict, choose, judge, kernel_too_old, pools, untolerated, virtual_kind
from wizard.systems import version_in

OLDEST_VERSION = (1, 22)
"""The first Kubernetes with server-side apply in general availability."""

LARGEST_SKEW = 30.0
"""Seconds between the clocks that nobody notices; beyond them fresh certificates and tokens begin to fail."""

PODMAN_DOCUMENTS = (
    (
        "Rootless Podman: set-up and use",
        "https://github.com/containers/podman/blob/main/docs/tutorials/rootless_tutorial.md",
    ),
    (
        "Shortcomings of rootless Podman",
        "https://github.com/containers/podman/blob/main/rootless.md#shortcomings-of-rootless-podman",
    ),
    ("Container permission denied", "https://www.redhat.com/sysadmin/container-permission-denied-errors"),
)
"""What the guide asks to read first."""


@dataclass(frozen=True)
class Situation:
    """What the rules look at: the facts, the choices, and what follows from both."""

    facts: ClusterFacts
    answers: Answers

    @cached_property
    def verdicts(self) -> tuple[NodeVerdict, ...]:
        """Every node, judged."""
        return tuple(map(judge, self.facts.nodes or ()))

    @cached_property
    def chosen(self) -> tuple[NodeVerdict, ...]:
        """The nodes that are meant; none where the choice does not fit the cluster."""
        try:
            return choose(self.facts, self.answers.nodes)
        except WizardError:
            return ()

    @cached_property
    def concerned(self) -> frozenset[str]:
        """The names of the nodes that are meant or labelled already."""
        labelled = {verdict.node.name for verdict in self.verdicts if verdict.node.labelled}
        return frozenset(labelled | {verdict.node.name for verdict in self.chosen})

    @cached_property
    def rendering(self) -> Rendering:
        """The manifest as it would be applied. Raises UsageError where the choices do not fit."""
        return render(self.facts, self.chosen, self.answers.manifest)

    @cached_property
    def every_node(self) -> bool:
        """Whether the daemon set does without the label."""
        return self.switch("no-node-selector").on

    def switch(self, adjustment: str) -> Switch:
        """The state of an adjustment."""
        return next(switch for switch in self.rendering.switches if switch.id == adjustment)

    def object(self, kind: str) -> KubernetesObject | None:
        """The live object of the guide of that kind."""
        return self.facts.objects.get(kind)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a rule finds; with the rule's id and category it is a finding."""

    outcome: Outcome
    title: str
    detail: str = ""
    evidence: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    nodes: int = 0
    confidence: Confidence = "high"


@dataclass(frozen=True, slots=True)
class Rule:
    """One check: ``title`` says what it looks at and ``why`` what for; ``needs`` are the resources it reads."""

    id: str
    category: str
    title: str
    why: str
    judge: Callable[[Situation], Judged]
    needs: tuple[str, ...] = ()


def judge_prerequisites(facts: ClusterFacts, answers: Answers) -> tuple[Finding, ...]:
    """One finding a rule, in the order of the rules. Raises UsageError where a choice for the manifest does not fit."""
    situation = Situation(facts, answers)
    return tuple(_apply(rule, situation) for rule in RULES)


def _apply(rule: Rule, situation: Situation) -> Finding:
    judged = _unread(rule, situation.facts) or rule.judge(situation)
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


def _unread(rule: Rule, facts: ClusterFacts) -> Judged | None:
    for unread in facts.unread:
        if unread.resource in rule.needs:
            right = f"{unread.verb} {unread.resource}"
            return Judged(
                Outcome.UNKNOWN,
                f"Not looked at ({right}): {rule.title}"[:55],
                f"{rule.why} It could not be read: the right to {right} is missing, or the server refused.",
                (f"{unread.what}: {unread.message}",),
                (_ask_for([right]),),
            )
    if "nodes" in rule.needs and facts.nodes is None:
        return Judged(
            Outcome.UNKNOWN,
            f"Not looked at (list nodes): {rule.title}"[:55],
            f"{rule.why} The nodes could not be listed: the right to list nodes is missing.",
            remedies=(_ask_for(["list nodes"]),),
        )
    return None


def _ask_for(rights: Sequence[str]) -> Remedy:
    return Remedy(
        f"Ask a cluster admin for the right to {', '.join(rights)}, or hand them the plan.",
        "podman-wizard plan --answers answers.yaml --to handover",
        who="you",
        touches="nothing",
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _names(verdicts: Sequence[NodeVerdict]) -> str:
    shown = ", ".join(verdict.node.name for verdict in verdicts[:3])
    return f"{shown} and {len(verdicts) - 3} more" if len(verdicts) > 3 else shown


def _in_manifest(switch: Switch, what: str) -> Remedy:
    state = "already on" if switch.on else "off now"
    value = "" if switch.value is True else f"={switch.value}"
    return Remedy(
        f"{what} in Manifest (adjustment {switch.id}, {state}).",
        "" if switch.on else f"podman-wizard manifest apply --set {switch.id}{value or '=true'}",
        touches="the device manager",
    )


# --- connection ------------------------------------------------------------------------------------------------


def _reachable(situation: Situation) -> Judged:
    identity = situation.facts.identity
    version = identity.version.removeprefix("v").partition("+")[0].partition("-")[0]
    return Judged(
        Outcome.PASS,
        f"API server answers, {version}, {identity.distribution}"[:55],
        f"Connected to {identity.server} as {identity.user or 'an unnamed user'}.",
        (f"{identity.server}/version: {identity.version}", f"context {identity.context}"),
    )


def _version(situation: Situation) -> Judged:
    version = situation.facts.identity.version
    seen = (f"/version: {version}",)
    if version_in(version) < OLDEST_VERSION:
        return Judged(
            Outcome.WARNING,
            f"Kubernetes {version} is older than 1.22",
            "Server-side apply, by which the wizard writes, was not finished before 1.22.",
            seen,
            (
                Remedy(
                    "Upgrade the cluster, or render the manifest and apply it with kubectl.",
                    "podman-wizard manifest render",
                ),
            ),
        )
    return Judged(Outcome.PASS, "The version has what the plan needs", evidence=seen)


def _clock(situation: Situation) -> Judged:
    skew = situation.facts.clock_skew
    seen = (f"Date header of the server: {skew:+.0f} s against this machine",)
    if abs(skew) <= LARGEST_SKEW:
        return Judged(Outcome.PASS, "The clocks of server and this machine agree", evidence=seen)
    direction = "ahead of" if skew > 0 else "behind"
    return Judged(
        Outcome.WARNING,
        f"The server's clock is {abs(skew):.0f} s {direction} this machine",
        "Fresh tokens and certificates may be refused, and times of events read wrong.",
        seen,
        (
            Remedy(
                "Set the clock of the machine that is wrong.",
                "timedatectl status",
                who="system admin",
                touches="a clock",
            ),
        ),
    )


# --- rights ----------------------------------------------------------------------------------------------------

_KINDS = {
    "namespaces": "Namespace",
    "resourcequotas": "ResourceQuota",
    "configmaps": "ConfigMap",
    "daemonsets": "DaemonSet",
}


def _takes(right: Right, situation: Situation) -> bool:
    """Whether the plan, as it is chosen, cannot be carried out without this right."""
    if right.purpose != "plan":
        return right.purpose == "pods"
    if right.verb == "create" and right.resource in _KINDS:
        return situation.object(_KINDS[right.resource]) is None
    if right.resource == "nodes":
        if right.verb in ("get", "patch"):
            return not situation.every_node
        return not (situation.answers.nodes.names or situation.every_node)
    return True


def _rights(situation: Situation) -> Judged:
    rights = situation.facts.rights_for(situation.answers.pods_in())
    if not rights:
        return Judged(Outcome.UNKNOWN, "Rights were not reviewed", "The server did not answer the access reviews.")
    denied = [right for right in rights if right.allowed is False]
    held = sum(right.allowed is True for right in rights)
    seen = tuple(f"access review: {right} denied{f' ({right.reason})' if right.reason else ''}" for right in denied)
    needed = [right for right in denied if _takes(right, situation)]
    if needed:
        return Judged(
            Outcome.BLOCKER,
            f"You lack {len(denied)} of the {len(rights)} rights that the plan needs",
            f"The plan stops at: {', '.join(map(str, needed))}.",
            seen,
            (_ask_for([str(right) for right in denied]),),
        )
    if denied:
        return Judged(
            Outcome.WARNING,
            f"You lack {len(denied)} of the {len(rights)} rights that the plan uses",
            f"The plan can be carried out; what is missing tells less: {', '.join(map(str, denied))}.",
            seen,
            (_ask_for([str(right) for right in denied]),),
        )
    unsure = [right for right in rights if right.allowed is None]
    if unsure:
        return Judged(
            Outcome.UNKNOWN,
            f"{_count(len(unsure), 'right')} of {len(rights)} could not be reviewed",
            "The access review failed (create selfsubjectaccessreviews); the server decides at the apply.",
            tuple(f"{right}: {right.reason or 'no answer'}" for right in unsure),
        )
    return Judged(
        Outcome.PASS,
        f"You hold {held} of the {len(rights)} rights that the plan needs",
        evidence=(f"{len(rights)} access reviews, all allowed",),
    )


# --- admission and quota ---------------------------------------------------------------------------------------


def _terminating(situation: Situation) -> Judged:
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


def _pod_security(situation: Situation) -> Judged:
    level, seen = enforced_level(situation.facts)
    switch = situation.switch("pod-security")
    if level:
        return Judged(
            Outcome.WARNING,
            f"Pod Security {level} refuses the device manager",
            "It mounts host paths, which only privileged allows: the daemon set would be accepted and get no pod.",
            (seen,),
            (_in_manifest(switch, "Label its namespace privileged"),),
        )
    return Judged(
        Outcome.PASS,
        "No Pod Security level is known to stand in the way",
        "A default of the whole cluster cannot be read; the server's check of the manifest tells it.",
        ("namespace without an enforcing label, no warning of the server",),
        confidence="medium",
    )


def _autopilot(situation: Situation) -> Judged:
    refusal = situation.facts.pod_refusal
    members = [node for node in situation.facts.nodes or () if node.name.startswith("gk3-")]
    refused = "autogke-" in refusal or "GKE Warden" in refusal
    if not (refused or members):
        return Judged(Outcome.SKIPPED, "Not GKE Autopilot", "No node is called gk3-, and its webhook was not heard.")
    remedies = (
        Remedy("Use a cluster in GKE's Standard mode for workspaces with Podman.", touches="the cluster"),
        Remedy("Ask Google for an allowlist of this workload (WorkloadAllowlist).", touches="the cluster's policy"),
    )
    seen = (f"{_count(len(members), 'node')} called gk3-, as only Autopilot calls them",) if members else ()
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


def _webhook(situation: Situation) -> Judged:
    refusal = situation.facts.pod_refusal
    theirs = "PodSecurity" in refusal or "autogke-" in refusal or "GKE Warden" in refusal
    if not refusal or theirs:
        return Judged(
            Outcome.PASS,
            "No admission webhook is known to refuse the pods",
            evidence=("a dry run of the device manager's pod, where it may be asked for",),
            confidence="medium",
        )
    return Judged(
        Outcome.WARNING,
        "A policy of the cluster refuses the device manager",
        "The daemon set may be accepted and get no pod.",
        (f"the server on a dry run of the pod: {refusal[:300]}",),
        (Remedy(f"Exempt the namespace {NAMESPACE} from that policy.", touches="the cluster's policy"),),
    )


def _openshift(situation: Situation) -> Judged:
    distribution = situation.facts.identity.distribution
    if distribution not in ("OpenShift", "MicroShift"):
        return Judged(
            Outcome.SKIPPED, "No security context constraints here", "Only OpenShift has them.", (distribution,)
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


def _quota(situation: Situation) -> Judged:
    switch = situation.switch("pod-quota")
    live = situation.object("ResourceQuota")
    limit = str((live or {}).get("spec", {}).get("hard", {}).get("pods", GUIDE_QUOTA))
    where = f"quota {NAMESPACE} in the cluster" if live else "the manifest's ResourceQuota"
    pods = expected_pods(situation.facts, situation.chosen, everywhere=situation.every_node)
    if limit.isdecimal() and pods > int(limit):
        whose = "The quota" if live else "The guide's quota"
        return Judged(
            Outcome.WARNING,
            f"{whose} of {limit} pods is too small",
            f"The daemon set stops at {limit} nodes and says nothing; {pods - int(limit)} get no FUSE.",
            (f"{pods} nodes ask for a pod; {where} says pods: {limit}",),
            (_in_manifest(switch, f"Raise it to {switch.value}"),),
            pods,
        )
    return Judged(
        Outcome.PASS,
        f"{_count(pods, 'node')} fit in the quota of {limit} pods",
        evidence=(f"{where} says pods: {limit}",),
        nodes=pods,
    )


def _critical_class(situation: Situation) -> Judged:
    distribution = situation.facts.identity.distribution
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


# --- nodes -----------------------------------------------------------------------------------------------------


def _eligible(situation: Situation) -> Judged:
    total, chosen = len(situation.verdicts), situation.chosen
    if not total:
        return Judged(Outcome.BLOCKER, "This cluster has no nodes", "There is nothing to label.", ("nodes listed: 0",))
    fit = [verdict for verdict in situation.verdicts if verdict.eligible]
    reasons = Counter(reason.partition(":")[0] for verdict in situation.verdicts for reason in verdict.reasons[:1])
    seen = (
        f"{len(fit)} of {total} nodes qualify",
        *(f"{number} x {reason}" for reason, number in reasons.most_common(5)),
    )
    try:
        choose(situation.facts, situation.answers.nodes)
    except WizardError as error:
        return Judged(Outcome.BLOCKER, "The chosen nodes are not all there", str(error), seen)
    if not chosen:
        if fit:
            return Judged(
                Outcome.BLOCKER,
                f"None of the {total} nodes is chosen",
                "The selector matches no node that can serve." if situation.answers.nodes.selector else "",
                seen,
                (Remedy("Choose every node that qualifies.", "podman-wizard nodes label --all", who="you"),),
            )
        return Judged(
            Outcome.BLOCKER,
            f"None of the {total} nodes qualifies",
            "No node could run the device manager and rootless Podman as they are.",
            seen,
            _ways_to_a_node(situation),
        )
    if not any(verdict.possible for verdict in chosen):
        return Judged(Outcome.BLOCKER, "None of the chosen nodes can serve", "", (*seen, f"chosen: {_names(chosen)}"))
    return Judged(
        Outcome.PASS,
        f"{len(fit)} of {total} nodes {'qualifies' if len(fit) == 1 else 'qualify'}{_kernels(fit)}"[:55],
        evidence=seen,
        nodes=len(fit),
    )


def _ways_to_a_node(situation: Situation) -> tuple[Remedy, ...]:
    if any(verdict.possible for verdict in situation.verdicts):
        return (Remedy("Choose tainted nodes by name; Manifest then adds their tolerations.", who="you"),)
    return (Remedy("Add Linux nodes (amd64 or arm64) with a kernel newer than 4.18.", touches="the cluster"),)


def _kernels(verdicts: Sequence[NodeVerdict]) -> str:
    versions = sorted({version_in(verdict.kernel) for verdict in verdicts if verdict.kernel})
    if not versions:
        return ""
    oldest, newest = (".".join(map(str, version)) for version in (versions[0], versions[-1]))
    return f", kernel {oldest}" if oldest == newest else f", kernels {oldest} to {newest}"


def _affected(
    situation: Situation,
    verdicts: Sequence[NodeVerdict],
    what: tuple[str, str],
    nothing: str,
    seen: Iterable[str],
    then: str,
    remedies: tuple[Remedy, ...] = (),
) -> Judged:
    """Nodes that get no pod: worth a warning where they are labelled or chosen, worth knowing where not.

    ``what`` is what to say of one and of several of them.
    """
    if not verdicts:
        return Judged(Outcome.PASS, nothing)
    concerned = [verdict for verdict in verdicts if verdict.node.name in situation.concerned]
    singular, plural = what
    evidence = (*(f"{count} x {text}" for text, count in Counter(seen).most_common(5)), _names(concerned or verdicts))
    if concerned:
        number = len(concerned)
        title = f"{number} labelled or chosen: {singular if number == 1 else plural}"
        return Judged(Outcome.WARNING, title, then, evidence, remedies, number)
    number = len(verdicts)
    title = f"{_count(number, 'node')} {singular if number == 1 else plural}"
    return Judged(Outcome.INFO, title, then, evidence, (), number)


_TAKE_LABEL_OFF = Remedy(
    "Take the label off, or leave the nodes out.",
    f"kubectl label nodes NAME {NODE_LABEL}-",
    touches="the nodes' labels",
)


def _os_arch(situation: Situation) -> Judged:
    others = [
        verdict
        for verdict in situation.verdicts
        if not verdict.possible and verdict.reasons[0].startswith(("not Linux", "architecture"))
    ]
    return _affected(
        situation,
        others,
        ("has no image: system or architecture", "have no image: system or architecture"),
        "The image is built for every node's system",
        (verdict.reasons[0].partition(":")[0] for verdict in others),
        "The device manager's image is built for Linux on amd64 and arm64. Workspaces there get no FUSE.",
        (_TAKE_LABEL_OFF,),
    )


def _virtual(situation: Situation) -> Judged:
    found = [verdict for verdict in situation.verdicts if virtual_kind(verdict.node)]
    return _affected(
        situation,
        found,
        ("is no machine (virtual, Fargate)", "are no machines (virtual, Fargate)"),
        "Every node is a machine",
        (virtual_kind(verdict.node) for verdict in found),
        "Daemon sets get no pod there, so workspaces there get no FUSE.",
        (_TAKE_LABEL_OFF,),
    )


def _kernel(situation: Situation) -> Judged:
    old = [verdict for verdict in situation.verdicts if _is_linux(verdict) and kernel_too_old(verdict.node.kernel)]
    return _affected(
        situation,
        old,
        ("has too old a kernel", "have too old a kernel"),
        "Every kernel can do FUSE in user namespaces",
        (f"kernel {verdict.kernel} ({verdict.system})" for verdict in old),
        "FUSE in user namespaces needs a kernel newer than 4.18 (RHEL 8's 4.18 has it).",
        (
            Remedy("Move the nodes to a newer image.", who="system admin", reboot=True, touches="the nodes"),
            _TAKE_LABEL_OFF,
        ),
    )


def _is_linux(verdict: NodeVerdict) -> bool:
    return verdict.node.operating_system == "linux"


def _tainted(situation: Situation) -> Judged:
    pod = situation.rendering.objects[3]["spec"]["template"]["spec"]
    tainted = [
        verdict
        for verdict in situation.verdicts
        if verdict.possible and untolerated(verdict.node, pod.get("tolerations", ()))
    ]
    return _affected(
        situation,
        tainted,
        ("is tainted and gets no pod", "are tainted and get no pod"),
        "No taint keeps the daemon set away",
        (f"taint {taint}" for verdict in tainted for taint in untolerated(verdict.node)),
        "The daemon set gets no pod there; a label has no effect.",
        (_in_manifest(situation.switch("tolerations"), "Tolerate the taints"), _TAKE_LABEL_OFF),
    )


def _ready(situation: Situation) -> Judged:
    late = [verdict for verdict in situation.chosen if verdict.possible and not verdict.node.ready]
    total = len(situation.chosen)
    if not late:
        return Judged(Outcome.PASS, f"All {total} chosen nodes are ready" if total else "No chosen node is late")
    return Judged(
        Outcome.WARNING,
        f"{len(late)} of {total} chosen nodes not ready",
        "Their pods start once they are; the rollout waits for them.",
        (f"condition Ready is not True: {_names(late)}",),
        (Remedy("See why, or leave them out.", f"kubectl describe node {late[0].node.name}"),),
        len(late),
    )


def _durable(situation: Situation) -> Judged:
    if situation.every_node:
        return Judged(Outcome.SKIPPED, "No labels, nothing to keep", "The daemon set has no node selector.")
    managed = pools(situation.chosen)
    if not managed:
        return Judged(
            Outcome.PASS,
            "No sign of a pool that replaces its nodes",
            "Pools of other kinds may replace their nodes all the same.",
            ("no label of Karpenter, EKS, AKS or GKE on the chosen nodes",),
            confidence="medium",
        )
    number = sum(count for _, count in managed)
    return Judged(
        Outcome.WARNING,
        "Node labels of a managed pool do not last",
        f"{number} of {len(situation.chosen)} chosen nodes are made by {_count(len(managed), 'pool')}. A node that "
        "replaces one comes without the label. A pool at zero does not grow for workspaces with FUSE: its autoscaler "
        f"does not know of {FUSE_RESOURCE}.",
        tuple(f"{pool.manager} pool {pool.name}: {_count(count, 'node')}" for pool, count in managed[:5]),
        tuple(
            Remedy(f"Label pool {pool.name} itself. {pool.caution}", pool.command, touches=f"pool {pool.name}")
            for pool, _ in managed
        ),
        number,
    )


# --- what is installed -----------------------------------------------------------------------------------------


def _installed(situation: Situation) -> Judged:
    daemon_set = situation.object("DaemonSet")
    if daemon_set is None:
        return Judged(
            Outcome.INFO,
            "smarter-device-manager is not installed yet",
            "The plan installs it.",
            (f"no daemon set {NAMESPACE} in namespace {NAMESPACE}",),
        )
    managers = list(dict.fromkeys(entry.get("manager", "?") for entry in _written(daemon_set)))
    by = ", ".join(managers) or "unknown"
    status = daemon_set.get("status", {})
    return Judged(
        Outcome.INFO,
        f"smarter-device-manager is installed, by {by}"[:55],
        "The plan changes it in place; Manifest shows the difference.",
        (
            f"daemon set {NAMESPACE}: image {_container(daemon_set).get('image', '?')}",
            f"pods ready: {status.get('numberReady', 0)} of {status.get('desiredNumberScheduled', 0)}",
            f"fields written by: {by}",
        ),
        nodes=status.get("desiredNumberScheduled", 0),
    )


def _container(daemon_set: KubernetesObject) -> KubernetesObject:
    containers = daemon_set.get("spec", {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    container: KubernetesObject = next((one for one in containers if one.get("name") == NAMESPACE), containers[0])
    return container


def _written(item: KubernetesObject) -> list[KubernetesObject]:
    entries = item.get("metadata", {}).get("managedFields") or ()
    return [entry for entry in entries if not entry.get("subresource")]


def _running(situation: Situation) -> Judged:
    pods = situation.facts.plugin_pods
    if not pods:
        return Judged(Outcome.SKIPPED, "No pod of the device manager to look at", "None runs yet.")
    failing = [(pod, reason) for pod in pods if (reason := _trouble(pod))]
    if failing:
        reasons = Counter(reason for _, reason in failing)
        return Judged(
            Outcome.WARNING,
            f"{len(failing)} of {_count(len(pods), 'pod')} of the device manager fail",
            "Their nodes offer no FUSE.",
            tuple(f"{count} x {reason}" for reason, count in reasons.most_common(5)),
            (Remedy("Read the events of the pods.", f"kubectl -n {NAMESPACE} describe pods", touches="nothing"),),
            len(failing),
        )
    without = _running_without_fuse(situation)
    if without:
        return Judged(
            Outcome.WARNING,
            f"{_count(len(without), 'node')} with a running pod, without FUSE",
            "The device manager looks for /dev/fuse once, when it starts, and found none.",
            (f"ready pod, no {FUSE_RESOURCE} in allocatable: {', '.join(without[:3])}",),
            (
                Remedy("Load the module on the node, for good.", _LOAD_FUSE, who="system admin", touches="the nodes"),
                Remedy("Then restart the pods.", f"kubectl -n {NAMESPACE} rollout restart daemonset/{NAMESPACE}"),
            ),
            len(without),
        )
    return Judged(Outcome.PASS, f"{_count(len(pods), 'pod')} of the device manager run", nodes=len(pods))


_LOAD_FUSE = "modprobe fuse && echo fuse > /etc/modules-load.d/fuse.conf"


def _trouble(pod: KubernetesObject) -> str:
    status = pod.get("status", {})
    for container in status.get("containerStatuses") or ():
        state, last = container.get("state") or {}, container.get("lastState") or {}
        ended = (last.get("terminated") or {}).get("reason", "")
        waiting = (state.get("waiting") or {}).get("reason", "")
        if waiting and waiting not in ("ContainerCreating", "PodInitializing"):
            return f"{waiting} ({ended})" if ended else str(waiting)
        if (state.get("terminated") or {}).get("reason"):
            return str(state["terminated"]["reason"])
    return str(status.get("reason") or "Failed") if status.get("phase") == "Failed" else ""


def _running_without_fuse(situation: Situation) -> list[str]:
    ready = {
        pod.get("spec", {}).get("nodeName", "")
        for pod in situation.facts.plugin_pods
        if any(
            c.get("type") == "Ready" and c.get("status") == "True"
            for c in pod.get("status", {}).get("conditions") or ()
        )
    }
    return [v.node.name for v in situation.verdicts if v.node.name in ready and not v.node.fuse_devices]


def _duplicates(situation: Situation) -> Judged:
    plugins = situation.facts.device_plugins
    same = [plugin for plugin in plugins if "smarter-device-manager" in plugin.image]
    seen = tuple(f"daemon set {plugin.namespace}/{plugin.name}: {plugin.image}" for plugin in plugins)
    if same:
        return Judged(
            Outcome.WARNING,
            "Another device manager offers the same resource",
            f"Of two that register {FUSE_RESOURCE} on a node, the later one takes over; when it ends, both are gone.",
            seen,
            (
                Remedy(
                    "Keep one of the two.",
                    f"kubectl -n {same[0].namespace} get daemonset {same[0].name} -o yaml",
                    touches="nothing",
                ),
            ),
        )
    if plugins:
        return Judged(
            Outcome.INFO,
            "Another device plugin offers FUSE by another name",
            f"Workspaces that request {' or '.join(OTHER_FUSE_RESOURCES)} use that one; both can run side by side.",
            seen,
        )
    return Judged(Outcome.PASS, "No other device plugin offers FUSE", evidence=("daemon sets of all namespaces",))


def _capacity(situation: Situation) -> Judged:
    pods = pods_per_node(situation.chosen)
    switch = situation.switch("devices-per-node")
    devices = int(switch.value) if switch.on else GUIDE_DEVICES
    if pods <= devices:
        return Judged(Outcome.PASS, f"{devices} FUSE devices cover the {pods} pods of a node")
    return Judged(
        Outcome.INFO,
        f"{devices} FUSE devices a node, which takes {pods} pods",
        f"A node serves {devices} workspaces with FUSE at a time. The devices are virtual; more cost nothing.",
        (f"nodes' allocatable pods: {pods}; the manifest's nummaxdevices: {devices}",),
        (_in_manifest(switch, f"Raise it to {pods}"),),
        len(situation.chosen),
    )


def _memory(situation: Situation) -> Judged:
    daemon_set = situation.object("DaemonSet")
    if daemon_set is None:
        return Judged(
            Outcome.SKIPPED, "No memory limit to look at", "It is not installed yet; the manifest gives 30Mi."
        )
    limit = str(_container(daemon_set).get("resources", {}).get("limits", {}).get("memory", ""))
    seen = (f"daemon set {NAMESPACE}: memory limit {limit or 'none'}",)
    amount = re.fullmatch(r"(\d+)Mi", limit)
    if amount and int(amount[1]) < 30:
        return Judged(
            Outcome.WARNING,
            f"The installed memory limit of {limit} is too small",
            "The device manager is killed (OOMKilled) and its node loses FUSE. Its makers give 30Mi.",
            seen,
            (_in_manifest(situation.switch("memory"), "Give it 30Mi"),),
        )
    return Judged(Outcome.PASS, "The installed device manager has enough memory", evidence=seen)


# --- owners ----------------------------------------------------------------------------------------------------

_GITOPS_MANAGERS = (
    ("argocd", "Argo CD"),
    ("kustomize-controller", "Flux"),
    ("helm-controller", "Flux"),
    ("flux", "Flux"),
    ("fleet", "Fleet"),
    ("configsync", "Config Sync"),
)
_GITOPS_MARKS = (
    ("argocd.argoproj.io/", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/", "Flux"),
    ("helm.toolkit.fluxcd.io/", "Flux"),
    ("objectset.rio.cattle.io/", "Fleet"),
    ("configsync.gke.io/", "Config Sync"),
)


def gitops_tool(manager: str) -> str:
    """The GitOps tool that a field manager belongs to, "" where it is none that is known."""
    return next((tool for mark, tool in _GITOPS_MANAGERS if manager.startswith(mark)), "")


def gitops_owners(facts: ClusterFacts) -> tuple[tuple[str, str], ...]:
    """Which GitOps tools own objects of the guide: the tool, and what was seen where."""
    found: dict[str, str] = {}
    for kind, item in facts.objects.items():
        metadata = item.get("metadata", {})
        for entry in _written(item):
            if tool := gitops_tool(entry.get("manager", "")):
                found.setdefault(tool, f"{kind}: fields of manager {entry['manager']} ({entry.get('time', 'no time')})")
        for place in ("labels", "annotations"):
            for key in metadata.get(place) or {}:
                for mark, tool in _GITOPS_MARKS:
                    if key.startswith(mark):
                        found.setdefault(tool, f"{kind}: {place[:-1]} {key}")
    return tuple(found.items())


def _gitops(situation: Situation) -> Judged:
    found = gitops_owners(situation.facts)
    if not found:
        return Judged(
            Outcome.PASS,
            "No GitOps tool owns the objects",
            evidence=("managed fields, labels and annotations of what is there",),
            confidence="medium",
        )
    tools = ", ".join(tool for tool, _ in found)
    fields = [owner for owner in _foreign(situation) if gitops_tool(owner.manager)]
    return Judged(
        Outcome.WARNING,
        f"{tools} owns objects of the plan"[:55],
        "What the wizard applies, it sets back at its next sync. The change belongs in its repository.",
        (*(seen for _, seen in found), *(f"would be taken: {owner.path}" for owner in fields[:5])),
        (
            Remedy(
                "Put the manifest in the repository instead.",
                "podman-wizard plan --answers answers.yaml --to DIR",
                who="you",
            ),
            Remedy(
                f"Apply and take the fields, against {tools}.", "podman-wizard manifest apply", touches="the objects"
            ),
        ),
    )


def _foreign(situation: Situation) -> tuple[FieldOwner, ...]:
    return tuple(
        replace(owner, path=f"{wanted['kind']} {owner.path}")
        for wanted in situation.rendering.objects
        if (live := situation.object(wanted["kind"])) is not None
        for owner in contested(live, wanted, FIELD_MANAGER)
    )


def _field_owners(situation: Situation) -> Judged:
    if not situation.facts.objects:
        return Judged(Outcome.SKIPPED, "Nobody owns fields of the plan", "None of its objects is there yet.")
    foreign = [owner for owner in _foreign(situation) if not gitops_tool(owner.manager)]
    if not foreign:
        return Judged(Outcome.PASS, "The plan takes no field from another manager")
    managers = ", ".join(dict.fromkeys(owner.manager for owner in foreign))
    return Judged(
        Outcome.WARNING,
        f"{_count(len(foreign), 'field')} of the plan {'is' if len(foreign) == 1 else 'are'} owned by {managers}"[:55],
        "The server refuses to change them until you decide: take them, or leave them as they are.",
        tuple(f"{owner.path}: {owner.manager}, {owner.operation} at {owner.time or '?'}" for owner in foreign[:8]),
        (
            Remedy(
                "Leave the fields as they are (in the answers file).", "ownership: leave", who="you", touches="nothing"
            ),
            Remedy("Take them (in the answers file).", "ownership: take", who="you", touches=f"{len(foreign)} fields"),
        ),
    )


# --- documents -------------------------------------------------------------------------------------------------


def _documents(situation: Situation) -> Judged:
    return Judged(
        Outcome.INFO,
        f"Podman's documents to read first ({len(PODMAN_DOCUMENTS)})",
        "They say what rootless Podman cannot do, before a person wonders.",
        ("the guide asks for it",),
        tuple(Remedy(title, address, who="you", touches="nothing") for title, address in PODMAN_DOCUMENTS),
    )


_DAEMON_SET, _QUOTAS, _NAMESPACES = "daemonsets.apps", "resourcequotas", "namespaces"

RULES: tuple[Rule, ...] = (
    Rule("kube.reachable", "connection", "the API server", "Everything goes through it.", _reachable),
    Rule("rbac.plan", "rights", "your rights", "Each step takes some.", _rights),
    Rule("node.eligible", "nodes", "nodes that qualify", "FUSE is offered by nodes.", _eligible, ("nodes",)),
    Rule("kube.version", "connection", "the version", "The wizard writes by server-side apply.", _version),
    Rule("kube.clock-skew", "connection", "the clocks", "Tokens and certificates have times.", _clock),
    Rule(
        "namespace.terminating",
        "admission",
        "the namespace",
        "Nothing can be created in one that is being deleted.",
        _terminating,
        (_NAMESPACES,),
    ),
    Rule(
        "adm.psa-namespace",
        "admission",
        "Pod Security",
        "An enforced level can refuse the device manager.",
        _pod_security,
        (_NAMESPACES,),
    ),
    Rule("adm.autopilot", "admission", "GKE Autopilot", "It forbids host paths.", _autopilot),
    Rule("adm.webhook", "admission", "admission webhooks", "A policy can refuse the device manager.", _webhook),
    Rule("adm.openshift-scc", "admission", "constraints", "OpenShift refuses host paths without one.", _openshift),
    Rule(
        "quota.daemonset-pods",
        "quota",
        "the quota",
        "It limits on how many nodes the device manager runs.",
        _quota,
        ("nodes", _QUOTAS),
    ),
    Rule("quota.critical-class", "quota", "critical pods", "GKE wants a quota for them.", _critical_class),
    Rule("node.taints", "nodes", "taints", "The daemon set tolerates few by itself.", _tainted, ("nodes",)),
    Rule("node.os-arch", "nodes", "systems", "The image is built for two architectures.", _os_arch, ("nodes",)),
    Rule("node.virtual", "nodes", "virtual nodes", "Daemon sets get no pod there.", _virtual, ("nodes",)),
    Rule("node.kernel-min", "nodes", "kernels", "FUSE in user namespaces needs a newer one.", _kernel, ("nodes",)),
    Rule("node.ready", "nodes", "nodes that are late", "The rollout waits for every chosen node.", _ready, ("nodes",)),
    Rule("node.label-durable", "nodes", "managed pools", "A replaced node loses its label.", _durable, ("nodes",)),
    Rule(
        "plugin.installed",
        "device manager",
        "what is installed",
        "The plan changes what is there.",
        _installed,
        (_DAEMON_SET,),
    ),
    Rule("plugin.running", "device manager", "running pods", "A pod that fails gives no FUSE.", _running, ("pods",)),
    Rule(
        "plugin.duplicate-resource",
        "device manager",
        "other plugins",
        "Two of them on a node get in each other's way.",
        _duplicates,
        (_DAEMON_SET,),
    ),
    Rule(
        "plugin.capacity-vs-maxpods",
        "device manager",
        "devices a node",
        "They limit how many workspaces a node serves.",
        _capacity,
        ("nodes",),
    ),
    Rule(
        "plugin.memory-limit",
        "device manager",
        "the memory limit",
        "The guide's 15Mi is too little today.",
        _memory,
        (_DAEMON_SET,),
    ),
    Rule(
        "gitops.owner",
        "owners",
        "GitOps owners",
        "What they own they set back.",
        _gitops,
        (_DAEMON_SET,),
    ),
    Rule(
        "field.owner",
        "owners",
        "owners of fields",
        "The server protects what others have set.",
        _field_owners,
        (_DAEMON_SET,),
    ),
    Rule("docs.podman", "documents", "documents", "The guide asks to read them first.", _documents),
)
"""Every check, in the order in which findings are shown: what decides comes first."""
