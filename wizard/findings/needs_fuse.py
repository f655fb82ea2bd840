"""Tells whether a workspace needs FUSE on a node: from what is known of both, or as the Podman test measured it.

From Linux 5.11 on (5.13 with SELinux), a user can mount overlay without FUSE, if the storage is on an ordinary volume.
The container's own file system is usually an overlay, and overlays cannot be stacked: there Podman needs
fuse-overlayfs. Seen on a real node with Linux 6.18, containerd 1.6 and 2.4, and Podman 5.4.2, in November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

from wizard.nodes.systems import version_in

NeedsFuse = Literal["yes", "own-file-system", "no", "unknown"]
"""Which workspaces of a node type need FUSE: all, those whose storage is in the container's own file system, none."""

STORAGE: Final = ".local/share/containers/storage"
"""Podman's storage for a user, in the home folder."""

_NATIVE = (5, 11)
_NATIVE_WITH_SELINUX = (5, 13)

_BACKPORTS = re.compile(r"\.el8|-generic|-aws|-azure|-gcp|-gke|-oracle")
"""Kernels with a vendor's own changes: Red Hat's of RHEL 8, and Ubuntu's."""

ON_A_VOLUME: Final = "keep Podman's storage on a volume, such as a home volume (not NFS)"


@dataclass(frozen=True, slots=True)
class Measured:
    """What the Podman test measured on a node."""

    node: str
    needs: NeedsFuse


@dataclass(frozen=True, slots=True)
class Workspace:
    """What decides whether a workspace on a node needs FUSE; "" and None are not known.

    ``kernel`` and ``runtime`` are as the node reports them, ``selinux`` is whether SELinux enforces there.
    ``home_volume`` is the path at which a volume with the home folder is mounted ("": none), and ``network_volume``
    whether it is a network file system. ``storage`` is the path of Podman's storage. ``host_users`` is false if the
    pod has a user namespace of its own (hostUsers: false).
    """

    kernel: str
    runtime: str = ""
    selinux: bool | None = None
    home_volume: str = ""
    network_volume: bool = False
    storage: str = f"/home/podman/{STORAGE}"
    host_users: bool = True

    @property
    def storage_on_volume(self) -> bool:
        """Whether Podman's storage is on the home volume, not in the container's own file system."""
        return bool(self.home_volume) and PurePosixPath(self.storage).is_relative_to(self.home_volume)


@dataclass(frozen=True, slots=True)
class Need:
    """Whether a workspace needs FUSE, why, and what else would do ("" if nothing else is known)."""

    answer: Literal["yes", "no", "unknown"]
    reason: str
    alternative: str = ""


def needs_fuse(workspace: Workspace) -> Need:
    """Returns whether a workspace needs FUSE, as far as it can be known without a test."""
    if not workspace.host_users and (old := _rejects_own_users(workspace.runtime)):
        return Need("unknown", f"{old} rejects pods with hostUsers: false", "use containerd 2 or later with such pods")
    if workspace.storage_on_volume:
        if workspace.network_volume:
            return Need("unknown", "Podman does not support storage on a network file system", ON_A_VOLUME)
        return _on_a_volume(workspace)
    if not workspace.host_users:
        why = "storage in the container's own file system was not measured with hostUsers: false"
        return Need("unknown", why, ON_A_VOLUME)
    volume = _on_a_volume(workspace)
    return Need(
        "yes",
        "overlay cannot be stacked on the overlay of the container's own file system",
        ON_A_VOLUME if volume.answer == "no" else "",
    )


def _on_a_volume(workspace: Workspace) -> Need:
    version = version_in(workspace.kernel)[:2]
    if not version:
        return Need("unknown", "the kernel is not known")
    kernel = f"kernel {'.'.join(map(str, version))}"
    if version < _NATIVE:
        if _BACKPORTS.search(workspace.kernel):
            return Need("unknown", f"Linux has native overlay for users from 5.11 on; the vendor of {kernel} may too")
        return Need("yes", f"{kernel} has no native overlay for users (5.11 or later has)", "use a newer kernel")
    if version < _NATIVE_WITH_SELINUX and workspace.selinux is not False:
        if workspace.selinux is None:
            return Need("unknown", f"with SELinux, native overlay needs 5.13 or later, not {kernel}")
        return Need("yes", f"with SELinux, native overlay needs 5.13 or later, not {kernel}", "use a newer kernel")
    return Need("no", f"{kernel} mounts overlay natively for users if the storage is on a volume")


def _rejects_own_users(runtime: str) -> str:
    """Returns the runtime in short if it is a containerd before 2.0; "" if not, or not known."""
    name, _, version = runtime.partition("://")
    numbers = version_in(version)
    return f"containerd {'.'.join(map(str, numbers[:2]))}" if name == "containerd" and (0,) < numbers < (2,) else ""
