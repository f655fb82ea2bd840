"""The proof: the guide's own test as steps, a pod that runs Podman as a workspace would, and what its failures mean."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from wizard.errors import UsageError
from wizard.findings import Remedy
from wizard.names import FUSE_RESOURCE

PURPOSE_LABEL = "podman-wizard/purpose"
"""The label by which pods of the wizard are found again, whatever became of the connection."""

VERIFY_DEADLINE = 180
"""Seconds that a verification may take, the pull of the image included; the kubelet then ends the pod."""

EXCERPT_LINES = 6


@dataclass(frozen=True, slots=True)
class TestStep:
    """One step of the guide's test, for a person to tick off. ``command`` is what to run, "" for clicks."""

    __test__ = False

    id: str
    who: str
    text: str
    command: str = ""


def guide_test(image: str = "quay.io/podman/stable") -> tuple[TestStep, ...]:
    """The guide's own test, in order."""
    return (
        TestStep("fuse", "cluster admin", f"See that the nodes advertise {FUSE_RESOURCE}.", devices_command("NODE")),
        TestStep("image", "Coder admin", f"In Coder, import the image {image}."),
        TestStep("workspace", "you", "Create a workspace with that image."),
        TestStep(
            "user", "you", "In its terminal, switch to the user podman: as root, Podman is not rootless.", "su - podman"
        ),
        TestStep("run", "you", "Run a container.", "podman run --rm quay.io/podman/hello"),
    )


def check_image(text: str) -> None:
    """Raises UsageError for what is no image reference: the kubelet would find that out last."""
    from wizard.manifest import is_image

    if not is_image(text):
        raise UsageError(f"{text!r} is no image reference.", "For example: quay.io/podman/stable:v5.3")


def check_namespace(text: str) -> None:
    """Raises UsageError for what cannot be a namespace's name (a DNS label, RFC 1123)."""
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", text):
        raise UsageError(f"{text!r} cannot be the name of a namespace.", "For example: default")


def devices_command(node: str) -> str:
    """The command that prints how many FUSE devices a node advertises."""
    escaped = FUSE_RESOURCE.replace(".", "\\.")
    return f"kubectl get node {node} -o jsonpath='{{.status.allocatable.{escaped}}}{{\"\\n\"}}'"


def short_pod(
    purpose: Literal["probe", "verify"],
    subject: str,
    node: str,
    image: str,
    namespace: str,
    script: str,
    *,
    deadline: int,
) -> dict[str, Any]:
    """A pod that runs a script once on a node as a workspace would: as uid 1000, with no added rights.

    ``subject`` (a group of nodes, a node) makes the name, so that the same question has the same pod. The node is
    given by name: neither taints nor a full scheduler keep the answer away.
    """
    digest = hashlib.sha256(subject.encode()).hexdigest()[:8]
    slug = re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")[:30].strip("-")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"podman-wizard-{purpose}-{slug}-{digest}",
            "namespace": namespace,
            "labels": {PURPOSE_LABEL: purpose, "app.kubernetes.io/managed-by": "podman-wizard"},
            "annotations": {"podman-wizard/subject": subject},
        },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": deadline,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
            "containers": [
                {
                    "name": "podman",
                    "image": image,
                    "command": ["/bin/sh", "-c", script],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"memory": "256Mi"},
                    },
                }
            ],
        },
    }


_STORAGE = "/home/podman/.local/share/containers"

