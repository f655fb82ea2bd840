"""Which nodes get a pod, which do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from wizard.errors import WizardError
from wizard.findings import Outcome, Remedy
from wizard.names import NODE_LABEL
from wizard.nodes import NodeVerdict, choose, kernel_too_old, untolerated, virtual_kind
from wizard.prerequisites.situation import Judged, Situation, counted, in_manifest, names
from wizard.systems import version_in


def eligible(situation: Situation) -> Judged:
    """There are nodes to serve."""
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
        return Judged(Outcome.BLOCKER, "None of the chosen nodes can serve", "", (*seen, f"chosen: {names(chosen)}"))
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
    evidence = (*(f"{count} x {text}" for text, count in Counter(seen).most_common(5)), names(concerned or verdicts))
    if concerned:
        number = len(concerned)
        title = f"{number} labelled or chosen: {singular if number == 1 else plural}"
        return Judged(Outcome.WARNING, title, then, evidence, remedies, number)
    number = len(verdicts)
    title = f"{counted(number, 'node')} {singular if number == 1 else plural}"
    return Judged(Outcome.INFO, title, then, evidence, (), number)


_TAKE_LABEL_OFF = Remedy(
    "Take the label off, or leave the nodes out.",
    f"kubectl label nodes NAME {NODE_LABEL}-",
    touches="the nodes' labels",
)


def os_arch(situation: Situation) -> Judged:
    """The image is built for the nodes."""
    others = [
        verdict
        for verdict in situation.verdicts
        if not verdict.possible and verdict.reasons[0].startswith(("not Linux", "architecture"))
    ]
    return _affected(
        situation,
        others,
        ("has no image for its system", "have no image for their system"),
        "The image is built for every node's system",
        (verdict.reasons[0].partition(":")[0] for verdict in others),
        "The device manager's image is built for Linux on amd64 and arm64. Workspaces there get no FUSE.",
        (_TAKE_LABEL_OFF,),
    )


def virtual(situation: Situation) -> Judged:
    """Nodes that are no machines."""
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


def kernel(situation: Situation) -> Judged:
    """Kernels too old for FUSE in user namespaces."""
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


def tainted(situation: Situation) -> Judged:
    """Taints that keep the daemon set away."""
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
        (in_manifest(situation.switch("tolerations"), "Tolerate the taints"), _TAKE_LABEL_OFF),
    )


def ready(situation: Situation) -> Judged:
    """Chosen nodes that are not ready."""
    late = [verdict for verdict in situation.chosen if verdict.possible and not verdict.node.ready]
    total = len(situation.chosen)
    if not late:
        return Judged(Outcome.PASS, f"All {total} chosen nodes are ready" if total else "No chosen node is late")
    return Judged(
        Outcome.WARNING,
        f"{len(late)} of {total} chosen nodes not ready",
        "Their pods start once they are; the rollout waits for them.",
        (f"condition Ready is not True: {names(late)}",),
        (Remedy("See why, or leave them out.", f"kubectl describe node {late[0].node.name}"),),
        len(late),
    )
