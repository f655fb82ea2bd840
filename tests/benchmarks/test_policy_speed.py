"""How long a merge takes, as a ratio to PyYAML's C loader merely loading the file, measured in the same run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.benchmarks.rounds import python, ratio
from wizard.policy import PolicyDocument, merge_podman

pytestmark = pytest.mark.measured


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

    assert ratio(load, merge, repeats, limit) <= limit


def test_the_whole_process_takes_at_most_three_times_an_import_of_yaml(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(policy(100))
    imported = python(tmp_path, "-c", "import yaml")
    assert ratio(imported, python(tmp_path, "-m", "wizard", "policy", "merge", str(file)), 15, 3) <= 3
