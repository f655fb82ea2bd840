"""The entry of the command line: streams, errors as messages and exit codes, and the door to the screens."""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from wizard.commands.parser import commands_wanted, make_parser
from wizard.errors import ExitCode, UsageError, WizardError

if TYPE_CHECKING:
    from wizard.choices.answers import Answers


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; every error becomes a readable message."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = argparse.Namespace()
    _mend_streams()
    if given[:1] == ["__complete"]:  # the shells ask for names: not a command for people
        from wizard.commands.completing import complete

        return complete(given[1:])
    if os.path.expanduser("~") == "~":  # noqa: PTH111 (pathlib costs start-up time, and raises)
        # The user has no passwd entry and no HOME, as in some containers; container runtimes set it to / as well.
        os.environ["HOME"] = "/"
    try:
        parser = make_parser("kubectl podman-wizard" if _is_plugin() else "podman-wizard", only=commands_wanted(given))
        parsed = parser.parse_args(_with_joined_values(given))
        _refuse_misplaced(parsed)
        _set_loudness(parsed)
        return int((parsed.run or _open_wizard)(parsed))
    except WizardError as error:
        from wizard.text.escaping import printable

        _complain(f"podman-wizard: {printable(str(error), lines=True)}")
        if isinstance(error, UsageError) and error.usage:
            _complain(error.usage)
        if (_wants_json(given) or getattr(parsed, "output", "text") == "json") and not error.documented:
            _document(error)
        return error.exit_code
    except KeyboardInterrupt:
        _complain("podman-wizard: interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return ExitCode.PROBLEMS
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OUTPUT_ERRORS and error.filename is None:
            _forget_output()
            _complain(f"podman-wizard: Cannot write the output: {(error.strerror or str(error)).lower()}.")
            return ExitCode.TERMINAL_GONE if error.errno == errno.EIO else ExitCode.PROBLEMS
        _complain(_report(error))
        return ExitCode.PROBLEMS


OUTPUT_ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of writing to stdout: the terminal is gone, or the disk is full."""


def _is_plugin() -> bool:
    return os.path.basename(sys.argv[0]).startswith("kubectl-")  # noqa: PTH119 (pathlib costs start-up time)


def _mend_streams() -> None:
    """Replaces closed streams with the null device, and escapes characters that an encoding does not have."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # This is the lowest free descriptor, so no other file can get it by accident.
            handle = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
            setattr(sys, name, open(handle, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Buffered by lines, so that piped or interrupted output keeps the order of events.
            stream.reconfigure(errors="backslashreplace", line_buffering=True)


def _wants_json(given: Sequence[str]) -> bool:
    """Returns whether arguments that could not be parsed ask for JSON."""
    return any(word in ("-ojson", "--output=json") for word in given) or any(
        (option, word) in (("-o", "json"), ("--output", "json")) for option, word in pairwise(given)
    )


def _document(error: WizardError) -> None:
    """Prints an error as the JSON document of a command that ended before it had one."""
    from wizard.printing.lines import document

    with contextlib.suppress(OSError):
        document("error", {}, error=error)


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def _forget_output() -> None:
    """Redirects the output after its reader is gone, so that the interpreter does not report it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())


def _refuse_misplaced(parsed: argparse.Namespace) -> None:
    """Raises UsageError for a wizard option before a command, because the command would ignore it."""
    given = [
        name.removeprefix("wizard_") for name, value in vars(parsed).items() if name.startswith("wizard_") and value
    ]
    if parsed.command and given:
        raise UsageError(
            f"--{given[0]} is an option of the wizard and cannot be used with the command {parsed.command}.",
            f"For the options of the command, run podman-wizard {parsed.command} --help.",
        )
    useless = [name for name in ("kubeconfig", "context", "sandbox") if hasattr(parsed, name)]
    if useless and getattr(parsed, "offline", False):
        raise UsageError(f"{parsed.command} asks no cluster, so --{useless[0]} would do nothing.", "Leave it out.")


def _set_loudness(parsed: argparse.Namespace) -> None:
    if getattr(parsed, "verbose", False):
        from wizard.printing.lines import say
        from wizard.text import trace

        trace.listen(say)
    if getattr(parsed, "quiet", False):
        from wizard.printing.lines import Teller

        Teller.quiet = True


def _report(error: Exception) -> str:
    """Returns the message for an internal error, and writes the trace to a file instead of the screen."""
    import time
    import traceback

    from wizard.journal.state import private_folder, state_folder
    from wizard.text.escaping import printable
    from wizard.text.redaction import redacted

    what = f"podman-wizard: internal error (this is a bug): {type(error).__name__}: {printable(str(error))}"
    trace = redacted("".join(traceback.format_exception(error)))
    try:
        path = private_folder(state_folder()) / f"bug-{time.strftime('%Y%m%d-%H%M%S')}.txt"
        path.touch(mode=0o600)
        path.write_text(trace, encoding="utf-8")
    except (OSError, WizardError):
        return f"{what}\n{printable(trace, lines=True)}"
    return f"{what}\nDetails are in {path}. Attach this file when you report the bug."


def _with_joined_values(arguments: Sequence[str]) -> list[str]:
    """Joins the values of --sandbox and --wait, so that the next word is not taken for one.

    ``--sandbox check`` runs the command ``check``, and ``--wait worker-1`` waits for a node of that name.
    """
    for option, word in pairwise(arguments):
        if option == "--sandbox":
            from wizard.sandbox import SCENARIOS

            if word in SCENARIOS:
                what = "--sandbox needs an equals sign before the scenario."
                raise UsageError(what, f"Use --sandbox={word}.")
    joined: list[str] = []
    for argument, following in pairwise([*arguments, ""]):
        if argument == "--wait" and not following.lstrip("-")[:1].isdecimal():
            argument = "--wait=5m"
        joined.append("--sandbox=mixed" if argument == "--sandbox" else argument)
    return joined


def _open_wizard(arguments: argparse.Namespace) -> int:
    from screens.terminal.terminal import prepare_environment, why_no_screen

    reason = why_no_screen()
    if reason and not arguments.wizard_plain and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            f"The wizard needs a terminal: {reason}.",
            "With ssh, use ssh -t. Without a terminal, run podman-wizard run --answers FILE --yes.",
        )
    answers = None
    if arguments.wizard_answers == "-":
        raise UsageError("The wizard reads your answers from stdin.", "Use a file for --answers.")
    if arguments.wizard_answers:
        from pathlib import Path

        from wizard.answers_file import read_answers

        answers = read_answers(Path(arguments.wizard_answers))
    if arguments.wizard_plain or reason:
        return _open_plain(arguments, answers)
    prepare_environment()
    # Everything created for the first picture is needed; the app turns the collector on again.
    gc.disable()
    from screens.app import AppOptions, run_app
    from wizard.choices.target import target_of

    return run_app(
        AppOptions(
            target=target_of(arguments, answers),
            answers=answers,
            policy_file=arguments.wizard_policy,
            fresh=arguments.wizard_fresh,
            light=arguments.wizard_light,
        )
    )


def _open_plain(arguments: argparse.Namespace, answers: Answers | None) -> int:
    from dataclasses import replace

    from wizard.choices.answers import Answers
    from wizard.choices.target import target_of
    from wizard.commands.running import run_async, sandbox_speed
    from wizard.plain import run_plain
    from wizard.session.session import Session

    answers = answers or Answers()
    if arguments.wizard_policy:
        answers = replace(answers, policy=replace(answers.policy_or_default, file=arguments.wizard_policy))
    work = run_plain(
        target_of(arguments, answers), Session(answers), speed=sandbox_speed(), fresh=arguments.wizard_fresh
    )
    return run_async(work)


def complete_for_kubectl() -> None:
    """The entry point of ``kubectl_complete-podman_wizard``, which kubectl runs."""
    sys.exit(main(["__complete", *sys.argv[1:]]))


def entry() -> None:
    """The entry point of the installed commands."""
    # During the imports alone, the garbage collector would run hundreds of times and find nothing.
    gc.set_threshold(50_000)
    sys.exit(main())


if __name__ == "__main__":
    entry()
