from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.facts_for_tests import cluster, node
from wizard.answers import VerifyChoice
from wizard.errors import ClusterError
from wizard.events import Event
from wizard.facts import KubernetesObject
from wizard.names import FUSE_RESOURCE
from wizard.pods import PodResult
from wizard.prove import pod_for, subjects, verify_nodes
from wizard.verification import devices_command, diagnose, guide_test, verify_pod


def log(failed: str = "", *lines: str, pull: str = "ok") -> str:
    said = []
    for check in ("uid", "fuse", "info", "userns", "import", "run"):
        said.append(f"{check}: {'failed' if check == failed else 'ok'}")
        if check == failed:
            said.extend(f"{check}>: {line}" for line in lines)
            break
    else:
        said.append(f"pull: {pull}")
        said.extend(f"pull>: {line}" for line in lines)
    return "\n".join([*said, "end: reached"])


def test_a_container_that_ran_is_the_proof() -> None:
    diagnosis = diagnose(log())
    assert diagnosis.ok and diagnosis.id == "ok"


@pytest.mark.parametrize(
    ("check", "line", "expected"),
    [
        ("fuse", "ls: cannot access '/dev/fuse': No such file or directory", "fuse-module"),
        ("fuse", "crw------- 1 root root 10, 229 Nov 23 18:00 /dev/fuse", "device-denied"),
        ("import", "fuse: device not found, try 'modprobe fuse' first", "fuse-module"),
        ("import", "fuse: failed to open /dev/fuse: Operation not permitted", "device-cgroup"),
        ("import", "fuse: mount failed: Permission denied", "mount-denied"),
        ("run", "mount /proc/self/fd/7: permission denied", "mount-denied"),
        ("info", "Error: 'overlay' is not supported over overlayfs, a mount_program is required", "overlay-on-overlay"),
        ("info", "cannot clone: Operation not permitted", "seccomp"),
        ("info", "cannot clone: Invalid argument", "userns-count"),
        ("userns", "user namespaces are not enabled in /proc/sys/user/max_user_namespaces", "userns-count"),
        ("userns", "newuidmap: write to uid_map failed: Operation not permitted", "uid-map"),
        ("run", "crun: mount `proc` to `proc`: Operation not permitted: OCI permission denied", "proc"),
        ("run", "Error: crun: mount `proc` to `proc`: Permission denied: OCI permission denied", "mount-denied"),
        ("info", "/bin/sh: podman: command not found", "no-podman"),
        ("info", "user namespaces are not enabled in /proc/sys/kernel/unprivileged_userns_clone", "userns-clone"),
        ("info", "something new", "unclear"),
    ],
)
def test_each_symptom_has_its_cause(check: str, line: str, expected: str) -> None:
    diagnosis = diagnose(log(check, "time=now level=warning", line))
    assert not diagnosis.ok
    assert diagnosis.id == expected
    assert any(line in said for said in diagnosis.excerpt)


# As Podman 4.3 with crun 1.8, slirp4netns 1.2, fuse-overlayfs 1.10 and pasta of Debian 12 said it in a container.
REAL = {
    "device-denied": (
        "run",
        "using mount program /usr/bin/fuse-overlayfs: unknown argument ignored: lazytime",
        "unknown argument ignored: ",
        "fuse: failed to open /dev/fuse: Permission denied",
        "fuse-overlayfs: cannot mount: Permission denied",
        ": exit status 1",
    ),
    "uid-map": (
        "info",
        'time="2026-11-24T16:44:10Z" level=warning msg="\\"/\\" is not a shared mount, this could cause issues"',
        'time="2026-11-24T16:44:10Z" level=error msg="running `/usr/bin/newuidmap 20694 0 1001 1 1 100000 65536`: '
        'newuidmap: write to uid_map failed: Operation not permitted\\n"',
        'Error: cannot set up namespace using "/usr/bin/newuidmap": exit status 1',
    ),
}
SLIRP = (
    'Error: /usr/bin/slirp4netns failed: "open(\\"/dev/net/tun\\"): No such file or directory\\nWARNING: Support for '
    'seccomp is experimental\\nWARNING: Support for IPv6 is experimental\\nchild failed(1)\\n"'
)
NO_HOST = (
    "Error: initializing source docker://quay.io/podman/hello:latest: pinging container registry quay.io: Get "
    '"https://quay.io/v2/": dial tcp: lookup quay.io on 10.255.255.53:53: no such host'
)


