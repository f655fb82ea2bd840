"""Operating systems of nodes: what to call them, and which security modules they are known to come with.

A node tells its system only as the pretty name of os-release (``nodeInfo.osImage``). What follows from the
name is a default of its maker, not an observation; evidence from the node itself goes before it
(wizard.security_modules).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from wizard.findings import Confidence

SelinuxMode = Literal["", "disabled", "permissive", "enforcing"]
UserNamespaces = Literal["free", "restricted", "none"]
HostSettings = Literal["files", "machine-config", "bottlerocket", "eks-auto", "talos", "read-only"]
"""Where settings of the host are kept so that they last: files under /etc, or the platform's own artefact. EKS Auto
Mode, whose nodes are Bottlerocket too, has none: its node classes take no user data."""

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KnownSystem:
    """A row of the table: the defaults of one system from version ``since`` up to, not including, ``before``.

    ``user_namespaces`` is "restricted" where only confined processes with a profile that allows it get one
    (Ubuntu's kernel.apparmor_restrict_unprivileged_userns), "none" where the sysctl allows none.
    """

    pattern: str
    name: str
    parts: int = 0
    """How many parts of the version tell the kinds apart ("24.04" is two)."""
    since: Version = ()
    before: Version = ()
    apparmor: bool = False
    selinux: SelinuxMode = ""
    user_namespaces: UserNamespaces = "free"
    seccomp: bool = False
    """Whether its kubelet filters system calls of every container that says nothing (seccompDefault)."""
    host_settings: HostSettings = "files"
    confidence: Confidence = "medium"
    source: str = ""


KNOWN: tuple[KnownSystem, ...] = (
    KnownSystem(
        "Ubuntu", "Ubuntu", 2, (24, 4), apparmor=True, user_namespaces="restricted", source="Ubuntu 24.04 release notes"
    ),
    KnownSystem("Ubuntu", "Ubuntu", 2, apparmor=True, source="Ubuntu's documentation of AppArmor"),
    KnownSystem("Debian GNU/Linux", "Debian", 1, (11,), apparmor=True, source="Debian 10 and 11 release notes"),
    KnownSystem(
        "Debian GNU/Linux", "Debian", 1, (10,), apparmor=True, user_namespaces="none", source="Debian 10 release notes"
    ),
    KnownSystem("Debian GNU/Linux", "Debian", 1, user_namespaces="none", confidence="low"),
    KnownSystem(
        "Red Hat Enterprise Linux CoreOS",
        "RHCOS",
        2,
        selinux="enforcing",
        host_settings="machine-config",
        source="OpenShift's documentation",
    ),
    KnownSystem("Red Hat Enterprise Linux", "RHEL", 2, selinux="enforcing", source="RHEL's documentation of SELinux"),
    KnownSystem("Rocky Linux", "Rocky Linux", 2, selinux="enforcing", source="as RHEL"),
    KnownSystem("AlmaLinux", "AlmaLinux", 2, selinux="enforcing", source="as RHEL"),
    KnownSystem(
        "CentOS Stream CoreOS",
        "SCOS",
        2,
        selinux="enforcing",
        host_settings="machine-config",
        source="OKD's documentation",
    ),
    KnownSystem("CentOS Stream", "CentOS Stream", 1, selinux="enforcing", source="as RHEL"),
    KnownSystem("CentOS Linux", "CentOS", 1, selinux="enforcing", source="as RHEL"),
    KnownSystem("Oracle Linux Server", "Oracle Linux", 2, selinux="enforcing", confidence="low", source="as RHEL"),
    KnownSystem("Fedora CoreOS", "Fedora CoreOS", 1, selinux="enforcing", source="Fedora CoreOS documentation"),
    KnownSystem("Fedora Linux", "Fedora", 1, selinux="enforcing", source="Fedora's documentation of SELinux"),
    KnownSystem("Amazon Linux 2023", "Amazon Linux 2023", selinux="permissive", source="AWS guide to AL2023"),
    KnownSystem("Amazon Linux 2", "Amazon Linux 2", selinux="disabled", confidence="low"),
    KnownSystem(
        "Bottlerocket (EKS Auto",
        "Bottlerocket (EKS Auto)",
        selinux="enforcing",
        user_namespaces="none",
        host_settings="eks-auto",
        source="bottlerocket#2163",
    ),
    KnownSystem(
        "Bottlerocket OS",
        "Bottlerocket",
        2,
        selinux="enforcing",
        user_namespaces="none",
        host_settings="bottlerocket",
        source="Bottlerocket's SECURITY_FEATURES.md",
    ),
    KnownSystem(
        "Flatcar Container Linux", "Flatcar", 2, selinux="permissive", source="Flatcar's documentation of SELinux"
    ),
    KnownSystem(
        "Container-Optimized OS",
        "Container-Optimized OS",
        apparmor=True,
        host_settings="read-only",
        source="documentation of Container-Optimized OS",
    ),
    KnownSystem(
        "Talos",
        "Talos",
        2,
        (1, 10),
        selinux="permissive",
        user_namespaces="none",
        seccomp=True,
        host_settings="talos",
        source="Talos 1.10 documentation",
    ),
    KnownSystem(
        "Talos",
        "Talos",
        2,
        user_namespaces="none",
        seccomp=True,
        host_settings="talos",
        source="Talos on user namespaces",
    ),
    KnownSystem(
        "SUSE Linux Enterprise Server", "SLES", 1, (16,), selinux="enforcing", source="SLES 16 on public clouds"
    ),
    KnownSystem("SUSE Linux Enterprise Server", "SLES", 1, apparmor=True, source="SLES 15 security guide"),
    KnownSystem("openSUSE Leap", "openSUSE Leap", 2, (16,), selinux="enforcing", source="as SLES 16"),
    KnownSystem("openSUSE Leap", "openSUSE Leap", 2, apparmor=True, source="as SLES 15"),
    KnownSystem("Azure Container Linux", "Azure Container Linux", selinux="enforcing", source="AKS documentation"),
    KnownSystem(
        "Microsoft Azure Linux", "Azure Linux", 2, selinux="enforcing", confidence="low", source="AKS documentation"
    ),
)
"""The table. The first row whose name and versions fit is taken, so a system's newer versions come first."""

_WINDOWS = re.compile(r"Windows Server (?:Version )?(\w+)")


@dataclass(frozen=True, slots=True)
class System:
    """A node's system: ``name`` is what people call it, ``known`` its row of the table, None where there is none."""

    name: str
    known: KnownSystem | None


@lru_cache(maxsize=1024)
def system_of(os_image: str) -> System:
    """The system that a pretty name of os-release means."""
    for row in KNOWN:
        if not os_image.startswith(row.pattern):
            continue
        version = version_in(os_image[len(row.pattern) :])
        if version < row.since or (row.before and version >= row.before):
            continue
        return System(f"{row.name} {_written(os_image, row)}".strip(), row)
    if windows := _WINDOWS.match(os_image):
        return System(f"Windows {windows[1]}", None)
    return System(" ".join(os_image.split()[:3]) or "unknown system", None)


@lru_cache(maxsize=1024)
def version_in(text: str) -> Version:
    """The first version number in a text as a tuple, () where there is none: "v1.29.3+k3s1" is (1, 29, 3)."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def major_minor(text: str) -> str:
    """The first two parts of the first version number in a text; "" where there is none."""
    return ".".join(str(part) for part in version_in(text)[:2])


def _written(os_image: str, row: KnownSystem) -> str:
    # As the maker writes it ("24.04"), which the numbers (24, 4) no longer say.
    found = re.search(r"\d+(?:\.\d+)*", os_image[len(row.pattern) :])
    return ".".join(found[0].split(".")[: row.parts]) if found and row.parts else ""
