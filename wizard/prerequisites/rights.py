"""Whether this person may do what the plan does."""

from __future__ import annotations

from wizard.facts import Right
from wizard.findings import Outcome
from wizard.prerequisites.situation import Judged, Situation, ask_for, counted

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


def rights(situation: Situation) -> Judged:
    """Every right that the plan takes, as the server reviewed it."""
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
            (ask_for([str(right) for right in denied]),),
        )
    if denied:
        return Judged(
            Outcome.WARNING,
            f"You lack {len(denied)} of the {len(rights)} rights that the plan uses",
            f"The plan can be carried out; what is missing tells less: {', '.join(map(str, denied))}.",
            seen,
            (ask_for([str(right) for right in denied]),),
        )
    unsure = [right for right in rights if right.allowed is None]
    if unsure:
        return Judged(
            Outcome.UNKNOWN,
            f"{counted(len(unsure), 'right')} of {len(rights)} could not be reviewed",
            "The access review failed (create selfsubjectaccessreviews); the server decides at the apply.",
            tuple(f"{right}: {right.reason or 'no answer'}" for right in unsure),
        )
    return Judged(
        Outcome.PASS,
        f"You hold {held} of the {len(rights)} rights that the plan needs",
        evidence=(f"{len(rights)} access reviews, all allowed",),
    )
