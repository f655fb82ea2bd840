"""What on the nodes would stop rootless Podman, by kind of node: which mechanism, from which evidence, what to do.

The API tells little of security modules, so each hindrance names its evidence and how sure that makes us: the node
itself (its Ready message, labels of Node Feature Discovery), else the known default of its system. A probe pod
sees more than all of that, and goes before it. Nothing here makes a node unfit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wizard.facts import ClusterFacts, KubernetesObject
from wizard.findings import Confidence, Finding, Outcome, Remedy
from wizard.names import PROBE_NAMESPACE
from wizard.nodes import NFD, NodeGroup, groups, judge, says_apparmor, says_selinux_enforces
from wizard.systems import HostSettings, KnownSystem, system_of
from wizard.verification import short_pod

CATEGORY = "security modules"

PROBE_DEADLINE = 60
"""Seconds that a probe may take, the pull of its image included; the kubelet then ends the pod."""

PROBE_IMAGE = "quay.io/podman/stable:v5.3"
"""Any image with a POSIX shell will do; this one is pulled for the verification anyway."""

USER_NAMESPACES = 65536
"""What to raise user.max_user_namespaces to, as Coder's documentation has it for Bottlerocket."""

_CONFINED_TYPES = ("container_t", "container_init_t")
_SETGID, _SETUID = 6, 7


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe pod saw on a node of a group. A text is "" and a number None where the file is not there."""

    group: str
    current: str
    """Its own confinement: an AppArmor profile ("cri-containerd.apparmor.d (enforce)"), an SELinux label, or
    "unconfined"."""
    seccomp: int | None
    no_new_privileges: bool
    bounding_set: int | None
    """The capabilities that it could get, as bits."""
    restricts_user_namespaces: bool
    max_user_namespaces: int | None
    user_namespace_clone: int | None
    selinux_enforcing: bool | None
    fuse: bool
    """Whether the kernel has FUSE loaded."""
    kernel: str


def security_groups(facts: ClusterFacts) -> tuple[NodeGroup, ...]:
    """The nodes that could serve, by system, kernel and runtime; a probe is sent to one node of each."""
    possible = (verdict for verdict in map(judge, facts.nodes or ()) if verdict.possible)
    return groups(possible, by_kubelet=False)


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
    """A short unprivileged pod on one ready node of a group, that prints what it sees there as one JSON line."""
    pod = short_pod("probe", group.key, group.to_try, image, namespace, _PROBE_SCRIPT, deadline=PROBE_DEADLINE)
    pod["spec"]["containers"][0]["env"] = [{"name": "GROUP", "value": group.key}]
    return pod


def parse_probe(log: str) -> Probe:
    """What a probe pod printed. Raises ValueError where no line of the log is a probe's."""
    for line in reversed(log.splitlines()):
        try:
            seen = json.loads(line)
        except ValueError:
            continue
        if isinstance(seen, dict) and "group" in seen and "current" in seen:
            return _read(seen)
    raise ValueError("no line of a probe in the log")


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
    """One thing that stops Podman: ``id`` of its explanation, ``word`` for the title, ``then`` what follows.

    Remedies in three tiers: what a pod can set for itself, what the host can, and the guide's own advice.
    """

    id: str
    word: str
    then: str
    evidence: tuple[str, ...]
    confidence: Confidence
    pod: tuple[Remedy, ...] = ()
    host: tuple[Remedy, ...] = ()
    guide: tuple[Remedy, ...] = ()


def judge_security_modules(facts: ClusterFacts, probes: Sequence[Probe] = ()) -> tuple[Finding, ...]:
    """One finding a group of like nodes, the largest group first. Ids end with the group: ``modules.apparmor@...``."""
    if facts.nodes is None:
        return (
            Finding(
                "modules.nodes",
                CATEGORY,
                Outcome.UNKNOWN,
                "Security modules: no right to list nodes",
                "Nothing is known of the nodes' systems; the right to list nodes is missing.",
                remedies=(Remedy("Ask a cluster admin for the right to list nodes.", who="you", touches="nothing"),),
            ),
        )
    seen = {probe.group: probe for probe in probes}
    return tuple(_judge_group(group, seen.get(group.key)) for group in security_groups(facts))


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
"""Every id, without the group that follows the @."""


