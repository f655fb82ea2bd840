"""What to read before."""

from __future__ import annotations

from wizard.findings import Outcome, Remedy
from wizard.prerequisites.situation import Judged, Situation

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


def documents(situation: Situation) -> Judged:
    """Podman's own documents."""
    return Judged(
        Outcome.INFO,
        f"Podman's documents to read first ({len(PODMAN_DOCUMENTS)})",
        "They say what rootless Podman cannot do, before a person wonders.",
        ("the guide asks for it",),
        tuple(Remedy(title, address, who="you", touches="nothing") for title, address in PODMAN_DOCUMENTS),
    )
