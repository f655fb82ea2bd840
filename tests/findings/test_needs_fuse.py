"""Who needs FUSE: each fact that was seen on a real node, and what says the opposite; and the finding made of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.facts_for_tests import RHCOS, UBUNTU_22, WINDOWS, cluster, judged, node
from wizard.engine.podman_check import Proof
from wizard.facts.cluster import ClusterFacts
from wizard.finding import Finding, Outcome
from wizard.findings.needs_fuse import STORAGE, Measured, Workspace, needs_fuse
from wizard.session.session import Session

HOME = "/home/coder"
VOLUME: dict[str, Any] = {"home_volume": HOME, "storage": f"{HOME}/{STORAGE}"}
NEW = "6.18.5"


@pytest.mark.parametrize(
    ("known", "answer", "reason", "alternative"),
    [
        # An ordinary volume: native overlay, FUSE is not used.
        ({**VOLUME}, "no", "mounts overlay natively", ""),
        ({**VOLUME, "storage": f"/home/podman/{STORAGE}"}, "yes", "cannot be stacked", "home volume"),
        ({**VOLUME, "storage": "/home/coder2/storage"}, "yes", "cannot be stacked", "home volume"),
        ({**VOLUME, "network_volume": True}, "unknown", "network file system", "not NFS"),
        # The container's own overlay: fuse-overlayfs, or nothing.
        ({}, "yes", "cannot be stacked", "home volume"),
        ({"kernel": "4.19.0"}, "yes", "cannot be stacked", ""),
        # From 5.11 on, with SELinux from 5.13 on.
        ({**VOLUME, "kernel": "5.10.0-28-amd64"}, "yes", "kernel 5.10 has no native overlay", "newer kernel"),
        ({**VOLUME, "kernel": "5.11.0", "selinux": False}, "no", "kernel 5.11 mounts", ""),
        ({**VOLUME, "kernel": "5.12.9", "selinux": True}, "yes", "needs 5.13", "newer kernel"),
        ({**VOLUME, "kernel": "5.12.9"}, "unknown", "needs 5.13", ""),
        ({**VOLUME, "kernel": "5.13.0", "selinux": True}, "no", "kernel 5.13 mounts", ""),
        ({**VOLUME, "kernel": "5.13.0"}, "no", "kernel 5.13 mounts", ""),
        ({**VOLUME, "kernel": ""}, "unknown", "not known", ""),
        ({**VOLUME, "kernel": "4.18.0-553.el8_10.x86_64"}, "unknown", "the vendor of kernel 4.18", ""),
        ({**VOLUME, "kernel": "5.4.0-150-generic"}, "unknown", "the vendor of kernel 5.4", ""),
        # hostUsers: false.
        ({**VOLUME, "host_users": False, "runtime": "containerd://1.6.20"}, "unknown", "1.6 rejects", "containerd 2"),
        ({**VOLUME, "host_users": False, "runtime": "containerd://2.4.0"}, "no", "natively", ""),
        ({"host_users": False, "runtime": "containerd://2.4.0"}, "unknown", "was not measured", "home volume"),
        ({"runtime": "containerd://1.6.20"}, "yes", "cannot be stacked", "home volume"),
    ],
)
def test_who_needs_fuse(known: dict[str, Any], answer: str, reason: str, alternative: str) -> None:
    need = needs_fuse(Workspace(**{"kernel": NEW, **known}))
    assert need.answer == answer
    assert reason in need.reason
    assert alternative in need.alternative and bool(alternative) == bool(need.alternative)


def finding(facts: ClusterFacts, *measured: Measured) -> Finding:
    judgement = judged(facts).changed(measured=measured)
    return next(one for one in judgement.prerequisites if one.id == "node.needs-fuse")


def test_before_anything_is_applied_kernels_say_it_with_medium_confidence() -> None:
    old = node("old", kernel="5.10.0-28-amd64", os_image="Debian GNU/Linux 11 (bullseye)")
    found = finding(cluster(node("a"), node("b"), old))
    assert (found.outcome, found.confidence, found.nodes) == (Outcome.INFO, "medium", 1)
    assert found.title == "Every workspace needs FUSE on 1 of 3 nodes"
    assert found.evidence[0].startswith("2 nodes: only storage in the container needs FUSE: kernel 6.1 mounts")
    assert found.remedies[0].command == "podman-wizard verify"
    assert "hostUsers" not in found.detail and "CRI-O" not in found.detail


def test_what_else_would_do_is_told_if_the_nodes_have_it() -> None:
    modern = node(container_runtime="containerd://2.1.3", kubelet_version="v1.33.1")
    assert "hostUsers: false" in finding(cluster(modern)).detail
    assert "io.kubernetes.cri-o.Devices" in finding(cluster(node(**RHCOS))).detail


def test_what_is_not_known_is_not_guessed() -> None:
    found = finding(cluster(node(kernel="")))
    assert (found.outcome, found.confidence) == (Outcome.UNKNOWN, "low")
    assert finding(cluster(node(**WINDOWS))).outcome is Outcome.SKIPPED


def test_what_the_podman_test_measured_takes_the_place_of_the_estimate() -> None:
    facts = cluster(node("a"), node("b"), node("c", **UBUNTU_22))
    found = finding(facts, Measured("b", "yes"), Measured("c", "no"))
    assert (found.title, found.confidence, found.nodes) == ("Every workspace needs FUSE on 2 of 3 nodes", "high", 2)
    assert found.evidence[0] == (
        "2 nodes: every workspace needs FUSE: measured by the Podman test (Amazon Linux 2023, containerd 1.7)"
    )
    assert found.remedies == ()
    # A test that measured nothing leaves the estimate.
    partly = finding(facts, Measured("b", "unknown"), Measured("c", "no"))
    assert (partly.confidence, partly.nodes) == ("medium", 0)
    assert partly.title == "Which workspaces need FUSE differs by node"


def test_a_session_keeps_what_was_measured_when_it_reads_again() -> None:
    facts = cluster(node("a", kernel="5.10.0-28-amd64"))
    session = Session()
    session.take_facts(facts)
    session.take_proofs((Proof("1 x Debian", "a", 1, True, "", needs_fuse="own-file-system"),))
    for _ in range(2):
        assert session.judgement is not None
        found = next(one for one in session.judgement.prerequisites if one.id == "node.needs-fuse")
        assert (found.title, found.confidence) == ("Only storage in the container needs FUSE", "high")
        session.take_facts(facts)
