"""Node settings that stop rootless Podman, by node type: the mechanism, the evidence, and the fixes.

The API shows little about security modules, so each hindrance names its evidence and its confidence: the node
itself (its Ready message, labels of Node Feature Discovery), or else the known default of its system. A probe pod
sees more than that and takes precedence. Nothing here makes a node unfit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wizard.facts.cluster import KubernetesObject
from wizard.finding import Confidence, Finding, Outcome, Remedy
from wizard.findings.verification import short_pod
from wizard.names import PROBE_NAMESPACE
from wizard.nodes.systems import HostSettings, KnownSystem, system_of
from wizard.nodes.verdicts import NFD, NodeGroup, NodeVerdict, groups, says_apparmor, says_selinux_enforces
from wizard.text.counting import counted

CATEGORY = "security modules"

PROBE_DEADLINE = 60
"""Seconds that a probe can take, including the pull of its image; the kubelet then stops the pod."""

PROBE_IMAGE = "quay.io/podman/stable:v5.3"
"""Any image with a POSIX shell works; Verify pulls this one anyway."""

USER_NAMESPACES = 65536
"""The value for user.max_user_namespaces, taken from Coder's documentation for Bottlerocket."""

_CONFINED_TYPES = ("container_t", "container_init_t")
_SETGID, _SETUID = 6, 7


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe pod read on a node of one type. If a file is missing, its text is "" or its number None."""

    group: str
    current: str
    """The confinement of the probe: an AppArmor profile ("cri-containerd.apparmor.d (enforce)"), an SELinux label, or
    "unconfined"."""
    seccomp: int | None
    no_new_privileges: bool
    bounding_set: int | None
    """The capabilities that it can get, as bits."""
    restricts_user_namespaces: bool
    max_user_namespaces: int | None
    user_namespace_clone: int | None
    selinux_enforcing: bool | None
    fuse: bool
    """Whether the kernel has FUSE loaded."""
    kernel: str


def security_groups(verdicts: Iterable[NodeVerdict]) -> tuple[NodeGroup, ...]:
    """Returns the nodes on which FUSE can work, by system, kernel, and runtime; one node of each type gets a probe."""
    return groups((verdict for verdict in verdicts if verdict.possible), by_kubelet=False)


_PROBE_SCRIPT = r"""
first() { line=; [ -r "$1" ] && IFS= read -r line < "$1"; printf '%s' "$line" | tr -d '"\\\000'; }
status() { while read -r name value; do [ "$name" = "$1:" ] && printf '%s' "$value"; done < /proc/self/status; }
fuse=false
while read -r one two; do [ "$one" = fuse ] || [ "$two" = fuse ] && fuse=true; done < /proc/filesystems
printf '{"group":"%s","current":"%s","seccomp":"%s","no_new_privs":"%s","cap_bnd":"%s","restrict_userns":"%s",' \
  "$GROUP" "$(first /proc/self/attr/current)" "$(status Seccomp)" "$(status NoNewPrivs)" "$(status CapBnd)" \
  "$(first /proc/sys/kernel/apparmor_restrict_unprivileged_userns)"
printf '"max_user_namespaces":"%s","userns_clone":"%s","selinux_enforce":"%s","fuse":%s,"kernel":"%s"}\n' \
  "$(first /proc/sys/user/max_user_namespaces)" "$(first /proc/sys/kernel/unprivileged_userns_clone)" \
  "$(first /sys/fs/selinux/enforce)" "$fuse" "$(first /proc/sys/kernel/osrelease)"
