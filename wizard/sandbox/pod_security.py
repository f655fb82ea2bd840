"""Pod Security admission: the levels ``baseline`` and ``restricted``, in the words of the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Object = dict[str, Any]

BASELINE_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
BASELINE_SELINUX_TYPES = frozenset(("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"))
"""With container_engine_t, which policy versions before 1.31 reject."""
RESTRICTED_VOLUMES = frozenset(
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"]
)
SAFE_SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    ]
)


def violations(metadata: Object, spec: Object, level: str) -> str:
    """Returns how a pod violates a level: ``host namespaces (hostNetwork=true), ...``; "" if it does not."""
    return ", ".join(f"{reason} ({detail})" if detail else reason for reason, detail in _found(metadata, spec, level))


def reasons(metadata: Object, spec: Object, level: str) -> str:
    """Returns the same without details: ``host namespaces, hostPath volumes``."""
    return ", ".join(reason for reason, _ in _found(metadata, spec, level))


def _found(metadata: Object, spec: Object, level: str) -> Iterator[tuple[str, str]]:
    if level == "privileged":
        return
    checks = _BASELINE
    if level == "restricted":
        checks = (*(check for check in _BASELINE if check not in _OVERRIDDEN), *_RESTRICTED)
    for check in checks:
        if found := check(metadata, spec, level == "restricted"):
            yield found


Check = Callable[[Object, Object, bool], tuple[str, str] | None]


def _containers(spec: Object) -> Iterator[Object]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(group, ())


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _named(noun: str, names: list[str]) -> str:
    return f"{noun}{'s' if len(names) != 1 else ''} {_quoted(names)}"


def _context(container: Object) -> Object:
    context: Object = container.get("securityContext", {})
    return context


def _setters(spec: Object, bad: Callable[[Object], bool]) -> list[str]:
    """``pod`` and ``container "x"``, whichever has a security context that is bad."""
    setters = ["pod"] if bad(spec.get("securityContext", {})) else []
    names = [one["name"] for one in _containers(spec) if bad(_context(one))]
    return [*setters, _named("container", names)] if names else setters


def _allow_privilege_escalation(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    names = [one["name"] for one in _containers(spec) if _context(one).get("allowPrivilegeEscalation") is not False]
    must = f"{_named('container', names)} must set securityContext.allowPrivilegeEscalation=false"
    return ("allowPrivilegeEscalation != false", must) if names else None


def _app_armor(metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    prefix = "container.apparmor.security.beta.kubernetes.io/"
    values: set[str] = set()

    def bad(context: Object) -> bool:
        profile = context.get("appArmorProfile", {}).get("type", "")
        if profile in ("", "RuntimeDefault", "Localhost"):
            return False
        values.add(profile)
        return True

    setters = _setters(spec, bad)
    annotations = [
        f'{name}="{value}"'
        for name, value in sorted(metadata.get("annotations", {}).items())
        if name.startswith(prefix) and value and value != "runtime/default" and not value.startswith("localhost/")
    ]
    if annotations:
        setters.append("annotation" if len(annotations) == 1 else "annotations")
    if not setters:
        return None
    listed = [f'"{value}"' for value in sorted(values)] + annotations
    noun = "forbidden AppArmor profile" + ("s" if len(listed) != 1 else "")
    return noun, f"{' and '.join(setters)} must not set AppArmor profile type to {', '.join(listed)}"


def _capabilities(_metadata: Object, spec: Object, restricted: bool) -> tuple[str, str] | None:
    def added(container: Object) -> list[str]:
        names: list[str] = _context(container).get("capabilities", {}).get("add", [])
        return names

    def within(allowed: Iterable[str]) -> tuple[list[str], list[str]]:
        names = [one["name"] for one in _containers(spec) if set(added(one)) - set(allowed)]
        return names, sorted({name for one in _containers(spec) for name in added(one)} - set(allowed))

    names, capabilities = within(BASELINE_CAPABILITIES)
    if names and not restricted:
        must = (
            f"{_named('container', names)} must not include {_quoted(capabilities)} in securityContext.capabilities.add"
        )
        return "non-default capabilities", must
    if not restricted:
        return None
    texts = []
    missing = [
        one["name"] for one in _containers(spec) if "ALL" not in _context(one).get("capabilities", {}).get("drop", [])
    ]
    if missing:
        texts.append(f'{_named("container", missing)} must set securityContext.capabilities.drop=["ALL"]')
    names, capabilities = within(["NET_BIND_SERVICE"])
    if names:
        what = f"must not include {_quoted(capabilities)} in securityContext.capabilities.add"
        texts.append(f"{_named('container', names)} {what}")
    return ("unrestricted capabilities", "; ".join(texts)) if texts else None


def _host_namespaces(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    found = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return ("host namespaces", ", ".join(found)) if found else None


def _host_paths(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    names = [volume["name"] for volume in spec.get("volumes", ()) if "hostPath" in volume]
    return ("hostPath volumes", _named("volume", names)) if names else None


def _host_ports(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    ports = {
        one["name"]: [port["hostPort"] for port in one.get("ports", ()) if port.get("hostPort")]
        for one in _containers(spec)
    }
    names = [name for name, used in ports.items() if used]
    if not names:
        return None
    used = sorted({str(port) for listed in ports.values() for port in listed})
    verb = "uses" if len(names) == 1 else "use"
    return "hostPort", f"{_named('container', names)} {verb} hostPort{'s' if len(used) != 1 else ''} {', '.join(used)}"


def _privileged(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    names = [one["name"] for one in _containers(spec) if _context(one).get("privileged")]
    return (
        ("privileged", f"{_named('container', names)} must not set securityContext.privileged=true") if names else None
    )


def _proc_mount(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    names = [one["name"] for one in _containers(spec) if _context(one).get("procMount", "Default") != "Default"]
    if not names or spec.get("hostUsers") is False:
        return None
    types = sorted({_context(one)["procMount"] for one in _containers(spec) if one["name"] in names})
    return "procMount", f"{_named('container', names)} must not set securityContext.procMount to {_quoted(types)}"


def _volume_types(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    bad = {
        volume["name"]: kind
        for volume in spec.get("volumes", ())
        for kind in volume
        if kind != "name" and kind not in RESTRICTED_VOLUMES
    }
    if not bad:
        return None
    names, kinds = list(bad), sorted(set(bad.values()))
    verb = "uses" if len(names) == 1 else "use"
    noun = "restricted volume type" + ("s" if len(kinds) != 1 else "")
    return "restricted volume types", f"{_named('volume', names)} {verb} {noun} {_quoted(kinds)}"


def _run_as_non_root(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    whole_pod = spec.get("securityContext", {}).get("runAsNonRoot")
    setters = _setters(spec, lambda context: context.get("runAsNonRoot") is False)
    if setters:
        return "runAsNonRoot != true", f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false"
    names = [one["name"] for one in _containers(spec) if _context(one).get("runAsNonRoot") is None and not whole_pod]
    must = f"pod or {_named('container', names)} must set securityContext.runAsNonRoot=true"
    return ("runAsNonRoot != true", must) if names else None


def _run_as_user(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    setters = _setters(spec, lambda context: context.get("runAsUser") == 0)
    return ("runAsUser=0", f"{' and '.join(setters)} must not set runAsUser=0") if setters else None


def _selinux(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    options: list[Object] = []

    def bad(context: Object) -> bool:
        one = context.get("seLinuxOptions", {})
        if one.get("type", "") in BASELINE_SELINUX_TYPES and not one.get("user") and not one.get("role"):
            return False
        options.append(one)
        return True

    setters = _setters(spec, bad)
    if not setters:
        return None
    kinds = sorted({one["type"] for one in options if one.get("type", "") not in BASELINE_SELINUX_TYPES})
    data = [_named("type", kinds)] if kinds else []
    data += ["user may not be set"] if any(one.get("user") for one in options) else []
    data += ["role may not be set"] if any(one.get("role") for one in options) else []
    return "seLinuxOptions", f"{' and '.join(setters)} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"


def _seccomp(_metadata: Object, spec: Object, restricted: bool) -> tuple[str, str] | None:
    values: set[str] = set()

    def bad(context: Object) -> bool:
        kind = context.get("seccompProfile", {}).get("type", "")
        if kind in ("", "RuntimeDefault", "Localhost"):
            return False
        values.add(kind)
        return True

    setters = _setters(spec, bad)
    if setters:
        what = f"must not set securityContext.seccompProfile.type to {_quoted(sorted(values))}"
        return "seccompProfile", f"{' and '.join(setters)} {what}"
    if not restricted or spec.get("securityContext", {}).get("seccompProfile"):
        return None
    names = [one["name"] for one in _containers(spec) if not _context(one).get("seccompProfile")]
    what = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return ("seccompProfile", f"pod or {_named('container', names)} {what}") if names else None


def _sysctls(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    names = [one["name"] for one in spec.get("securityContext", {}).get("sysctls", ())]
    unsafe = [name for name in names if name not in SAFE_SYSCTLS]
    return ("forbidden sysctls", ", ".join(unsafe)) if unsafe else None


def _host_process(_metadata: Object, spec: Object, _restricted: bool) -> tuple[str, str] | None:
    setters = _setters(spec, lambda context: bool(context.get("windowsOptions", {}).get("hostProcess")))
    what = "must not set securityContext.windowsOptions.hostProcess=true"
    return ("hostProcess", f"{' and '.join(setters)} {what}") if setters else None


# In the order of the real checks; restricted replaces some checks of baseline with stricter ones.
_BASELINE: tuple[Check, ...] = (
    _app_armor,
    _capabilities,
    _host_namespaces,
    _host_paths,
    _host_ports,
    _privileged,
    _proc_mount,
    _selinux,
    _seccomp,
    _sysctls,
    _host_process,
)
_RESTRICTED: tuple[Check, ...] = (
    _allow_privilege_escalation,
    _capabilities,
    _volume_types,
    _run_as_non_root,
    _run_as_user,
    _seccomp,
)
_OVERRIDDEN = (_capabilities, _host_paths, _seccomp)
