"""Shell completions, generated from the command-line parser as scripts that do not start Python."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Literal

from wizard.errors import ExitCode
from wizard.explanations import ids
from wizard.manifest import ADJUSTMENTS
from wizard.manifest.ownership import KINDS
from wizard.sandbox import SCENARIOS

Path = tuple[str, ...]

FILES = ("F", "FACTS", "FILE")
FOLDERS = ("DIR",)
"""The names in the help of arguments that are files and folders."""


@dataclass(frozen=True)
class Value:
    """The possible values at a place: fixed words, a file, a folder, or any text (``words`` with no word).

    The names of contexts and nodes are asked for when they are needed.
    """

    kind: Literal["words", "files", "folders", "contexts", "nodes"]
    words: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether there is anything to complete."""
        return self.kind != "words" or bool(self.words)


@dataclass(frozen=True)
class Option:
    """An option with its names, its help, and its value (None without one).

    With ``only_joined``, a value is accepted only after "=".
    """

    names: tuple[str, ...]
    help: str
    value: Value | None
    only_joined: bool


@dataclass(frozen=True)
class Command:
    """A command with its path, its subcommands and their help, its options, and its positional value."""

    path: Path
    commands: Mapping[str, str]
    options: tuple[Option, ...]
    value: Value | None


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Returns the completions of a parser for ``bash``, ``zsh``, or ``fish``."""
    commands = tuple(commands_of(parser))
    return _fish(commands) if shell == "fish" else _of_cases(commands, zsh=shell == "zsh")


def completion(arguments: argparse.Namespace) -> int:
    """Runs ``completion``."""
    from wizard.commands.parser import make_parser

    sys.stdout.write(script(make_parser(), arguments.shell))
    return ExitCode.DONE


# Possible values --------------------------------------------------------------------------------------------------


def commands_of(parser: argparse.ArgumentParser, path: Path = ()) -> Iterator[Command]:
    """Returns every command of a parser, itself first."""
    children: Mapping[str, argparse.ArgumentParser] = {}
    options: list[Option] = []
    value = None
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            children = action.choices
        elif action.help == argparse.SUPPRESS:
            continue
        elif action.option_strings:
            takes = None if action.nargs == 0 else _value(action, path)
            options.append(Option(tuple(action.option_strings), action.help or "", takes, action.nargs == "?"))
        else:
            value = _value(action, path)
    yield Command(path, {name: child.description or "" for name, child in children.items()}, tuple(options), value)
    for name, child in children.items():
        yield from commands_of(child, (*path, name))


def _value(action: argparse.Action, path: Path) -> Value:
    name = str(action.metavar)
    if "--context" in action.option_strings:
        return Value("contexts")
    if name == "NAME" and path[:1] == ("nodes",):
        return Value("nodes")
    if name in FILES or name in FOLDERS:
        return Value("files" if name in FILES else "folders")
    adjustments = tuple(adjustment.id for adjustment in ADJUSTMENTS)
    known = {
        "SCENARIO": tuple(SCENARIOS),
        "OBJECT": KINDS,
        "WHAT": KINDS,
        "ID": adjustments if action.dest == "without" else ids(),
        "ID=VALUE": tuple(f"{one}=" for one in adjustments),
    }
    return Value("words", tuple(map(str, action.choices or known.get(name, ()))))


# bash and zsh -----------------------------------------------------------------------------------------------------

BASH = """\
# Completions of podman-wizard for bash: source this file.
_podman_wizard_words() {{
  local IFS=$'\\n'
  COMPREPLY=($(compgen -P "$joined" -W "$*" -- "$word"))
  [[ ${{#COMPREPLY[@]}} -eq 1 && ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace 2>/dev/null
}}
_podman_wizard_paths() {{  # prefers the shell's own completion, which the bash of macOS does not have
  compopt -o "$1" 2>/dev/null && return
  local IFS=$'\\n'
  COMPREPLY=($(compgen "$2" -- "$word"))
}}
_podman_wizard_asked() {{  # names that only the kubeconfig or the cluster has
  local IFS=$' \t' typed=() current line="${{COMP_LINE:0:COMP_POINT}}"
  read -ra typed <<<"$line"
  [[ $line == *[[:space:]] ]] && typed+=("")
  current="${{typed[${{#typed[@]}}-1]}}"
  local IFS=$'\n'
  COMPREPLY=($(podman-wizard __complete "${{typed[@]:1}}" 2>/dev/null | command grep -v '^:' | cut -f 1))
  # bash completes only what is behind the last "=" or ":"
  COMPREPLY=("${{COMPREPLY[@]#"${{current%"${{current##*[:=]}}"}}"}}")
}}
_podman_wizard_files() {{ _podman_wizard_paths default -f; }}
_podman_wizard_folders() {{ _podman_wizard_paths dirnames -d; }}
_podman_wizard() {{
  local place="" word="${{COMP_WORDS[COMP_CWORD]}}" option="" joined="" behind="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$place ${{COMP_WORDS[i]}}" in
      *" =") ((i++)) ;;  # bash treats "=" as a separate word
      {paths}) place+=" ${{COMP_WORDS[i]}}" ;;
      {valued}) [[ ${{COMP_WORDS[i+1]}} == "=" ]] || ((i++)) ;;  # the next word is its value, not a command
    esac
  done
  i=$COMP_CWORD
  while [[ ${{COMP_WORDS[i]}} == ":" || ${{COMP_WORDS[i-1]}} == ":" ]]; do ((i--)); done  # bash splits at ":" too
  option="${{COMP_WORDS[i-1]}}"
  if [[ $word == "=" ]]; then behind=yes word=""
  elif [[ $option == "=" ]]; then behind=yes option="${{COMP_WORDS[i-2]}}"
  elif [[ $word == --*=* ]]; then behind=yes option="${{word%%=*}}" joined="${{word%%=*}}=" word="${{word#*=}}"
  fi
{cases}
}}
complete -F _podman_wizard podman-wizard kubectl-podman_wizard
"""

ZSH = """\
#compdef podman-wizard kubectl-podman_wizard
# Completions of podman-wizard for zsh: source this file, or save it as _podman-wizard in a folder of fpath.
_podman_wizard_words() {{
  if [[ $1 == *= ]]; then compadd -S '' -- "$@"
  else
    local -a offers=("$@")
    _describe 'podman-wizard' offers
  fi
}}
_podman_wizard_asked() {{  # names that only the kubeconfig or the cluster has
  local -a offers=(${{(f)"$(podman-wizard __complete "${{(@Q)words[2,CURRENT-1]}}" "$word" 2>/dev/null |
    command grep -v '^:' | cut -f 1)"}})
  [[ -n $behind ]] && offers=(${{offers#*=}})
  compadd -- $offers
}}
_podman_wizard_files() {{ _files }}
_podman_wizard_folders() {{ _files -/ }}
_podman_wizard() {{
  local place="" word="$PREFIX" option="${{words[CURRENT-1]}}" behind="" i
  for ((i = 2; i < CURRENT; i++)); do
    case "$place ${{words[i]}}" in
      {paths}) place+=" ${{words[i]}}" ;;
      {valued}) ((i++)) ;;  # the next word is its value, not a command
    esac
  done
  if [[ $word == --*=* ]]; then behind=yes option="${{word%%=*}}"; compset -P '*='; fi
{cases}
}}
if (( ! $+functions[compdef] )); then autoload -Uz compinit && compinit; fi
if [[ ${{funcstack[1]}} == _podman-wizard ]]; then _podman_wizard "$@"
else compdef _podman_wizard podman-wizard kubectl-podman_wizard; fi
"""


def _of_cases(commands: Sequence[Command], *, zsh: bool) -> str:
    def offers(words: Mapping[str, str]) -> str:
        if not zsh:
            return " ".join(["_podman_wizard_words", *map(quote, words)])
        return " ".join(
            ["_podman_wizard_words", *(quote(f"{word}:{text}" if text else word) for word, text in words.items())]
        )

    def offer(value: Value) -> str:
        if value.kind == "words":
            return offers(dict.fromkeys(value.words, ""))
        return f"_podman_wizard_{'asked' if value.kind in ('contexts', 'nodes') else value.kind}"

    behind_a_word: list[str] = []
    behind_equals: list[str] = []
    bare: list[str] = []
    valued: list[str] = []
    for command in commands:
        place = "".join(f" {name}" for name in command.path)
        for option in command.options:
            if option.value is None:
                continue
            names = "|".join(quote(f"{place} {name}") for name in option.names)
            line = f"    {names}) {offer(option.value) if option.value.is_known else ':'}; return ;;"
            behind_equals.append(line)
            if not option.only_joined:
                behind_a_word.append(line)
                valued.append(names)
        options = {name: option.help for option in command.options for name in option.names if name.startswith("--")}
        first = ""
        if command.commands:
            first = offers(command.commands)
        elif command.value is not None and command.value.is_known:
            first = offer(command.value)
        if first:
            bare.append(f"    {quote(place)}) if [[ $word == -* ]]; then {offers(options)}; else {first}; fi ;;")
        else:
            bare.append(f"    {quote(place)}) {offers(options)} ;;")
    cases = [
        '  if [[ -n $behind ]]; then case "$place $option" in',
        *behind_equals,
        "  esac; return; fi",
        '  case "$place $option" in',
        *behind_a_word,
        "  esac",
        '  case "$place" in',
        *bare,
        "  esac",
    ]
    return (ZSH if zsh else BASH).format(
        paths="|".join(quote("".join(f" {name}" for name in command.path)) for command in commands if command.path),
        valued="|".join(valued),
        cases="\n".join(cases),
    )


# fish -------------------------------------------------------------------------------------------------------------

FISH = """\
# Completions of podman-wizard for fish: source this file.
function __podman_wizard_at
    set -l place
    set -l is_value
    for word in (commandline -opc)[2..]
        set -l here (string join -- " " $place $word)
        if test -n "$is_value"
            set is_value
        else if contains -- $here {paths}
            set -a place $word
        else if contains -- $here {valued}
            set is_value yes
        end
    end
    test "$place" = "$argv"
end
complete -c podman-wizard -e
complete -c podman-wizard -f
"""


def _fish(commands: Sequence[Command]) -> str:
    paths = " ".join(_fish_quote(" ".join(command.path)) for command in commands if command.path)
    valued = " ".join(
        _fish_quote(" ".join((*command.path, name)))
        for command in commands
        for option in command.options
        if option.value is not None and not option.only_joined
        for name in option.names
    )
    lines = [FISH.format(paths=paths, valued=valued)]
    for command in commands:
        at = f"complete -c podman-wizard -n {_fish_quote(' '.join(['__podman_wizard_at', *command.path]))}"
        lines += [f"{at} -a {name} -d {_fish_quote(text)}\n" for name, text in command.commands.items()]
        if command.value is not None and command.value.is_known:
            lines.append(f"{at}{_fish_value(command.value)}\n")
        for option in command.options:
            names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
            takes = ""
            if option.value is not None:
                takes = _fish_value(option.value) + ("" if option.only_joined else " -r")
            lines.append(f"{at} {' '.join(names)}{takes} -d {_fish_quote(option.help)}\n")
    return "".join(lines)


FISH_ASKS = (
    "(podman-wizard __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null"
    " | string match -v ':*' | string replace -r '^--[a-z-]+=' '')"
)


def _fish_value(value: Value) -> str:
    if value.kind in ("contexts", "nodes"):
        return f" -f -a {_fish_quote(FISH_ASKS)}"
    if value.kind == "words":
        return f" -f -a {_fish_quote(' '.join(value.words))}" if value.words else " -f"
    return " -F" if value.kind == "files" else " -f -a '(__fish_complete_directories)'"


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
