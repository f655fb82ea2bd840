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
from wizard.resources import asset_text
from wizard.text.counting import counted

CATEGORY = "security modules"

PROBE_DEADLINE = 60
"""Seconds that a probe can take, including the pull of its image; the kubelet then stops the pod."""

PROBE_IMAGE = "quay.io/podman/stable:v5.3"
"""Any image with a POSIX shell works; Verify pulls this one anyway."""

USER_NAMESPACES = 65536
"""The value for user.max_user_namespaces, taken from Coder's documentation for Bottlerocket."""

PROFILE = "podman-workspace"
"""The AppArmor profile that is offered: its name, and that of its file under /etc/apparmor.d."""

_CONFINED_TYPES = ("container_t", "container_init_t")
_RUNTIME_PROFILES = ("cri-containerd.apparmor.d", "crio-default", "docker-default", "containers-default")
"""The profiles that runtimes make themselves; all of them deny mount. Some have a version at the end."""
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
    user_namespace: str = ""
    """What came of a new user namespace: "ok", the message of unshare, or "" if the image has no unshare."""
    mounts: str = ""
    """What came of a mount in a new user namespace, in the same form."""

    @property
    def denied(self) -> str:
        """The message of the first attempt that failed; "" if none did."""
        return next((one for one in (self.user_namespace, self.mounts) if one not in ("", "ok")), "")


def security_groups(verdicts: Iterable[NodeVerdict]) -> tuple[NodeGroup, ...]:
    """Returns the nodes on which FUSE can work, by system, kernel, and runtime; one node of each type gets a probe."""
    return groups((verdict for verdict in verdicts if verdict.possible), by_kubelet=False)


_PROBE_SCRIPT = r"""
text() { tr '\n' ' ' | tr -d '"\\\000'; }
# Not with read, which gets a byte at a time in some shells, and a sysctl gives no more than its first.
first() { [ ! -r "$1" ] || cat "$1" 2>/dev/null | text; }
try() {
  command -v unshare >/dev/null || return 0
  if said=$(LC_ALL=C unshare "$@" true 2>&1); then said=ok; fi
  printf '%s' "${said:-failed}" | text
}
status() { while read -r name value; do [ "$name" = "$1:" ] && printf '%s' "$value"; done < /proc/self/status; }
fuse=false
while read -r one two; do [ "$one" = fuse ] || [ "$two" = fuse ] && fuse=true; done < /proc/filesystems
printf '{"group":"%s","current":"%s","seccomp":"%s","no_new_privs":"%s","cap_bnd":"%s","restrict_userns":"%s",' \
  "$GROUP" "$(first /proc/self/attr/current)" "$(status Seccomp)" "$(status NoNewPrivs)" "$(status CapBnd)" \
  "$(first /proc/sys/kernel/apparmor_restrict_unprivileged_userns)"
printf '"max_user_namespaces":"%s","userns_clone":"%s","selinux_enforce":"%s","fuse":%s,"kernel":"%s",' \
  "$(first /proc/sys/user/max_user_namespaces)" "$(first /proc/sys/kernel/unprivileged_userns_clone)" \
  "$(first /sys/fs/selinux/enforce)" "$fuse" "$(first /proc/sys/kernel/osrelease)"
printf '"try_userns":"%s","try_mount":"%s"}\n' "$(try -U)" "$(try -U -r -m)"
"""


def probe_pod(group: NodeGroup, image: str = PROBE_IMAGE, namespace: str = PROBE_NAMESPACE) -> KubernetesObject:
    """Returns an unprivileged pod for one ready node of a type; it prints what it saw there as one JSON line.

    It reads what confines it, and tries what Podman does first: a user namespace, and a mount in it.
    """
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
        user_namespace=text("try_userns"),
        mounts=text("try_mount"),
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
    "modules.denied",
    "modules.fuse-module",
)

FINDING_IDS = (*_ORDER, "modules.clear", "modules.unknown", "modules.nodes")
"""Every id, without the node type that follows the @."""

EXPLAINED = (*FINDING_IDS, "modules.apparmor-profile")
"""The ids of what ``explain`` says about security modules."""


def _each(tier: str, hindrances: Iterable[Hindrance]) -> list[Remedy]:
    return [remedy for one in hindrances for remedy in getattr(one, tier)]


def _title(group: NodeGroup, words: str) -> str:
    system = f"{group.count} x {group.system}"
    return f"{system}   {words}" if len(system) + len(words) <= 52 else f"{system}   {words}"[:54] + "…"


_CLEAR = "no restrictions found"