def _each(tier: str, hindrances: Iterable[Hindrance]) -> list[Remedy]:
    return [remedy for one in hindrances for remedy in getattr(one, tier)]


def _title(group: NodeGroup, words: str) -> str:
    system = f"{group.count} x {group.system}"
    return f"{system}   {words}" if len(system) + len(words) <= 52 else f"{system}   {words}"[:54] + "…"


def _nothing_in_the_way(group: NodeGroup, known: KnownSystem | None, probe: Probe | None) -> Finding:
    nothing = (Remedy("Nothing to do.", who="you", touches="nothing"),)
    if probe:
        return Finding(
            f"modules.clear@{group.key}",
            CATEGORY,
            Outcome.PASS,
            _title(group, "nothing in the way"),
            "A pod without added rights has what Podman needs.",
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
            _title(group, "not known"),
            "Nothing is known of this system's security modules. A probe pod would see them (create pods).",
            (f"osImage {group.verdicts[0].node.os_image or 'empty'}: not in the table of known systems",),
            "low",
            (Remedy("Send a probe pod.", "podman-wizard check --probe", who="you", touches="one short pod"),),
            group.count,
        )
    mode = group.verdicts[0].security_module
    mode = mode if mode.startswith("SELinux") else "nothing in the way"
    return Finding(
        f"modules.clear@{group.key}",
        CATEGORY,
        Outcome.PASS,
        _title(group, mode),
        "No security module that is known here stops Podman.",
        _why_clear(group, known),
        known.confidence,
        nothing,
        group.count,
    )


def _why_clear(group: NodeGroup, known: KnownSystem) -> tuple[str, ...]:
    if known.apparmor:
        return (f"Ready message of {group.count} nodes: a kubelet before 1.30 would say that AppArmor is enabled",)
    if known.selinux == "enforcing":
        return (f"labels of Node Feature Discovery without {NFD}kernel-selinux.enabled",)
    return _default(known)


def _default(known: KnownSystem) -> tuple[str, ...]:
    return (f"known default of {known.name}" + (f" ({known.source})" if known.source else ""),)


# --- what the API tells ----------------------------------------------------------------------------------------


def _from_api(group: NodeGroup, known: KnownSystem | None) -> Iterable[Hindrance]:
    apparmor = _apparmor(group, known)
    restricted = known is not None and known.user_namespaces == "restricted"
    if apparmor:
        yield _apparmor_hindrance(group, known, *apparmor, restricted=restricted)
    selinux = _selinux(group, known)
    if selinux and not _has_a_policy_of_its_own(known):
        evidence, _ = selinux
        # That the host enforces does not say that containers are confined: CRI-O does it, containerd where told to.
        # And where they are, what is denied depends on how old the policy is.
        yield _selinux_hindrance(group, known, evidence, "medium" if group.runtime.startswith("cri-o") else "low")
    if known and known.user_namespaces == "none":
        yield _userns_hindrance(known, _default(known), known.confidence)
    if known and known.seccomp:
        yield _seccomp_hindrance(_default(known), "medium")


def _has_a_policy_of_its_own(known: KnownSystem | None) -> bool:
    """Whether SELinux enforces there, cannot be switched off, and is not known to be in the way: on Bottlerocket."""
    return known is not None and known.host_settings in ("bottlerocket", "eks-auto")


def _apparmor(group: NodeGroup, known: KnownSystem | None) -> tuple[tuple[str, ...], Confidence] | None:
    """Whether AppArmor is on: evidence and confidence, None where it is off or not known."""
    said = [says_apparmor(verdict.node) for verdict in group.verdicts]
    if any(said):
        return (f"Ready message of {said.count(True)} of {group.count} nodes: AppArmor enabled",), "high"
    if known is None or not known.apparmor or None not in said:
        return None
    return _default(known), known.confidence


def _selinux(group: NodeGroup, known: KnownSystem | None) -> tuple[tuple[str, ...], Confidence] | None:
    """Whether SELinux enforces: evidence and confidence, None where not, or not known."""
    said = [says_selinux_enforces(verdict.node) for verdict in group.verdicts]
    if any(said):
        return (f"label {NFD}kernel-selinux.enabled on {said.count(True)} of {group.count} nodes",), "high"
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
        sysctl = "user.max_user_namespaces" if probe.max_user_namespaces == 0 else "kernel.unprivileged_userns_clone"
        yield _userns_hindrance(known, (f"probe: {sysctl} is 0",), "high")
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


