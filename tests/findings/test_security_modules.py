from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.facts_for_tests import (
    AMAZON,
    BOTTLEROCKET,
    RHCOS,
    TALOS,
    UBUNTU_22,
    UBUNTU_24,
    WINDOWS,
    cluster,
    clusters,
    judged,
    node,
    nodes,
)
from wizard.facts.cluster import ClusterFacts, NodeFacts
from wizard.finding import Finding, Outcome
from wizard.findings.security_modules import FINDING_IDS, Probe, parse_probe, probe_pod, security_groups
from wizard.nodes.verdicts import judge

APPARMOR = "kubelet is posting ready status. AppArmor enabled"
EKS_AUTO: dict[str, Any] = {
    "os_image": "Bottlerocket (EKS Auto, Standard) 2026.9.14 (aws-k8s-1.36-standard)",
    "kernel": "6.18.36",
}
NFD = "feature.node.kubernetes.io/"


def only(*members: NodeFacts, probes: tuple[Probe, ...] = ()) -> Finding:
    (found,) = findings(cluster(*members), probes)
    return found


def findings(facts: ClusterFacts, probes: tuple[Probe, ...] = ()) -> tuple[Finding, ...]:
    return judged(facts).changed(probes=probes).security_modules


def kind(finding: Finding) -> str:
    return finding.id.partition("@")[0]


@pytest.mark.parametrize(
    ("system", "expected", "outcome"),
    [
        (UBUNTU_24, "modules.apparmor-userns", Outcome.WARNING),
        (UBUNTU_22, "modules.apparmor", Outcome.WARNING),
        (RHCOS, "modules.selinux", Outcome.WARNING),
        (BOTTLEROCKET, "modules.userns", Outcome.WARNING),
        (TALOS, "modules.userns", Outcome.WARNING),
        (AMAZON, "modules.clear", Outcome.OK),
        ({"os_image": "Flatcar Container Linux by Kinvolk 3815.2.0 (Oklo)"}, "modules.clear", Outcome.OK),
        ({"os_image": "SUSE Linux Enterprise Server 15 SP5"}, "modules.apparmor", Outcome.WARNING),
        ({"os_image": "SUSE Linux Enterprise Server 16.0"}, "modules.selinux", Outcome.WARNING),
        ({"os_image": "Debian GNU/Linux 12 (bookworm)"}, "modules.apparmor", Outcome.WARNING),
        ({"os_image": "Homemade Linux 1"}, "modules.unknown", Outcome.UNKNOWN),
    ],
)
def test_each_system_by_its_known_default(system: dict[str, Any], expected: str, outcome: Outcome) -> None:
    finding = only(node(**system))
    assert (kind(finding), finding.outcome) == (expected, outcome)
    assert finding.confidence != "high"


def test_a_finding_a_group_the_largest_first_without_what_cannot_serve() -> None:
    found = findings(cluster(*nodes(2, "a", **UBUNTU_24), *nodes(5, "b", **UBUNTU_22), node("w", **WINDOWS)))
    assert [(one.title, one.nodes) for one in found] == [
        ("5 x Ubuntu 22.04   AppArmor", 5),
        ("2 x Ubuntu 24.04   AppArmor, userns restricted", 2),
    ]


@given(clusters())
@settings(max_examples=40)
def test_every_node_that_can_serve_is_in_one_finding_with_a_title_that_fits(facts: ClusterFacts) -> None:
    found = findings(facts)
    assert sum(one.nodes for one in found) == sum(judge(n).possible for n in facts.nodes or ())
    assert len({one.id for one in found}) == len(found)
    assert all(len(one.title) <= 55 and kind(one) in FINDING_IDS for one in found)


def test_the_ready_message_of_an_old_kubelet_is_better_evidence_than_the_default() -> None:
    says_so = only(node(**UBUNTU_22, kubelet_version="v1.28.9", ready_message=APPARMOR))
    assert (kind(says_so), says_so.confidence) == ("modules.apparmor", "high")
    assert "Ready message of 1 of 1 node:" in says_so.evidence[0]
    silent = only(node(**UBUNTU_22, kubelet_version="v1.28.9", ready_message="kubelet is posting ready status"))
    assert kind(silent) == "modules.clear" and "Ready message" in silent.evidence[0]
    newer = only(node(**UBUNTU_22, kubelet_version="v1.30.0", ready_message="kubelet is posting ready status"))
    assert kind(newer) == "modules.apparmor"


def test_node_feature_discovery_tells_whether_selinux_enforces() -> None:
    rocky: dict[str, Any] = {"os_image": "Rocky Linux 9.4 (Blue Onyx)", "kernel": "5.14.0-427.el9.x86_64"}
    enforcing = only(node(**rocky, labels={f"{NFD}kernel-selinux.enabled": "true"}))
    # The host enforces for sure; whether containerd confines containers is not known.
    assert (kind(enforcing), enforcing.confidence) == ("modules.selinux", "low")
    confined = only(node(**rocky, container_runtime="cri-o://1.31", labels={f"{NFD}kernel-selinux.enabled": "true"}))
    assert (kind(confined), confined.confidence) == ("modules.selinux", "medium")
    permissive = only(node(**rocky, labels={f"{NFD}kernel-version.major": "5"}))
    assert kind(permissive) == "modules.clear"


