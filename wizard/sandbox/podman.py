"""What containers print on a simulated node: the device plugin, the probe of security modules, rootless Podman.

What confines a container is told in systems.yaml, under ``security``: ``apparmor`` (the runtime's default profile
confines), ``userns-restricted`` (Ubuntu's restriction of unprivileged user namespaces), ``selinux`` (``enforcing``,
``permissive`` or absent), ``selinux-containers`` (the runtime labels containers), ``old-policy`` (of SELinux),
``max-user-namespaces``, ``userns-clone``, ``seccomp-default``.
The symptoms are those that users report for each cause.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from wizard.sandbox.nodes import Machine
from wizard.sandbox.store import Object

FUSE = "smarter-devices/fuse"
PURPOSE = "podman-wizard/purpose"
"""The label by which the wizard marks its own pods: ``probe`` or ``verify``."""

SYMPTOMS = {
    "no-device": 'fuse: device not found, try "modprobe fuse" first',
    "apparmor": (
        'Error: mounting storage for container: creating overlay mount to "/home/podman/.local/share/containers/'
        'storage/overlay": using mount program /usr/bin/fuse-overlayfs: fuse: mount failed: Permission denied'
    ),
    "selinux": "Error: crun: mount `proc` to `proc`: Permission denied: OCI permission denied",
    "seccomp": "cannot clone: Operation not permitted",
    "userns-clone": (
        "cannot clone: Operation not permitted\n"
        "user namespaces are not enabled in /proc/sys/kernel/unprivileged_userns_clone"
    ),
    "userns-restricted": (
        'Error: cannot set up namespace using "/usr/bin/newuidmap": exit status 1: newuidmap: write to uid_map failed: '
        "Operation not permitted"
    ),
    "no-new-privileges": (
        'Error: cannot set up namespace using "/usr/bin/newuidmap": exit status 1: newuidmap: write to uid_map failed: '
        "Operation not permitted"
    ),
    "max-user-namespaces": (
        "cannot clone: Invalid argument\n"
        "user namespaces are not enabled in /proc/sys/user/max_user_namespaces\n"
        "Error: could not get runtime: cannot re-exec process"
    ),
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
"""What rootless Podman says, by cause; a node group's ``verify`` may name one of them, or ``healthy``."""

WORKS = {
    "uid": "",
    "fuse": "crw-rw-rw- 1 root root 10, 229 Jan  1 00:00 /dev/fuse",
    "info": "true overlay",
    "userns": "         0       1000          1\n         1          1        999\n      1000       1001      64535",
    "import": "sha256:5c9a1d8f3b0e2a7c64de81f79b35a0c2d4e6f8091a2b3c4d5e6f708192a3b4c5",
    "run": "",
    "network": "",
    "pull": "!... Hello Podman World ...!",
}
"""The checks of the test in their order, with what they print where all is well."""

FAILS = {
    "no-device": ("fuse", "import", "run", "network", "pull"),
    "apparmor": ("import", "run", "network", "pull"),
    "selinux": ("run", "network", "pull"),
    "tun": ("network",),
    "network": ("pull",),
}
"""The checks that a cause fails; the others fail all that need a user namespace."""
NEED_USER_NAMESPACE = ("info", "userns", "import", "run", "network", "pull")


@dataclass(frozen=True)
class Confinement:
    """What a container is confined by on a node, given its own settings."""

    app_armor: bool
    selinux_type: str
    """"" where the container has no label."""
    enforcing: bool
    seccomp: bool
    no_new_privileges: bool

    @property
    def attr_current(self) -> str:
        """``/proc/self/attr/current``."""
        if self.selinux_type:
            return f"system_u:system_r:{self.selinux_type}:s0:c112,c857"
        return "cri-containerd.apparmor.d (enforce)" if self.app_armor else "unconfined"


def confinement(machine: Machine, pod: Object) -> Confinement:
    """How a node confines the first container of a pod."""
    security = machine.security
    container = pod["spec"]["containers"][0]
    settings = {**pod["spec"].get("securityContext", {}), **container.get("securityContext", {})}
    annotation = f"container.apparmor.security.beta.kubernetes.io/{container['name']}"
    app_armor = settings.get("appArmorProfile", {}).get("type") or (
        "Unconfined" if pod["metadata"].get("annotations", {}).get(annotation) == "unconfined" else "RuntimeDefault"
    )
    labelled = bool(security.get("selinux") and security.get("selinux-containers"))
    privileged = bool(settings.get("privileged"))
    default_type = "spc_t" if privileged else "container_t"
    seccomp = settings.get("seccompProfile", {}).get(
        "type", "RuntimeDefault" if security.get("seccomp-default") else "Unconfined"
    )
    return Confinement(
        app_armor=bool(security.get("apparmor")) and app_armor != "Unconfined" and not privileged,
        selinux_type=settings.get("seLinuxOptions", {}).get("type", default_type) if labelled else "",
        enforcing=security.get("selinux") == "enforcing",
        seccomp=seccomp != "Unconfined" and not privileged,
        no_new_privileges=settings.get("allowPrivilegeEscalation") is False,
    )


def probe_log(machine: Machine, pod: Object) -> str:
    """One JSON line: what a container sees of what confines it. A text is "" for a file that is not there."""
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
        "selinux_enforce": _sysctl(found.enforcing) if security.get("selinux") else "",
        "fuse": machine.has_fuse,
        "kernel": machine.system["kernel"],
    }
    return json.dumps(seen, separators=(",", ":")) + "\n"


def _sysctl(value: bool | None) -> str:
    return "" if value is None else str(int(value))


def trouble(machine: Machine, pod: Object, *, given: bool) -> str:
    """Why rootless Podman does not work in a pod on a node: a key of SYMPTOMS, "" where it does.

    ``given`` says whether the kubelet gave it a FUSE device.
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
    # the restriction is on unconfined processes only, so taking the profile away can bring it on
    if security.get("userns-restricted") and not found.app_armor:
        return "userns-restricted"
    if not given:
        return "no-device"
    if found.app_armor:
        return "apparmor"
    return "selinux" if found.enforcing and found.selinux_type == "container_t" and security.get("old-policy") else ""


def verification_log(machine: Machine, pod: Object, *, given: bool) -> str:
    """What the Podman test prints: ``name: ok`` or ``failed`` for each check, ``name>: line`` for its output."""
    cause = trouble(machine, pod, given=given)
    failing = FAILS.get(cause, NEED_USER_NAMESPACE) if cause else ()
    lines = []
    for check, output in WORKS.items():
        if check in failing:
            output = SYMPTOMS[cause]
            if check == "fuse":
                output = "ls: cannot access '/dev/fuse': No such file or directory"
        lines.append(f"{check}: {'failed' if check in failing else 'ok'}")
        lines += [f"{check}>: {line}" for line in output.splitlines()]
    return "\n".join([*lines, "end: reached", ""])


def plugin_log(machine: Machine, devices: int | None) -> str:
    """What smarter-device-manager logs; ``devices`` is None where it cannot read its configuration."""
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
