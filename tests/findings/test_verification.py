from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.clusters import cluster_of
from tests.facts_for_tests import cluster, node
from tests.template.templates import ANNOTATION, pod
from wizard.choices.answers import VerifyChoice
from wizard.engine.events import Event
from wizard.engine.podman_check import Proof, pod_for, subjects, verify_nodes, without_fuse
from wizard.engine.pods import PodResult
from wizard.errors import ClusterError, UsageError
from wizard.facts.cluster import KubernetesObject
from wizard.findings.symptoms import LOG_SYMPTOMS, NETWORK_SYMPTOMS, POD_SYMPTOMS, TRIED
from wizard.findings.verification import (
    PodSettings,
    check_service_account,
    devices_command,
    diagnose,
    guide_test,
    verify_pod,
)
from wizard.names import FUSE_RESOURCE
from wizard.template.described import described
from wizard.template.module import read_stdin
from wizard.template.workload import find_workload

REAL = Path(__file__).parents[1] / "data" / "verify"
"""What the test printed under rootless Podman 4.3 on Linux 6.18, as UID 1000 with the capabilities of a pod."""

ORDER = ("user", "podman", "user-namespace", "uid-map", "native-overlay", "device", "fuse-overlayfs")


def real(name: str) -> str:
    return (REAL / f"{name}.log").read_text()


def log(failed: str = "", *lines: str, facts: dict[str, str] | None = None, **results: str) -> str:
    """A log in which one check fails with these lines; the other checks pass unless ``results`` says otherwise."""
    said = [f"facts>: {name}={value}" for name, value in (facts or {}).items()]
    for check in (*ORDER, "network", "pull"):
        result = results.get(check.replace("-", "_"), "failed" if check == failed else "ok")
        said.append(f"{check}: {result}")
        said.extend(f"{check}>: {line}" for line in lines if check == failed)
    return "\n".join([*said, "end: reached"])


# --- what Podman really said ---


@pytest.mark.parametrize(
    ("name", "ok", "expected", "ways"),
    [
        ("works", True, "network", "fuse-overlayfs ok, native overlay ok"),
        ("device-mode", False, "device-mode", "fuse-overlayfs failed, native overlay ok"),
        ("no-device", False, "fuse-module", "fuse-overlayfs failed, native overlay ok"),
        ("device-cgroup", False, "device-cgroup", "fuse-overlayfs failed, native overlay ok"),
        ("no-fuse-overlayfs", False, "no-fuse-overlayfs", "fuse-overlayfs failed, native overlay ok"),
        ("no-subuid", False, "no-subuid", "fuse-overlayfs ok, native overlay ok"),
        ("no-user", False, "no-user", "fuse-overlayfs failed, native overlay failed"),
        ("setuid", False, "newuidmap-setuid", "fuse-overlayfs failed, native overlay failed"),
        ("no-new-privileges", False, "no-new-privileges", "fuse-overlayfs failed, native overlay failed"),
        ("capabilities-dropped", False, "capabilities-dropped", "fuse-overlayfs failed, native overlay failed"),
        ("other-group", False, "other-group", "fuse-overlayfs failed, native overlay failed"),
        ("masked-proc", False, "proc", "fuse-overlayfs failed, native overlay failed"),
        ("no-tun", True, "tun", "fuse-overlayfs ok, native overlay ok"),
    ],
)
def test_what_podman_really_said_has_its_cause(name: str, ok: bool, expected: str, ways: str) -> None:
    diagnosis = diagnose(real(name))
    assert (diagnosis.ok, diagnosis.id, diagnosis.ways) == (ok, expected, ways)
    assert diagnosis.remedies and diagnosis.excerpt
    assert not any("shared mount" in line or line.startswith("sha256:") for line in diagnosis.excerpt)


def test_a_device_that_cannot_be_opened_is_never_ok() -> None:
    """The storage on a volume works without FUSE, so native overlay alone proves nothing about the device."""
    for name in ("device-mode", "no-device", "device-cgroup"):
        assert not diagnose(real(name)).ok
    assert not diagnose(log("fuse-overlayfs", "fuse: failed to open /dev/fuse", fuse_overlayfs="ok")).ok