"""


def probe_pod(group: NodeGroup, image: str = PROBE_IMAGE, namespace: str = PROBE_NAMESPACE) -> KubernetesObject:
    """Returns an unprivileged pod for one ready node of a type; it prints what it reads there as one JSON line."""
    pod = short_pod("probe", group.key, group.to_try, image, namespace, _PROBE_SCRIPT, deadline=PROBE_DEADLINE)
    pod["spec"]["containers"][0]["env"] = [{"name": "GROUP", "value": group.key}]
    return pod


def parse_probe(log: str) -> Probe:
    """Reads what a probe pod printed. Raises ValueError if the log has no line of a probe."""
    for line in reversed(log.splitlines()):
        try:
            seen = json.loads(line)
        except ValueError:
            continue
        if isinstance(seen, dict) and "group" in seen and "current" in seen:
            return _read(seen)
    raise ValueError("the log has no line of a probe")


def _read(seen: dict[str, Any]) -> Probe:
    def text(name: str) -> str:
        return str(seen.get(name, "")).strip()

    def number(name: str, base: int = 10) -> int | None:
        try:
            return int(text(name), base)
        except ValueError:
            return None

    enforcing = number("selinux_enforce")
    return Probe(
        group=text("group"),
        current=text("current"),
        seccomp=number("seccomp"),
        no_new_privileges=text("no_new_privs") == "1",
        bounding_set=number("cap_bnd", 16),
        restricts_user_namespaces=text("restrict_userns") == "1",
        max_user_namespaces=number("max_user_namespaces"),
        user_namespace_clone=number("userns_clone"),
        selinux_enforcing=None if enforcing is None else enforcing == 1,
        fuse=seen.get("fuse") is True,
        kernel=text("kernel"),
    )


@dataclass(frozen=True, slots=True)
class Hindrance:
    """One thing that stops Podman: ``id`` of its explanation, ``word`` for the title, ``then`` the consequence.

    It has fixes in three tiers: settings of the pod, settings of the host, and the guide's advice.
    """

    id: str
    word: str
    then: str
    evidence: tuple[str, ...]
    confidence: Confidence
    pod: tuple[Remedy, ...] = ()
    host: tuple[Remedy, ...] = ()
    guide: tuple[Remedy, ...] = ()


def judge_security_modules(verdicts: Sequence[NodeVerdict] | None, probes: Sequence[Probe] = ()) -> tuple[Finding, ...]:
    """Returns one finding for each node type, the largest first; ``verdicts`` is None if nodes cannot be listed.

    Ids end with the type: ``modules.apparmor@...``.
    """
    if verdicts is None:
        return (
            Finding(
                "modules.nodes",
                CATEGORY,
                Outcome.UNKNOWN,
                "Security modules: no permission to list nodes",
                "The operating systems of the nodes are unknown, because you lack permission to list nodes.",
                remedies=(Remedy("Ask a cluster admin for permission to list nodes.", who="you", touches="nothing"),),
            ),
        )
    seen = {probe.group: probe for probe in probes}
    return tuple(_judge_group(group, seen.get(group.key)) for group in security_groups(verdicts))


def _judge_group(group: NodeGroup, probe: Probe | None) -> Finding:
    known = system_of(group.verdicts[0].node.os_image).known
    hindrances = tuple(_from_probe(group, known, probe) if probe else _from_api(group, known))
    if not hindrances:
        return _nothing_in_the_way(group, known, probe)
    first = min(hindrances, key=lambda one: _ORDER.index(one.id))
    in_order = sorted(hindrances, key=lambda one: _ORDER.index(one.id))
    ladder = [*_each("pod", in_order), *_each("host", in_order), *_each("guide", in_order)]
    lowest = min((one.confidence for one in hindrances), key=("low", "medium", "high").index)
    return Finding(
        f"{first.id}@{group.key}",
        CATEGORY,
        Outcome.WARNING,
        _title(group, ", ".join(one.word for one in in_order)),
        " ".join(one.then for one in in_order),
        tuple(dict.fromkeys(line for one in in_order for line in one.evidence)),
        lowest,
        tuple(dict.fromkeys(ladder)),
        group.count,
    )


_ORDER = (
    "modules.apparmor-userns",
    "modules.apparmor",
    "modules.selinux",
    "modules.userns",
    "modules.seccomp",
    "modules.no-new-privileges",
    "modules.fuse-module",
)

FINDING_IDS = (*_ORDER, "modules.clear", "modules.unknown", "modules.nodes")
"""Every id, without the node type that follows the @."""


def _each(tier: str, hindrances: Iterable[Hindrance]) -> list[Remedy]:
    return [remedy for one in hindrances for remedy in getattr(one, tier)]


def _title(group: NodeGroup, words: str) -> str:
    system = f"{group.count} x {group.system}"
    return f"{system}   {words}" if len(system) + len(words) <= 52 else f"{system}   {words}"[:54] + "…"


_CLEAR = "no restrictions found"


def _nothing_in_the_way(group: NodeGroup, known: KnownSystem | None, probe: Probe | None) -> Finding:
    nothing = (Remedy("Nothing to do.", who="you", touches="nothing"),)
    if probe:
        return Finding(
            f"modules.clear@{group.key}",
            CATEGORY,
            Outcome.OK,
            _title(group, _CLEAR),
            "An unprivileged pod has everything that Podman needs.",
            (f"probe: confinement {probe.current or 'none'}, seccomp {probe.seccomp}",),
            "high",
            nothing,
            group.count,
        )
    if known is None:
        return Finding(
            f"modules.unknown@{group.key}",
            CATEGORY,
            Outcome.UNKNOWN,
            _title(group, "not recognized"),
            "This operating system is not recognized. Send a probe pod to check it (requires create pods).",
            (f"osImage {group.verdicts[0].node.os_image or 'empty'}: not in the list of known systems",),
            "low",
            (Remedy("Send a probe pod.", "podman-wizard check --probe", who="you", touches="one probe pod"),),
            group.count,
        )
    return Finding(
        f"modules.clear@{group.key}",
        CATEGORY,
        Outcome.OK,
        _title(group, group.verdicts[0].security_module if known.selinux else _CLEAR),
        "No known security module blocks Podman on these nodes.",
        _why_clear(group, known),
        known.confidence,
        nothing,
        group.count,
    )


def _why_clear(group: NodeGroup, known: KnownSystem) -> tuple[str, ...]:
    if known.apparmor:
        return (
            f"Ready message of {counted(group.count, 'node')}: no AppArmor (kubelets before 1.30 report it if enabled)",
        )
    if known.selinux == "enforcing":
        return (f"labels of Node Feature Discovery: no {NFD}kernel-selinux.enabled",)
    return _default(known)


def _default(known: KnownSystem) -> tuple[str, ...]:
    return (f"known default of {known.name}" + (f" ({known.source})" if known.source else ""),)


# --- what the API shows ----------------------------------------------------------------------------------------


def _from_api(group: NodeGroup, known: KnownSystem | None) -> Iterable[Hindrance]:
    apparmor = _apparmor(group, known)
    restricted = known is not None and known.user_namespaces == "restricted"
    if apparmor:
        yield _apparmor_hindrance(group, known, *apparmor, restricted=restricted)
    selinux = _selinux(group, known)
    if selinux and not _has_a_policy_of_its_own(known):
        evidence, _ = selinux
        # An enforcing host does not mean confined containers: CRI-O confines them, containerd only if configured to.
        # If they are confined, what is denied depends on the age of the policy.
        yield _selinux_hindrance(group, known, evidence, "medium" if group.runtime.startswith("cri-o") else "low")
    if known and known.user_namespaces == "none":
        yield _userns_hindrance(known, _default(known), known.confidence, by_clone=known.name == "Debian")
    if known and known.seccomp:
        yield _seccomp_hindrance(_default(known), "medium")


def _has_a_policy_of_its_own(known: KnownSystem | None) -> bool:
    """Whether SELinux enforces, cannot be turned off, and is not known to block Podman, as on Bottlerocket."""
    return known is not None and known.host_settings in ("bottlerocket", "eks-auto")


def _apparmor(group: NodeGroup, known: KnownSystem | None) -> tuple[tuple[str, ...], Confidence] | None:
    """Returns evidence and confidence that AppArmor is on; None if it is off or unknown."""
    said = [says_apparmor(verdict.node) for verdict in group.verdicts]
    if any(said):
        return (f"Ready message of {said.count(True)} of {counted(group.count, 'node')}: AppArmor enabled",), "high"
    if known is None or not known.apparmor or None not in said:
        return None
    return _default(known), known.confidence


def _selinux(group: NodeGroup, known: KnownSystem | None) -> tuple[tuple[str, ...], Confidence] | None:
    """Returns evidence and confidence that SELinux enforces; None if it does not, or if that is unknown."""
    said = [says_selinux_enforces(verdict.node) for verdict in group.verdicts]
    if any(said):
        return (f"label {NFD}kernel-selinux.enabled on {said.count(True)} of {counted(group.count, 'node')}",), "high"
    if known is None or known.selinux != "enforcing" or None not in said:
        return None
    return _default(known), known.confidence


# --- what a probe saw ------------------------------------------------------------------------------------------


def _from_probe(group: NodeGroup, known: KnownSystem | None, probe: Probe) -> Iterable[Hindrance]:
    current = (f"probe: /proc/self/attr/current is {probe.current!r}",)
    if probe.current.endswith("(enforce)"):
        yield _apparmor_hindrance(group, known, current, "high", restricted=probe.restricts_user_namespaces)
    elif probe.restricts_user_namespaces:
        yield _restricted_hindrance((*current, "probe: kernel.apparmor_restrict_unprivileged_userns is 1"))
    if _selinux_type(probe.current) in _CONFINED_TYPES and probe.selinux_enforcing is not False:
        harmless = known is not None and (known.selinux != "enforcing" or _has_a_policy_of_its_own(known))
        if probe.selinux_enforcing or not harmless:
            yield _selinux_hindrance(group, known, current, "high" if probe.selinux_enforcing else "medium")
    if probe.max_user_namespaces == 0 or probe.user_namespace_clone == 0:
        by_clone = probe.max_user_namespaces != 0
        sysctl = "kernel.unprivileged_userns_clone" if by_clone else "user.max_user_namespaces"
        by_clone = by_clone or (known is not None and known.name == "Debian")
        yield _userns_hindrance(known, (f"probe: {sysctl} is 0",), "high", by_clone=by_clone)
    if probe.seccomp == 2:
        yield _seccomp_hindrance(("probe: Seccomp in /proc/self/status is 2 (a filter)",), "high")
    if probe.no_new_privileges or not _may_change_ids(probe.bounding_set):
        yield _no_new_privileges_hindrance(probe)
    if not probe.fuse:
        yield _fuse_module_hindrance()


def _selinux_type(current: str) -> str:
    parts = current.split(":")
    return parts[2] if len(parts) >= 4 else ""


def _may_change_ids(bounding_set: int | None) -> bool:
    return bounding_set is None or all(bounding_set >> bit & 1 for bit in (_SETGID, _SETUID))


# --- hindrances and their fixes --------------------------------------------------------------------------------

_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/CONTAINER"


def _apparmor_hindrance(
    group: NodeGroup, known: KnownSystem | None, evidence: tuple[str, ...], confidence: Confidence, *, restricted: bool
) -> Hindrance:
    unconfined = Remedy(
        "Run the workspace pod unconfined: add this annotation to the template policy. The namespace must allow it."
        + (f" On {group.system} this is not enough on its own; apply the next fix too." if restricted else ""),
        f"annotations: [{{key: {_ANNOTATION}, value: unconfined}}]",
        who="Coder admin",
        touches="workspaces",
    )
    profile = Remedy(
        "Load a custom profile that allows mount"
        + (" and userns" if restricted else "")
        + ", and reference it in the pod (type Localhost).",
        "apparmor_parser -r /etc/apparmor.d/podman-workspace",
        who="system admin",
        touches="workspaces",
    )
    read_only = known is not None and known.host_settings == "read-only"
    disable = Remedy(
        "Guide: disable AppArmor on the node and reboot. Every container and service on the node loses its protection.",
        "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&apparmor=0 /' /etc/default/grub && update-grub && reboot",
        who="system admin",
        reboot=True,
        touches="every container on the nodes",
    )
    then = (
        "The default AppArmor profile for containers denies mount, so fuse-overlayfs fails with "
        '"permission denied". The FUSE device itself is not blocked.'
    )
    return Hindrance(
        "modules.apparmor-userns" if restricted else "modules.apparmor",
        "AppArmor, userns restricted" if restricted else "AppArmor",
        f"{then} Unconfined processes cannot use user namespaces either." if restricted else then,
        evidence,
        confidence,
        pod=(unconfined,),
        host=((_ALLOW_USERNS,) if restricted else ()) + (() if read_only else (profile,)),
        guide=() if read_only else (disable,),
    )


_ALLOW_USERNS = Remedy(
    "Allow user namespaces for unconfined processes. No reboot required.",
    "echo kernel.apparmor_restrict_unprivileged_userns=0 > /etc/sysctl.d/60-podman.conf && sysctl --system",
    who="system admin",
    touches="unconfined processes on the nodes",
)


def _restricted_hindrance(evidence: tuple[str, ...]) -> Hindrance:
    return Hindrance(
        "modules.apparmor-userns",
        "userns restricted",
        'Unconfined processes get a user namespace without capabilities: writing uid_map fails with "not permitted".',
        evidence,
        "high",
        host=(_ALLOW_USERNS,),
    )


def _selinux_hindrance(
    group: NodeGroup, known: KnownSystem | None, evidence: tuple[str, ...], confidence: Confidence
) -> Hindrance:
    crio = group.runtime.startswith("cri-o")
    machine_config = known is not None and known.host_settings == "machine-config"
    then = "SELinux can deny containers the FUSE device or mounts. Current container-selinux policies allow both."
    if not crio:
        then += " containerd confines containers only if enable_selinux is set."
    nothing = Remedy(
        "Possibly nothing. Run a probe or Verify to see whether SELinux denies it.", who="you", touches="nothing"
    )
    engine = Remedy(
        "Run the pod with the SELinux type for container engines. Coder v1 has no field for it.",
        "securityContext: {seLinuxOptions: {type: container_engine_t}}",
        who="Coder admin",
        touches="workspaces",
    )
    boolean = Remedy(
        "Allow containers to use the devices assigned to them."
        + (" Apply it as a MachineConfig unit." if machine_config else ""),
        _MACHINE_CONFIG if machine_config else "setsebool -P container_use_devices on",
        who="cluster admin" if machine_config else "system admin",
        reboot=machine_config,
        touches="every container with a device",
    )
    permissive = Remedy(
        "Guide: set SELinux to permissive. It then only logs; every container and service on the node loses its "
        "protection.",
        "setenforce 0 && sed -i 's/^SELINUX=enforcing/SELINUX=permissive/' /etc/selinux/config",
        who="system admin",
        touches="everything on the nodes",
    )
    disable = Remedy(
        "Guide, alternative: disable SELinux and reboot. Files created meanwhile have no SELinux labels, so enabling "
        "it again requires relabeling the disk.",
        "grubby --update-kernel ALL --args selinux=0 && reboot",
        who="system admin",
        reboot=True,
        touches="everything on the nodes",
    )
    return Hindrance(
        "modules.selinux",
        "SELinux enforcing",
        then,
        evidence,
        confidence,
        pod=(nothing, engine),
        host=(boolean,),
        guide=(permissive, disable),
    )


_MACHINE_CONFIG = """\
oc apply -f - <<END
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata:
  name: 99-worker-container-use-devices
  labels: {machineconfiguration.openshift.io/role: worker}
