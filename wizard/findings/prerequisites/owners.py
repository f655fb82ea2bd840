"""Rules about other field managers of what the plan changes."""

from __future__ import annotations

from wizard.facts.cluster import ClusterFacts
from wizard.finding import Outcome, Remedy
from wizard.findings.prerequisites.situation import Judged, Situation
from wizard.manifest.gitops import gitops_signs, gitops_tool
from wizard.text.counting import counted


def gitops_owners(facts: ClusterFacts) -> tuple[tuple[str, str], ...]:
    """Returns the GitOps tools that own objects of the guide: the tool and the evidence, once per object."""
    found: dict[tuple[str, str], str] = {}
    for kind, item in facts.objects.items():
        for tool, seen in gitops_signs(item):
            found.setdefault((tool, kind), f"{kind}: {seen}")
    return tuple((tool, seen) for (tool, _), seen in found.items())


def gitops(situation: Situation) -> Judged:
    """Checks for GitOps tools that own objects of the plan."""
    if not situation.facts.objects:
        return Judged(Outcome.SKIPPED, "No GitOps tool: no objects exist yet")
    found = gitops_owners(situation.facts)
    if not found:
        return Judged(
            Outcome.OK,
            "No GitOps tool manages the objects",
            evidence=("managed fields, labels, and annotations of the existing objects",),
            confidence="medium",
        )
    tools = ", ".join(dict.fromkeys(tool for tool, _ in found))
    fields = [owner for owner in situation.foreign if gitops_tool(owner.manager)]
    return Judged(
        Outcome.WARNING,
        f"Objects of the plan managed by {tools}"[:55],
        "It reverts what you apply here at its next sync. Make the change in its repository instead.",
        (*(seen for _, seen in found), *(f"would be taken over: {owner.path}" for owner in fields[:5])),
        (
            Remedy(
                "Put the manifest in the repository.",
                "podman-wizard plan --answers answers.yaml --to DIR",
                who="you",
            ),
            Remedy(
                f"Apply it here and take over the fields from {tools}.",
                "podman-wizard manifest apply --ownership take",
                touches="the objects",
            ),
        ),
    )


def field_owners(situation: Situation) -> Judged:
    """Checks for other managers of fields of the plan."""
    if not situation.facts.objects:
        return Judged(Outcome.SKIPPED, "No conflicts: no objects exist yet")
    foreign = [owner for owner in situation.foreign if not gitops_tool(owner.manager)]
    if not foreign:
        return Judged(Outcome.OK, "No conflicts with other field managers")
    managers = ", ".join(dict.fromkeys(owner.manager for owner in foreign))
    return Judged(
        Outcome.WARNING,
        f"{counted(len(foreign), 'conflict')} with {managers}"[:55],
        f"{'Another manager owns this field' if len(foreign) == 1 else 'Other managers own these fields'} of the plan. "
        "The server rejects a change until you decide: take over a field, or leave it as it is.",
        tuple(f"{owner.path}: {owner.manager}, {owner.operation} at {owner.time or '?'}" for owner in foreign[:8]),
        (
            Remedy(
                "Leave the fields as they are (in the answers file).", "ownership: leave", who="you", touches="nothing"
            ),
            Remedy(
                "Take over the fields (in the answers file).",
                "ownership: take",
                who="you",
                touches=counted(len(foreign), "field"),
            ),
        ),
    )
