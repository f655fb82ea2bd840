"""The wizard's own folder: journals and locks, in one folder for each cluster, readable only by the user."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from pathlib import Path
from types import TracebackType

from wizard.errors import InputError
from wizard.facts.cluster import ClusterIdentity
from wizard.files import why

DEPLOYMENT = "coder-"
ELSEWHERE = "The journal is stored there. Set XDG_STATE_HOME to a folder that you can write to."


def state_folder() -> Path:
    """Returns ``$XDG_STATE_HOME/podman-wizard``, or ``~/.local/state/podman-wizard`` (XDG Base Directory)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "podman-wizard"


def cluster_folder(identity: ClusterIdentity) -> Path:
    """Returns the folder of one cluster: by the UID of kube-system, or else by the server's address."""
    if identity.uid:
        key = re.sub(r"[^A-Za-z0-9-]", "_", identity.uid)
    else:
        key = "server-" + hashlib.sha256(identity.server.encode()).hexdigest()[:24]
    return state_folder() / key


def deployment_folder(url: str) -> Path:
    """Returns the folder of one Coder deployment, by its base URL: for changes made there without a cluster."""
    return state_folder() / f"{DEPLOYMENT}{hashlib.sha256(url.encode()).hexdigest()[:24]}"


def deployment_folders() -> tuple[Path, ...]:
    """Returns the folders of all deployments that were changed without a cluster."""
    return tuple(sorted(state_folder().glob(f"{DEPLOYMENT}*")))


def private_folder(folder: Path) -> Path:
    """Creates the folder, readable only by its owner. Raises InputError if it cannot be created."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be created: {why(error)}.", ELSEWHERE) from None
    return folder


class ClusterLock:
    """The lock that keeps a second wizard from the same cluster. It ends with the process that holds it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._handle = -1
        self.holder = ""
        """The process that holds the lock, if it is another one."""

    def take(self) -> bool:
        """Takes the lock; returns whether this process has it now. Raises InputError if it cannot be created."""
        private_folder(self._path.parent)
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InputError(f"The lock {self._path} cannot be created: {why(error)}.", ELSEWHERE) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.holder = os.read(handle, 200).decode("utf-8", "replace").strip() or "another process"
            os.close(handle)
            return False
        except OSError as error:
            os.close(handle)
            raise InputError(f"The lock {self._path} cannot be acquired: {why(error)}.", ELSEWHERE) from None
        with contextlib.suppress(OSError):  # on a full disk the lock works all the same, without a name
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()}".encode())
        self._handle = handle
        return True

    def release(self) -> None:
        """Releases the lock."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> ClusterLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
