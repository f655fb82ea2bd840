"""Completions that need more than the command line: for kubectl, and the names of contexts and nodes for the shells.

kubectl runs ``kubectl_complete-podman_wizard WORD...`` for ``kubectl podman-wizard``. It reads what cobra prints: one
candidate a line, with its description behind a tab, and at the end what else the shell may complete.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from wizard.commands.arguments import Parser
from wizard.commands.completion import Command, Value, commands_of

NO_FILES, FILES, FOLDERS = ":4", ":0", ":16"
"""Cobra's directives: complete nothing else, files, only folders."""

NODES_SECONDS = 3.0
"""How long the cluster may take to list its nodes while someone waits for a completion."""


def complete(words: Sequence[str]) -> int:
    """Prints the candidates for the last of ``words``, which can be empty; never fails, because a shell is waiting."""
    from wizard.commands.parser import make_parser

    lines: list[str] = []
    directive = NO_FILES
    for line in _candidates(make_parser(), words):
        if line in (NO_FILES, FILES, FOLDERS):
            directive = line
        else:
            lines.append(line)
    sys.stdout.write("\n".join([*lines, directive]) + "\n")
    return 0


def _candidates(parser: Parser, words: Sequence[str]) -> Iterator[str]:
    typed, word = words[:-1], words[-1] if words else ""
    known = {command.path: command for command in commands_of(parser)}
    command, before = _command_of(known, typed)
    takes = {name: option.value for option in command.options for name in option.names if option.value is not None}
    joined = [option.names for option in command.options if option.only_joined]
    name, equals, start = word.partition("=")
    if equals and name in takes:
        yield from (
            f"{name}={one}" if not one.startswith(":") else one for one in _values(takes[name], start, command, words)
        )
    elif before in takes and not any(before in names for names in joined):
        yield from _values(takes[before], word, command, words)
    elif word.startswith("-"):
        options = {one: option.help for option in command.options for one in option.names if one.startswith("--")}
        yield from _starting(options.items(), word)
    elif command.commands:
        yield from _starting(command.commands.items(), word)
    elif command.value is not None:
        yield from _values(command.value, word, command, words)


def _command_of(known: dict[tuple[str, ...], Command], typed: Sequence[str]) -> tuple[Command, str]:
    """Returns the command that was typed, and the word before the one to complete."""
    path: tuple[str, ...] = ()
    before = ""
    for word in typed:
        valued = {n for o in known[path].options if o.value is not None and not o.only_joined for n in o.names}
        if before not in valued and (*path, word) in known:
            path = (*path, word)
        before = word
    return known[path], before


def _starting(offers: Iterable[tuple[str, str]], start: str) -> Iterator[str]:
    for name, text in offers:
        if name.startswith(start):
            yield f"{name}\t{text}" if text else name


def _values(value: Value | None, start: str, command: Command, words: Sequence[str]) -> Iterator[str]:
    if value is None:
        return
    match value.kind:
        case "files":
            yield FILES
        case "folders":
            yield FOLDERS
        case "contexts":
            yield from _starting(((name, "") for name in _contexts(words)), start)
        case "nodes":
            yield from _starting(((name, "") for name in _nodes(words, labelled=command.path[-1] == "unlabel")), start)
        case "words":
            yield from _starting(((word, "") for word in value.words), start)


def _option(words: Sequence[str], name: str) -> str | None:
    """Returns the value of an option among the typed words."""
    for number, word in enumerate(words):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and number + 1 < len(words):
            return words[number + 1]
    return None


def _contexts(words: Sequence[str]) -> list[str]:
    from wizard.cluster.kubeconfig import contexts
    from wizard.errors import WizardError

    try:
        return [one.name for one in contexts(_option(words, "--kubeconfig"))]
    except WizardError:
        return []


def _nodes(words: Sequence[str], *, labelled: bool) -> list[str]:
    """Returns the names of the nodes; none if the cluster does not answer in time."""
    import asyncio

    from wizard.choices.target import Target
    from wizard.commands.running import connected
    from wizard.errors import WizardError

    sandbox = "mixed" if "--sandbox" in words else _option([one for one in words if "=" in one], "--sandbox")
    target = Target(_option(words, "--kubeconfig"), _option(words, "--context"), sandbox)

    async def read() -> list[str]:
        async with connected(target) as engine:
            facts = await engine.read_nodes()
        return [node.name for node in facts.nodes or () if node.labelled or not labelled]

    async def in_time() -> list[str]:
        async with asyncio.timeout(NODES_SECONDS):
            return await read()

    try:
        return asyncio.run(in_time())
    except (WizardError, OSError):
        return []
