"""``python -m wizard.policy``: the policy commands by themselves."""

from __future__ import annotations

import argparse
import sys

from wizard.errors import WizardError
from wizard.escaping import printable
from wizard.policy.commands import add_parser


def main() -> int:
    """Runs one policy command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="podman-wizard")
    add_parser(parser.add_subparsers(required=True), [])
    arguments = parser.parse_args(["policy", *sys.argv[1:]])
    try:
        return int(arguments.run(arguments))
    except WizardError as error:
        sys.stderr.write(printable(str(error), lines=True) + "\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