def test_where_the_node_advertises_no_fuse_native_overlay_decides() -> None:
    diagnosis = diagnose(real("native-only"), fuse=False)
    assert (diagnosis.ok, diagnosis.ways) == (True, "native overlay ok")
    assert {check.id: check.ok for check in diagnosis.checks}["fuse-overlayfs"] is None
    failed = log("native-overlay", "something", device="skipped", fuse_overlayfs="skipped")
    assert not diagnose(failed, fuse=False).ok
    assert diagnose(log("native-overlay", "something")).ok, "with FUSE, native overlay is for information"


@pytest.mark.parametrize(
    ("text", "needs", "word"),
    [
        (real("works"), "own-file-system", "home volume"),
        (real("device-mode"), "own-file-system", "home volume"),
        (real("native-only"), "own-file-system", "home volume"),
        (real("works").replace("own-file-system>: root file system of the container: fuse.fuse-overlayfs",
                               "own-file-system>: root file system of the container: overlay"), "no", "No workspace"),
        (log("native-overlay", "kernel does not support overlay fs: unable to create kernel-style whiteout"),
         "yes", "Every workspace"),
        (real("setuid"), "unknown", ""),
        (real("no-subuid"), "unknown", ""),
        ("", "unknown", ""),
    ],
)  # fmt: skip
def test_what_follows_for_workspaces_is_told(text: str, needs: str, word: str) -> None:
    diagnosis = diagnose(text)
    assert diagnosis.needs_fuse == needs
    assert word in diagnosis.means and bool(word) == bool(diagnosis.means)


UID_MAP = "newuidmap: write to uid_map failed: Operation not permitted"
CLONE = "cannot clone: Operation not permitted"


@pytest.mark.parametrize(
    ("check", "line", "facts", "expected"),
    [
        ("device", "ls: cannot access '/dev/fuse': No such file or directory", {}, "fuse-module"),
        ("device", "sh: cannot create /dev/fuse: Permission denied", {"device": "crw-rw---- 1 0 0"}, "device-mode"),
        ("device", "sh: cannot create /dev/fuse: Permission denied", {"device": "crw-rw-rw- 1 0 0"}, "device-denied"),
        ("fuse-overlayfs", "fuse: mount failed: Permission denied", {}, "mount-denied"),
        ("fuse-overlayfs", "mount /proc/self/fd/7: permission denied", {}, "mount-denied"),
        ("user-namespace", "crun: pivot_root: Permission denied", {}, "mount-denied"),
        ("user-namespace", CLONE, {"seccomp": "2"}, "seccomp"),
        ("user-namespace", CLONE, {"seccomp": "0"}, "clone-denied"),
        ("user-namespace", "cannot clone: Permission denied", {"seccomp": "2"}, "clone-denied"),
        ("user-namespace", "cannot clone: No space left on device", {}, "userns-count"),
        ("user-namespace", "user namespaces are not enabled in /proc/sys/user/max_user_namespaces", {}, "userns-count"),
        ("user-namespace", f"{CLONE}\nsee /proc/sys/kernel/unprivileged_userns_clone", {}, "userns-clone"),
        ("user-namespace", UID_MAP, {"no-new-privs": "1"}, "no-new-privileges"),
        ("user-namespace", UID_MAP, {"bounding-set": "00000000a800253b"}, "capabilities-dropped"),
        ("user-namespace", UID_MAP, {"bounding-set": "a80425fb", "newuidmap": "-rwsr-xr-x"}, "newuidmap-setuid"),
        ("user-namespace", UID_MAP, {"newuidmap": "-rwxr-xr-x"}, "newuidmap-plain"),
        ("user-namespace", UID_MAP, {"newuidmap": "-rwxr-xr-x capabilities unknown"}, "uid-map"),
        ("user-namespace", UID_MAP, {"newuidmap": "-rwxr-xr-x cap_setuid=ep"}, "uid-map"),
        ("user-namespace", UID_MAP, {"pod-uid-map": "0 1000000 65536,"}, "mapping-range"),
        ("user-namespace", UID_MAP, {"restrict-userns": "1", "confinement": "unconfined"}, "userns-restricted"),
        ("user-namespace", UID_MAP, {"restrict-userns": "1", "confinement": "cri (enforce)"}, "uid-map"),
        ("podman", "podman: not found", {}, "no-podman"),
        ("user", "the user is root", {}, "root"),
        ("fuse-overlayfs", "something new", {}, "unclear"),
    ],
)  # fmt: skip
def test_each_symptom_has_its_cause(check: str, line: str, facts: dict[str, str], expected: str) -> None:
    diagnosis = diagnose(log(check, "time=now level=warning", *line.splitlines(), facts=facts))
    assert not diagnosis.ok
    assert diagnosis.id == expected
    assert any(line.splitlines()[-1] in said for said in diagnosis.excerpt)


