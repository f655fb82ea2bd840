"""The rule about your permissions for the plan."""

from __future__ import annotations

from wizard.facts.cluster import Right
from wizard.finding import Outcome
from wizard.findings.prerequisites.situation import Judged, Situation, ask_for
from wizard.text.counting import counted

_KINDS = {
    "namespaces": "Namespace",
    "resourcequotas": "ResourceQuota",
    "configmaps": "ConfigMap",
    "daemonsets": "DaemonSet",
}


def _takes(right: Right, situation: Situation) -> bool:
    """Tells whether what is left of the plan cannot be done without this permission."""
    if right.purpose != "plan":
        return right.purpose == "pods"
    if right.resource in _KINDS and right.verb in ("create", "patch"):
        kind = _KINDS[right.resource]
        exists = situation.object(kind) is not None
        return kind in situation.changing and (right.verb == "patch" or not exists)
    if right.resource == "nodes":
        if right.verb in ("get", "patch"):
            return situation.labelling
        return not (situation.answers.nodes.names or situation.every_node)
    return True


def rights(situation: Situation) -> Judged:
    """Checks every permission that the plan needs, as the server reviewed it."""
    rights = situation.facts.rights_for(situation.answers.pods_in())
    if not rights:
        return Judged(
            Outcome.UNKNOWN, "Permissions could not be checked", "The server did not answer the access reviews."
        )
    denied = [right for right in rights if right.allowed is False]
    seen = tuple(f"access review: {right} denied{f' ({right.reason})' if right.reason else ''}" for right in denied)
    needed = [right for right in denied if _takes(right, situation)]
    if needed:
        return Judged(
            Outcome.BLOCKER,
            f"You lack {len(denied)} of the {counted(len(rights), 'permission')} for this plan",
            f"You cannot complete the plan without these permissions: {', '.join(map(str, needed))}.",
            seen,
            (ask_for([str(right) for right in denied]),),
        )
    if denied:
        return Judged(
            Outcome.WARNING,
            f"You lack {len(denied)} of {len(rights)} permissions, none required",
            f"You can complete the plan, but you see less of its progress without: {', '.join(map(str, denied))}.",
            seen,
            (ask_for([str(right) for right in denied]),),
        )
    unsure = [right for right in rights if right.allowed is None]
    if unsure:
        return Judged(
            Outcome.UNKNOWN,
            f"{len(unsure)} of {len(rights)} permissions could not be checked",
            "The access review failed (create selfsubjectaccessreviews). The server decides when you apply.",
            tuple(f"{right}: {right.reason or 'no answer'}" for right in unsure),
        )
    return Judged(
        Outcome.OK,
        f"You have all {counted(len(rights), 'permission')} for this plan",
        evidence=(f"{counted(len(rights), 'access review')}, all allowed",),
    )
