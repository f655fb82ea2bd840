"""The steps of the wizard, in order; apart from the session, so that the first picture need not wait for it."""

from __future__ import annotations

from typing import Literal

StepId = Literal["prerequisites", "security-modules", "manifest", "nodes", "policy", "verify", "summary"]
StepState = Literal["", "ok", "!", "blocked"]

STEPS: tuple[tuple[StepId, str], ...] = (
    ("prerequisites", "Prerequisites"),
    ("security-modules", "Security modules"),
    ("manifest", "Manifest"),
    ("nodes", "Nodes"),
    ("policy", "Template policy"),
    ("verify", "Verify"),
    ("summary", "Summary"),
)
