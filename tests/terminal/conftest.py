"""An SSH server on loopback, clusters that outlive their clients, and a wizard that is found again by a mark."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.clusters import ROOT
from tests.terminal.far_end import FarTerminal, StandaloneCluster, processes_with, start_cluster, wait_until
from tests.terminal.multiplexer import Tmux

ACKNOWLEDGED = "security-modules: {acknowledged: true}\n"


def find_sshd() -> str:
    """Debian keeps it where not everybody looks; "" where there is none."""
    return shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or ""


@dataclass
class SshServer:
    """sshd on a port of its own, with keys of its own, for this user."""

    process: subprocess.Popen[bytes]
    command: tuple[str, ...]

    def close(self) -> None:
        """Ends the listener; sessions end with their clients."""
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    sshd = find_sshd()
    if not sshd or not shutil.which("ssh") or not shutil.which("ssh-keygen"):
        pytest.skip("no OpenSSH server here (Debian: apt-get install openssh-server openssh-client)")
    folder = tmp_path_factory.mktemp("sshd")
    for name in ("host", "client"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True, capture_output=True
        )
    shutil.copy(folder / "client.pub", folder / "authorized")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPrintMotd no\nUseDNS no\n"
    )
    log = (folder / "log").open("wb")
    with log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    server = SshServer(
        process,
        (
            *("ssh", "-F", "none", "-p", str(port), "-i", str(folder / "client")),
            *("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder}/known", "-o", "LogLevel=ERROR"),
            *("-o", "IdentitiesOnly=yes", "-o", "ControlMaster=no"),
        ),
    )

    def listens() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    wait_until(listens, "sshd listens")
    yield server
    server.close()


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[Callable[[str], StandaloneCluster]]:
    with contextlib.ExitStack() as stack:

        def make(scenario: str) -> StandaloneCluster:
            folder = tmp_path / f"cluster-{scenario}"
            folder.mkdir()
            cluster = start_cluster(scenario, folder)
            stack.callback(cluster.close)
            return cluster

        yield make


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneCluster]:
    """A cluster for tests that change nothing in it."""
    cluster = start_cluster("mixed", tmp_path_factory.mktemp("mixed"))
    yield cluster
    cluster.close()


@dataclass
class Host:
    """Where the wizard runs: a folder to work in, a state folder, and a mark by which its processes are known."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    terminals: list[FarTerminal] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The wizard's own folder."""
        return self.folder / "state" / "podman-wizard"

    def variables(self) -> dict[str, str]:
        """The environment of every wizard here."""
        return {
            "XDG_STATE_HOME": str(self.folder / "state"),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "WIZARD_MARK": self.mark,
            **self.environment,
        }

    def command(self, cluster: StandaloneCluster | None, *arguments: str) -> list[str]:
        """The wizard's command line."""
        answers = self.folder / "answers.yaml"
        if not answers.exists():  # a wizard that was started before may be reading it now
            answers.write_text(ACKNOWLEDGED)
        where = ["--kubeconfig", str(cluster.kubeconfig)] if cluster else ["--sandbox"]
        return [sys.executable, "-m", "wizard", *where, "--answers", str(answers), *arguments]

    def line(self, cluster: StandaloneCluster | None, *arguments: str, before: str = "") -> str:
        """What is typed on that host."""
        variables = [f"{key}={value}" for key, value in self.variables().items()]
        words = shlex.join(["env", "-u", "COLORTERM", *variables, *self.command(cluster, *arguments)])
        return f"{before}cd {shlex.quote(str(self.folder))} && exec {words}"

    def over_ssh(
        self,
        server: SshServer,
        cluster: StandaloneCluster,
        *arguments: str,
        before: str = "",
        size: tuple[int, int] = (80, 24),
    ) -> FarTerminal:
        """The wizard at the end of a line that can drop."""
        user = getpass.getuser()
        terminal = FarTerminal(
            [*server.command, "-tt", f"{user}@127.0.0.1", self.line(cluster, *arguments, before=before)], size
        )
        self.terminals.append(terminal)
        return terminal

    def here(
        self, cluster: StandaloneCluster | None, *arguments: str, size: tuple[int, int] = (80, 24), **environment: str
    ) -> FarTerminal:
        """The wizard in a terminal of this machine."""
        inherited = {name: "" for name in ("COLORTERM", "TEXTUAL_THEME") if name in os.environ}
        terminal = FarTerminal(
            self.command(cluster, *arguments), size, {**inherited, **self.variables(), **environment}, self.folder
        )
        self.terminals.append(terminal)
        return terminal

    def wizards(self) -> dict[int, str]:
        """The processes of the wizard that are alive."""
        return processes_with(self.mark)

    def close(self) -> None:
        """Leaves nothing behind, whatever a test left."""
        for terminal in self.terminals:
            terminal.close()
        for pid in self.wizards():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    folder = tmp_path / "host"
    folder.mkdir()
    made = Host(folder)
    yield made
    made.close()


@pytest.fixture
def tmux() -> Iterator[Tmux]:
    if not shutil.which("tmux"):
        pytest.skip("no tmux here (Debian: apt-get install tmux)")
    # A socket's path may not be long.
    with tempfile.TemporaryDirectory(prefix="tmux-") as folder:
        server = Tmux(Path(folder))
        yield server
        server.close()
