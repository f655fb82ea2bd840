"""Rules about nodes: which of them get a pod, and why others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from wizard.finding import Outcome, Remedy
from wizard.findings.prerequisites.situation import Judged, Situation, in_manifest, names
from wizard.manifest import pod_of
from wizard.names import NODE_LABEL
from wizard.nodes.systems import version_in
from wizard.nodes.taints import untolerated
from wizard.nodes.verdicts import NodeVerdict, kernel_too_old, virtual_kind
from wizard.text.counting import counted


def eligible(situation: Situation) -> Judged:
    """Checks that there are nodes that qualify, and that some are selected."""
    total, chosen = len(situation.verdicts), situation.chosen
    if not total:
        return Judged(
            Outcome.BLOCKER, "This cluster has no nodes", "There are no nodes to label.", ("nodes listed: 0",)
        )
    fit = [verdict for verdict in situation.verdicts if verdict.eligible]
    reasons = Counter(reason.what for verdict in situation.verdicts for reason in verdict.causes[:1])
    qualifying = f"{len(fit)} of {counted(total, 'node')} {'qualifies' if 1 in (len(fit), total) else 'qualify'}"
    seen = (
        qualifying,
        *(f"{number} x {reason}" for reason, number in reasons.most_common(5)),
    )
    if situation.selection_error:
        return Judged(Outcome.BLOCKER, "Some selected nodes do not exist", situation.selection_error, seen)
    if not chosen:
        if fit:
            return Judged(
                Outcome.BLOCKER,
                _none_of(total, "is selected", "is not selected"),
                "The selector matches no node that qualifies." if situation.answers.nodes.selector else "",
                seen,
                (Remedy("Select all nodes that qualify.", "podman-wizard nodes label --all", who="you"),),
            )
        return Judged(
            Outcome.BLOCKER,
            _none_of(total, "qualifies", "does not qualify"),
            "No node can run both the device manager and rootless Podman.",
            seen,
            _ways_to_a_node(situation),
        )
    if not any(verdict.possible for verdict in chosen):
        return Judged(
            Outcome.BLOCKER, "None of the selected nodes qualifies", "", (*seen, f"selected: {names(chosen)}")
        )
    return Judged(
        Outcome.OK,
        f"{qualifying}{_kernels(fit)}"[:55],
        evidence=seen,
        nodes=len(fit),
    )


def _none_of(total: int, verb: str, negated: str) -> str:
    return f"None of {counted(total, 'node')} {verb}" if total > 1 else f"The only node {negated}"


def _ways_to_a_node(situation: Situation) -> tuple[Remedy, ...]:
    if any(verdict.possible for verdict in situation.verdicts):
        return (Remedy("Select tainted nodes by name. Manifest then adds their tolerations.", who="you"),)
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
    """Returns the result for nodes that get no pod: a warning if they are labeled or selected, or else an info.

    ``what`` is the statement about one node, and about several.
    """
    if not verdicts:
        return Judged(Outcome.OK, nothing)
    concerned = [verdict for verdict in verdicts if verdict.node.name in situation.concerned]
    singular, plural = what
    evidence = (*(f"{count} x {text}" for text, count in Counter(seen).most_common(5)), names(concerned or verdicts))
    if concerned:
        number = len(concerned)
        title = f"{counted(number, 'node')} in the plan {singular if number == 1 else plural}"
        return Judged(Outcome.WARNING, title, then, evidence, remedies, number)
    number = len(verdicts)
    title = f"{counted(number, 'node')} {singular if number == 1 else plural}"
    return Judged(Outcome.INFO, title, then, evidence, (), number)


_TAKE_LABEL_OFF = Remedy(
    "Remove the label, or leave these nodes out.",
    f"kubectl label nodes NAME {NODE_LABEL}-",
    touches="the nodes' labels",
)


def os_arch(situation: Situation) -> Judged:
    """Checks that the image supports the nodes."""
    others = [
        verdict
        for verdict in situation.verdicts
        if verdict.causes and verdict.causes[0].cause in ("system", "architecture")
    ]
    return _affected(
        situation,
        others,
        ("has an unsupported OS or CPU", "have an unsupported OS or CPU"),
        "The image supports every node",
        (verdict.causes[0].what for verdict in others),
        "The device manager's image supports Linux on amd64 and arm64. Workspaces on other nodes get no FUSE.",
        (_TAKE_LABEL_OFF,),
    )


def virtual(situation: Situation) -> Judged:
    """Checks for nodes that are not machines."""
    found = [verdict for verdict in situation.verdicts if virtual_kind(verdict.node)]
    return _affected(
        situation,
        found,
        ("is virtual (Fargate or similar)", "are virtual (Fargate or similar)"),
        "No virtual nodes",
        (virtual_kind(verdict.node) for verdict in found),
        "DaemonSets do not run there, so workspaces there get no FUSE.",
        (_TAKE_LABEL_OFF,),
    )


def kernel(situation: Situation) -> Judged:
    """Checks for kernels that are too old for FUSE in user namespaces."""
    old = [verdict for verdict in situation.verdicts if _is_linux(verdict) and kernel_too_old(verdict.node.kernel)]
    return _affected(
        situation,
        old,
        ("has an old kernel", "have old kernels"),
        "All kernels support FUSE in user namespaces",
        (f"kernel {verdict.kernel} ({verdict.system})" for verdict in old),
        "FUSE in user namespaces needs a kernel newer than 4.18 (or the 4.18 of RHEL 8).",
        (
            Remedy("Move the nodes to a newer OS image.", who="system admin", reboot=True, touches="the nodes"),
            _TAKE_LABEL_OFF,
        ),
    )


def _is_linux(verdict: NodeVerdict) -> bool:
    return verdict.node.operating_system == "linux"


def tainted(situation: Situation) -> Judged:
    """Checks for taints that the DaemonSet does not tolerate."""
    daemon_set = situation.planned("DaemonSet")
    pod = pod_of(daemon_set) if daemon_set else {}
    tainted = [
        verdict
        for verdict in situation.verdicts
        if verdict.possible and untolerated(verdict.node, pod.get("tolerations") or ())
    ]
    return _affected(
        situation,
        tainted,
        ("is tainted", "are tainted"),
        "No taint keeps the DaemonSet off a node",
        (f"taint {taint}" for verdict in tainted for taint in untolerated(verdict.node)),
        "The DaemonSet does not run there, even if you label the node.",
        (in_manifest(situation.switch("tolerations"), "Tolerate the taints"), _TAKE_LABEL_OFF),
    )


def ready(situation: Situation) -> Judged:
    """Checks for selected nodes that are not ready."""
    late = [verdict for verdict in situation.chosen if verdict.possible and not verdict.node.ready]
    total = len(situation.chosen)
    cordoned = [verdict for verdict in situation.chosen if verdict.possible and verdict.node.unschedulable]
    if cordoned and not late:
        return Judged(
            Outcome.INFO,
            f"{len(cordoned)} of {counted(total, 'selected node')} cordoned",
            "The device manager runs there, but no new workspace is scheduled there. The Podman test places its pod by "
            "name, so it runs there all the same.",
            (f"unschedulable: {names(cordoned)}",),
            (
                Remedy(
                    "Allow pods on them again, or leave these nodes out.", f"kubectl uncordon {cordoned[0].node.name}"
                ),
            ),
            len(cordoned),
        )
    if not late:
        titles = {0: "No nodes selected", 1: "The selected node is ready"}
        return Judged(Outcome.OK, titles.get(total, f"All {total} selected nodes are ready"))
    return Judged(
        Outcome.WARNING,
        f"{len(late)} of {counted(total, 'selected node')} not ready",
        "Their pods start when the nodes are ready. The rollout waits for them.",
        (f"condition Ready is not True: {names(late)}",),
        (Remedy("Find out why, or leave these nodes out.", f"kubectl describe node {late[0].node.name}"),),
        len(late),
    )
