"""Rules about the server: whether it responds, its version, its clock."""

from __future__ import annotations

from wizard.facts.cluster import Unread
from wizard.finding import Outcome, Remedy
from wizard.findings.prerequisites.situation import Judged, Situation, not_looked_at
from wizard.nodes.systems import version_in

OLDEST_VERSION = (1, 22)
"""The first Kubernetes version with stable (GA) server-side apply."""

LARGEST_SKEW = 30.0
"""The accepted difference of the clocks in seconds; beyond it, new certificates and tokens begin to fail."""


def reachable(situation: Situation) -> Judged:
    """Reports which API server responded."""
    identity = situation.facts.identity
    version = identity.version.removeprefix("v").partition("+")[0].partition("-")[0]
    return Judged(
        Outcome.OK,
        f"API server answers, {version or 'version hidden'}, {identity.distribution}"[:55],
        f"Connected to {identity.server} as {identity.user or 'an unnamed user'}.",
        (f"{identity.server}/version: {identity.version or 'denied'}", f"context {identity.context}"),
    )


def version(situation: Situation) -> Judged:
    """Checks that server-side apply is available."""
    version = situation.facts.identity.version
    if not version_in(version):
        # Hardened clusters hide the version from most users (system:public-info-viewer).
        hidden = Unread("the server's version", "get", "/version", version or "denied, or no version in the response")
        return not_looked_at("the version", "Server-side apply is stable since Kubernetes 1.22.", hidden)
    seen = (f"/version: {version}",)
    if version_in(version) < OLDEST_VERSION:
        return Judged(
            Outcome.WARNING,
            f"Kubernetes {version} is older than 1.22",
            "podman-wizard uses server-side apply, which is stable since Kubernetes 1.22.",
            seen,
            (
                Remedy(
                    "Upgrade the cluster, or render the manifest and apply it with kubectl.",
                    "podman-wizard manifest render",
                ),
            ),
        )
    return Judged(Outcome.OK, "The Kubernetes version is supported", evidence=seen)


def clock(situation: Situation) -> Judged:
    """Checks that the server's clock and the local clock agree."""
    skew = situation.facts.clock_skew
    seen = (f"Date header of the server: {round(skew):+d} s compared with this machine",)
    if abs(skew) <= LARGEST_SKEW:
        return Judged(Outcome.OK, "The server and local clocks agree", evidence=seen)
    direction = "ahead of" if skew > 0 else "behind"
    return Judged(
        Outcome.WARNING,
        f"The server's clock is {abs(skew):.0f} s {direction} this machine",
        "New tokens and certificates can be rejected, and event times are misleading.",
        seen,
        (
            Remedy(
                "Correct the clock that is wrong.",
                "timedatectl status",
                who="system admin",
                touches="a clock",
            ),
        ),
    )
