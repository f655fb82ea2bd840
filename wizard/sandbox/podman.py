"""What containers print on a simulated node: the device plugin, the probe of security modules, rootless Podman.

The confinement of containers is in systems.yaml, under ``security``: ``apparmor`` (the runtime's default profile
confines), ``userns-restricted`` (Ubuntu's restriction of unprivileged user namespaces), ``selinux`` (``enforcing``,
``permissive`` or absent), ``selinux-containers`` (the runtime labels containers), ``old-policy`` (of SELinux),
``max-user-namespaces``, ``userns-clone``, ``seccomp-default``.
The symptoms are those that users report for each cause.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from wizard.sandbox.nodes import Machine
from wizard.sandbox.store import Object

FUSE = "smarter-devices/fuse"
PURPOSE = "podman-wizard/purpose"
"""The label of the wizard's own pods: ``probe`` or ``verify``."""

_NEWUIDMAP = (
    'Error: cannot set up namespace using "/usr/bin/newuidmap": exit status 1: newuidmap: write to uid_map failed: '
    "Operation not permitted"
)
_FUSE_OVERLAYFS = "using mount program /usr/bin/fuse-overlayfs: "

SYMPTOMS = {
    "no-device": "fuse: device not found, try 'modprobe fuse' first",
    "device-mode": "fuse: failed to open /dev/fuse: Permission denied",
    "apparmor": (
        "Error: configure storage: mount /podman-wizard/root/overlay:/podman-wizard/root/overlay, flags: 0x1000: "
        "permission denied"
    ),
    "selinux": "Error: crun: mount `proc` to `proc`: Permission denied: OCI permission denied",
    "seccomp": "cannot clone: Operation not permitted",
    "userns-clone": (
        "cannot clone: Operation not permitted\n"
        "user namespaces are not enabled in /proc/sys/kernel/unprivileged_userns_clone"
    ),
    "userns-restricted": _NEWUIDMAP,
    "no-new-privileges": _NEWUIDMAP,
    "max-user-namespaces": (
        "cannot clone: No space left on device\n"
        "user namespaces are not enabled in /proc/sys/user/max_user_namespaces\n"
        "Error: could not get runtime: cannot re-exec process"
    ),
    "old-kernel": (
        "Error: kernel does not support overlay fs: unable to create kernel-style whiteout: operation not permitted"
    ),
    "no-subuid": "chown: changing ownership of '/podman-wizard/owned': Invalid argument",
    "tun": (
        'Error: /usr/bin/slirp4netns failed: "open(\\"/dev/net/tun\\"): No such file or directory\\nWARNING: '
        'Support for seccomp is experimental\\nchild failed(1)\\n"'
    ),
    "network": (
        "Trying to pull quay.io/podman/hello:latest...\n"
        "Error: initializing source docker://quay.io/podman/hello:latest: pinging container registry quay.io: Get "
        '"https://quay.io/v2/": dial tcp: lookup quay.io: no such host'
    ),
}
"""The output of rootless Podman, by cause; a node group's ``verify`` can be one of them, or ``healthy``."""

DEFAULT_PROFILE = "cri-containerd.apparmor.d"

_ROOT = "root file system of the container: "

WORKS = {
    "user": "",
    "podman": "podman version 5.4.2",
    "user-namespace": "0 1000 1\n1 1 999\n1000 1001 64535",
    "uid-map": "-rw-r--r-- 1 33 33 0 Nov 26 00:00 /podman-wizard/owned",
    "native-overlay": f"{_ROOT}overlay",
    "device": "",
    "fuse-overlayfs": f"{_ROOT}fuse.fuse-overlayfs",
    "own-file-system": f"{_ROOT}fuse.fuse-overlayfs",
    "network": "",
    "pull": "!... Hello Podman World ...!",
}
"""The checks of the test in order, with their output on success."""

_NEED_DEVICE = ("device", "fuse-overlayfs", "own-file-system")

FAILS = {
    "no-device": _NEED_DEVICE,
    "device-mode": _NEED_DEVICE,
    "selinux": ("native-overlay", "fuse-overlayfs", "own-file-system"),
    "old-kernel": ("native-overlay",),
    "no-subuid": ("uid-map",),
    "tun": ("network",),
    "network": ("pull",),
}
"""The checks that a cause fails; the others fail all that need a user namespace."""
NEED_USER_NAMESPACE = ("user-namespace", "uid-map", "native-overlay", "fuse-overlayfs", "own-file-system")

_NATIVE_KERNEL = (5, 11)
"""The first kernel that lets a user mount overlay."""