_SCRIPT = r"""
say() { printf '%s: %s\n' "$1" "$2"; }
attempt() {
  name=$1; shift
  if output=$("$@" 2>&1); then say "$name" ok; else say "$name" failed; fi
  printf '%s\n' "$output" | tail -n 20 | while IFS= read -r line; do say "$name>" "$line"; done
}
export HOME=/home/podman
cd "$HOME" || cd /tmp
attempt uid test "$(id -u)" != 0
attempt fuse sh -c 'ls -l /dev/fuse && test -r /dev/fuse && test -w /dev/fuse'
attempt info podman info --format '{{.Host.Security.Rootless}} {{.Store.GraphDriverName}}'
attempt userns podman unshare cat /proc/self/uid_map
attempt import sh -c '
  tar -ch $(ldd /bin/true | grep -o "/[^ ]*") /bin/true 2>/dev/null | podman import -q - wizard/true'
attempt run podman run --rm --network=host wizard/true /bin/true
attempt network podman run --rm wizard/true /bin/true
attempt pull podman run --rm --network=host quay.io/podman/hello
say end reached
"""
"""Rootless Podman step by step, from what needs least. A container is made of the image's own ``true``, so that it
needs no network, and runs in the pod's. What needs more comes after it and is told apart: Podman's default network,
which wants /dev/net/tun unless the image's containers.conf says ``netns="host"``, and a pull."""

_AFTER = ("network", "pull")
"""The checks whose failure is none of Podman's."""