@pytest.mark.parametrize("expected", REAL)
def test_what_podman_really_said_has_its_cause(expected: str) -> None:
    check, *lines = REAL[expected]
    assert diagnose(log(check, *lines)).id == expected


def after(network: str = "", pull: str = "") -> str:
    """A log in which Podman runs, and the default network or the pull fails with a line."""
    said = ["uid: ok", "info: ok", "info>: true overlay", "run: ok"]
    for name, line in (("network", network), ("pull", pull)):
        said += [f"{name}: failed", f"{name}>: {line}"] if line else [f"{name}: ok"]
    return "\n".join([*said, "end: reached"])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (SLIRP, "tun"),
        ("Failed to open tun socket in namespace", "tun"),
        ("Failed to open() /dev/net/tun: No such file or directory", "tun"),
        ("Error: could not find slirp4netns, the network namespace can't be configured", "no-network-tool"),
        (
            'Error: could not find pasta, the network namespace can\'t be configured: exec: "pasta": executable file '
            "not found in $PATH",
            "no-network-tool",
        ),
        ("Error: netavark: something else", "default-network"),
    ],
)
def test_a_default_network_that_fails_is_not_podmans_failure(line: str, expected: str) -> None:
    diagnosis = diagnose(after(network=line))
    assert (diagnosis.ok, diagnosis.id) == (True, expected)
    assert "--network=host" in diagnosis.cause
    assert diagnosis.remedies
    assert line in diagnosis.excerpt


def test_a_pull_that_fails_too_is_told_with_it() -> None:
    both = diagnose(after(SLIRP, NO_HOST))
    assert (both.ok, both.id) == (True, "tun")
    assert "A pull from quay.io fails: The network of the pods" in both.cause
    assert both.excerpt == (SLIRP, NO_HOST)
    assert diagnose(after(pull=NO_HOST)).id == "network"
    assert diagnose(after()).id == "ok"


def test_the_container_of_the_main_check_needs_no_network_of_its_own() -> None:
    script = verify_pod("n", "i", "d")["spec"]["containers"][0]["command"][-1]
    assert "attempt run podman run --rm --network=host wizard/true" in script
    assert "attempt network podman run --rm wizard/true" in script


def test_a_warning_of_a_check_that_passed_is_not_the_symptom() -> None:
    said = (
        "info: ok\ninfo>: cannot clone: Invalid argument\nuserns: failed\nuserns>: newuidmap: write to uid_map failed"
    )
    assert diagnose(said).id == "uid-map"


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ("0/5 nodes are available: 5 Insufficient smarter-devices/fuse.", "no-device"),
        ("UnexpectedAdmissionError: Allocate failed due to requested number of devices unavailable", "no-device"),
        ("Back-off pulling image\nImagePullBackOff", "image"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', "refused"),
        ('admission webhook "validate.kyverno.svc" denied the request', "refused"),
        ("must be equal to smarter-devices/fuse limit", "limit"),
        ("Pod was active on the node longer than the specified deadline: DeadlineExceeded", "deadline"),
        ("OOMKilled", "memory"),
    ],
)
def test_what_the_cluster_says_of_the_pod_is_understood(reasons: str, expected: str) -> None:
    diagnosis = diagnose("", reasons)
    assert (diagnosis.ok, diagnosis.id) == (False, expected)
    assert diagnosis.excerpt


