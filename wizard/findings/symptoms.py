"""What a failed Podman test means: each symptom with its cause and its fixes.

A fix that changes something says where it was seen to work, or where it comes from if it was not tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from wizard.finding import Remedy, Who
from wizard.names import FUSE_RESOURCE

EXCERPT_LINES = 6

Facts = Mapping[str, str]
"""What the test pod read about itself: ``no-new-privs``, ``bounding-set``, ``seccomp``, ``cgroup``, ``newuidmap``."""

TRIED = " (Tried in November 2026: it works.)"

NODE_DECIDES = "See the fixes for this node type in Security modules."


def _tried(text: str, command: str = "", *, who: Who, touches: str) -> Remedy:
    return Remedy(text + TRIED, command, who=who, touches=touches)


def _untried(text: str, command: str = "", *, source: str, who: Who, touches: str) -> Remedy:
    return Remedy(f"{text} (Not tried. Source: {source}.)", command, who=who, touches=touches)


def _look(text: str, command: str = "", *, who: Who = "you") -> Remedy:
    """Returns a step that changes nothing outside the test itself."""
    return Remedy(text, command, who=who, touches="nothing")


def _always(facts: Facts) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Symptom:
    """One row: if a line matches ``pattern`` and the facts fit ``when``, this is what happened, and why.

    ``by_node`` marks symptoms whose fixes are the node's own, as Security modules has them.
    """

    id: str
    pattern: str
    symptom: str
    cause: str = ""
    remedies: tuple[Remedy, ...] = ()
    by_node: bool = False
    when: Callable[[Facts], bool] = field(default=_always)


def find(table: Iterable[Symptom], lines: Sequence[str], facts: Facts) -> tuple[Symptom, tuple[str, ...]] | None:
    """Returns the first row that fits, with the lines that match it."""
    for row in table:
        if not row.when(facts):
            continue
        telling = [line for line in lines if re.search(row.pattern, line)]
        if telling:
            return row, excerpt(telling)
    return None


_NOISE = re.compile(
    r"is not a shared mount|unknown argument ignored|^sha256:[0-9a-f]{64}$|^: exit status|level=warning"
)
_VARYING = re.compile(r"time=\"[^\"]*\" ?|\b[0-9a-f]{64}\b|newuidmap \d+ |/tmp/tmp\.\w+")


def excerpt(lines: Iterable[str]) -> tuple[str, ...]:
    """Returns the last lines that say something; of lines that differ only in time or number, the last one."""
    said = [line.strip() for line in lines if line.strip()]
    telling = [line for line in said if not _NOISE.search(line)] or said
    distinct: dict[str, str] = {}
    for line in reversed(telling):
        distinct.setdefault(_VARYING.sub("", line), line)
    return tuple(reversed(tuple(distinct.values())[:EXCERPT_LINES]))


# --- what the facts tell apart ---------------------------------------------------------------------------------

_SETGID, _SETUID = 6, 7
_WHOLE_RANGE = 4_294_967_295


def _no_new_privileges(facts: Facts) -> bool:
    return facts.get("no-new-privs") == "1"


def _dropped(facts: Facts) -> bool:
    try:
        bits = int(facts.get("bounding-set", ""), 16)
    except ValueError:
        return False
    return not all(bits >> bit & 1 for bit in (_SETGID, _SETUID))


def _pod_user_namespace(facts: Facts) -> bool:
    numbers = re.findall(r"\d+", facts.get("pod-uid-map", ""))
    return len(numbers) >= 3 and int(numbers[2]) < _WHOLE_RANGE


def _setuid(facts: Facts) -> bool:
    mode, _, rest = facts.get("newuidmap", "").partition(" ")
    return "s" in mode and "cap_setuid" not in rest


def _plain_newuidmap(facts: Facts) -> bool:
    mode, _, rest = facts.get("newuidmap", "").partition(" ")
    return bool(mode) and "s" not in mode and "cap_setuid" not in rest and "unknown" not in rest


def _restricted(facts: Facts) -> bool:
    confined = facts.get("confinement", "unconfined")
    return facts.get("restrict-userns") == "1" and confined.startswith(("unconfined", "unprivileged_userns"))


def _filtered(facts: Facts) -> bool:
    return facts.get("seccomp", "2") == "2"


def _device_mode(facts: Facts) -> bool:
    """Whether the mode of /dev/fuse keeps the user out: ``crw-rw----``."""
    return bool(re.match(r"c.{6}(?!rw)", facts.get("device", "")))


# --- the pod did not run ---------------------------------------------------------------------------------------

_CHECK_MANAGER = _look(
    "Check that the device manager runs on that node.", "kubectl -n smarter-device-manager get pods -o wide"
)
_OTHER_NAMESPACE = _look("Use the namespace of your workspaces.", "podman-wizard verify --namespace NAME")
_OTHER_IMAGE = _look("Use an image that your nodes can pull.", "podman-wizard verify --image IMAGE")
_AGAIN = _look("Test again.", "podman-wizard verify")

POD_SYMPTOMS: tuple[Symptom, ...] = (
    Symptom(
        "no-healthy-device",
        rf"no healthy devices present.*{FUSE_RESOURCE}",
        "The node has lost its FUSE devices",
        "The node still lists the resource, but the device manager does not run there any more.",
        (_CHECK_MANAGER,),
    ),
    Symptom(
        "devices-in-use",
        r"requested number of devices unavailable",
        "All FUSE devices of the node are in use",
        "Each workspace that requests FUSE holds one until it stops.",
        (
            _look(
                "Find the pods that hold them.",
                "kubectl get pods -A -o wide --field-selector status.phase=Running,spec.nodeName=NODE",
            ),
            _untried(
                "Offer more devices (adjustment devices-per-node). The device manager restarts.",
                source="README of smarter-device-manager, March 2025",
                who="cluster admin",
                touches="the device manager",
            ),
        ),
    ),
    Symptom(
        "no-device",
        rf"Insufficient {FUSE_RESOURCE}|UnexpectedAdmissionError",
        "The node has no free FUSE device",
        "The device manager does not run there, or all its FUSE devices are in use.",
        (_CHECK_MANAGER,),
    ),
    Symptom(
        "limit",
        rf"must be equal to {FUSE_RESOURCE} limit|Limit must be set for non overcommitable",
        "Request and limit of the FUSE device differ",
        "Kubernetes requires them to be equal for devices.",
        (
            _untried(
                "Set both to the same number in the template policy (Coder v2: in the template).",
                source="Kubernetes documentation, device plugins, 2026",
                who="Coder admin",
                touches="workspaces",
            ),
        ),
    ),
    Symptom(
        "namespace-ending",
        r"because it is being terminated",
        "The namespace is being deleted",
        "Kubernetes creates no pods in a namespace that is being deleted.",
        (_look("Wait until it is gone and create it again, or use another namespace.", _OTHER_NAMESPACE.command),),
    ),
    Symptom(
        "service-account",
        r"error looking up service account|serviceaccount .* not found",
        "The service account does not exist",
        "A pod cannot use a service account that is not in its namespace.",
        (
            _look("List the service accounts of the namespace.", "kubectl -n NAMESPACE get serviceaccounts"),
            _look("Test with another one.", "podman-wizard verify --namespace NAME --service-account NAME"),
        ),
    ),
    Symptom(
        "quota",
        r"exceeded quota|failed quota",
        "A resource quota of the namespace rejects the pod",
        "The namespace has no room for another pod like a workspace.",
        (_look("See what the quota allows.", "kubectl -n NAMESPACE describe resourcequota"), _OTHER_NAMESPACE),
    ),
    Symptom(
        "no-log-permission",
        r"Its log cannot be read:.*(?:forbidden|cannot get)",
        "The result cannot be read",
        "You lack permission to read the log of a pod (get pods/log).",
        (
            _look(
                "Ask for the permission, or have a cluster admin run the test.",
                "kubectl auth can-i get pods --subresource=log",
            ),
        ),
    ),
    Symptom(
        "refused",
        r"violates PodSecurity|admission webhook .* denied|unable to validate against any security context constraint"
        r"|(?<!events )is forbidden",
        "The cluster rejected the pod",
        "A policy of the namespace or of the cluster rejects pods like a workspace.",
        (_OTHER_NAMESPACE,),
    ),
    Symptom(
        "no-user-namespaces",
        r"does not support user namespaces",
        "The container runtime has no user namespaces for pods",
        "The pod got hostUsers: false, and containerd has it only from version 2.0 on.",
        (
            _tried(
                "Remove hostUsers: false, or run containerd 2.0 or later with a current runc.",
                who="cluster admin",
                touches="workspaces, or the nodes",
            ),
        ),
    ),
    Symptom(
        "image",
        r"ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull|[Ff]ailed to pull image",
        "The image cannot be pulled",
        "The node cannot reach the registry, or the image does not exist. Podman was not tested.",
        (_OTHER_IMAGE,),
    ),
    Symptom(
        "no-shell",
        r'exec: \\?"/bin/sh\\?"|/bin/sh: no such file',
        "The image has no shell",
        "The test is a shell script, which needs /bin/sh.",
        (_look("Use an image with a shell, as a workspace needs one too.", "podman-wizard verify --image IMAGE"),),
    ),
    Symptom(
        "start",
        r"StartError|RunContainerError|CreateContainer(?:Config)?Error|ContainerCannotRun|FailedCreatePodSandBox"
        r"|FailedMount",
        "The container cannot start",
        "The node cannot create the container; its own message has the reason.",
        (_look("Look at the node's events.", "kubectl get events -A --field-selector involvedObject.name=NODE"),),
    ),
    Symptom(
        "node-gone",
        r"^NodeGone",
        "The node is gone",
        "It was deleted during the test.",
        (_AGAIN,),
    ),
    Symptom(
        "node-not-ready",
        r"^NodeNotReady",
        "The node is not ready",
        "Its kubelet does not report, so no pod starts there.",
        (_look("See what the node reports.", "kubectl describe node NODE"),),
    ),
    Symptom(
        "kubelet-silent",
        r"^KubeletSilent",
        "The node does not start the pod",
        "Its kubelet did not accept the pod within 30 seconds.",
        (_look("See what the node reports.", "kubectl describe node NODE"),),
    ),
    Symptom(
        "deadline",
        r"DeadlineExceeded",
        "The pod did not finish in time",
        "The pull was slow, or the node is under load.",
        (_look("Try again; the image has been pulled by then.", "podman-wizard verify"),),
    ),
    Symptom(
        "memory",
        r"OOMKilled",
        "The pod ran out of memory",
        "Podman and its storage need more than 512Mi.",
    ),
    Symptom(
        "no-log",
        r"Its log cannot be read:",
        "The result cannot be read",
        "The API server cannot get the log from the node.",
        (_look("Check that the API server reaches the node on port 10250.", who="cluster admin"),),
    ),
    Symptom(
        "deleted",
        r"the pod was deleted before it ended",
        "The pod was deleted during the test",
        "Another client deleted it, or the node was drained.",
        (_AGAIN,),
    ),
    Symptom(
        "no-event-permission",
        r"Its events cannot be read:",
        "The reason cannot be read",
        "You lack permission to read events (list events), which say why a pod does not start or end.",
        (
            _look(
                "Ask for the permission, or have a cluster admin run the test.",
                "kubectl -n NAMESPACE auth can-i list events",
            ),
        ),
    ),
)

# --- Podman did not run ----------------------------------------------------------------------------------------

_UID_MAP = r"write to [ug]id_map failed|new[ug]idmap.*not permitted|cannot set up namespace using .?[\w/]*new[ug]idmap"
_OLD_SET_UP = "User mapping in the user namespace fails"

LOG_SYMPTOMS: tuple[Symptom, ...] = (
    Symptom("root", r"the user is root", "The image runs the test as root", "As root, Podman is not rootless."),
    Symptom(
        "no-user",
        r"no entry for UID \d+ in /etc/passwd",
        "The image has no user with the workspace's UID",
        "Podman looks up the user's name to find the ranges of IDs in /etc/subuid and /etc/subgid.",
        (
            _tried(
                "Create the user in the image, with its ranges.",
                "groupadd --gid 1000 podman && useradd --uid 1000 --gid 1000 --create-home podman",
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
    ),
    Symptom(
        "no-podman",
        r"podman: (?:command )?not found|new[ug]idmap.*not found",
        "Podman is incomplete in the image",
        "The image has no podman, or no newuidmap and newgidmap.",
        (_look("Test with the image of the Podman project.", "podman-wizard verify"),),
    ),
    Symptom(
        "no-subuid",
        r"changing ownership of .*Invalid argument|no sub[ug]id ranges found",
        "The image has no ranges of IDs for its user",
        "Without a range in /etc/subuid and /etc/subgid, the container has one user only: images with files of other "
        "users cannot be pulled or built.",
        (
            _tried(
                "Add the ranges to the image, as quay.io/podman/stable has them.",
                "for f in /etc/subuid /etc/subgid; do printf 'podman:1:999\\npodman:1001:64535\\n' > $f; done",
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
    ),
    Symptom(
        "fuse-module",
        r"fuse: device not found|/dev/fuse does not exist|/dev/fuse.*No such file",
        "There is no FUSE device in the pod",
        "The fuse kernel module is not loaded on the node, or the device manager was not running yet: a kubelet that "
        "does not know a resource admits the pod without it.",
        (
            _CHECK_MANAGER,
            _untried(
                "Load the fuse module now and at every boot, then restart the device manager pod there.",
                "modprobe fuse && echo fuse > /etc/modules-load.d/fuse.conf",
                source="the message of fuse-overlayfs itself, and modules-load.d(5), 2026",
                who="system admin",
                touches="the nodes",
            ),
        ),
    ),
    Symptom(
        "device-cgroup",
        r"/dev/fuse: Operation not permitted",
        "/dev/fuse exists but cannot be opened",
        "The device was mounted, not requested, so the pod's device rules do not allow it.",
        (_tried(f"Request {FUSE_RESOURCE} instead of mounting a host path.", who="Coder admin", touches="workspaces"),),
    ),
    Symptom(
        "device-mode",
        r"/dev/fuse.*[Pp]ermission denied",
        "The mode of /dev/fuse denies it",
        "The node's device is for root only, and the container gets it with the same mode.",
        (
            _tried(
                "Open it to all users now; then restart the workspaces.",
                "chmod 0666 /dev/fuse",
                who="system admin",
                touches="the nodes",
            ),
            _untried(
                "Keep the mode after a reboot.",
                'echo \'KERNEL=="fuse", MODE="0666"\' > /etc/udev/rules.d/60-fuse.rules && udevadm control --reload',
                source="50-udev-default.rules of systemd 257, December 2024",
                who="system admin",
                touches="the nodes",
            ),
        ),
        when=_device_mode,
    ),
    Symptom(
        "device-denied",
        r"/dev/fuse.*[Pp]ermission denied",
        "/dev/fuse is denied",
        "Its mode allows it, so a security module denies it: SELinux with an older policy.",
        (
            Remedy(NODE_DECIDES, who="you", touches="nothing"),
            _untried(
                "Allow containers to use the devices assigned to them. Not every policy has this switch.",
                "setsebool -P container_use_devices on",
                source="container_selinux(8) of container-selinux, July 2026",
                who="system admin",
                touches="every container with a device",
            ),
        ),
    ),
    Symptom(
        "no-fuse-overlayfs",
        r"can't stat program .*fuse-overlayfs|fuse-overlayfs.*executable file not found",
        "The image has no fuse-overlayfs",
        "Podman needs this program to use the FUSE device.",
        (
            _tried(
                "Install it in the image.",
                "apt-get install -y fuse-overlayfs   # or dnf",
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
    ),
    Symptom(
        "native-refused",
        r"kernel-style whiteout|root file system of the container: fuse",
        "The kernel refuses native overlay",
        "A user can mount overlay from kernel 5.11 on, and from 5.13 on with SELinux.",
    ),
    Symptom(
        "overlay-on-overlay",
        r"'overlay' is not supported over|kernel does not support overlay fs",
        "Podman's storage is on an overlay file system",
        "The image has no fuse-overlayfs, and the kernel cannot stack overlays.",
        (
            _tried(
                "Put the storage on a volume, such as a home volume.",
                who="Coder admin",
                touches="workspaces",
            ),
            _tried("Or install fuse-overlayfs in the image.", who="Coder admin", touches="the workspace image"),
        ),
    ),
    Symptom(
        "userns-count",
        r"cannot clone: (?:Invalid argument|No space left on device)|max_user_namespaces",
        "User namespaces are not allowed",
        "user.max_user_namespaces is 0 on the node, as on Bottlerocket and Talos.",
        (
            _tried(
                "Raise the limit as the platform requires (see Security modules).",
                "sysctl -w user.max_user_namespaces=65536",
                who="system admin",
                touches="the nodes",
            ),
        ),
        by_node=True,
    ),
    Symptom(
        "userns-clone",
        r"unprivileged_userns_clone",
        "User namespaces are not allowed",
        "kernel.unprivileged_userns_clone is 0 on the node, as on Debian 10 and hardened systems.",
        (
            _tried(
                "Allow unprivileged user namespaces.",
                "sysctl -w kernel.unprivileged_userns_clone=1",
                who="system admin",
                touches="the nodes",
            ),
        ),
        by_node=True,
    ),
    Symptom(
        "seccomp",
        r"cannot clone: Operation not permitted",
        "A new user namespace is denied",
        "The container runtime's seccomp filter denies it.",
        (
            _tried(
                "Run workspaces without the filter (Coder 1.35 or later).",
                "seccomp-profile-type: {policy: read, value: Unconfined}",
                who="Coder admin",
                touches="workspaces",
            ),
        ),
        by_node=True,
        when=_filtered,
    ),
    Symptom(
        "clone-denied",
        r"cannot clone: (?:Permission denied|Operation not permitted)",
        "A new user namespace is denied",
        "No seccomp filter is active, so a security module denies it: AppArmor or SELinux.",
        (Remedy(NODE_DECIDES, who="you", touches="nothing"),),
        by_node=True,
    ),
    Symptom(
        "other-group",
        r"newuidmap: Target process \d+ is owned by a different user",
        _OLD_SET_UP,
        "The pod runs with another group than the primary group of its user in the image's /etc/passwd.",
        (
            _tried(
                "Set runAsGroup to the user's primary group, or leave it out.", who="Coder admin", touches="workspaces"
            ),
        ),
    ),
    Symptom(
        "no-new-privileges",
        _UID_MAP,
        _OLD_SET_UP,
        "The container has allowPrivilegeEscalation: false (NoNewPrivs is 1), so newuidmap gets no capability.",
        (
            _tried(
                "Do not set allowPrivilegeEscalation to false for workspaces.", who="Coder admin", touches="workspaces"
            ),
        ),
        when=_no_new_privileges,
    ),
    Symptom(
        "capabilities-dropped",
        _UID_MAP,
        _OLD_SET_UP,
        "SETUID or SETGID is dropped: the container's bounding set lacks it.",
        (_tried("Do not drop SETUID and SETGID for workspaces.", who="Coder admin", touches="workspaces"),),
        when=_dropped,
    ),
    Symptom(
        "userns-restricted",
        _UID_MAP,
        _OLD_SET_UP,
        "Ubuntu restricts user namespaces of unconfined processes, and the pod is unconfined.",
        (
            _untried(
                "Allow user namespaces for unconfined processes.",
                "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
                source="Ubuntu 24.04 release notes, April 2024",
                who="system admin",
                touches="the nodes",
            ),
        ),
        by_node=True,
        when=_restricted,
    ),
    Symptom(
        "newuidmap-setuid",
        _UID_MAP,
        _OLD_SET_UP,
        "newuidmap is setuid root in the image and has no file capability, as Debian installs it. In a pod, that is "
        "not enough.",
        (
            _tried(
                "Give the two programs file capabilities instead, in the image.",
                "chmod u-s /usr/bin/newuidmap /usr/bin/newgidmap\n"
                "setcap cap_setuid=ep /usr/bin/newuidmap\nsetcap cap_setgid=ep /usr/bin/newgidmap",
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
        when=_setuid,
    ),
    Symptom(
        "newuidmap-plain",
        _UID_MAP,
        _OLD_SET_UP,
        "newuidmap has no file capability in the image. Some builders lose it when they copy files.",
        (
            _tried(
                "Set the capabilities in the image.",
                "setcap cap_setuid=ep /usr/bin/newuidmap\nsetcap cap_setgid=ep /usr/bin/newgidmap",
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
        when=_plain_newuidmap,
    ),
    Symptom(
        "mapping-range",
        _UID_MAP,
        _OLD_SET_UP,
        "The pod has a user namespace of its own (hostUsers: false) with 65536 IDs, and the image's ranges in "
        "/etc/subuid go beyond it.",
        (
            _tried(
                "Use ranges below 65536 in the image, as quay.io/podman/stable does.",
                "for f in /etc/subuid /etc/subgid; do printf 'podman:1:999\\npodman:1001:64535\\n' > $f; done",
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
        when=_pod_user_namespace,
    ),
    Symptom(
        "uid-map",
        _UID_MAP,
        _OLD_SET_UP,
        "NoNewPrivs, the bounding set, and newuidmap show no reason. A security module of the node can be one.",
        (Remedy(NODE_DECIDES, who="you", touches="nothing"),),
        by_node=True,
    ),
    Symptom(
        "proc",
        r"mount(?:ing)? [`'\"]?proc\b.*Operation not permitted",
        "The container cannot mount /proc",
        "/proc is masked in the pod, and the image does not configure Podman to reuse the one of the pod.",
        (
            _tried(
                "Add this to the user's containers.conf in the image, as quay.io/podman/stable has it.",
                '[containers]\nvolumes = ["/proc:/proc"]\ndefault_sysctls = []',
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
    ),
    Symptom(
        "mount-denied",
        r"mount.*[Pp]ermission denied|flags: 0x[0-9a-f]+: permission denied|pivot_root: Permission denied",
        "A mount is denied",
        "The AppArmor profile of the container, or SELinux, denies it. Podman needs mount, umount, and pivot_root.",
        (
            Remedy(
                "With AppArmor: run the workspace pod unconfined. Add this annotation to the template policy "
                "(Coder v2: to the template). "
                "(Tried in November 2026: unconfined works. How Coder sets the annotation was not tried.)",
                "container.apparmor.security.beta.kubernetes.io/CONTAINER: unconfined",
                who="Coder admin",
                touches="workspaces",
            ),
            Remedy(
                "Or load the profile podman-workspace on the nodes and set the annotation to "
                "localhost/podman-workspace. (Tried in November 2026: allowing mount and pivot_root works. This file "
                "itself was not tried.)",
                "podman-wizard explain modules.apparmor-profile",
                who="system admin",
                touches="workspaces",
            ),
            Remedy(NODE_DECIDES, who="you", touches="nothing"),
        ),
        by_node=True,
    ),
)

# These symptoms continue the sentence "Podman works, but ...".
NETWORK_SYMPTOMS: tuple[Symptom, ...] = (
    Symptom(
        "tun",
        r"/dev/net/tun|open tun socket",
        "its default network needs /dev/net/tun",
        "slirp4netns and pasta create their network with this device, which pods do not have. Containers run with "
        "--network=host.",
        (
            _tried(
                "Set it in the image's containers.conf, as quay.io/podman/stable does.",
                "printf '[containers]\\nnetns=\"host\"\\n' > /etc/containers/containers.conf.d/netns.conf",
                who="Coder admin",
                touches="the workspace image",
            ),
            _tried(
                "Or let the device manager also offer ^net/tun$, and request smarter-devices/net_tun.",
                who="cluster admin",
                touches="the device manager and workspaces",
            ),
        ),
    ),
    Symptom(
        "no-network-tool",
        r"could not find (?:slirp4netns|pasta)|exec: .(?:slirp4netns|pasta).: executable file not found",
        "its default network lacks a program",
        "The image has neither slirp4netns nor pasta. Containers run with --network=host.",
        (
            _tried(
                'Set netns="host" in the image\'s containers.conf.',
                who="Coder admin",
                touches="the workspace image",
            ),
        ),
    ),
)

DEFAULT_NETWORK = Symptom(
    "default-network",
    "",
    "its default network fails",
    "Containers run with --network=host.",
    (_tried('Set netns="host" in the image\'s containers.conf.', who="Coder admin", touches="the workspace image"),),
)

_MIRROR = (
    Remedy(
        "If workspaces need to pull images, give them a mirror or a proxy.", who="cluster admin", touches="workspaces"
    ),
)

NO_EGRESS = Symptom(
    "network",
    r"(?i)dial tcp|no such host|i/o timeout|TLS handshake|connection refused|network is unreachable"
    r"|temporary failure in name resolution|proxyconnect|pinging container registry|toomanyrequests|x509:",
    "a pull from quay.io fails",
    "The pods cannot reach the registry through their network. This is not a kernel problem.",
    _MIRROR,
)

PULL = Symptom(
    "pull",
    "",
    "a pull from quay.io fails",
    "The container image was built and ran locally, but another could not be pulled within 15 seconds.",
    _MIRROR,
)
