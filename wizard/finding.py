"""Findings: the outcomes of checks, with evidence and fixes, least disruptive first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal


class Outcome(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    BLOCKER = "blocker"
    """A later step cannot run."""
    SKIPPED = "skipped"
    """The check does not apply to this cluster; the detail has the reason."""
    UNKNOWN = "unknown"
    """It could not be checked; the detail names the missing permission."""


Confidence = Literal["low", "medium", "high"]
Who = Literal["you", "cluster admin", "Coder admin", "system admin"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to fix it. ``touches`` says what it affects, in a few words ("this pod", "every container")."""

    text: str
    command: str = ""
    who: Who = "cluster admin"
    reboot: bool = False
    reversible: bool = True
    touches: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of a check.

    ``evidence`` is what was found and where (screens: *Found*), ``detail`` what it means (*Means*), ``remedies`` the
    fixes (*To do*), least disruptive first. ``nodes`` counts the affected nodes.
    """

    id: str
    category: str
    outcome: Outcome
    title: str
    detail: str = ""
    evidence: tuple[str, ...] = ()
    confidence: Confidence = "high"
    remedies: tuple[Remedy, ...] = ()
    nodes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Returns the finding as commands print it."""
        return {
            "id": self.id,
            "category": self.category,
            "outcome": str(self.outcome),
            "title": self.title,
            "detail": self.detail,
            "evidence": list(self.evidence),
            "confidence": self.confidence,
            "remedies": [
                {
                    "text": remedy.text,
                    "command": remedy.command,
                    "who": remedy.who,
                    "reboot": remedy.reboot,
                    "reversible": remedy.reversible,
                    "touches": remedy.touches,
                }
                for remedy in self.remedies
            ],
            "nodes": self.nodes,
        }


def blockers(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Returns the findings that block a step."""
    return tuple(finding for finding in findings if finding.outcome is Outcome.BLOCKER)


WORST_FIRST = (Outcome.BLOCKER, Outcome.WARNING, Outcome.UNKNOWN, Outcome.INFO, Outcome.OK, Outcome.SKIPPED)
PASSED = (Outcome.OK, Outcome.SKIPPED)


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Returns the findings as every door shows them: the worst first, else in their order."""
    return tuple(sorted(findings, key=lambda one: WORST_FIRST.index(one.outcome)))


def outcome_counts(findings: Iterable[Finding]) -> tuple[tuple[str, str], ...]:
    """Returns how many findings have each outcome, the worst first: the outcome, and the words (``2 warnings``)."""
    found = Counter("passed" if one.outcome in PASSED else str(one.outcome) for one in findings)
    words = {"blocker": "blockers", "warning": "warnings", "unknown": "unknown", "info": "info", "passed": "passed"}
    return tuple(
        (outcome, f"{found[outcome]} {outcome if found[outcome] == 1 else many}")
        for outcome, many in words.items()
        if found[outcome]
    )
