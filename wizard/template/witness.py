"""Terraform or OpenTofu as a second opinion, if one is installed: ``fmt -`` parses stdin and touches no file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from wizard.template.document import Document

_SECONDS = 20


@dataclass(frozen=True)
class Opinion:
    """What ``program`` says: whether it accepts the text, and whether it would format it differently."""

    program: str
    accepted: bool
    formatted: bool
    message: str = ""
    line: int = 0


def opinion_of(document: Document) -> Opinion | None:
    """Returns the opinion of Terraform, else of OpenTofu; None if neither is installed or gives an answer.

    It connects to nothing: the check for new versions is off, and so are version managers that download a version.
    """
    from shutil import which

    program = next((name for name in ("terraform", "tofu") if which(name)), None)
    if program is None:
        return None
    import subprocess

    environment = {
        **os.environ,
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": os.devnull,
        "TF_CLI_ARGS": "",
        "TF_CLI_ARGS_fmt": "",
        "TFENV_AUTO_INSTALL": "false",
        "TENV_AUTO_INSTALL": "false",
        "MISE_NOT_FOUND_AUTO_INSTALL": "false",
    }
    try:
        done = subprocess.run(
            [program, "fmt", "-no-color", "-"],
            input=document.content,
            capture_output=True,
            env=environment,
            cwd="/",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    errors = done.stderr.decode(errors="replace")
    if done.returncode == 0:
        # A byte order mark is not part of the output.
        return Opinion(program, True, done.stdout.removeprefix(b"\xef\xbb\xbf") == document.text.encode())
    if "<stdin>" not in errors:
        return None
    what = re.search(r"Error: (.+)", errors)
    line = re.search(r"on <stdin> line (\d+)", errors)
    return Opinion(program, False, False, what[1].strip() if what else "", int(line[1]) if line else 0)