def test_the_ladder_goes_from_the_pod_to_the_host_and_ends_with_the_guides_advice() -> None:
    remedies = only(node(**UBUNTU_24)).remedies
    assert "On Ubuntu 24.04 this is not enough on its own" in remedies[0].text
    assert "apparmor_restrict_unprivileged_userns=0" in remedies[1].command
    assert remedies[-1].text.startswith("Guide: disable AppArmor") and remedies[-1].reboot
    assert [remedy.reboot for remedy in remedies] == sorted(remedy.reboot for remedy in remedies)
    selinux = only(node(os_image="Rocky Linux 9.4 (Blue Onyx)")).remedies
    assert [remedy.text.startswith("Guide") for remedy in selinux][-2:] == [True, True]


@pytest.mark.parametrize(
    ("system", "artefact"),
    [
        (BOTTLEROCKET, "[settings.kernel.sysctl]"),
        (TALOS, "talosctl patch mc"),
        (RHCOS, "kind: MachineConfig"),
        ({"os_image": "CentOS Stream CoreOS 418.9.202504250632-0"}, "kind: MachineConfig"),
        (UBUNTU_24, "/etc/sysctl.d/"),
    ],
)
def test_host_settings_come_in_the_platforms_own_artefact(system: dict[str, Any], artefact: str) -> None:
    assert any(artefact in remedy.command for remedy in only(node(**system)).remedies)


@pytest.mark.parametrize("system", [BOTTLEROCKET, EKS_AUTO])
def test_selinux_of_bottlerocket_is_not_offered_to_be_switched_off(system: dict[str, Any]) -> None:
    assert not any("permissive" in remedy.text for remedy in only(node(**system)).remedies)


def test_eks_auto_mode_has_no_user_data_to_put_a_setting_into() -> None:
    found = only(node(**EKS_AUTO))
    assert kind(found) == "modules.userns"
    assert [remedy.command for remedy in found.remedies] == ["sysctl -w user.max_user_namespaces=65536"]
    assert "privileged DaemonSet" in found.remedies[0].text
    assert "SELinux is enforcing and cannot be turned off" in found.detail


def seen(group: str, **fields: object) -> Probe:
    plain = {
        "group": group,
        "current": "unconfined",
        "seccomp": "0",
        "no_new_privs": "0",
        "cap_bnd": "00000000a80425fb",
        "restrict_userns": "",
        "max_user_namespaces": "63359",
        "userns_clone": "",
        "selinux_enforce": "",
        "fuse": True,
        "kernel": "6.8.0-45-generic",
        "try_userns": "ok",
        "try_mount": "ok",
    }
    return parse_probe(f"Warning: slow disk\n{json.dumps({**plain, **fields})}\n")


RUNTIME = "cri-containerd.apparmor.d (enforce)"
CONTAINER_T = "system_u:system_r:container_t:s0:c1,c2"
EACCES, EPERM = "unshare: unshare failed: Permission denied", "unshare: unshare failed: Operation not permitted"
ENOSPC = "unshare: unshare failed: No space left on device"
NO_MOUNT = "unshare: cannot change root filesystem propagation: Permission denied"


def tried(user_namespace: str, mounts: str = "") -> dict[str, object]:
    return {"try_userns": user_namespace, "try_mount": mounts or user_namespace}


@pytest.mark.parametrize(
    ("fields", "expected", "confidence"),
    [
        ({}, "modules.clear", "high"),
        (tried("", ""), "modules.clear", "medium"),  # the image has no unshare
        # seen on kernels that enforce: containerd 2.4's profile, and that of Debian 13's containerd
        ({"current": RUNTIME, **tried("ok", NO_MOUNT)}, "modules.apparmor", "high"),
        ({"current": RUNTIME, **tried(EACCES)}, "modules.apparmor", "high"),
        ({"current": RUNTIME, **tried("")}, "modules.apparmor", "high"),
        ({"current": RUNTIME, "restrict_userns": "1", **tried("ok", NO_MOUNT)}, "modules.apparmor-userns", "high"),
        ({"current": "podman-workspace (enforce)"}, "modules.clear", "medium"),
        ({"current": "own (enforce)", **tried("ok", NO_MOUNT)}, "modules.apparmor", "high"),
        ({"current": "own (enforce)", **tried("")}, "modules.apparmor", "low"),
        ({"restrict_userns": "1", **tried("ok", EPERM)}, "modules.apparmor-userns", "high"),
        # a pod cannot read whether SELinux enforces
        ({"current": CONTAINER_T, **tried(EACCES)}, "modules.selinux", "high"),
        ({"current": CONTAINER_T, **tried("ok", NO_MOUNT)}, "modules.selinux", "high"),
        ({"current": CONTAINER_T}, "modules.clear", "medium"),
        ({"current": CONTAINER_T, **tried("")}, "modules.selinux", "medium"),
        ({"current": CONTAINER_T, "selinux_enforce": "0", **tried("")}, "modules.clear", "medium"),
        ({"current": CONTAINER_T.replace("container_t", "container_engine_t")}, "modules.clear", "medium"),
        ({"max_user_namespaces": "0", **tried(ENOSPC)}, "modules.userns", "high"),
        ({"userns_clone": "0", **tried(EPERM)}, "modules.userns", "high"),
        ({"seccomp": "2", **tried(EPERM)}, "modules.seccomp", "high"),
        ({"seccomp": "2"}, "modules.clear", "medium"),  # a filter that allows it
        ({"no_new_privs": "1"}, "modules.no-new-privileges", "high"),
        ({"cap_bnd": "0000000000000000"}, "modules.no-new-privileges", "high"),
        (tried(EPERM), "modules.denied", "high"),
        ({"fuse": False}, "modules.fuse-module", "high"),
    ],
)
def test_what_a_probe_saw_goes_before_what_is_known(fields: dict[str, object], expected: str, confidence: str) -> None:
    member = node(os_image="Homemade Linux 1")
    (group,) = security_groups(judged(cluster(member)).verdicts)
    finding = only(member, probes=(seen(group.key, **fields),))
    assert (kind(finding), finding.confidence) == (expected, confidence)
    assert finding.outcome is (Outcome.OK if expected == "modules.clear" else Outcome.WARNING)
    assert all("probe: " in line for line in finding.evidence)


