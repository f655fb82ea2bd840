"""Completions for shells, made from the parser of the command line: a script of words, no start of Python a key."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from wizard.explanations import ids
from wizard.sandbox import SCENARIOS

Path = tuple[str, ...]


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completions of a parser for ``bash``, ``zsh`` or ``fish``."""
    return _fish(parser) if shell == "fish" else _bash(parser, zsh=shell == "zsh")


def _commands(parser: argparse.ArgumentParser, path: Path = ()) -> Iterator[tuple[Path, argparse.ArgumentParser]]:
    yield path, parser
    for name, child in _children(parser).items():
        yield from _commands(child, (*path, name))


def _children(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices
    return {}


def _values(action: argparse.Action) -> tuple[str, ...] | None:
    """What an argument can be; empty where that is any file or any text, None where it takes nothing."""
    if isinstance(action, argparse._SubParsersAction) or action.nargs == 0:
        return None
    known = {"SCENARIO": tuple(SCENARIOS), "ID": ids()}
    return tuple(action.choices or known.get(str(action.metavar), ()))


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """What can stand next: commands, options, and the values of arguments that have no option."""
    words = list(_children(parser))
    for action in parser._actions:
        if action.dest == "sandbox":
            words += ["--sandbox", *(f"--sandbox={name}" for name in SCENARIOS)]
        else:
            words += action.option_strings or _values(action) or ()
    return words


def _valued(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.Action, tuple[str, ...]]]:
    for action in parser._actions:
        values = _values(action)
        if action.option_strings and action.nargs != "?" and values is not None:
            yield action, values


BASH = """\
# Completions of podman-wizard for {shell}: source this file.
{head}_podman_wizard() {{
  local place="" previous="${{COMP_WORDS[COMP_CWORD-1]}}" word="${{COMP_WORDS[COMP_CWORD]}}" offers="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$place ${{COMP_WORDS[i]}}" in
      {paths}) place+=" ${{COMP_WORDS[i]}}" ;;
      {valued}) ((i++)) ;;  # what follows is its value, even where it reads like a command
    esac
  done
  COMPREPLY=()
  # bash takes the "=" for a word of its own
  if [[ $word == "=" ]]; then previous="=" word=""; fi
  if [[ $previous == "=" ]]; then
    COMPREPLY=($(compgen -W "{scenarios}" -- "$word"))
    return
  fi
  case "$place $previous" in
{options}
  esac
  case "$place" in
{commands}
  esac
  COMPREPLY=($(compgen -W "$offers" -- "$word"))
}}
complete -o default -F _podman_wizard podman-wizard kubectl-podman_wizard
"""


def _bash(parser: argparse.ArgumentParser, *, zsh: bool) -> str:
    paths = [" " + " ".join(path) for path, _ in _commands(parser) if path]
    options, commands, valued = [], [], []
    for path, command in _commands(parser):
        prefix = "".join(f" {name}" for name in path)
        for action, values in _valued(command):
            patterns = "|".join(f'"{prefix} {option}"' for option in action.option_strings)
            valued.append(patterns)
            reply = f'COMPREPLY=($(compgen -W "{" ".join(values)}" -- "$word"))' if values else ":"
            options.append(f"    {patterns}) {reply}; return ;;")
        commands.append(f'    "{prefix}") offers="{" ".join(_words(command))}" ;;')
    return BASH.format(
        shell="zsh" if zsh else "bash",
        head="autoload -U +X bashcompinit && bashcompinit\n" if zsh else "",
        paths="|".join(f'"{path}"' for path in paths),
        valued="|".join(valued),
        scenarios=" ".join(SCENARIOS),
        options="\n".join(options),
        commands="\n".join(commands),
    )


FISH = """\
# Completions of podman-wizard for fish: source this file.
function __podman_wizard_at
    set -l place
    for word in (commandline -opc)[2..]
        if contains -- (string join " " $place $word) {paths}
            set -a place $word
        end
    end
    test "$place" = "$argv"
end
complete -c podman-wizard -e
"""


def _fish(parser: argparse.ArgumentParser) -> str:
    paths = " ".join(_fish_quote(" ".join(path)) for path, _ in _commands(parser) if path)
    lines = [FISH.format(paths=paths)]
    for path, command in _commands(parser):
        at = f"complete -c podman-wizard -n {_fish_quote(' '.join(['__podman_wizard_at', *path]))}"
        for name, child in _children(command).items():
            lines.append(f"{at} -f -a {name} -d {_fish_quote(child.description or '')}\n")
        for action in command._actions:
            values = _values(action)
            if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
                continue
            names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in action.option_strings]
            takes = "" if values is None else f" -a {_fish_quote(' '.join(values))}" if values else ""
            needs = " -r" if values is not None and action.option_strings and action.nargs != "?" else ""
            if names or values:
                text = _fish_quote(action.help or "")
                lines.append(f"{at} {' '.join(names)}{needs}{takes} -d {text}\n")
    return "".join(lines)


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