@dataclass(frozen=True)
class Confinement:
    """What confines a container on a node, given its own settings."""

    app_armor: str
    """The AppArmor profile that confines it, "" for none."""
    selinux_type: str
    """"" if the container has no label."""
    enforcing: bool
    seccomp: bool
    no_new_privileges: bool

    @property
    def attr_current(self) -> str:
        """``/proc/self/attr/current``."""
        if self.selinux_type:
            return f"system_u:system_r:{self.selinux_type}:s0:c112,c857"
        return f"{self.app_armor} (enforce)" if self.app_armor else "unconfined"

    @property
    def denies_mounts(self) -> bool:
        """Whether the profile is the runtime's default: one that a pod names was written for Podman."""
        return self.app_armor == DEFAULT_PROFILE


def confinement(machine: Machine, pod: Object) -> Confinement:
    """Returns how a node confines the first container of a pod."""
    security = machine.security
    container = pod["spec"]["containers"][0]
    settings = {**pod["spec"].get("securityContext", {}), **container.get("securityContext", {})}
    annotation = f"container.apparmor.security.beta.kubernetes.io/{container['name']}"
    annotated = pod["metadata"].get("annotations", {}).get(annotation, "")
    profile = _app_armor(settings.get("appArmorProfile", {}), annotated)
    labelled = bool(security.get("selinux") and security.get("selinux-containers"))
    privileged = bool(settings.get("privileged"))
    default_type = "spc_t" if privileged else "container_t"
    seccomp = settings.get("seccompProfile", {}).get(
        "type", "RuntimeDefault" if security.get("seccomp-default") else "Unconfined"
    )
    return Confinement(
        app_armor=profile if security.get("apparmor") and not privileged else "",
        selinux_type=settings.get("seLinuxOptions", {}).get("type", default_type) if labelled else "",
        enforcing=security.get("selinux") == "enforcing",
        seccomp=seccomp != "Unconfined" and not privileged,
        no_new_privileges=settings.get("allowPrivilegeEscalation") is False,
    )


def _app_armor(field: Object, annotation: str) -> str:
    """Returns the AppArmor profile that a pod gets by its field, or by the annotation of before 1.30."""
    kind = field.get("type") or {"unconfined": "Unconfined"}.get(annotation, annotation.partition("/")[0])
    if kind == "Unconfined":
        return ""
    named = field.get("localhostProfile") or annotation.partition("/")[2]
    return str(named) if kind in ("Localhost", "localhost") else DEFAULT_PROFILE


def probe_log(machine: Machine, pod: Object) -> str:
    """Returns what a container sees of its confinement as one JSON line. A text is "" for a missing file."""
    security, found = machine.security, confinement(machine, pod)
    environment = {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0].get("env", ())}
    seen: dict[str, Any] = {
        "group": environment.get("GROUP", ""),
        "current": found.attr_current,
        "seccomp": "2" if found.seccomp else "0",
        "no_new_privs": str(int(found.no_new_privileges)),
        "cap_bnd": "00000000a80425fb",
        "restrict_userns": _sysctl(security.get("userns-restricted")),
        "max_user_namespaces": str(security.get("max-user-namespaces", 62_733)),
        "userns_clone": _sysctl(security.get("userns-clone")),
        "selinux_enforce": "",  # /sys/fs/selinux is empty in a pod
        "fuse": machine.has_fuse,
        "kernel": machine.system["kernel"],
        **_attempts(machine, found),
    }
    return json.dumps(seen, separators=(",", ":")) + "\n"


def _attempts(machine: Machine, found: Confinement) -> dict[str, str]:
    """Returns what comes of a user namespace and of a mount in it, as unshare tells it on kernels that enforce."""
    security = machine.security
    denied = ""
    if security.get("max-user-namespaces", 1) == 0:
        denied = "unshare: unshare failed: No space left on device"
    elif security.get("userns-clone") is False or found.seccomp:
        denied = "unshare: unshare failed: Operation not permitted"
    if denied:
        return {"try_userns": denied, "try_mount": denied}
    mounted = "ok"
    if found.denies_mounts or (found.enforcing and found.selinux_type == "container_t" and security.get("old-policy")):
        mounted = "unshare: cannot change root filesystem propagation: Permission denied"
    elif security.get("userns-restricted") and not found.app_armor:
        mounted = "unshare: write failed /proc/self/uid_map: Operation not permitted"
    return {"try_userns": "ok", "try_mount": mounted}


def _sysctl(value: bool | None) -> str:
    return "" if value is None else str(int(value))


