"""The rule about documents to read first."""

from __future__ import annotations

from wizard.finding import Outcome, Remedy
from wizard.findings.prerequisites.situation import Judged, Situation

PODMAN_DOCUMENTS = (
    (
        "Rootless Podman: setup and use",
        "https://github.com/containers/podman/blob/main/docs/tutorials/rootless_tutorial.md",
    ),
    (
        "Shortcomings of rootless Podman",
        "https://github.com/containers/podman/blob/main/rootless.md#shortcomings-of-rootless-podman",
    ),
    ("Container permission denied", "https://www.redhat.com/sysadmin/container-permission-denied-errors"),
)
"""The documents that the guide says to read first."""


def documents(situation: Situation) -> Judged:
    """Lists Podman's own documents."""
    return Judged(
        Outcome.INFO,
        f"Podman documents to read first ({len(PODMAN_DOCUMENTS)})",
        "They explain how to set up rootless Podman and what it cannot do.",
        ("recommended by the guide",),
        tuple(Remedy(title, address, who="you", touches="nothing") for title, address in PODMAN_DOCUMENTS),
    )