# --- hindrances and their ladders ------------------------------------------------------------------------------

_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/CONTAINER: unconfined"


def _apparmor_hindrance(
    group: NodeGroup, known: KnownSystem | None, evidence: tuple[str, ...], confidence: Confidence, *, restricted: bool
) -> Hindrance:
    unconfined = Remedy(
        "Let the workspace's pod run unconfined (annotation in the template; its namespace must allow it)."
        + (f" Unconfined alone is not enough on {group.system}: the next one belongs to it." if restricted else ""),
        f"annotations: [{{key: {_ANNOTATION.split(': ')[0]}, value: unconfined}}]",
        who="Coder admin",
        touches="workspaces",
    )
    profile = Remedy(
        "Load a profile of your own that allows mount" + (" and userns" if restricted else "") + ", and name it "
        "in the pod (Localhost).",
        "apparmor_parser -r /etc/apparmor.d/podman-workspace",
        who="system admin",
        touches="workspaces",
    )
    read_only = known is not None and known.host_settings == "read-only"
    disable = Remedy(
        "The guide: disable AppArmor on the host, reboot. That takes its protection from every container and service.",
        "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&apparmor=0 /' /etc/default/grub && update-grub && reboot",
        who="system admin",
        reboot=True,
        touches="every container on the nodes",
    )
    then = (
        "The containers' default profile denies mount, so fuse-overlayfs fails with permission denied; "
        "the device itself is not what is blocked."
    )
    return Hindrance(
        "modules.apparmor-userns" if restricted else "modules.apparmor",
        "AppArmor, userns restricted" if restricted else "AppArmor",
        f"{then} A process that is unconfined gets no user namespace either." if restricted else then,
        evidence,
        confidence,
        pod=(unconfined,),
        host=((_ALLOW_USERNS,) if restricted else ()) + (() if read_only else (profile,)),
        guide=() if read_only else (disable,),
    )


_ALLOW_USERNS = Remedy(
    "Let unconfined processes have user namespaces. No reboot.",
    "echo kernel.apparmor_restrict_unprivileged_userns=0 > /etc/sysctl.d/60-podman.conf && sysctl --system",
    who="system admin",
    touches="unconfined processes on the nodes",
)


def _restricted_hindrance(evidence: tuple[str, ...]) -> Hindrance:
    return Hindrance(
        "modules.apparmor-userns",
        "userns restricted",
        "A process that is unconfined gets a user namespace without rights: writing uid_map is not permitted.",
        evidence,
        "high",
        host=(_ALLOW_USERNS,),
    )