spec:
  config:
    ignition: {version: 3.2.0}
    systemd:
      units:
        - name: container-use-devices.service
          enabled: true
          contents: |
            [Unit]
            Before=kubelet.service
            [Service]
            Type=oneshot
            ExecStart=/usr/sbin/setsebool container_use_devices on
            [Install]
            WantedBy=multi-user.target
END"""

_USERNS_FIXES: dict[HostSettings, Remedy] = {
    "files": Remedy(
        "Allow user namespaces. No reboot required.",
        f"echo user.max_user_namespaces={USER_NAMESPACES} > /etc/sysctl.d/60-podman.conf && sysctl --system",
        who="system admin",
        touches="the nodes",
    ),
    "machine-config": Remedy(
        "Allow user namespaces with a MachineConfig that writes this sysctl file.",
        f"/etc/sysctl.d/60-podman.conf: user.max_user_namespaces={USER_NAMESPACES}",
        reboot=True,
        touches="the nodes",
    ),
    "bottlerocket": Remedy(
        "Allow user namespaces in the node user data (Karpenter: in the EC2NodeClass). Only new nodes get the setting.",
        f'[settings.kernel.sysctl]\n"user.max_user_namespaces" = "{USER_NAMESPACES}"',
        who="system admin",
        reboot=True,
        touches="the nodes",
    ),
    "eks-auto": Remedy(
        "Allow user namespaces with a privileged DaemonSet that sets this on each node; EKS Auto Mode does not accept "
        "user data. No reboot required.",
        f"sysctl -w user.max_user_namespaces={USER_NAMESPACES}",
        touches="the nodes",
    ),
    "talos": Remedy(
        "Allow user namespaces with a patch of the machine configuration.",
        f'talosctl patch mc --patch \'{{"machine":{{"sysctls":{{"user.max_user_namespaces":"{USER_NAMESPACES}"}}}}}}\'',
        who="system admin",
        touches="the nodes",
    ),
    "read-only": Remedy(
        "Allow user namespaces at every boot with a startup script of the node pool.",
        f"sysctl -w user.max_user_namespaces={USER_NAMESPACES}",
        who="system admin",
        touches="the nodes",
    ),
}


def _userns_hindrance(
    known: KnownSystem | None, evidence: tuple[str, ...], confidence: Confidence, *, by_clone: bool
) -> Hindrance:
    """Returns the hindrance; ``by_clone`` if kernel.unprivileged_userns_clone is what forbids user namespaces."""
    remedy = _USERNS_FIXES[known.host_settings if known else "files"]
    if by_clone:
        remedy = Remedy(
            "Allow unprivileged user namespaces. No reboot required.",
            "echo kernel.unprivileged_userns_clone=1 > /etc/sysctl.d/60-podman.conf && sysctl --system",
            who="system admin",
            touches="the nodes",
        )
    then = 'Rootless Podman needs a user namespace, and these nodes allow none. Podman fails with "cannot clone".'
    if _has_a_policy_of_its_own(known):
        then += " SELinux is enforcing and cannot be turned off, but it is not known to block Podman."
    return Hindrance(
        "modules.userns",
        "no user namespaces",
        then,
        evidence,
        confidence,
        host=(remedy,),
    )


def _seccomp_hindrance(evidence: tuple[str, ...], confidence: Confidence) -> Hindrance:
    return Hindrance(
        "modules.seccomp",
        "seccomp",
        "The container runtime's default seccomp filter allows mount and new user namespaces only in privileged pods. "
        'Podman fails with "cannot clone".',
        evidence,
        confidence,
        pod=(
            Remedy(
                "Run the workspace pod without the filter (Coder 1.35 or later). The namespace must allow it.",
                "seccomp-profile-type: {policy: read, value: Unconfined}",
                who="Coder admin",
                touches="workspaces",
            ),
        ),
        host=(
            Remedy(
                "Or, on the nodes, install a filter that allows these calls; reference it in the pod (type Localhost).",
                "/var/lib/kubelet/seccomp/podman-workspace.json",
                who="system admin",
                touches="workspaces",
            ),
        ),
    )


def _no_new_privileges_hindrance(probe: Probe) -> Hindrance:
    seen = "NoNewPrivs is 1" if probe.no_new_privileges else "CapBnd lacks SETUID or SETGID"
    return Hindrance(
        "modules.no-new-privileges",
        "no new privileges",
        "newuidmap cannot gain the capability it needs, so user mapping in the namespace fails.",
        (f"probe: {seen} in /proc/self/status",),
        "high",
        pod=(
            Remedy(
                "Find what sets it (an admission policy, or Pod Security restricted) and exempt workspaces from it.",
                "allowPrivilegeEscalation: true, and capabilities SETUID and SETGID not dropped",
                touches="workspaces",
            ),
        ),
    )


def _fuse_module_hindrance() -> Hindrance:
    return Hindrance(
        "modules.fuse-module",
        "FUSE not loaded",
        "The fuse kernel module is not loaded, so there is no /dev/fuse for the device manager to offer.",
        ("probe: no fuse in /proc/filesystems",),
        "high",
        host=(
            Remedy(
                "Load the fuse module now and at every boot, then restart the device manager pod there.",
                "modprobe fuse && echo fuse > /etc/modules-load.d/fuse.conf",
                who="system admin",
                touches="the nodes",
            ),
        ),
    )