def test_each_fix_was_seen_to_work_or_says_that_it_was_not_tried() -> None:
    rows = (*POD_SYMPTOMS, *LOG_SYMPTOMS, *NETWORK_SYMPTOMS)
    changing = [remedy for row in rows for remedy in row.remedies if remedy.touches != "nothing"]
    assert len(changing) > 20
    for remedy in changing:
        assert TRIED in remedy.text or "(Not tried. Source: " in remedy.text or "was not tried" in remedy.text


def test_each_row_can_be_reached_by_one_id() -> None:
    names = [row.id for row in (*POD_SYMPTOMS, *LOG_SYMPTOMS, *NETWORK_SYMPTOMS)]
    assert len(names) == len(set(names))


# --- Podman works, but ---

SLIRP = (
    'Error: /usr/bin/slirp4netns failed: "open(\\"/dev/net/tun\\"): No such file or directory\\nWARNING: Support for '
    'seccomp is experimental\\nWARNING: Support for IPv6 is experimental\\nchild failed(1)\\n"'
)
NO_HOST = (
    "Error: initializing source docker://quay.io/podman/hello:latest: pinging container registry quay.io: Get "
    '"https://quay.io/v2/": dial tcp: lookup quay.io on 10.255.255.53:53: no such host'
)


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
    diagnosis = diagnose(log("network", line))
    assert (diagnosis.ok, diagnosis.id) == (True, expected)
    assert "--network=host" in diagnosis.cause
    assert diagnosis.remedies
    assert line in diagnosis.excerpt


def test_a_pull_that_fails_too_is_told_with_it() -> None:
    said = log("network", SLIRP).replace("pull: ok", f"pull: failed\npull>: {NO_HOST}")
    both = diagnose(said)
    assert (both.ok, both.id) == (True, "tun")
    assert "A pull from quay.io fails: The pods cannot reach the registry" in both.cause
    assert both.excerpt == (SLIRP, NO_HOST)
    assert diagnose(log()).id == "ok"


@pytest.mark.parametrize(
    "line",
    [
        "dial tcp: lookup quay.io on 10.96.0.10:53: no such host",
        "pinging container registry quay.io: Get https://quay.io/v2/: dial tcp 1.2.3.4:443: i/o timeout",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ],
)
def test_the_network_is_not_the_kernel(line: str) -> None:
    diagnosis = diagnose(log("pull", line))
    assert (diagnosis.ok, diagnosis.id) == (True, "network")
    assert line in diagnosis.excerpt


def test_a_pod_that_was_stopped_after_what_counts_still_proved_it() -> None:
    cut = log().partition("network:")[0]
    assert diagnose(cut, "DeadlineExceeded").ok


def test_a_warning_of_a_check_that_passed_is_not_the_symptom() -> None:
    said = log("uid-map", UID_MAP).replace("user-namespace: ok", f"user-namespace: ok\nuser-namespace>: {CLONE}")
    assert diagnose(said).id == "uid-map"


