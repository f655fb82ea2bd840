"""Terraform as the judge of many files at once, if it is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

PROGRAM = shutil.which("terraform") or shutil.which("tofu")
needs_terraform = pytest.mark.skipif(PROGRAM is None, reason="neither terraform nor tofu is installed here")


def rejected(texts: Sequence[bytes], folder: Path) -> set[int]:
    """The numbers of the texts that Terraform does not accept: one process parses all of them."""
    assert PROGRAM is not None
    for number, text in enumerate(texts):
        (folder / f"t{number:04}.tf").write_bytes(text)
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        [PROGRAM, "fmt", "-no-color", "-write=false", "-list=false", str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 2), done.stderr
    return {int(number) for number in re.findall(r"on \S*t(\d{4})\.tf line", done.stderr)}
