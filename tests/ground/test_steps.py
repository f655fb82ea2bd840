"""The texts of the steps are there, fit, and leave out what concerns keys where there are none."""

from __future__ import annotations

import re

import pytest

from wizard.resources import asset_text
from wizard.steps import STEPS, StepId, step_help, step_introduction, task_title


@pytest.mark.parametrize(("step", "title"), STEPS)
def test_each_step_has_its_texts(step: StepId, title: str) -> None:
    assert asset_text("steps", f"{step}.md").startswith(f"# {title}\n## {task_title(step)}\n> ")
    assert len(step_introduction(step)) <= 58
    assert step_introduction(step, keys=False).endswith(".")
    assert len(step_help(step, keys=False)) <= len(step_help(step))


@pytest.mark.parametrize(("step", "title"), STEPS)
@pytest.mark.parametrize("keys", [True, False])
def test_marks_do_not_show(step: StepId, title: str, keys: bool) -> None:
    text = step_help(step, keys) + step_introduction(step, keys)
    assert not re.search(r"\[\[|\]\]|(?m:^[#>-] )|\S  | [.,;:]", text)
    assert "\n\n\n" not in text and text == text.lstrip()


@pytest.mark.parametrize(("step", "title"), STEPS)
def test_plain_mode_names_no_key(step: StepId, title: str) -> None:
    assert not re.search(r"[Pp]ress", step_help(step, keys=False) + step_introduction(step, keys=False))


def test_an_entry_of_a_list_has_a_line() -> None:
    assert "\n  ok: nothing to do\n" in step_help("prerequisites")
    assert "\n  ! has a problem; press p to go to it\n" in step_help("policy")
    assert "Marks:" not in step_help("policy", keys=False)
