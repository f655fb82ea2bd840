"""The README and its pages: short, with links that lead somewhere, and commands that print what stands below them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.clusters import ROOT, cluster_of

PAGES = [ROOT / "README.md", *sorted((ROOT / "assets" / "docs").glob("*.md"))]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 140


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


async def test_the_commands_print_what_stands_below_them(tmp_path: Path) -> None:
    """Runs the block under "Try it", each command on the same simulated cluster, in a folder of its own."""
    block = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    shutil.copytree(ROOT / "tests" / "data", tmp_path / "tests" / "data")
    ran = 0
    async with cluster_of("sandbox", "mixed", tmp_path) as cluster:
        for part in block[1].split("$ ")[1:]:
            line, *shown = part.splitlines()
            if line.startswith("cp "):
                shutil.copy(*(tmp_path / one for one in line.split()[1:]))
            elif line.startswith("echo "):
                words, _, file = line.removeprefix("echo ").partition(" > ")
                (tmp_path / file).write_text(words.strip("'") + "\n")
            elif line.startswith("podman-wizard ") and not line.endswith("&"):
                ended = await cluster.command(*line.split()[1:], folder=tmp_path)
                assert ended.code == 0, f"{line}\n{ended.error}"
                for wanted in shown:
                    assert wanted in ended.out + ended.error, f"{line}: {wanted}\n{ended.out}{ended.error}"
                ran += 1
    assert ran >= 5
