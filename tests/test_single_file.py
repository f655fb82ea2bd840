"""``podman-wizard.pyz``, built by the README's command, on a host that has Python and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOBODY = 65534

pytestmark = pytest.mark.timeout(600)

# With root's powers: a network of its own with nothing but loopback, and then nobody's.
APART = f"""
import fcntl, os, socket, struct, sys
with socket.socket() as one:
    fcntl.ioctl(one, 0x8914, struct.pack("16sh", b"lo", 0x41))  # SIOCSIFFLAGS: up and running
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Host:
    """Runs the file with an empty home that cannot be written to, and without a network where that can be had."""

    def __init__(self, folder: Path, python: str, prefix: Sequence[str]) -> None:
        self.file, self.home, self.scratch = folder / "podman-wizard.pyz", folder / "home", folder / "scratch"
        self._python = python
        self._prefix = prefix

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._prefix, str(self.file), *arguments],
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.home),
                "TMPDIR": str(self.scratch),
                "PYTHON": self._python,
            },
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )


@pytest.fixture(scope="session")
def single_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shiv = Path(sys.executable).with_name("shiv")
    if not shiv.exists():
        pytest.skip("no shiv in this environment (it is in the extra dev)")
    line = next(one for one in (ROOT / "README.md").read_text().splitlines() if "shiv --quiet" in one)
    folder = tmp_path_factory.mktemp("single-file")
    # From where shiv is installed on, in a copy: the build leaves nothing in the checkout.
    command = line.partition("install --quiet shiv && ")[2]
    for name in ("wizard", "screens", "assets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(shiv.parent)
    built = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    if re.search(r"No matching distribution|Failed to establish|resolution|timed out", built.stderr):
        pytest.skip(f"the packages cannot be had here: {built.stderr.strip().splitlines()[-1]}")
    assert built.returncode == 0, built.stderr
    return folder / "podman-wizard.pyz"


def unprivileged_python() -> str | None:
    """A Python of this version that anybody may run."""
    return shutil.which(f"python3.{sys.version_info.minor}", path="/usr/local/bin:/usr/bin")


@pytest.fixture
def host(single_file: Path) -> Iterator[Host]:
    python, prefix = sys.executable, []
    if os.geteuid() == 0:
        # For root every home can be written to, so nobody runs it, who may not look into pytest's folders.
        found = unprivileged_python()
        if found is None or shutil.which("unshare") is None:
            pytest.skip("no Python of this version that others than root may run, or no unshare")
        python = found
        isolated = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0
        prefix = [*(["unshare", "--net"] if isolated else []), python, "-c", APART]
    with tempfile.TemporaryDirectory(prefix="podman-wizard-host-") as name:
        host = Host(Path(name), python, prefix)
        shutil.copy(single_file, host.file)
        for folder in (host.home, host.scratch):
            folder.mkdir()
            if os.geteuid() == 0:
                os.chown(folder, NOBODY, NOBODY)
        host.file.parent.chmod(0o755)
        host.home.chmod(0o500)
        yield host


def test_it_starts_with_a_home_that_cannot_be_written_to_and_no_network(host: Host) -> None:
    version = host.run("--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert re.fullmatch(r"podman-wizard \d+\.\d+\.\d+\n", version.stdout)
    rendered = host.run("manifest", "render")
    assert rendered.returncode == 0, rendered.stderr
    assert "kind: DaemonSet" in rendered.stdout
    listed = host.run("nodes", "list", "--sandbox")
    assert listed.returncode == 0, listed.stderr
    assert "8 of 12 nodes qualify." in listed.stdout
    # It was unpacked once, where nobody else can have put anything, and nothing else was left behind.
    [cache] = host.scratch.iterdir()
    assert cache.stat().st_mode & 0o777 == 0o700
    assert list(host.home.iterdir()) == []


def test_a_folder_that_belongs_to_someone_else_is_not_used(host: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder that belongs to someone else")
    trap = host.scratch / f"podman-wizard-{NOBODY}"
    trap.mkdir(mode=0o777)
    trap.chmod(0o777)
    ended = host.run("--version")
    assert ended.returncode == 0, ended.stderr
    assert list(trap.iterdir()) == []


def test_the_screens_are_in_it(host: Host) -> None:
    ended = host.run("--sandbox")
    assert ended.returncode == 2, ended.stderr
    assert "needs a terminal" in ended.stderr
