"""The merge of a Terraform template against a mere load of a policy of the same length, and against its own process."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.benchmarks.rounds import python, ratio
from tests.benchmarks.test_policy_speed import policy
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

    assert ratio(load, merge, 9, 1) <= 1


def test_the_process_takes_little_more_than_that_of_a_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy.yaml").write_text(policy(LINES))
    (tmp_path / "main.tf").write_text(template())
    monkeypatch.setenv("PATH", "")  # no program of Terraform has a say
    peer = python(tmp_path, "-m", "wizard", "policy", "merge", "policy.yaml")
    assert ratio(peer, python(tmp_path, "-m", "wizard", "template", "merge", "main.tf"), 11, 1.3) <= 1.3