# --- what the cluster says of the pod ---


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ("0/5 nodes are available: 5 Insufficient smarter-devices/fuse.", "no-device"),
        (
            "UnexpectedAdmissionError\nPod was rejected: Allocate failed due to no healthy devices present; cannot "
            "allocate unhealthy devices smarter-devices/fuse, which is unexpected",
            "no-healthy-device",
        ),
        (
            "UnexpectedAdmissionError\nAllocate failed due to requested number of devices unavailable for "
            "smarter-devices/fuse. Requested: 1, Available: 0, which is unexpected",
            "devices-in-use",
        ),
        ("Back-off pulling image\nImagePullBackOff", "image"),
        ('StartError\nfailed to start container: exec: "/bin/sh": stat /bin/sh: no such file or directory', "no-shell"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true', "refused"),
        ('admission webhook "validate.kyverno.svc" denied the request', "refused"),
        ('pods "x" is forbidden: exceeded quota: team, requested: limits.cpu=1, used: 4, limited: 4', "quota"),
        ('pods "x" is forbidden: error looking up service account d/s: "s" not found', "service-account"),
        (
            'pods "x" is forbidden: unable to create new content in namespace d because it is being terminated',
            "namespace-ending",
        ),
        ("FailedCreatePodSandBox\nruntime does not support user namespaces", "no-user-namespaces"),
        ("must be equal to smarter-devices/fuse limit", "limit"),
        ("NodeNotReady\nworker-1: Kubelet stopped posting node status.", "node-not-ready"),
        ("NodeGone\nThe node worker-1 does not exist any more.", "node-gone"),
        ("KubeletSilent\nThe kubelet of worker-1 did not accept the pod.", "kubelet-silent"),
        (
            'Completed\nIts log cannot be read: pods "x" is forbidden: User "u" cannot get resource "pods/log"',
            "no-log-permission",
        ),
        ("Completed\nIts log cannot be read: Internal error: dial tcp 10.0.0.1:10250: i/o timeout", "no-log"),
        ('Its events cannot be read: events is forbidden: User "u" cannot list events', "no-event-permission"),
        ("ImagePullBackOff\nIts events cannot be read: events is forbidden", "image"),
        ("the pod was deleted before it ended", "deleted"),
        ("Pod was active on the node longer than the specified deadline: DeadlineExceeded", "deadline"),
        ("OOMKilled", "memory"),
    ],
)  # fmt: skip
def test_what_the_cluster_says_of_the_pod_is_understood(reasons: str, expected: str) -> None:
    diagnosis = diagnose("", reasons)
    assert (diagnosis.ok, diagnosis.id) == (False, expected)
    assert diagnosis.excerpt


def test_a_line_that_is_said_twice_is_shown_once() -> None:
    again = "Failed to pull image: ErrImagePull"
    assert diagnose("", f"{again}\nImagePullBackOff\n{again}").excerpt == ("ImagePullBackOff", again)
    lines = [f'time="2026-11-26T02:49:4{n}Z" level=error msg="newuidmap {n} 0 1000: {UID_MAP}"' for n in range(3)]
    assert len(diagnose(log("uid-map", *lines)).excerpt) == 1


def test_silence_is_not_success() -> None:
    assert not diagnose("").ok
    assert not diagnose("user: ok\ndevice: ok\n").ok


# --- the pod ---


def test_the_pod_is_what_a_workspace_would_be() -> None:
    pod = verify_pod("node-1", "quay.io/podman/stable:v5.3", "default")
    container = pod["spec"]["containers"][0]
    assert pod["metadata"]["labels"]["podman-wizard/purpose"] == "verify"
    # The group is the image's: newuidmap accepts only the user's primary group.
    assert pod["spec"]["securityContext"] == {"runAsUser": 1000, "fsGroup": 1000}
    assert "securityContext" not in container
    resources = container["resources"]
    assert resources["requests"]["smarter-devices/fuse"] == resources["limits"]["smarter-devices/fuse"] == "1"
    assert {"cpu", "memory"} <= resources["limits"].keys(), "some quotas require both"
    assert pod["spec"]["activeDeadlineSeconds"] == 180
    assert pod["spec"]["volumes"] == [{"name": "storage", "emptyDir": {}}]
    # Neither the home nor the storage folder of the image is replaced.
    assert container["volumeMounts"] == [{"name": "storage", "mountPath": "/podman-wizard"}]
    assert "HOME" not in {one["name"] for one in container["env"]}
    json.dumps(pod)


def test_without_fuse_the_pod_requests_none() -> None:
    container = verify_pod("n", "i", "d", fuse=False)["spec"]["containers"][0]
    assert FUSE_RESOURCE not in container["resources"]["limits"]
    assert container["env"] == [{"name": "FUSE", "value": "no"}]


