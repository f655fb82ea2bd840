"""The wizard's own folder: journals and locks, a folder each cluster, only for the person who runs it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from pathlib import Path
from types import TracebackType

from wizard.errors import InputError
from wizard.facts import ClusterIdentity

DEPLOYMENT = "coder-"
ELSEWHERE = "The journal belongs there. Set XDG_STATE_HOME to a folder that you may write to."


def state_folder() -> Path:
    """``$XDG_STATE_HOME/podman-wizard``, else ``~/.local/state/podman-wizard`` (XDG Base Directory)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "podman-wizard"


def cluster_folder(identity: ClusterIdentity) -> Path:
    """The folder of one cluster: by the uid of kube-system, else by the server's address."""
    if identity.uid:
        key = re.sub(r"[^A-Za-z0-9-]", "_", identity.uid)
    else:
        key = "server-" + hashlib.sha256(identity.server.encode()).hexdigest()[:24]
    return state_folder() / key


def deployment_folder(url: str) -> Path:
    """The folder of one Coder deployment, by its base URL: for what is done there without a cluster."""
    return state_folder() / f"{DEPLOYMENT}{hashlib.sha256(url.encode()).hexdigest()[:24]}"


def deployment_folders() -> tuple[Path, ...]:
    """The folders of all deployments where something was done without a cluster."""
    return tuple(sorted(state_folder().glob(f"{DEPLOYMENT}*")))


def private_folder(folder: Path) -> Path:
    """Makes the folder, readable by its owner alone. Raises InputError where it cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made: {why(error)}.", ELSEWHERE) from None
    return folder


def why(error: OSError) -> str:
    """What the system says, in a sentence's middle."""
    return (error.strerror or str(error)).lower()


class ClusterLock:
    """Tells a second wizard on the same cluster of the first one. It ends with the process that holds it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._handle = -1
        self.holder = ""
        """The process that holds it, where it is not this one."""

    def take(self) -> bool:
        """Whether the lock is ours now. Raises InputError where it cannot be made."""
        private_folder(self._path.parent)
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InputError(f"The lock {self._path} cannot be made: {why(error)}.", ELSEWHERE) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.holder = os.read(handle, 200).decode("utf-8", "replace").strip() or "another process"
            os.close(handle)
            return False
        except OSError as error:
            os.close(handle)
            raise InputError(f"The lock {self._path} cannot be taken: {why(error)}.", ELSEWHERE) from None
        with contextlib.suppress(OSError):  # on a full disk it holds all the same, without a name
            os.ftruncate(handle, 0)
            os.write(handle, f"process {os.getpid()}".encode())
        self._handle = handle
        return True

    def release(self) -> None:
        """Gives it back."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> ClusterLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
