"""The README's pictures are made from the screens, so they cannot go stale: this test makes them again and compares.

After a change that is meant, make them anew, and look at them::

    UPDATE_PICTURES=1 python -m pytest tests/screens/test_readme_pictures.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.screens.conftest import on_facts, running, until

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "assets" / "pictures"
SIZE = (100, 30)


def _keys(step: int, *keys: str) -> tuple[str, ...]:
    return (*["ctrl+n"] * step, *keys)


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("prerequisites", _keys(0, *["down"] * 8)),
        ("security-modules", _keys(1)),
        ("manifest", _keys(2, "down", "down")),
        ("nodes", _keys(3)),
        ("policy", _keys(4, "m")),
    ],
)
async def test_the_pictures_of_the_readme_are_of_these_screens(
    name: str, keys: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    policy = tmp_path / "policy.yaml"
    policy.write_bytes((ROOT / "tests" / "data" / "running-deployment.yaml").read_bytes())
    app = on_facts(policy_file=policy.name)
    async with running(app, SIZE) as pilot:
        for key in keys:
            await pilot.press(key)
            await until(pilot, lambda: not app.workers._workers or not app.walk_through.reading)
        app.clear_notifications()
        await pilot.pause()
        picture = _of_any_time(app.export_screenshot(title="podman-wizard"))
    kept = PICTURES / f"{name}.svg"
    if os.environ.get("UPDATE_PICTURES"):
        kept.write_text(picture, encoding="utf-8")
    assert kept.read_text(encoding="utf-8") == picture


def _of_any_time(picture: str) -> str:
    """The picture without what differs from run to run: the ids that the export makes up, and fonts from elsewhere."""
    without_fonts = re.sub(r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL)
    return re.sub(r"terminal-\d+", "terminal", without_fonts).replace("\r\n", "\n")