def test_the_pod_has_the_service_account_of_the_workspaces() -> None:
    offers: dict[str, Any] = {"allocatable": {FUSE_RESOURCE: 50}}
    (group,) = subjects(cluster(node("there", **offers)))
    assert pod_for(group, VerifyChoice(service_account="coder"))["spec"]["serviceAccountName"] == "coder"
    assert "serviceAccountName" not in pod_for(group, VerifyChoice())["spec"]
    with pytest.raises(UsageError, match="service account"):
        check_service_account("No Such")


def test_pods_of_nodes_with_long_names_differ() -> None:
    names = {
        verify_pod(f"ip-10-0-0-{n}.eu-central-1.compute.internal.example.org", "i", "d")["metadata"]["name"]
        for n in range(9)
    }
    assert len(names) == 9 and all(len(name) <= 63 for name in names)


def test_what_the_template_sets_for_workspaces_can_be_set_here() -> None:
    policy = {
        "annotations": {
            "policy": "read",
            "value": [{"key": "container.apparmor.security.beta.kubernetes.io/CONTAINER", "value": "unconfined"}],
        },
        "seccomp-profile-type": {"policy": "read", "value": "Unconfined"},
    }
    settings = PodSettings.of_policy({"workspace": {"specs": {"kubernetes": policy}}})
    pod = verify_pod("n", "i", "d", settings=settings)
    assert pod["metadata"]["annotations"]["container.apparmor.security.beta.kubernetes.io/podman"] == "unconfined"
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "Unconfined"}


def test_the_guides_test_ends_as_the_unprivileged_user() -> None:
    steps = guide_test()
    assert [step.id for step in steps] == ["fuse", "image", "workspace", "user", "run"]
    assert steps[3].command == "su - podman"
    assert "node-7" in devices_command("node-7") and r"smarter-devices/fuse" in devices_command("node-7")


# --- the nodes ---

OFFERS: dict[str, Any] = {"allocatable": {FUSE_RESOURCE: 50}}


class NoEngine:
    gateway = None

    def claim(self) -> None:
        """Nobody else is there."""


async def verified(monkeypatch: pytest.MonkeyPatch, facts: Any, text: str, reason: str = "", **options: Any) -> Proof:
    async def answer(gateway: Any, pod: KubernetesObject, *, timeout: float) -> PodResult:
        return PodResult("Succeeded", reason, log=text)

    monkeypatch.setattr("wizard.engine.podman_check.run_pod", answer)
    engine: Any = NoEngine()
    (proof,) = await verify_nodes(engine, facts, VerifyChoice(), lambda event: None, **options)
    return proof


def test_podman_is_tried_on_a_node_that_is_ready() -> None:
    facts = cluster(node("lost", ready=False, **OFFERS), node("there", **OFFERS), node("none"))
    (group,) = subjects(facts)
    assert pod_for(group, VerifyChoice())["spec"]["nodeName"] == "there"


