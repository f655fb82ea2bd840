"""The server: that it answers, its version, its clock."""

from __future__ import annotations

from wizard.facts import Unread
from wizard.findings import Outcome, Remedy
from wizard.prerequisites.situation import Judged, Situation, not_looked_at
from wizard.systems import version_in

OLDEST_VERSION = (1, 22)
"""The first Kubernetes with server-side apply in general availability."""

LARGEST_SKEW = 30.0
"""Seconds between the clocks that nobody notices; beyond them fresh certificates and tokens begin to fail."""


def reachable(situation: Situation) -> Judged:
    """The API server answers."""
    identity = situation.facts.identity
    version = identity.version.removeprefix("v").partition("+")[0].partition("-")[0]
    return Judged(
        Outcome.PASS,
        f"API server answers, {version or 'version not told'}, {identity.distribution}"[:55],
        f"Connected to {identity.server} as {identity.user or 'an unnamed user'}.",
        (f"{identity.server}/version: {identity.version or 'refused'}", f"context {identity.context}"),
    )


def version(situation: Situation) -> Judged:
    """Server-side apply is there."""
    version = situation.facts.identity.version
    if not version_in(version):
        # Hardened clusters keep it from all but a few (system:public-info-viewer).
        told = Unread("the server's version", "get", "/version", version or "the server refused it, or said none")
        return not_looked_at("the version", "Before 1.22 server-side apply was not finished.", told)
    seen = (f"/version: {version}",)
    if version_in(version) < OLDEST_VERSION:
        return Judged(
            Outcome.WARNING,
            f"Kubernetes {version} is older than 1.22",
            "Server-side apply, by which the wizard writes, was not finished before 1.22.",
            seen,
            (
                Remedy(
                    "Upgrade the cluster, or render the manifest and apply it with kubectl.",
                    "podman-wizard manifest render",
                ),
            ),
        )
    return Judged(Outcome.PASS, "The version has what the plan needs", evidence=seen)


def clock(situation: Situation) -> Judged:
    """The clocks agree."""
    skew = situation.facts.clock_skew
    seen = (f"Date header of the server: {skew:+.0f} s against this machine",)
    if abs(skew) <= LARGEST_SKEW:
        return Judged(Outcome.PASS, "The clocks of server and this machine agree", evidence=seen)
    direction = "ahead of" if skew > 0 else "behind"
    return Judged(
        Outcome.WARNING,
        f"The server's clock is {abs(skew):.0f} s {direction} this machine",
        "Fresh tokens and certificates may be refused, and times of events read wrong.",
        seen,
        (
            Remedy(
                "Set the clock of the machine that is wrong.",
                "timedatectl status",
                who="system admin",
                touches="a clock",
            ),
        ),
    )
