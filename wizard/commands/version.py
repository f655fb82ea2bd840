"""``version``: which podman-wizard this is, and which Python runs it."""

from __future__ import annotations

import argparse
import platform

from wizard import __version__
from wizard.errors import ExitCode
from wizard.printing.lines import document, out


def version(arguments: argparse.Namespace) -> int:
    """Runs ``version``: the text is that of ``--version``."""
    if arguments.output == "json":
        document(
            "version", {"version": __version__, "python": platform.python_version(), "platform": platform.platform()}
        )
    else:
        out(f"podman-wizard {__version__}")
    return ExitCode.DONE