async def test_where_no_node_of_a_type_is_ready_the_answer_is_known_without_a_pod(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proof = await verified(monkeypatch, cluster(node("lost", ready=False, **OFFERS)), log())
    assert (proof.ok, proof.id) == (False, "node-not-ready")
    assert "kubectl describe node lost" in proof.remedies[0].command


async def test_the_result_has_a_check_for_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = await verified(monkeypatch, cluster(node("there", **OFFERS)), real("device-mode"))
    told = json.loads(json.dumps(proof.to_json()))
    checks = {check["id"]: check for check in told["checks"]}
    assert [checks[way]["ok"] for way in ("native-overlay", "fuse-overlayfs", "uid-map")] == [True, False, True]
    assert checks["device"]["symptom"] == "device-mode" and checks["device"]["remedies"]
    assert (told["ok"], told["needs_fuse"], told["facts"]["cgroup"]) == (False, "own-file-system", "v1")
    assert "fuse-overlayfs failed, native overlay ok" in told["text"]
    assert told["means"].endswith("Podman 6 no longer supports: workspaces need Podman 5 there.")
    newer = await verified(
        monkeypatch, cluster(node("there", **OFFERS)), real("device-mode").replace("cgroup=v1", "cgroup=v2")
    )
    assert "cgroups" not in newer.means


async def test_the_fixes_of_a_security_module_are_those_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Ubuntu 24.04, running unconfined is not enough by itself; both steps have to say so."""
    facts = cluster(node("noble", os_image="Ubuntu 24.04.3 LTS", **OFFERS))
    seen = {"confinement": "cri-containerd.apparmor.d (enforce)", "restrict-userns": "1", "seccomp": "0"}
    denied = log("user-namespace", "configure storage: mount x, flags: 0x1000: permission denied", facts=seen)
    proof = await verified(monkeypatch, facts, denied)
    assert proof.id == "mount-denied"
    assert any("apparmor_restrict_unprivileged_userns" in remedy.command for remedy in proof.remedies)


async def test_a_cordoned_node_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = await verified(monkeypatch, cluster(node("there", unschedulable=True, **OFFERS)), log())
    assert proof.ok and "cordoned" in proof.means


async def test_before_any_node_advertises_fuse_native_overlay_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = cluster(node("plain"))
    assert not subjects(facts) and [group.to_try for group in without_fuse(facts)] == ["plain"]
    assert (await verified(monkeypatch, facts, real("native-only"), native=True)).ok


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

    monkeypatch.setattr("wizard.engine.podman_check.run_pod", lose_one)
    facts = cluster(node("a", **OFFERS), node("b", os_image="Ubuntu 22.04.4 LTS", **OFFERS))
    engine: Any = NoEngine()
    told: list[Event] = []
    with pytest.raises(ClusterError, match="connection was lost"):
        await verify_nodes(engine, facts, VerifyChoice(), told.append)
    assert sorted(ended) == ["a", "b"]


# --- the commands, on the sandbox ---


async def test_verify_names_both_ways_and_what_follows(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "restricted", tmp_path) as there:
        before = await there.command("verify", "-o", "json")
        assert (before.document["fuse"], before.document["schema_version"]) == (False, 1)
        assert "only native overlay is tested" in before.error
        assert (await there.command("manifest", "apply")).code == 0
        assert (await there.command("nodes", "label", "rhel-1", "worker-1", "--wait")).code == 0
        told = await there.command("verify")
        assert told.code == 1, "AppArmor denies it on worker-1"
        assert "fuse-overlayfs ok, native overlay ok" in told.out
        assert "fuse-overlayfs failed, native overlay failed" in told.out
        assert "Means  Only workspaces that keep Podman's storage in the container" in told.out
        assert "Found  Error: configure storage: mount" in told.out and "To do  " in told.out
        results = {one["node"]: one for one in (await there.command("verify", "-o", "json")).document["results"]}
        checks = {check["id"]: check["ok"] for check in results["rhel-1"]["checks"]}
        assert checks["fuse-overlayfs"] and checks["native-overlay"] and checks["uid-map"]
        assert results["worker-1"]["remedies"][0]["who"] == "Coder admin"


async def test_the_pods_run_as_the_policy_lets_workspaces_run(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      annotations:\n        policy: read\n'
        "        value:\n          - key: container.apparmor.security.beta.kubernetes.io/CONTAINER\n"
        "            value: unconfined\n"
    )
    async with cluster_of("sandbox", "owned", tmp_path) as there:
        assert (await there.command("verify")).code == 1, "AppArmor denies it"
        told = await there.command("verify", "--policy", str(policy))
        assert (told.code, "fuse-overlayfs ok, native overlay ok" in told.out) == (0, True), told.out
        profile = tmp_path / "profile.yaml"
        profile.write_text(policy.read_text().replace("value: unconfined", "value: localhost/podman-workspace"))
        confined = await there.command("verify", "--policy", str(profile), "-o", "json")
        assert [one["facts"]["confinement"] for one in confined.document["results"]] == ["podman-workspace (enforce)"]
        assert confined.code == 0, "the profile that a pod names is not the runtime's default"
        answers = tmp_path / "answers.yaml"
        written = f"policy: {{file: {policy}, output: {tmp_path / 'merged.yaml'}}}\n"
        choices = "verify: {run: true}\nmanifest: {apply: false}\nnodes: {label: false}\n"
        answers.write_text("security-modules: {acknowledged: true}\n" + choices + written)
        ended = await there.command("run", "--answers", str(answers), "--yes", "-o", "json")
        assert [one["ok"] for one in ended.events[-1]["verify"]] == [True], "the policy that is written counts"


async def test_the_pods_are_the_one_that_a_template_describes(tmp_path: Path) -> None:
    template = tmp_path / "main.tf"
    settings = """\
  spec {
    security_context {
      run_as_user = 1000
      fs_group    = 1000
      seccomp_profile {
        type = "Unconfined"
      }
    }
"""
    capabilities = '      security_context {\n        capabilities {\n          drop = ["ALL"]\n        }\n      }\n'
    template.write_text(
        pod()
        .replace('    name = "coder"\n', '    name = "coder"\n    namespace = var.namespace\n')
        .replace("  spec {\n", settings)
        .replace("      resources {\n", f"{capabilities}      resources {{\n")
    )
    async with cluster_of("sandbox", "owned", tmp_path) as there:
        without = await there.command("verify", "--template", str(template), "-o", "json")
        assert without.code == 1, "AppArmor denies it"
        said = f"{template}: the namespace is var.namespace, which only Terraform knows. Set it with --namespace"
        assert said in without.error
        assert f"{template} does not request smarter-devices/fuse; the test pod does." in without.error
        annotation = f'    annotations = {{ "{ANNOTATION}/dev" = "unconfined" }}\n'
        merged = template.read_text().replace('    name = "coder"\n', f'    name = "coder"\n{annotation}')
        template.write_text(merged.replace(capabilities, ""))
        told = await there.command("verify", "--template", str(template), "--namespace", "default")
        assert (told.code, "only Terraform knows" in told.error) == (0, False), told.error
        template.write_text(template.read_text().replace('"example.org/podman:1"', "var.image"))
        unknown = await there.command("verify", "--template", str(template))
        assert (
            unknown.code,
            "the image is var.image, which only Terraform knows.\nSet it with --image." in unknown.error,
        ) == (
            2,
            True,
        )


def test_what_a_template_describes_is_what_the_pod_has() -> None:
    text = pod().replace(
        "      resources {\n",
        '      security_context {\n        run_as_user = "1001"\n        allow_privilege_escalation = false\n'
        '        se_linux_options {\n          type = "container_engine_t"\n        }\n'
        '        capabilities {\n          drop = ["ALL"]\n          add = ["SETUID"]\n        }\n'
        "      }\n      resources {\n",
    )
    found = described(find_workload(read_stdin(text.encode())))
    made = verify_pod("node", found.image, "default", settings=PodSettings(pod=found.pod, container=found.container))
    assert made["spec"]["securityContext"] == {}
    assert made["spec"]["containers"][0]["securityContext"] == {
        "runAsUser": 1001,
        "allowPrivilegeEscalation": False,
        "seLinuxOptions": {"type": "container_engine_t"},
        "capabilities": {"add": ["SETUID"], "drop": ["ALL"]},
    }
    assert (found.image, found.has_device, found.unknown) == ("example.org/podman:1", False, ())


async def test_a_run_in_text_has_the_output_and_the_fixes_of_a_failed_test(tmp_path: Path) -> None:
    answers = tmp_path / "answers.yaml"
    answers.write_text(
        "security-modules: {acknowledged: true}\n"
        "verify: {run: true, service-account: coder}\n"
        "nodes: {names: [worker-1]}\n"
    )
    async with cluster_of("sandbox", "restricted", tmp_path) as there:
        ended = await there.command("run", "--answers", str(answers), "--yes")
    assert ended.code == 1
    assert "Found  Error: configure storage: mount" in ended.out and "To do  " in ended.out
    assert "--service-account coder" in ended.out


async def test_a_check_whose_probe_did_not_run_everywhere_does_not_end_as_if_it_had(tmp_path: Path) -> None:
    async with cluster_of("sandbox", "failing", tmp_path) as there:
        probed = await there.command("check", "--probe", "-o", "json")
        assert probed.document["ready"] and probed.code == 1
        assert probed.document["probe"] == {"node_types": 3, "ran": 2}
        assert "The probe ran on 2 of 3 node types" in probed.error
        assert (await there.command("check", "-o", "json")).document["probe"] is None
