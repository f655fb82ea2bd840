"""The reference of all commands, made from their parsers: as Markdown, and as a manual page."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wizard import __version__
from wizard.commands.arguments import Parser
from wizard.commands.examples import EXAMPLES

PROGRAM = "podman-wizard"

EXIT_CODES = (
    ("0", "Done. For --check: nothing to change."),
    (
        "1",
        "Blockers or problems were found, --check would change something, an acknowledgment is missing, the rollout "
        "did not finish, or an undo left something.",
    ),
    ("2", "The command line is wrong."),
    ("3", "The cluster or Coder cannot be reached, rejects the credentials, or rejected a request."),
    ("4", "An input file is missing or not valid, or cannot be edited safely."),
    ("5", "A decision is needed: a field of another manager, a conflict, a disruption, or a file that changed."),
    ("129", "The terminal is gone."),
    ("130", "Interrupted. After SIGTERM it is 143."),
)

ENVIRONMENT = (
    ("KUBECONFIG", "Paths of kubeconfig files, as for kubectl."),
    ("HTTPS_PROXY, NO_PROXY", "Proxies, as for kubectl; SOCKS5 too."),
    ("CODER_URL, CODER_TOKEN, CODER_SESSION_TOKEN", "The Coder deployment, and its session token (v1, v2)."),
    ("NO_COLOR", "If it is set, no colors are used."),
)


@dataclass(frozen=True)
class Argument:
    """An option or a positional argument: how it is written, and what it is for."""

    written: str
    help: str


@dataclass(frozen=True)
class Command:
    """A command: how it is called, what it does, and its arguments, without the options that all commands have."""

    name: str
    usage: str
    description: str
    arguments: tuple[Argument, ...]
    examples: tuple[str, ...]


def commands(parser: Parser) -> Iterator[Command]:
    """Returns all commands that do something, in the order of the help."""
    children = [one for action in parser._actions if _is_group(action) for one in _children(action)]
    name = parser.name
    if not children or name == PROGRAM:
        cluster = {"--help", "--kubeconfig", "--context", "--sandbox"} if name != PROGRAM else {"--help"}
        own = [one for one in parser._actions if not _is_group(one) and not cluster & set(one.option_strings)]
        positional = [_positional(one) for one in own if not one.option_strings]
        words = PROGRAM if name == PROGRAM else f"{PROGRAM} {name}"
        usage = " ".join([words, *(["[OPTION ...]"] if len(positional) < len(own) else []), *positional])
        arguments = tuple(Argument(_written(one), " ".join((one.help or "").split())) for one in own)
        yield Command(name, usage, _sentence(parser.description or ""), arguments, tuple(EXAMPLES.get(name, ())))
    for child in children:
        yield from commands(child)


def _children(action: argparse.Action) -> list[Parser]:
    return list(action.choices.values()) if isinstance(action.choices, dict) else []


def _is_group(action: argparse.Action) -> bool:
    return isinstance(action, argparse._SubParsersAction)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _positional(action: argparse.Action) -> str:
    name = str(action.metavar or "|".join(map(str, action.choices or ())) or action.dest)
    return {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} ..."}.get(str(action.nargs), name)


def _written(action: argparse.Action) -> str:
    if not action.option_strings:
        return _positional(action)
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    value = str(action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper())
    return f"{names}[={value}]" if action.nargs == "?" else f"{names} {value}"


def markdown(parser: Parser) -> str:
    """Returns the reference as Markdown."""
    lines = [
        "# Commands",
        "",
        "This page is made from the command line itself: `podman-wizard help -o markdown`. Every command has `--help`.",
        "The options of the cluster, `--kubeconfig F`, `--context C`, and `--sandbox[=SCENARIO]`, stand before or",
        "after the command.",
    ]
    for command in commands(parser):
        lines += ["", f"## {command.name}", "", _escaped(command.description), "", "```", command.usage, "```"]
        if command.arguments:
            lines += ["", "| Argument | Meaning |", "|---|---|"]
            lines += [f"| `{_cell(one.written)}` | {_cell(_escaped(one.help))} |" for one in command.arguments]
        if command.examples:
            lines += ["", "```console", *(f"$ {PROGRAM} {one}" for one in command.examples), "```"]
    lines += ["", "## Exit codes", "", "| Code | Meaning |", "|---|---|", *_table(EXIT_CODES)]
    lines += ["", "## Environment", "", "| Variable | Meaning |", "|---|---|", *_table(ENVIRONMENT)]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"| {name} | {_escaped(text)} |" for name, text in rows]


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", r"\*")


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def man(parser: Parser) -> str:
    """Returns the reference as a manual page (section 1)."""
    lines = [
        f'.TH PODMAN-WIZARD 1 "" "podman-wizard {__version__}" "User Commands"',
        ".SH NAME",
        r"podman\-wizard \- rootless Podman in Coder workspaces on Kubernetes",
        ".SH SYNOPSIS",
        r".B podman\-wizard",
        r"[\fIOPTION\fR ...] [\fICOMMAND\fR ...]",
    ]
    for number, command in enumerate(commands(parser)):
        if number == 0:
            lines += [".SH DESCRIPTION", _roff(command.description), ".SH OPTIONS", *_arguments(command)]
            lines += [".SH COMMANDS"]
            continue
        lines += [f".SS {_roff(command.name)}", ".nf", f".B {_roff(command.usage)}", ".fi", _roff(command.description)]
        lines += [*_arguments(command), *_examples(command)]
    for title, rows in (("EXIT STATUS", EXIT_CODES), ("ENVIRONMENT", ENVIRONMENT)):
        lines += [f".SH {title}", *(line for name, text in rows for line in (".TP", f".B {_roff(name)}", _roff(text)))]
    return "\n".join(lines) + "\n"


def _arguments(command: Command) -> list[str]:
    return [line for one in command.arguments for line in (".TP", f".B {_roff(one.written)}", _roff(one.help))]


def _examples(command: Command) -> list[str]:
    if not command.examples:
        return []
    return [".PP", ".RS", ".nf", *(_roff(f"{PROGRAM} {one}") for one in command.examples), ".fi", ".RE"]


def _roff(text: str) -> str:
    """Returns a text without what groff reads as a request or an escape."""
    safe = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{safe}" if safe.startswith((".", "'")) else safe