def verify_pod(
    node: str, image: str, namespace: str, *, apparmor_unconfined: bool = False, seccomp: str = ""
) -> dict[str, Any]:
    """A pod that runs Podman on a node as a Coder workspace would: uid 1000, one FUSE device, no added rights.

    ``apparmor_unconfined`` and ``seccomp`` ("Unconfined", "RuntimeDefault") are what the template policy sets for
    workspaces. It prints ``name: ok`` or ``name: failed`` for each check, and its output as ``name>: line``.
    """
    pod = short_pod("verify", node, node, image, namespace, _SCRIPT, deadline=VERIFY_DEADLINE)
    spec = pod["spec"]
    container = spec["containers"][0]
    container["resources"] = {
        "requests": {"cpu": "100m", "memory": "128Mi", FUSE_RESOURCE: "1"},
        "limits": {"memory": "512Mi", FUSE_RESOURCE: "1"},
    }
    # The container's own file system is an overlay, and an overlay cannot stand on another.
    container["volumeMounts"] = [{"name": "storage", "mountPath": _STORAGE}]
    spec["volumes"] = [{"name": "storage", "emptyDir": {}}]
    if apparmor_unconfined:
        pod["metadata"]["annotations"]["container.apparmor.security.beta.kubernetes.io/podman"] = "unconfined"
    if seccomp:
        spec["securityContext"]["seccompProfile"] = {"type": seccomp}
    return pod


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a verification pod showed. ``excerpt`` are the lines that led to it.

    ``symptom`` is what was seen, in a line; ``cause`` what it means; ``id`` the row of the table of symptoms, "ok"
    or "unclear" where none fits. A network failure leaves ``ok`` true: Podman itself works.
    """

    ok: bool
    id: str
    symptom: str
    cause: str = ""
    remedies: tuple[Remedy, ...] = ()
    excerpt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Symptom:
    id: str
    pattern: str
    symptom: str
    cause: str
    remedies: tuple[Remedy, ...] = ()


_READ_POLICY = Remedy("Look at Security modules: its remedies for this kind of node.", who="you", touches="nothing")

_POD_SYMPTOMS: tuple[_Symptom, ...] = (
    _Symptom(
        "no-device",
        rf"Insufficient {FUSE_RESOURCE}|UnexpectedAdmissionError|requested number of devices unavailable",
        "The node has no FUSE device to give",
        "The device manager does not run there, or all its devices are in use.",
        (
            Remedy(
                "See whether it runs on that node.",
                "kubectl -n smarter-device-manager get pods -o wide",
                touches="nothing",
            ),
            Remedy("Give out more devices (adjustment devices-per-node).", touches="the device manager"),
        ),
    ),
    _Symptom(
        "limit",
        rf"must be equal to {FUSE_RESOURCE} limit|Limit must be set for non overcommitable",
        "Request and limit of the device differ",
        "Kubernetes wants them equal for devices.",
        (Remedy("Set both to the same count in the template policy.", who="Coder admin", touches="workspaces"),),
    ),
    _Symptom(
        "refused",
        r"violates PodSecurity|admission webhook .* denied|unable to validate against any security context constraint"
        r"|is forbidden",
        "The cluster does not admit the pod",
        "A policy of the namespace or of the cluster refuses a pod like a workspace.",
        (Remedy("Choose a namespace where workspaces may run.", "podman-wizard verify --namespace NAME", who="you"),),
    ),
    _Symptom(
        "image",
        r"ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|[Ff]ailed to pull image",
        "The image cannot be pulled",
        "The node does not reach the registry, or the image is not there. Podman was not tried.",
        (Remedy("Name an image that your nodes can pull.", "podman-wizard verify --image IMAGE", who="you"),),
    ),
    _Symptom(
        "deadline",
        r"DeadlineExceeded",
        "The pod was not done in time",
        "A slow pull, or a node under load.",
        (Remedy("Try again; the image is there by then.", "podman-wizard verify", who="you", touches="one pod"),),
    ),
    _Symptom("memory", r"OOMKilled", "The pod ran out of memory", "512Mi were not enough for Podman and its storage."),
)

_LOG_SYMPTOMS: tuple[_Symptom, ...] = (
    _Symptom(
        "fuse-module",
        r"fuse: device not found",
        "There is no FUSE device in the pod",
        "The node's kernel has no FUSE loaded, or the device manager was not there yet when the pod came: a kubelet "
        "that does not know a resource lets the pod in without it.",
        (
            Remedy(
                "See whether the device manager runs on that node.",
                "kubectl -n smarter-device-manager get pods -o wide",
                touches="nothing",
            ),
            Remedy(
                "Load the module on the node, for good, and restart the device manager's pod there.",
                "modprobe fuse && echo fuse > /etc/modules-load.d/fuse.conf",
                who="system admin",
                touches="the nodes",
            ),
        ),
    ),
    _Symptom(
        "device-cgroup",
        r"failed to open /dev/fuse: Operation not permitted",
        "/dev/fuse is there and may not be opened",
        "The device was mounted, not requested: the pod's device rules do not allow it.",
        (Remedy(f"Request {FUSE_RESOURCE} in place of a host path.", who="Coder admin", touches="workspaces"),),
    ),
    _Symptom(
        "overlay-on-overlay",
        r"'overlay' is not supported over|kernel does not support overlay fs",
        "Podman's storage stands on an overlay",
        "The image names no fuse-overlayfs (mount_program), and the kernel cannot stack overlays.",
        (
            Remedy(
                "Use an image whose storage.conf has mount_program, or put the storage on a volume.",
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
    ),
    _Symptom(
        "userns-count",
        r"cannot clone: (?:Invalid argument|No space left on device)|max_user_namespaces",
        "No user namespace may be made",
        "user.max_user_namespaces is 0 on the node, as on Bottlerocket and Talos.",
        (
            Remedy(
                "Raise it, in the platform's own way (Security modules has it).",
                "sysctl -w user.max_user_namespaces=65536",
                who="system admin",
                touches="the nodes",
            ),
        ),
    ),
    _Symptom(
        "userns-clone",
        r"unprivileged_userns_clone",
        "No user namespace may be made",
        "kernel.unprivileged_userns_clone is 0 on the node, as on Debian 10 and hardened systems.",
        (
            Remedy(
                "Allow user namespaces to everybody.",
                "sysctl -w kernel.unprivileged_userns_clone=1",
                who="system admin",
                touches="the nodes",
            ),
        ),
    ),
    _Symptom(
        "seccomp",
        r"cannot clone: Operation not permitted",
        "A new user namespace is not permitted",
        "The runtime's seccomp filter denies it.",
        (
            Remedy(
                "Let workspaces run without the filter (Coder 1.35 and later).",
                "seccomp-profile-type: {policy: read, value: Unconfined}",
                who="Coder admin",
                touches="workspaces",
            ),
            _READ_POLICY,
        ),
    ),
    _Symptom(
        "uid-map",
        r"write to [ug]id_map failed|newuidmap.*not permitted|newgidmap.*not permitted"
        r"|cannot set up namespace using .?[\w/]*new[ug]idmap",
        "The user namespace gets no users",
        "No new privileges, SETUID and SETGID dropped, newuidmap without its rights in the image, or Ubuntu's "
        "restriction of user namespaces.",
        (
            Remedy(
                "On Ubuntu 24.04: let unconfined processes have user namespaces.",
                "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
                who="system admin",
                touches="the nodes",
            ),
            Remedy("Elsewhere: do not set allowPrivilegeEscalation to false, drop no SETUID.", touches="workspaces"),
        ),
    ),
    _Symptom(
        "proc",
        r"mount(?:ing)? [`'\"]?proc\b.*Operation not permitted",
        "The container may not mount /proc",
        "/proc is masked in the pod, and the image does not tell Podman to pass it on.",
        (
            Remedy(
                "Take the containers.conf of quay.io/podman/stable into the image (volume /proc:/proc).",
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
    ),
    _Symptom(
        "device-denied",
        r"/dev/fuse.*[Pp]ermission denied",
        "/dev/fuse is denied",
        "SELinux with an older policy, or the device's mode on the node.",
        (
            Remedy(
                "Allow containers the devices that are given to them.",
                "setsebool -P container_use_devices on",
                who="system admin",
                touches="every container with a device",
            ),
        ),
    ),
    _Symptom(
        "mount-denied",
        r"mount.*[Pp]ermission denied|flags: 0x1000: permission denied",
        "A mount is denied",
        "The AppArmor profile of the container denies mount, or SELinux does.",
        (
            Remedy(
                "Let the workspace's pod run unconfined (annotation in the template).",
                "container.apparmor.security.beta.kubernetes.io/CONTAINER: unconfined",
                who="Coder admin",
                touches="workspaces",
            ),
            Remedy(
                "Under SELinux: run the pod with the type made for it.",
                "securityContext: {seLinuxOptions: {type: container_engine_t}}",
                who="Coder admin",
                touches="workspaces",
            ),
            _READ_POLICY,
        ),
    ),
    _Symptom(
        "no-podman",
        r"podman: (?:command )?not found|newuidmap.*not found",
        "The image lacks what Podman needs",
        "There is no podman, or no newuidmap, in the image.",
        (Remedy("Verify with Podman's own image.", "podman-wizard verify", who="you", touches="one pod"),),
    ),
)

_NETWORK_SYMPTOMS: tuple[_Symptom, ...] = (
    _Symptom(
        "tun",
        r"/dev/net/tun|open tun socket",
        "Podman runs; its default network wants /dev/net/tun",
        "slirp4netns and pasta make a network of their own by that device, which pods do not have. Containers run with "
        "--network=host.",
        (
            Remedy(
                "Have the image's containers.conf say so, as that of quay.io/podman/stable does.",
                "printf '[containers]\\nnetns=\"host\"\\n' > /etc/containers/containers.conf.d/netns.conf",
                who="Coder admin",
                touches="the workspace image",
            ),
            Remedy(
                "Or have the device manager offer ^net/tun$ too, and request smarter-devices/net_tun.",
                touches="the device manager and workspaces",
            ),
        ),
    ),
    _Symptom(
        "no-network-tool",
        r"could not find (?:slirp4netns|pasta)|exec: .(?:slirp4netns|pasta).: executable file not found",
        "Podman runs; its default network lacks a program",
        "The image has neither slirp4netns nor pasta. Containers run with --network=host.",
        (
            Remedy(
                'Have the image\'s containers.conf say netns="host", or install passt.',
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
    ),
)

_NETWORK = re.compile(
    r"dial tcp|no such host|i/o timeout|TLS handshake|connection refused|network is unreachable"
    r"|temporary failure in name resolution|proxyconnect|pinging container registry|toomanyrequests|x509:",
    re.IGNORECASE,
)


def diagnose(log: str, reasons: str = "") -> Diagnosis:
    """What a verification pod showed: ``log`` is what it printed, ``reasons`` what the cluster said of it.

    The reasons are those of the pod's status and events, or the server's refusal, a line each, verbatim.
    """
    checks = dict(re.findall(r"(?m)^([a-z]+): (ok|failed)$", log))
    local = {name: result for name, result in checks.items() if name not in _AFTER}
    if local.get("run") == "ok":
        return _works(log, checks)
    if found := _find(_POD_SYMPTOMS, reasons.splitlines()):
        return found
    failed = [name for name, result in local.items() if result == "failed"]
    lines = [line.partition(">: ")[2] for line in log.splitlines() if line.partition(">: ")[0] in failed]
    if found := _find(_LOG_SYMPTOMS, lines or log.splitlines()):
        return found
    if local.get("fuse") == "failed":
        # A listing of the device says that it is there, and the test behind it that it may not be used.
        there = any(line.startswith("c") and "/dev/fuse" in line for line in lines)
        row = next(row for row in _LOG_SYMPTOMS if row.id == ("device-denied" if there else "fuse-module"))
        return Diagnosis(False, row.id, row.symptom, row.cause, row.remedies, _last(lines))
    if not checks:
        return Diagnosis(False, "unclear", "The pod told nothing", "", (), _last((reasons or log).splitlines()))
    symptom = f"Podman fails at: {failed[0]}" if failed else "The checks were cut short"
    return Diagnosis(False, "unclear", symptom, "No known symptom.", (_READ_POLICY,), _last(lines or log.splitlines()))


def _works(log: str, checks: dict[str, str]) -> Diagnosis:
    found = []
    if checks.get("network") == "failed":
        found.append(_default_network(_said("network", log)))
    if checks.get("pull") == "failed":
        found.append(_pull(_said("pull", log)))
    if not found:
        return Diagnosis(True, "ok", "Rootless Podman runs a container", excerpt=_last(_said("info", log)))
    first, *others = found
    return replace(
        first,
        cause=" ".join([first.cause, *(f"{_alone(one.symptom)}: {one.cause}" for one in others)]),
        remedies=tuple(remedy for one in found for remedy in one.remedies),
        excerpt=tuple(line for one in found for line in one.excerpt),
    )


def _alone(symptom: str) -> str:
    """A symptom as a sentence of its own, where it was said before that Podman runs."""
    rest = symptom.removeprefix("Podman runs; ")
    return rest[:1].upper() + rest[1:]


def _default_network(lines: list[str]) -> Diagnosis:
    if known := _find(_NETWORK_SYMPTOMS, lines):
        return replace(known, ok=True)
    return Diagnosis(
        True,
        "default-network",
        "Podman runs; its default network fails",
        "Containers run with --network=host.",
        (
            Remedy(
                'Have the image\'s containers.conf say netns="host".', who="Coder admin", touches="the workspace image"
            ),
        ),
        _last(lines),
    )


def _pull(lines: list[str]) -> Diagnosis:
    network = any(_NETWORK.search(line) for line in lines)
    return Diagnosis(
        True,
        "network" if network else "pull",
        "Podman runs; a pull from quay.io fails",
        "The network of the pods does not reach the registry; the kernel has nothing to do with it."
        if network
        else "The image could be made here and run, and not fetched.",
        (Remedy("Give workspaces a mirror or a proxy, if they are meant to pull.", touches="workspaces"),),
        _last(lines),
    )


def _said(check: str, log: str) -> list[str]:
    return [line.partition(">: ")[2] for line in log.splitlines() if line.startswith(f"{check}>: ")]


def _find(table: tuple[_Symptom, ...], lines: list[str]) -> Diagnosis | None:
    for row in table:
        telling = [line for line in lines if re.search(row.pattern, line)]
        if telling:
            return Diagnosis(False, row.id, row.symptom, row.cause, row.remedies, _last(telling))
    return None


def _last(lines: list[str]) -> tuple[str, ...]:
    # The kubelet and the scheduler say the same thing more than once: each line counts where it was said last.
    said = dict.fromkeys(line for line in reversed(lines) if line.strip())
    return tuple(reversed(tuple(said)[:EXCERPT_LINES]))
