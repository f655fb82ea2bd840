"""``podman-wizard.pyz``, built by the README's command, on a host that has Python and nothing else."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.alone import held

ROOT = Path(__file__).parents[2]
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
def single_file(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    folder = tmp_path_factory.mktemp("single-file")
    if worker_id != "master":
        # Several test processes at once: the first builds it for all.
        folder = folder.parent.parent / "single-file"
        folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock, held(lock, fcntl.LOCK_EX):
        said = folder / "said"
        if not said.exists():
            said.write_text(build(folder / "checkout"))
    trouble = said.read_text()
    if re.search(r"No matching distribution|[Ff]ailed to fetch|error sending request|resolution|timed out", trouble):
        pytest.skip(f"the packages cannot be had here: {trouble.strip().splitlines()[-1]}")
    assert not trouble
    return folder / "checkout" / "podman-wizard.pyz"


def build(folder: Path) -> str:
    """Runs the README's command in a copy of the checkout; gives what it complained about."""
    folder.mkdir()
    for name in ("wizard", "screens", "assets"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    line = next(one for one in (ROOT / "README.md").read_text().splitlines() if "single-file/build.sh" in one)
    before = {path.name for path in folder.iterdir()}
    built = subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    left = {path.name for path in folder.iterdir()} - before
    if built.returncode or left != {"podman-wizard.pyz"}:
        return f"{built.stdout}{built.stderr}\nIt ended with {built.returncode} and left: {sorted(left)}"
    return ""


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


def lock() -> dict[str, Any]:
    return tomllib.loads((ROOT / "uv.lock").read_text())


def locked_versions() -> dict[str, str]:
    return {package["name"]: package["version"] for package in lock()["package"] if "registry" in package["source"]}


def test_what_is_in_it_is_what_is_locked(single_file: Path) -> None:
    with zipfile.ZipFile(single_file) as archive:
        names = [re.match(r"site-packages/([^/]+)-([^-/]+)\.dist-info/METADATA$", name) for name in archive.namelist()]
    packed = {str(canonicalize_name(found[1])): found[2] for found in names if found}
    assert packed.pop("podman-wizard")
    assert {"textual", "kubernetes", "aiohttp", "pyyaml", "ruamel-yaml"} <= packed.keys()
    assert not {"pytest", "shiv", "mypy"} & packed.keys()
    assert packed.items() <= locked_versions().items()


def test_the_lock_agrees_with_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [ours] = [package for package in lock()["package"] if package["name"] == "podman-wizard"]
    assert ours["version"] == project["project"]["version"]
    assert lock()["requires-python"] == project["project"]["requires-python"]
    wanted: dict[tuple[str, str], str] = {}
    for extra, lines in {"": project["project"]["dependencies"], **project["project"]["optional-dependencies"]}.items():
        for one in map(Requirement, lines):
            wanted[extra, canonicalize_name(one.name)] = str(one.specifier)
    for group, lines in project["dependency-groups"].items():
        for one in map(Requirement, lines):
            wanted[f"group {group}", canonicalize_name(one.name)] = str(one.specifier)
    found: dict[tuple[str, str], str] = {}
    for one in ours["metadata"]["requires-dist"]:
        marker = re.search(r"extra == '([^']+)'", one.get("marker", ""))
        found[marker[1] if marker else "", one["name"]] = one.get("specifier", "")
    for group, members in ours["metadata"]["requires-dev"].items():
        found |= {(f"group {group}", one["name"]): one.get("specifier", "") for one in members}
    versions = locked_versions()
    assert found.keys() == wanted.keys(), "run uv lock"
    for (part, name), specifier in wanted.items():
        held_to = SpecifierSet(specifier)
        assert SpecifierSet(found[part, name]) == held_to, f"run uv lock: {name}"
        assert name == "podman-wizard" or versions[name] in held_to, f"run uv lock: {name}"


def test_the_lock_names_the_public_index_alone() -> None:
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
    for package in lock()["package"]:
        for file in [*package.get("wheels", []), *filter(None, [package.get("sdist")])]:
            assert file["hash"].startswith("sha256:"), package["name"]