def trouble(machine: Machine, pod: Object, *, given: bool) -> str:
    """Returns why rootless Podman does not work in a pod on a node: a key of SYMPTOMS, "" if it works.

    ``given`` is whether the kubelet assigned a FUSE device to the pod.
    """
    if machine.group.verify:
        return "" if machine.group.verify == "healthy" else machine.group.verify
    security, found = machine.security, confinement(machine, pod)
    if security.get("max-user-namespaces", 1) == 0:
        return "max-user-namespaces"
    if security.get("userns-clone") is False:
        return "userns-clone"
    if found.seccomp:
        return "seccomp"
    if found.no_new_privileges:
        return "no-new-privileges"
    # only unconfined processes are restricted, so removing the profile can trigger this
    if security.get("userns-restricted") and not found.app_armor:
        return "userns-restricted"
    if found.denies_mounts:
        return "apparmor"
    if found.enforcing and found.selinux_type == "container_t" and security.get("old-policy"):
        return "selinux"
    return "" if given else "no-device"


def _old_kernel(machine: Machine) -> bool:
    numbers = re.findall(r"\d+", str(machine.system["kernel"]))
    return tuple(map(int, numbers[:2])) < _NATIVE_KERNEL


def verification_log(machine: Machine, pod: Object, *, given: bool) -> str:
    """Returns the output of the test: ``name: ok``, ``failed``, or ``skipped`` for each check, and its lines."""
    environment = {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0].get("env", ())}
    requested = environment.get("FUSE", "yes") == "yes"
    healthy = machine.group.verify == "healthy"
    causes = (
        trouble(machine, pod, given=given),
        "" if given or healthy else "no-device",
        "old-kernel" if _old_kernel(machine) and not healthy else "",
    )
    failing: dict[str, str] = {}
    for cause in filter(None, causes):
        for check in FAILS.get(cause, NEED_USER_NAMESPACE):
            failing.setdefault(check, cause)
    skipped = set() if requested else {"device", "fuse-overlayfs"}
    if {"native-overlay", "fuse-overlayfs"} <= failing.keys() | skipped:
        skipped |= {"network", "pull"}
    lines = [f"facts>: {name}={value}" for name, value in _seen(machine, pod, given=given).items() if value]
    for check, output in WORKS.items():
        result = "skipped" if check in skipped else "failed" if check in failing else "ok"
        lines.append(f"{check}: {result}")
        if result == "failed":
            output = _failure(check, failing[check])
        if result != "skipped":
            lines += [f"{check}>: {line}" for line in output.splitlines()]
    return "\n".join([*lines, "end: reached", ""])


def _failure(check: str, cause: str) -> str:
    if check == "device":
        return {
            "no-device": "/dev/fuse does not exist",
            "device-mode": "/bin/sh: line 1: /dev/fuse: Permission denied",
        }[cause]
    told = SYMPTOMS[cause]
    return _FUSE_OVERLAYFS + told if told.startswith("fuse: ") else told


def _seen(machine: Machine, pod: Object, *, given: bool) -> dict[str, str]:
    """Returns what the test reads about its own container."""
    security, found = machine.security, confinement(machine, pod)
    mode = "crw-------" if machine.group.verify == "device-mode" else "crw-rw-rw-"
    return {
        "kernel": str(machine.system["kernel"]),
        "user": "podman",
        "home": "/home/podman",
        "no-new-privs": str(int(found.no_new_privileges)),
        "bounding-set": "00000000a80425fb",
        "seccomp": "2" if found.seccomp else "0",
        "confinement": found.attr_current,
        "cgroup": "v2",
        "restrict-userns": _sysctl(security.get("userns-restricted")),
        "max-user-namespaces": str(security.get("max-user-namespaces", 62_733)),
        "userns-clone": _sysctl(security.get("userns-clone")),
        "pod-uid-map": " 0 0 4294967295,",
        "subuid": "" if machine.group.verify == "no-subuid" else "1:999 1001:64535 ",
        "newuidmap": "-rwxr-xr-x /usr/bin/newuidmap cap_setuid=ep",
        "newgidmap": "-rwxr-xr-x /usr/bin/newgidmap cap_setgid=ep",
        "device": f"{mode} 1 0 0 10, 229 Nov 26 00:00 /dev/fuse" if given else "",
        "volume": "ext2/ext3",
        "own-file-system": "overlayfs",
    }


def plugin_log(machine: Machine, devices: int | None) -> str:
    """Returns the log of smarter-device-manager; ``devices`` is None if it cannot read its configuration."""
    lines = ["Loading smarter-device-manager", "Reading configuration file /root/config/conf.yaml"]
    if devices is None:
        return "\n".join([*lines, "Fatal: could not read configuration"]) + "\n"
    lines.append("Reading existing devices in /dev")
    if machine.has_fuse and devices >= 0:
        lines += [
            f"Creating device {FUSE} socket and path",
            f"Creating device {FUSE}",
            "Starting FS watcher.",
            "Starting OS watcher.",
            "Starting to serve on /var/lib/kubelet/device-plugins/smarter-fuse.sock",
            "Registered device plugin with Kubelet",
        ]
    else:
        lines += ["Starting FS watcher.", "Starting OS watcher."]
    return "\n".join(lines) + "\n"