def _nothing_in_the_way(group: NodeGroup, known: KnownSystem | None, probe: Probe | None) -> Finding:
    nothing = (Remedy("Nothing to do.", who="you", touches="nothing"),)
    if probe:
        detail, confidence = _cleared(probe)
        return Finding(
            f"modules.clear@{group.key}",
            CATEGORY,
            Outcome.OK,
            _title(group, _CLEAR),
            detail,
            (
                f"probe: confinement {probe.current or 'none'}, seccomp {probe.seccomp}",
                f"probe: unshare -Urm: {probe.mounts or 'not tried, the image has no unshare'}",
            ),
            confidence,
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


def _cleared(probe: Probe) -> tuple[str, Confidence]:
    """Returns what it means that a probe found no restriction, and how reliable that is."""
    if probe.mounts != "ok":
        return "The probe found no restriction, but it could not try a mount in a user namespace.", "medium"
    if _enforced(probe) or _selinux_type(probe.current) or probe.seccomp == 2:
        return (
            "The pod is confined, but it could mount in a user namespace. The probe tests neither pivot_root nor the "
            "FUSE device; Verify does.",
            "medium",
        )
    return "An unprivileged pod has everything that Podman needs.", "high"


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
    mounts = tuple(_what_denies_mounts(group, known, probe)) if probe.mounts != "ok" else ()
    yield from mounts
    if probe.denied and not mounts:
        yield _unexplained_hindrance(probe)
    if probe.no_new_privileges or not _may_change_ids(probe.bounding_set):
        yield _no_new_privileges_hindrance(probe)
    if not probe.fuse:
        yield _fuse_module_hindrance()


def _what_denies_mounts(group: NodeGroup, known: KnownSystem | None, probe: Probe) -> Iterable[Hindrance]:
    """Yields what a probe saw that denies user namespaces or mounts in them, unless it could make them."""
    current = (f"probe: /proc/self/attr/current is {probe.current!r}",)
    tried = (f"probe: unshare: {probe.denied!r}",) if probe.denied else ()
    if _enforced(probe):
        profile = probe.current.removesuffix(" (enforce)")
        sure = bool(probe.denied) or profile.startswith(_RUNTIME_PROFILES)
        yield _apparmor_hindrance(
            group,
            known,
            (*current, *tried),
            "high" if sure else "low",
            restricted=probe.restricts_user_namespaces,
            profile=profile,
        )
    elif probe.restricts_user_namespaces:
        yield _restricted_hindrance((*current, "probe: kernel.apparmor_restrict_unprivileged_userns is 1", *tried))
    if probe.max_user_namespaces == 0 or probe.user_namespace_clone == 0:
        by_clone = probe.max_user_namespaces != 0
        sysctl = "kernel.unprivileged_userns_clone" if by_clone else "user.max_user_namespaces"
        by_clone = by_clone or (known is not None and known.name == "Debian")
        yield _userns_hindrance(known, (f"probe: {sysctl} is 0",), "high", by_clone=by_clone)
    elif _by_selinux(probe):
        # The pod cannot read whether SELinux enforces, so only a denial is certain.
        denied = _by_module(probe)
        confidence: Confidence = "high" if denied or probe.selinux_enforcing else "medium"
        yield _selinux_hindrance(group, known, (*current, *tried), confidence, denied=denied)
    if probe.seccomp == 2:
        yield _seccomp_hindrance(("probe: Seccomp in /proc/self/status is 2 (a filter)",), "high")


def _enforced(probe: Probe) -> bool:
    """Whether an AppArmor profile confines the probe and is enforced."""
    return probe.current.endswith("(enforce)")


def _by_module(probe: Probe) -> bool:
    """Whether an attempt failed with EACCES, as security modules deny; sysctls and seccomp give other errors."""
    return "Permission denied" in probe.denied


def _by_selinux(probe: Probe) -> bool:
    kind = _selinux_type(probe.current)
    suspect = kind in _CONFINED_TYPES and probe.selinux_enforcing is not False
    return bool(kind) and (_by_module(probe) or (suspect and not probe.denied))


def _selinux_type(current: str) -> str:
    parts = current.split(":")
    return parts[2] if len(parts) >= 4 else ""


def _may_change_ids(bounding_set: int | None) -> bool:
    return bounding_set is None or all(bounding_set >> bit & 1 for bit in (_SETGID, _SETUID))


# --- hindrances and their fixes --------------------------------------------------------------------------------

_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/CONTAINER"


def _apparmor_hindrance(
    group: NodeGroup,
    known: KnownSystem | None,
    evidence: tuple[str, ...],
    confidence: Confidence,
    *,
    restricted: bool,
    profile: str = "",
) -> Hindrance:
    """Returns the hindrance; ``profile`` is the one that confines a probe, "" if only the default is expected."""
    unconfined = Remedy(
        "Run the workspace pod unconfined: add this annotation to the template policy (Coder v2: to the template). The "
        "namespace must allow it."
        + (f" On {group.system} this is not enough on its own; apply the next fix too." if restricted else ""),
        f"annotations: [{{key: {_ANNOTATION}, value: unconfined}}]",
        who="Coder admin",
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
    of_runtime = not profile or profile.startswith(_RUNTIME_PROFILES)
    which = "default AppArmor profile for containers" if of_runtime else f"AppArmor profile {profile} of the pod"
    then = (
        f"The {which} {'denies' if of_runtime or confidence == 'high' else 'can deny'} mounts. Podman then cannot set "
        'up its storage: "permission denied", with or without a FUSE device, on any volume.'
    )
    return Hindrance(
        "modules.apparmor-userns" if restricted else "modules.apparmor",
        "AppArmor, userns restricted" if restricted else "AppArmor",
        f"{then} Unconfined processes cannot use user namespaces either." if restricted else then,
        evidence,
        confidence,
        pod=(unconfined,),
        host=((_ALLOW_USERNS,) if restricted else ()) + (() if read_only else (_localhost_profile(),)),
        guide=() if read_only else (disable,),
    )


def _localhost_profile() -> Remedy:
    path = f"/etc/apparmor.d/{PROFILE}"
    return Remedy(
        "Load this AppArmor profile on each node, and set the annotation above to "
        f"localhost/{PROFILE}, which the Pod Security level baseline allows. It allows mount and pivot_root; unlike "
        "unconfined, it keeps denying the settings of the node's kernel. Tried in November 2026: the runtime's default "
        "profile with these two works. This file itself was not tried on a kernel that enforces it: run Verify.",
        f"cat > {path} <<'END'\n{asset_text('verify', f'{PROFILE}.apparmor')}END\napparmor_parser -r {path}",
        who="system admin",
        touches="workspaces",
    )


_ALLOW_USERNS = Remedy(
    "Allow user namespaces for unconfined processes. No reboot required.",
    "echo kernel.apparmor_restrict_unprivileged_userns=0 > /etc/sysctl.d/60-podman-apparmor.conf && sysctl --system",
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
    group: NodeGroup,
    known: KnownSystem | None,
    evidence: tuple[str, ...],
    confidence: Confidence,
    *,
    denied: bool = False,
) -> Hindrance:
    """Returns the hindrance; ``denied`` if a probe was denied what Podman does."""
    crio = group.runtime.startswith("cri-o")
    machine_config = known is not None and known.host_settings == "machine-config"
    own_policy = _has_a_policy_of_its_own(known)
    then = "SELinux can deny containers user namespaces, mounts, or the FUSE device. It depends on the node's policy."
    if denied:
        then = 'SELinux denied the probe a user namespace or a mount in it, so Podman fails with "Permission denied".'
    elif not crio:
        then += " containerd confines containers only if enable_selinux is set."
    nothing = Remedy(
        "Possibly nothing. Run a probe or Verify to see whether SELinux denies it.", who="you", touches="nothing"
    )
    engine = Remedy(
        "Run the pod with the SELinux type for container engines, if the node's policy has it. Coder v1 has no field "
        "for it.",
        "securityContext: {seLinuxOptions: {type: container_engine_t}}",
        who="Coder admin",
        touches="workspaces",
    )
    unconfined = Remedy(
        "Run the pod with the type spc_t, which SELinux does not confine. The namespace must allow it. Coder v1 has no "
        "field for it.",
        "securityContext: {seLinuxOptions: {type: spc_t}}",
        who="Coder admin",
        touches="workspaces",
    )
    boolean = Remedy(
        "If only the FUSE device is denied: allow containers to use the devices assigned to them. Not every policy has "
        "this boolean." + (" Apply it as a MachineConfig unit." if machine_config else ""),
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
        pod=(engine, unconfined) if denied else (nothing, engine, unconfined),
        host=() if own_policy or denied else (boolean,),
        guide=() if own_policy else (permissive, disable),
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
            "echo kernel.unprivileged_userns_clone=1 > /etc/sysctl.d/60-podman-clone.conf && sysctl --system",
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


def _unexplained_hindrance(probe: Probe) -> Hindrance:
    return Hindrance(
        "modules.denied",
        "denied, cause not known",
        "A pod cannot create a user namespace, or cannot mount in it. No setting that the probe read explains that.",
        (f"probe: unshare: {probe.denied!r}", f"probe: confinement {probe.current or 'none'}, seccomp {probe.seccomp}"),
        "high",
        host=(
            Remedy(
                "Find in the node's kernel log what denied it. Also check whether the pod's runtime is a sandbox, such "
                "as gVisor.",
                "journalctl -k --grep 'apparmor|avc|audit'",
                who="system admin",
                touches="nothing",
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
