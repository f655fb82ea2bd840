"""``answers`` and ``schema``: a commented answers file, and the JSON Schemas of what is read and printed."""

from __future__ import annotations

import argparse
import sys

from wizard.errors import ExitCode, UsageError
from wizard.resources import asset, asset_text

ALIASES = {"nodes": "nodes-list", "manifest": "manifest-diff", "template": "template-merge", "coder": "coder-status"}
"""The names of commands that have several documents, and the one that is meant. ``policy`` is a file."""


def answers(arguments: argparse.Namespace) -> int:
    """Runs ``answers``: every key of the answers file, commented out, with its default."""
    sys.stdout.write(asset_text("answers", "answers.yaml"))
    return ExitCode.DONE


def schema(arguments: argparse.Namespace) -> int:
    """Runs ``schema``: one schema, or the names of all. Several words are those of a command: ``schema nodes list``."""
    names = schema_names()
    if not arguments.name:
        sys.stdout.write("\n".join(names) + "\n")
        return ExitCode.DONE
    wanted = "-".join(arguments.name)
    name = ALIASES.get(wanted, wanted)
    if name not in names:
        from difflib import get_close_matches

        near = get_close_matches(name, names, n=1)
        todo = f"Did you mean {near[0]}?" if near else "To list all schemas, run podman-wizard schema."
        raise UsageError(f"There is no schema {' '.join(arguments.name)}.", todo)
    sys.stdout.write(asset_text("schemas", f"{name}.json"))
    return ExitCode.DONE


def schema_names() -> list[str]:
    """Returns the names of all schemas; the files that are read come first."""
    files = ("answers", "policy")
    found = sorted(one.name.removesuffix(".json") for one in asset("schemas").iterdir() if one.name.endswith(".json"))
    return [*files, *(name for name in found if name not in files)]
