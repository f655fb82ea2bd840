"""What is judged from facts: outcomes with evidence, and remedies from the least drastic on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal


class Outcome(StrEnum):
    """How a check ended."""

    PASS = "pass"
    INFO = "info"
    WARNING = "warning"
    BLOCKER = "blocker"
    """A step cannot be carried out."""
    SKIPPED = "skipped"
    """It does not apply here; the detail has the reason."""
    UNKNOWN = "unknown"
    """It could not be looked at; the detail names the verb that is missing."""


Confidence = Literal["low", "medium", "high"]
Who = Literal["you", "cluster admin", "Coder admin", "system admin"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to mend it. ``touches`` says how much it changes, in a few words ("this pod", "every container")."""

    text: str
    command: str = ""
    who: Who = "cluster admin"
    reboot: bool = False
    reversible: bool = True
    touches: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement.

    ``evidence`` is what was seen and where (screens: *Seen*), ``detail`` what follows from it (*Then*),
    ``remedies`` what to do about it (*Do*), least drastic first. ``nodes`` counts the nodes it is about.
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
        """The finding as commands print it."""
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
    """Those that keep a step from being carried out."""
    return tuple(finding for finding in findings if finding.outcome is Outcome.BLOCKER)
