"""How long a merge takes, as a ratio to PyYAML's C loader merely loading the file, measured in the same run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.benchmarks.rounds import quietest, with_bytecode
from wizard.policy import PolicyDocument, merge_podman

pytestmark = pytest.mark.measured

REPOSITORY = Path(__file__).parents[2]


def policy(lines: int) -> str:
    """A policy of that many lines as large ones are: fields, environment variables, steps, comments."""
    out = ["# The policy of a large deployment.", "workspace:", "  configure:", "    start:", "      policy: append"]
    out += ["      value:"]
    while len(out) < lines // 2:
        number = len(out)
        out += [f"        - name: step {number}   # step", f'          command: "run --number {number}"']
    out += ["  specs:", "    kubernetes:", "      # sizes", "      cpu:", "        policy: write"]
    out += ["      env:", "        policy: append", "        value:"]
    while len(out) < lines:
        number = len(out)
        out.append(f"          NAME_{number}: value {number}" if number % 3 else f"          # about {number}")
    return "\n".join(out) + "\n"


def medians(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """Seconds for each, all measured in turn so that a busy machine is busy for all of them."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            own.append(time.perf_counter() - start)
    return [statistics.median(own) for own in times]


@pytest.mark.parametrize(("lines", "repeats", "limit"), [(60, 41, 4.0), (1000, 15, 2.5), (10_000, 5, 2.2)])
def test_merge_and_proof_take_a_few_times_a_load(lines: int, repeats: int, limit: float) -> None:
    text = policy(lines)
    content = text.encode()

    def load() -> object:
        return yaml.load(text, Loader=yaml.CSafeLoader)

    def merge() -> object:
        result = merge_podman(PolicyDocument.parse(content, "policy.yaml"))
        assert result.changed
        return str(result.proof)

    merge()

    def measure() -> float:
        base, ours = medians([load, merge], repeats)
        print(f"{lines} lines: load {base * 1e3:.2f} ms, merge and proof {ours / base:.1f} times")
        return ours / base

    assert quietest(measure, limit) <= limit


def test_the_whole_process_takes_at_most_three_times_an_import_of_yaml(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(policy(100))
    environment = {**with_bytecode(tmp_path / "bytecode"), "PYTHONPATH": str(REPOSITORY)}

    def run(*arguments: str) -> Callable[[], object]:
        return lambda: subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, check=True, cwd=tmp_path
        )

    base, ours = run("-c", "import yaml"), run("-m", "wizard", "policy", "merge", str(file))
    base()
    ours()

    def measure() -> float:
        imported, merged = medians([base, ours], 15)
        print(f"import yaml {imported * 1e3:.0f} ms, policy merge {merged / imported:.2f} times")
        return merged / imported

    assert quietest(measure, 3) <= 3
