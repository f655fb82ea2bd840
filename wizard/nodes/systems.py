"""Operating systems of nodes: their short names, and the security modules that they have by default.

A node reports its system only as the pretty name of os-release (``nodeInfo.osImage``). What follows from the name is
a vendor default, not an observation; evidence from the node itself has priority (wizard.findings.security_modules).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from wizard.finding import Confidence

SelinuxMode = Literal["", "disabled", "permissive", "enforcing"]
UserNamespaces = Literal["free", "restricted", "none"]
HostSettings = Literal["files", "machine-config", "bottlerocket", "eks-auto", "talos", "read-only"]
"""Where persistent host settings are kept: in files under /etc, or in a configuration of the platform. EKS Auto Mode,
whose nodes run Bottlerocket too, has no such place: its node classes do not accept user data."""

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KnownSystem:
    """A row of the table: the defaults of one system from version ``since`` up to, not including, ``before``.

    ``user_namespaces`` is "restricted" if only processes confined by a profile that allows it get one (Ubuntu's
    kernel.apparmor_restrict_unprivileged_userns), "none" if the sysctl allows none.
    """

    pattern: str
    name: str
    parts: int = 0
    """How many parts of the version belong to the short name ("24.04" has two)."""
    since: Version = ()
    before: Version = ()
    apparmor: bool = False
    selinux: SelinuxMode = ""
    user_namespaces: UserNamespaces = "free"
    seccomp: bool = False
    """Whether its kubelet filters the system calls of every container by default (seccompDefault)."""
    host_settings: HostSettings = "files"
    confidence: Confidence = "medium"
    source: str = ""
    defaults: bool = True
    """Whether its defaults are known; else the row has only its name."""

    def covers(self, version: Version) -> bool:
        """Tells whether a version belongs to this row.

        A name without a version is of a release to come, or of one that rolls: the newest row, the first, is nearest.
        """
        return not version or (version >= self.since and not (self.before and version >= self.before))


KNOWN: tuple[KnownSystem, ...] = (
    KnownSystem("Ubuntu Core", "Ubuntu Core", 1, apparmor=True, confidence="low", source="Ubuntu Core documentation"),
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
    KnownSystem("Rocky Linux", "Rocky Linux", 2, selinux="enforcing", source="same as RHEL"),
    KnownSystem("AlmaLinux", "AlmaLinux", 2, selinux="enforcing", source="same as RHEL"),
    KnownSystem(
        "CentOS Stream CoreOS",
        "SCOS",
        2,
        selinux="enforcing",
        host_settings="machine-config",
        source="OKD's documentation",
    ),
    KnownSystem("CentOS Stream", "CentOS Stream", 1, selinux="enforcing", source="same as RHEL"),
    KnownSystem("CentOS Linux", "CentOS", 1, selinux="enforcing", source="same as RHEL"),
    KnownSystem("Oracle Linux Server", "Oracle Linux", 2, selinux="enforcing", confidence="low", source="same as RHEL"),
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
        source="Talos documentation of user namespaces",
    ),
    KnownSystem(
        "SUSE Linux Enterprise Server", "SLES", 1, (16,), selinux="enforcing", source="SLES 16 on public clouds"
    ),
    KnownSystem("SUSE Linux Enterprise Server", "SLES", 1, apparmor=True, source="SLES 15 security guide"),
    KnownSystem("SUSE Linux Enterprise Micro", "SLE Micro", 2, defaults=False),
    KnownSystem("SUSE Linux Micro", "SL Micro", 2, selinux="enforcing", confidence="low", source="SL Micro 6 guide"),
    KnownSystem(
        "openSUSE MicroOS", "openSUSE MicroOS", selinux="enforcing", source="openSUSE's documentation of MicroOS"
    ),
    KnownSystem("openSUSE Leap Micro", "openSUSE Leap Micro", 2, defaults=False),
    KnownSystem(
        "openSUSE Tumbleweed",
        "openSUSE Tumbleweed",
        selinux="enforcing",
        confidence="low",
        source="openSUSE news, February 2025: SELinux on new installations",
    ),
    KnownSystem("openSUSE Leap", "openSUSE Leap", 2, (16,), selinux="enforcing", source="same as SLES 16"),
    KnownSystem("openSUSE Leap", "openSUSE Leap", 2, apparmor=True, source="same as SLES 15"),
    KnownSystem("Azure Container Linux", "Azure Container Linux", selinux="enforcing", source="AKS documentation"),
    KnownSystem(
        "Microsoft Azure Linux", "Azure Linux", 2, selinux="enforcing", confidence="low", source="AKS documentation"
    ),
    KnownSystem("Azure Linux", "Azure Linux", 2, defaults=False),
    KnownSystem("CBL-Mariner", "CBL-Mariner", 2, defaults=False),
    KnownSystem("Garden Linux", "Garden Linux", 2, defaults=False),
    KnownSystem("VMware Photon", "Photon OS", 2, defaults=False),
    KnownSystem("Anolis OS", "Anolis OS", 2, defaults=False),
    KnownSystem("Alibaba Cloud Linux", "Alibaba Cloud Linux", 1, defaults=False),
)
"""The table. The first row whose name and versions match wins, so a system's newer versions come first."""

_WINDOWS = re.compile(r"Windows Server (?:Version )?(\w+)")


@dataclass(frozen=True, slots=True)
class System:
    """A node's system: its short name, and its row of the table (None if it has none)."""

    name: str
    known: KnownSystem | None


@lru_cache(maxsize=1024)
def system_of(os_image: str) -> System:
    """Returns the system for a pretty name of os-release."""
    for row in KNOWN:
        if not os_image.startswith(row.pattern):
            continue
        if not row.covers(version_in(os_image[len(row.pattern) :])):
            continue
        return System(f"{row.name} {_written(os_image, row)}".strip(), row if row.defaults else None)
    if windows := _WINDOWS.match(os_image):
        return System(f"Windows {windows[1]}", None)
    return System(" ".join(os_image.split()[:3]) or "unknown system", None)


@lru_cache(maxsize=1024)
def version_in(text: str) -> Version:
    """Returns the first version number in a text as a tuple, () if there is none: "v1.29.3+k3s1" is (1, 29, 3)."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def major_minor(text: str) -> str:
    """Returns the first two parts of the first version number in a text; "" if there is none."""
    return ".".join(str(part) for part in version_in(text)[:2])


def _written(os_image: str, row: KnownSystem) -> str:
    # As the vendor writes it ("24.04"): the numbers (24, 4) have lost the zero.
    rest = os_image[len(row.pattern) :]
    found = re.search(r"\d+(?:\.\d+)*", rest)
    if found is None and row.parts and (codename := re.match(r" ([a-z]+(?:/[a-z]+)?)\b", rest)):
        return codename[1]
    return ".".join(found[0].split(".")[: row.parts]) if found and row.parts else ""