def test_a_denied_probe_is_never_told_as_clear_whatever_the_system_is_known_for() -> None:
    for system in (UBUNTU_24, RHCOS, BOTTLEROCKET, TALOS, AMAZON):
        (group,) = security_groups(judged(cluster(node(**system))).verdicts)
        finding = only(node(**system), probes=(seen(group.key, current=CONTAINER_T, **tried(EACCES)),))
        assert (kind(finding), finding.outcome) == ("modules.selinux", Outcome.WARNING)
        commands = [remedy.command for remedy in finding.remedies]
        assert any("spc_t" in command for command in commands)
        assert not any("container_use_devices" in command for command in commands)


def test_the_fix_between_unconfined_and_no_apparmor_at_all_supplies_its_profile() -> None:
    found = only(node(**UBUNTU_22))
    assert "with or without a FUSE device" in found.detail
    texts = [remedy.text.split()[0] for remedy in found.remedies]
    assert texts == ["Run", "Load", "Guide:"]
    profile = found.remedies[1]
    assert "localhost/podman-workspace" in profile.text
    assert "\n  pivot_root,\n" in profile.command
    assert profile.command.endswith("END\napparmor_parser -r /etc/apparmor.d/podman-workspace")


def test_a_probe_can_clear_a_system_that_is_known_for_trouble() -> None:
    (group,) = security_groups(judged(cluster(node(**UBUNTU_24))).verdicts)
    finding = only(node(**UBUNTU_24), probes=(seen(group.key, restrict_userns="0"),))
    assert (finding.outcome, finding.confidence) == (Outcome.OK, "high")


def test_a_probe_of_another_group_changes_nothing() -> None:
    assert only(node(**UBUNTU_24), probes=(seen("other"),)) == only(node(**UBUNTU_24))


def test_a_log_without_a_probe_is_refused() -> None:
    for log in ("", "nothing here", '{"a": 1}', "[1]"):
        with pytest.raises(ValueError, match="probe"):
            parse_probe(log)


def test_the_probe_script_prints_a_line_that_can_be_read() -> None:
    (group,) = security_groups(judged(cluster(node(**UBUNTU_24))).verdicts)
    pod = probe_pod(group, "image:1", "probes")
    container = pod["spec"]["containers"][0]
    (variable,) = container["env"]
    ended = subprocess.run(
        container["command"], env={**os.environ, "GROUP": variable["value"]}, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    probe = parse_probe(ended.stdout)
    assert probe.max_user_namespaces == int(Path("/proc/sys/user/max_user_namespaces").read_text())
    assert bool(probe.mounts) == bool(shutil.which("unshare"))
    assert probe.group == group.key
    assert probe.kernel == os.uname().release
    assert probe.seccomp in (0, 1, 2)


def test_the_probe_pod_is_short_and_has_no_rights() -> None:
    members = (node("late", ready=False, **UBUNTU_24), node("here", **UBUNTU_24))
    (group,) = security_groups(judged(cluster(*members)).verdicts)
    pod = probe_pod(group, "image:1", "probes")
    assert pod["spec"]["nodeName"] == "here"
    assert pod["metadata"]["labels"]["podman-wizard/purpose"] == "probe"
    assert pod["spec"]["activeDeadlineSeconds"] == 60 and pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["securityContext"]["runAsUser"] == 1000
    assert "securityContext" not in pod["spec"]["containers"][0] and "volumes" not in pod["spec"]
    assert len(pod["metadata"]["name"]) <= 63


def test_without_the_right_to_list_nodes_one_finding_says_so() -> None:
    (found,) = findings(cluster(nodes=None))
    assert (found.id, found.outcome) == ("modules.nodes", Outcome.UNKNOWN)
    assert "list nodes" in found.detail