@pytest.mark.parametrize(
    "line",
    [
        "dial tcp: lookup quay.io on 10.96.0.10:53: no such host",
        "pinging container registry quay.io: Get https://quay.io/v2/: dial tcp 1.2.3.4:443: i/o timeout",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ],
)
def test_the_network_is_not_the_kernel(line: str) -> None:
    diagnosis = diagnose(log("", line, pull="failed"))
    assert (diagnosis.ok, diagnosis.id) == (True, "network")
    assert line in diagnosis.excerpt


def test_a_line_that_is_said_twice_is_shown_once() -> None:
    again = "Failed to pull image: ErrImagePull"
    assert diagnose("", f"{again}\nImagePullBackOff\n{again}").excerpt == ("ImagePullBackOff", again)


def test_silence_is_not_success() -> None:
    assert not diagnose("").ok
    assert not diagnose("uid: ok\nfuse: ok\n").ok


def test_the_pod_is_what_a_workspace_would_be() -> None:
    pod = verify_pod("node-1", "quay.io/podman/stable:v5.3", "default")
    container = pod["spec"]["containers"][0]
    assert pod["metadata"]["labels"]["podman-wizard/purpose"] == "verify"
    assert pod["spec"]["securityContext"] == {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}
    assert "securityContext" not in container
    resources = container["resources"]
    assert resources["requests"]["smarter-devices/fuse"] == resources["limits"]["smarter-devices/fuse"] == "1"
    assert pod["spec"]["activeDeadlineSeconds"] == 180
    assert pod["spec"]["volumes"] == [{"name": "storage", "emptyDir": {}}]
    json.dumps(pod)


def test_pods_of_nodes_with_long_names_differ() -> None:
    names = {
        verify_pod(f"ip-10-0-0-{n}.eu-central-1.compute.internal.example.org", "i", "d")["metadata"]["name"]
        for n in range(9)
    }
    assert len(names) == 9 and all(len(name) <= 63 for name in names)


def test_what_the_template_sets_for_workspaces_can_be_set_here() -> None:
    pod = verify_pod("n", "i", "d", apparmor_unconfined=True, seccomp="Unconfined")
    assert pod["metadata"]["annotations"]["container.apparmor.security.beta.kubernetes.io/podman"] == "unconfined"
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "Unconfined"}


def test_the_guides_test_ends_as_the_unprivileged_user() -> None:
    steps = guide_test()
    assert [step.id for step in steps] == ["fuse", "image", "workspace", "user", "run"]
    assert steps[3].command == "su - podman"
    assert "node-7" in devices_command("node-7") and r"smarter-devices/fuse" in devices_command("node-7")


def test_podman_is_tried_on_a_node_that_is_ready() -> None:
    offers: dict[str, Any] = {"allocatable": {FUSE_RESOURCE: 50}}
    facts = cluster(node("lost", ready=False, **offers), node("there", **offers), node("none"))
    (group,) = subjects(facts)
    assert pod_for(group, VerifyChoice())["spec"]["nodeName"] == "there"


async def test_where_the_server_goes_away_no_pod_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    async def lose_one(gateway: Any, pod: KubernetesObject, *, timeout: float) -> PodResult:
        name = pod["spec"]["nodeName"]
        try:
            if name == "a":
                raise ClusterError("The connection was lost.")
            await asyncio.Event().wait()
        finally:
            ended.append(name)
        raise AssertionError

    class NoEngine:
        gateway = None

        def claim(self) -> None:
            """Nobody else is there."""

    monkeypatch.setattr("wizard.prove.run_pod", lose_one)
    offers: dict[str, Any] = {"allocatable": {FUSE_RESOURCE: 50}}
    facts = cluster(node("a", **offers), node("b", os_image="Ubuntu 22.04.4 LTS", **offers))
    engine: Any = NoEngine()
    told: list[Event] = []
    with pytest.raises(ClusterError, match="connection was lost"):
        await verify_nodes(engine, facts, VerifyChoice(), told.append)
    assert sorted(ended) == ["a", "b"]
