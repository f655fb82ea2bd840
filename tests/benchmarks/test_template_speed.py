"""The merge of a Terraform template against a mere load of a policy of the same length, and against its own process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.benchmarks.rounds import quietest, with_bytecode
from tests.benchmarks.test_policy_speed import REPOSITORY, medians, policy
from tests.template.templates import STARTER
from wizard.template.merge import merge_template
from wizard.template.module import read_stdin

pytestmark = pytest.mark.measured

LINES = 300


def template() -> str:
    """A template of 300 lines: the starter, with parameters before it."""
    more = LINES - STARTER.count("\n")
    blocks = [
        f'# about {n}\nvariable "more_{n}" {{\n  type    = string\n  default = "{n}"\n}}\n' for n in range(more // 5)
    ]
    return "".join(blocks) + STARTER


def test_merge_and_proof_take_at_most_what_a_load_in_pure_python_takes() -> None:
    text, content = policy(LINES), template().encode()

    def load() -> object:
        return yaml.load(text, Loader=yaml.SafeLoader)

    def merge() -> object:
        result = merge_template(read_stdin(content), {"device"})
        assert result.changed
        return str(result.counts)

    merge()

    def measure() -> float:
        base, ours = medians([load, merge], 9)
        print(f"load {base * 1e3:.1f} ms, merge and proof {ours / base:.2f} times")
        return ours / base

    assert quietest(measure, 1) <= 1


def test_the_process_takes_little_more_than_that_of_a_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(policy(LINES))
    (tmp_path / "main.tf").write_text(template())
    environment = {**with_bytecode(tmp_path / "bytecode"), "PYTHONPATH": str(REPOSITORY), "PATH": ""}

    def run(*arguments: str) -> Callable[[], object]:
        command = [sys.executable, "-m", "wizard", *arguments]
        return lambda: subprocess.run(command, env=environment, capture_output=True, check=True, cwd=tmp_path)

    base, ours = run("policy", "merge", "policy.yaml"), run("template", "merge", "main.tf")
    base()
    ours()

    def measure() -> float:
        merged, template = medians([base, ours], 11)
        print(f"policy merge {merged * 1e3:.0f} ms, template merge {template / merged:.2f} times")
        return template / merged

    assert quietest(measure, 1.3) <= 1.3
