"""A kubeconfig of ten thousand contexts, as a company with a cluster for each team has it: time and memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from tests.benchmarks.rounds import ratio, spent
from wizard.cluster import contexts
from wizard.cluster.kubeconfig import read_access

CONTEXTS = 10_000
LOADS = 0.5
"""How many times as long as one load of the file by libyaml."""
SIZES = 8
"""How many times the size of the file in memory."""
READ = "import sys; from wizard.cluster.kubeconfig import read_access; read_access(sys.argv[1])"

pytestmark = pytest.mark.measured


def kubeconfig(path: Path, number: int) -> str:
    trusted = {"server": "https://api.example.org:6443", "certificate-authority-data": "AAAA" * 170}
    content = {
        "clusters": [{"name": f"c{n}", "cluster": dict(trusted)} for n in range(number)],
        "contexts": [{"name": f"team-{n}", "context": {"cluster": f"c{n}", "user": f"u{n}"}} for n in range(number)],
        "users": [{"name": f"u{n}", "user": {"token": "t" * 100}} for n in range(number)],
        "current-context": "team-0",
    }
    path.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper))
    return str(path)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    return kubeconfig(tmp_path_factory.mktemp("many") / "kubeconfig", CONTEXTS)


@pytest.mark.parametrize("read", [read_access, contexts])
def test_it_is_read_faster_than_one_load(many: str, read: object) -> None:
    def peer() -> object:
        with Path(many).open() as file:
            return yaml.load(file, Loader=yaml.CSafeLoader)

    def ours() -> object:
        return read(many)  # type: ignore[operator]

    assert ratio(peer, ours, 3, LOADS) <= LOADS


def test_it_costs_little_memory(many: str, tmp_path: Path) -> None:
    one = kubeconfig(tmp_path / "one", 1)
    base, taken = (spent(sys.executable, "-c", READ, file).megabytes for file in (one, many))
    size = Path(many).stat().st_size / 2**20
    print(f"{CONTEXTS} contexts, {size:.1f} MiB: {(taken - base) / size:.1f} times the file")
    assert taken - base <= SIZES * size
