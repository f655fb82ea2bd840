"""The policy commands through the program's own door."""

from __future__ import annotations

import sys

from wizard import cli


def main() -> int:
    """Runs ``podman-wizard policy`` with the arguments of this process, and returns its exit code."""
    return cli.main(["policy", *sys.argv[1:]])
