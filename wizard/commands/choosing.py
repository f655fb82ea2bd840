"""The choices of a command: of its answers file, and of its other options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wizard.choices.answers import Answers, NodesChoice
from wizard.errors import InputError, UsageError


def answers_given(arguments: argparse.Namespace) -> Answers:
    """Returns the choices of ``--answers``; the defaults without it."""
    if not arguments.answers:
        return Answers()
    from wizard.answers_file import read_answers  # imports the manifest, which many commands do not need

    return read_answers(Path(arguments.answers))


@contextmanager
def choices_of(arguments: argparse.Namespace | str | None) -> Iterator[None]:
    """Turns an error about a choice into one of the answers file that it came from, if there is one."""
    file = arguments.answers if isinstance(arguments, argparse.Namespace) else arguments
    try:
        yield
    except UsageError as error:
        if file is None:
            raise
        raise InputError(error.what, error.todo, file=file) from None


def nodes_choice(arguments: argparse.Namespace) -> NodesChoice:
    """Returns the choices of names, ``--selector``, and ``--all``."""
    # As ``-o name`` prints them.
    names = tuple(name.removeprefix("node/") for name in getattr(arguments, "names", ()))
    selector = arguments.selector
    everything = getattr(arguments, "all", False)
    if bool(names) + bool(selector) + everything > 1:
        raise UsageError("Node names, --selector, and --all cannot be combined.", "Use one of them.")
    return NodesChoice(all=not names and not selector, names=names, selector=selector)
