"""The parser class of the command line, whose errors name the command that was meant, and the types of arguments."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NoReturn

from wizard.errors import UsageError


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError instead of ending the process, and suggests what was meant.

    It is the class of its subcommands too, so each error is about the command that was meant, with its usage.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # An abbreviation that is unique today can be ambiguous in the next version.
        options = {"allow_abbrev": False, "formatter_class": Formatter, **options}
        super().__init__(*arguments, **options)

    def parse_known_args(  # type: ignore[override]  # the overloads of typeshed, for other kinds of namespace
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parses the arguments of this command. Raises UsageError for one that it does not have."""
        if args is not None:
            self._check_options(args)
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._refuse(f"{self.name} does not take the argument {unknown[0]}.")
        return parsed, []

    def format_help(self) -> str:
        """Returns the help, with the examples of the command."""
        from wizard.commands.examples import EXAMPLES

        program = self.prog[: -len(self.name)] if self.name in EXAMPLES and " " in self.prog else f"{self.prog} "
        lines = [f"  {program}{example}" for example in EXAMPLES.get(self.name, ())]
        self.epilog = "\n".join(["examples:", *lines]) if lines else None
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raises UsageError for an error of argparse."""
        self._refuse(*_reworded(message, self))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = list(map(str, action.choices))
        if isinstance(action, argparse._SubParsersAction):
            raise UsageError(
                f"{self.name} has no command {value}.", _meant(str(value), known, f"Commands: {_all(known)}.")
            )
        name = "/".join(action.option_strings) or str(action.metavar or action.dest)
        self._refuse(f"{value} is not a value of {name}.", _meant(str(value), known, f"Values: {_all(known)}."))

    def _check_options(self, words: Sequence[str]) -> None:
        """Raises UsageError for the first option that this command does not have, before a missing argument is."""
        commands = next((a.choices for a in self._actions if isinstance(a, argparse._SubParsersAction)), {})
        options = {option: action for action in self._actions for option in action.option_strings}
        for before, word in pairwise(["", *words]):
            is_value = before in options and options[before].nargs is None
            if word == "--" or (commands and word[:1] != "-" and not is_value):
                return
            name = word.partition("=")[0]
            # As argparse has it: a word with a space, or a negative number, is no option.
            if len(word) < 2 or word[0] != "-" or " " in word or NEGATIVE.fullmatch(word):
                continue
            if name not in options and (word[1] == "-" or word[:2] not in options):
                owner = next((commands[later] for later in words if later in commands), None)
                if owner is not None and any(name in action.option_strings for action in owner._actions):
                    raise UsageError(f"{name} stands before its command.", f"Put it after {owner.name}.")
                self._refuse(f"{self.name} has no option {name}.", _meant(name, options, ""))

    def _refuse(self, what: str, todo: str = "") -> NoReturn:
        error = UsageError(what, todo or f"For help, run {self.prog} --help.")
        error.usage = self.format_usage().rstrip()
        raise error

    @property
    def name(self) -> str:
        """The command without the program: ``nodes list``."""
        words = self.prog.removeprefix("kubectl ").split(maxsplit=1)
        return words[1] if len(words) > 1 else words[0]


class Formatter(argparse.HelpFormatter):
    """Wraps help to the terminal, but keeps the lines of a text that has lines, such as examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return "\n".join(indent + line for line in text.splitlines())
        return super()._fill_text(text, width, indent)


NEGATIVE = re.compile(r"-\d+|-\d*\.\d+")

ARGPARSE_ERRORS = (
    (re.compile(r"argument (?P<name>.+?): expected .*argument.*"), "{name} needs a value."),
    (
        re.compile(r"argument (?P<name>.+?): not allowed with argument (?P<other>.+)"),
        "{name} and {other} cannot be combined.",
    ),
    (
        re.compile(r"argument (?P<name>.+?): ignored explicit argument '(?P<value>.*)'"),
        "{name} takes no value ({value}).",
    ),
    (re.compile(r"argument (?P<name>.+?): (?P<rest>.+)"), "{name}: {rest}."),
    (re.compile(r"one of the arguments (?P<names>.+) is required"), "{command} needs one of {names}."),
)
"""The messages of argparse (Python 3.11 to 3.14), and the sentences for them."""

REQUIRED = re.compile(r"the following arguments are required: (?P<names>.+)")


def _reworded(message: str, parser: Parser) -> tuple[str, str]:
    """Returns a message of argparse as a sentence about the command, and what to do next."""
    found = REQUIRED.fullmatch(message)
    if found:
        commands = next((list(a.choices) for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)
        if commands is not None:
            return f"{parser.name} needs a command.", f"Commands: {_all(commands)}."
        return f"{parser.name} needs {found['names'].replace(', ', ' and ')}.", ""
    for pattern, sentence in ARGPARSE_ERRORS:
        found = pattern.fullmatch(message)
        if found:
            return sentence.format(command=parser.name, **found.groupdict()).replace("..", "."), ""
    return message, ""


def _meant(word: str, known: Iterable[str], otherwise: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1)
    return f"Did you mean {near[0]}?" if near else otherwise


def _all(words: Sequence[str]) -> str:
    return ", ".join(words)


# Types of arguments ---------------------------------------------------------------------------------------------------


def path(text: str) -> str:
    """Returns the path of a file or folder. Raises ArgumentTypeError if it is empty."""
    if not text:
        # Usually an unset shell variable. It must mean neither the current folder nor a missing option.
        raise argparse.ArgumentTypeError("the path is empty")
    return text


def duration(text: str) -> int:
    """Returns a duration, such as ``300`` or ``5m``, in seconds. Raises ArgumentTypeError for anything else."""
    from wizard.quantities import seconds_of

    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
