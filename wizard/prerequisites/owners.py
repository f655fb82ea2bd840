"""Who else owns what the plan changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wizard.differences import FieldOwner, contested
from wizard.facts import ClusterFacts, KubernetesObject
from wizard.findings import Outcome, Remedy
from wizard.names import FIELD_MANAGER
from wizard.prerequisites.situation import Judged, Situation, counted, written

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
    """Which GitOps tools own objects of the guide: the tool and what was seen, once for each object."""
    found: dict[tuple[str, str], str] = {}
    for kind, item in facts.objects.items():
        for tool, seen in gitops_signs(item):
            found.setdefault((tool, kind), f"{kind}: {seen}")
    return tuple((tool, seen) for (tool, _), seen in found.items())


def gitops_signs(item: KubernetesObject) -> Iterator[tuple[str, str]]:
    """The GitOps tools that have left their signs on an object, each with the sign."""
    for entry in written(item):
        if tool := gitops_tool(entry.get("manager", "")):
            yield tool, f"fields of manager {entry['manager']} ({entry.get('time', 'no time')})"
    for place in ("labels", "annotations"):
        for key in item.get("metadata", {}).get(place) or {}:
            for mark, tool in _GITOPS_MARKS:
                if key.startswith(mark):
                    yield tool, f"{place[:-1]} {key}"


def gitops(situation: Situation) -> Judged:
    """GitOps tools that own objects of the plan."""
    if not situation.facts.objects:
        return Judged(Outcome.SKIPPED, "No GitOps tool owns the objects", "None of them is there yet.")
    found = gitops_owners(situation.facts)
    if not found:
        return Judged(
            Outcome.PASS,
            "No GitOps tool owns the objects",
            evidence=("managed fields, labels and annotations of what is there",),
            confidence="medium",
        )
    tools = ", ".join(dict.fromkeys(tool for tool, _ in found))
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
                f"Apply and take the fields, against {tools}.",
                "podman-wizard manifest apply --ownership take",
                touches="the objects",
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


def field_owners(situation: Situation) -> Judged:
    """Other managers of fields of the plan."""
    if not situation.facts.objects:
        return Judged(Outcome.SKIPPED, "Nobody owns fields of the plan", "None of its objects is there yet.")
    foreign = [owner for owner in _foreign(situation) if not gitops_tool(owner.manager)]
    if not foreign:
        return Judged(Outcome.PASS, "The plan takes no field from another manager")
    managers = ", ".join(dict.fromkeys(owner.manager for owner in foreign))
    return Judged(
        Outcome.WARNING,
        f"{counted(len(foreign), 'field')} of the plan {'is' if len(foreign) == 1 else 'are'} owned by {managers}"[:55],
        "The server refuses to change them until you decide: take them, or leave them as they are.",
        tuple(f"{owner.path}: {owner.manager}, {owner.operation} at {owner.time or '?'}" for owner in foreign[:8]),
        (
            Remedy(
                "Leave the fields as they are (in the answers file).", "ownership: leave", who="you", touches="nothing"
            ),
            Remedy("Take them (in the answers file).", "ownership: take", who="you", touches=f"{len(foreign)} fields"),
        ),
    )