def _selinux_hindrance(
    group: NodeGroup, known: KnownSystem | None, evidence: tuple[str, ...], confidence: Confidence
) -> Hindrance:
    crio = group.runtime.startswith("cri-o")
    machine_config = known is not None and known.host_settings == "machine-config"
    then = "SELinux may deny a confined container the device, or mounts; today's container-selinux allows FUSE."
    if not crio:
        then += " containerd confines containers only where it was told to (enable_selinux)."
    nothing = Remedy(
        "Perhaps nothing: let Verify, or a probe, show whether it is denied.", who="you", touches="nothing"
    )
    engine = Remedy(
        "Run the pod with the type made for it. (Coder v1 has no field for that.)",
        "securityContext: {seLinuxOptions: {type: container_engine_t}}",
        who="Coder admin",
        touches="workspaces",
    )
    boolean = Remedy(
        "Allow containers the devices that are given to them."
        + (" As a MachineConfig unit." if machine_config else ""),
        _MACHINE_CONFIG if machine_config else "setsebool -P container_use_devices on",
        who="cluster admin" if machine_config else "system admin",
        reboot=machine_config,
        touches="every container with a device",
    )
    permissive = Remedy(
        "The guide: set SELinux to permissive. It then only logs; every container and service loses its protection.",
        "setenforce 0 && sed -i 's/^SELINUX=enforcing/SELINUX=permissive/' /etc/selinux/config",
        who="system admin",
        touches="everything on the nodes",
    )
    disable = Remedy(
        "The guide: or disable it, reboot. Files made meanwhile have no labels; going back needs a relabelling.",
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

_USERNS_ARTEFACTS: dict[HostSettings, Remedy] = {
    "files": Remedy(
        "Allow user namespaces. No reboot.",
        f"echo user.max_user_namespaces={USER_NAMESPACES} > /etc/sysctl.d/60-podman.conf && sysctl --system",
        who="system admin",
        touches="the nodes",
    ),
    "machine-config": Remedy(
        "Allow user namespaces, by a MachineConfig that writes the sysctl file.",
        f"/etc/sysctl.d/60-podman.conf: user.max_user_namespaces={USER_NAMESPACES}",
        reboot=True,
        touches="the nodes",
    ),
    "bottlerocket": Remedy(
        "Allow user namespaces, in the user data of the nodes (Karpenter: in the EC2NodeClass). New nodes have it.",
        f'[settings.kernel.sysctl]\n"user.max_user_namespaces" = "{USER_NAMESPACES}"',
        who="system admin",
        reboot=True,
        touches="the nodes",
    ),
    "eks-auto": Remedy(
        "Allow user namespaces, by a privileged daemon set that sets it on each node: EKS Auto Mode takes no user "
        "data. No reboot.",
        f"sysctl -w user.max_user_namespaces={USER_NAMESPACES}",
        touches="the nodes",
    ),
    "talos": Remedy(
        "Allow user namespaces, by a patch of the machine configuration.",
        f'talosctl patch mc --patch \'{{"machine":{{"sysctls":{{"user.max_user_namespaces":"{USER_NAMESPACES}"}}}}}}\'',
        who="system admin",
        touches="the nodes",
    ),
    "read-only": Remedy(
        "Allow user namespaces with each boot, by a start-up script of the node pool.",
        f"sysctl -w user.max_user_namespaces={USER_NAMESPACES}",
        who="system admin",
        touches="the nodes",
    ),
}


def _userns_hindrance(known: KnownSystem | None, evidence: tuple[str, ...], confidence: Confidence) -> Hindrance:
    remedy = _USERNS_ARTEFACTS[known.host_settings if known else "files"]
    if (known and known.name == "Debian") or any("unprivileged_userns_clone" in line for line in evidence):
        remedy = Remedy(
            "Allow user namespaces to everybody. No reboot.",
            "echo kernel.unprivileged_userns_clone=1 > /etc/sysctl.d/60-podman.conf && sysctl --system",
            who="system admin",
            touches="the nodes",
        )
    then = "Rootless Podman lives in a user namespace, and none may be made: cannot clone."
    if _has_a_policy_of_its_own(known):
        then += " SELinux enforces here, cannot be switched off, and is not known to be in the way."
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
        "The runtime's default filter allows mount and new user namespaces to privileged pods only: cannot clone.",
        evidence,
        confidence,
        pod=(
            Remedy(
                "Let the workspace's pod run without the filter (Coder 1.35 and later; its namespace must allow it).",
                "seccomp-profile-type: {policy: read, value: Unconfined}",
                who="Coder admin",
                touches="workspaces",
            ),
        ),
        host=(
            Remedy(
                "Or put a filter with these calls on the nodes, and name it (Localhost).",
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
        "newuidmap cannot gain the right that it needs, so a user namespace stays without its users.",
        (f"probe: {seen} in /proc/self/status",),
        "high",
        pod=(
            Remedy(
                "Find what sets it (an admission policy, Pod Security restricted) and except workspaces from it.",
                "allowPrivilegeEscalation: true, and capabilities SETUID and SETGID not dropped",
                touches="workspaces",
            ),
        ),
    )


def _fuse_module_hindrance() -> Hindrance:
    return Hindrance(
        "modules.fuse-module",
        "FUSE not loaded",
        "The kernel has no FUSE yet, so there is no /dev/fuse that the device manager could offer.",
        ("probe: no fuse in /proc/filesystems",),
        "high",
        host=(
            Remedy(
                "Load the module, for good; then restart the device manager's pod there.",
                "modprobe fuse && echo fuse > /etc/modules-load.d/fuse.conf",
                who="system admin",
                touches="the nodes",
            ),
        ),
    )
