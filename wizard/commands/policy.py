"""The commands of ``policy``; those that set one value are in ``setting``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from wizard.errors import ConflictError, ExitCode, InputError, UsageError, WizardError
from wizard.policy.words import ON_CONFLICT, PRESETS, WORDS
from wizard.text.counting import counted
from wizard.text.escaping import printable

TYPE_CHECKING = False  # the command that runs imports the rest, because every command builds this parser
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from wizard.files import Snapshot
    from wizard.policy.document import PolicyDocument
    from wizard.policy.findings import Problem
    from wizard.policy.merge import Conflict, MergeResult


def add_parser(
    subparsers: argparse._SubParsersAction[Any], parents: list[argparse.ArgumentParser]
) -> argparse._SubParsersAction[Any]:
    """Adds ``policy`` and its commands; each sets ``run``, which takes the arguments and returns the exit code.

    Returns the commands, so that other modules can add theirs.
    """
    policy = subparsers.add_parser("policy", parents=parents, help="Create, edit, check, or upload a template policy")
    commands: argparse._SubParsersAction[Any] = policy.add_subparsers(
        dest="policy_command", metavar="COMMAND", required=True
    )
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("-o", "--output", choices=("text", "json"), default="text", help="format of stdout")

    merge = commands.add_parser(
        "merge",
        parents=[*parents, output],
        help="Add what Podman needs to a policy, and change nothing else",
        description="Adds the FUSE device to the resource requests and limits of a policy. Everything else "
        "stays the same, byte for byte; if that is not possible, nothing is written. The merged policy is printed "
        "to stdout unless you use --to or --in-place.",
    )
    merge.add_argument(
        "file", metavar="FILE", nargs="+", help="policy file, or - for stdin; several with --check or --in-place"
    )
    target = merge.add_mutually_exclusive_group()
    target.add_argument("--to", metavar="FILE", help="write the merged policy to this file; - for stdout")
    target.add_argument("--in-place", action="store_true", help="write it to the file itself, with a backup")
    merge.add_argument("--diff", action="store_true", help="show the diff instead of the merged policy")
    merge.add_argument("--check", action="store_true", help="write nothing; exit 1 if the merge would change something")
    merge.add_argument("--dry-run", action="store_true", help="write nothing; show what would be written")
    merge.add_argument(
        "--mode", choices=WORDS, help="field policy for both fields (default: the existing one, or write)"
    )
    merge.add_argument(
        "--devices", metavar="N", type=_devices, default=1, help="FUSE devices that a workspace requests (default: 1)"
    )
    merge.add_argument(
        "--on-conflict",
        choices=ON_CONFLICT,
        help="what to do with a different number of devices (default: keep), and with 0 devices, a misspelled name, "
        "or another device plugin's name (default: fail)",
    )
    merge.add_argument(
        "--unshare",
        action="store_true",
        help="first copy a field that an anchor or alias shares with another one",
    )
    merge.set_defaults(run=run_merge)

    text = "Print a new policy to stdout"
    new = commands.add_parser("new", parents=[*parents, output], help=text, description=text)
    new.add_argument(
        "--preset", choices=PRESETS, default="podman", help="only what Podman needs, or the guide's complete example"
    )
    new.set_defaults(run=run_new)

    text = "List the problems of a policy"
    checks = commands.add_parser("check", parents=parents, help=text, description=text)
    checks.add_argument("file", metavar="FILE", nargs="+", help="policy file, or - for stdin")
    text = "output format; github annotates the lines of a pull request in GitHub Actions"
    checks.add_argument("-o", "--output", choices=("text", "json", "github"), default="text", help=text)
    checks.add_argument("--strict", action="store_true", help="treat warnings as problems")
    checks.set_defaults(run=run_check)
    _add_setting(commands, [*parents, output])
    return commands


def _add_setting(commands: argparse._SubParsersAction[Any], parents: list[argparse.ArgumentParser]) -> None:
    path = "such as workspace.specs.kubernetes.tolerations[key=gpu].effect; [0] is the first item, env[A] a variable"
    for name, what in (("set", "Set one value, or one item of a list"), ("unset", "Remove one value or item")):
        made = commands.add_parser(
            name,
            parents=parents,
            help=f"{what}, and change nothing else",
            description="Everything else stays the same, byte for byte; if that is not possible, nothing is written. "
            "The new policy is printed to stdout unless you use --in-place.",
        )
        made.add_argument("file", metavar="FILE", help="policy file, or - for stdin")
        made.add_argument("path", metavar="PATH", help=path)
        made.add_argument("--in-place", action="store_true", help="write to the file itself, with a backup")
        made.add_argument("--diff", action="store_true", help="show the diff instead of the new policy")
        made.add_argument("--dry-run", action="store_true", help="write nothing; show what would be written")
        made.add_argument(
            "--unshare", action="store_true", help="first copy what an anchor or alias shares with another place"
        )
        if name == "set":
            made.add_argument("value", metavar="VALUE", help="the new value as YAML 1.2: 4, true, '{key: a}'")
            made.add_argument(
                "--type", choices=("yaml", "string"), default="yaml", help="how to read VALUE (default: yaml)"
            )
        made.set_defaults(run=_later("run_set" if name == "set" else "run_unset"))
    text = "Show what users can change under a policy"
    effect = commands.add_parser("effect", parents=parents, help=text, description=text)
    effect.add_argument("file", metavar="FILE", help="policy file, or - for stdin")
    effect.set_defaults(run=_later("run_effect"))


def _later(name: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        from wizard.commands import policy_set

        return int(getattr(policy_set, name)(arguments))

    return run


def _devices(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 1000:
        raise argparse.ArgumentTypeError(f"{printable(text)} is not a whole number from 1 to 1000")
    return int(text)


def run_merge(arguments: argparse.Namespace) -> int:
    """Runs ``policy merge``; with ``--check``, the exit code is 1 if the merge would change something."""
    files: list[str] = arguments.file
    if arguments.in_place and "-" in files:
        raise UsageError("--in-place needs a file, but - is stdin.", "Remove --in-place, or use --to.")
    if len(files) > 1 and (arguments.output == "json" or not (arguments.check or arguments.in_place)):
        raise UsageError(
            "Several files need --check or --in-place, and text output.",
            "Add one of them, or merge one file at a time.",
        )
    if arguments.to is not None:
        arguments.to = _target_file(arguments.to)
    results, refused = _merged(arguments)
    undecided = [printable(result.before.name) for result, _ in results if result.undecided]
    error = refused[-1] if refused else _undecided(undecided) if undecided else None
    writes = not (error or arguments.check or arguments.dry_run)
    if refused and arguments.output == "json":
        nothing = {"changed": False, "changes": [], "conflicts": [], "warnings": [], "proof": "", "text": ""}
        put_json("policy-merge", {**nothing, "refused": refused_as_json(refused)}, error)
    # a file that is refused leaves all of them unchanged
    code = max((_finish(result, snapshot, arguments, writes, error) for result, snapshot in results), default=0)
    for one in refused[:-1]:
        say(printable(str(one), lines=True))
    if error is not None:
        raise error
    return code


def _merged(arguments: argparse.Namespace) -> tuple[list[tuple[MergeResult, Snapshot | None]], list[InputError]]:
    """Merges all files before the first is written; returns the merges, and the files that cannot be merged."""
    from wizard.policy.merge import merge_podman

    results: list[tuple[MergeResult, Snapshot | None]] = []
    refused: list[InputError] = []
    for name in _each_once(arguments.file):
        try:
            document, snapshot = read_policy(name)
            if document.is_empty:
                what = "contains only comments" if document.tree.comments else "is empty"
                say(f"{printable(document.name)}: {what}, so the guide's short policy is added.")
            result = merge_podman(
                document, arguments.mode, arguments.devices, arguments.on_conflict, unshare=arguments.unshare
            )
            results.append((result, snapshot))
        except InputError as error:
            refused.append(error)
    return results, refused


def _undecided(names: list[str]) -> ConflictError:
    return ConflictError(
        f"{', '.join(names)} {'have' if len(names) > 1 else 'has'} a conflict. Nothing was written.",
        "Use --on-conflict replace to correct it, or --on-conflict keep to leave it; --devices sets the number.",
    )


def _target_file(name: str) -> Path | None:
    """Returns the file to write to; None for stdout, which also has other names."""
    if name in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        return None
    path = Path(name)
    if name in ("/dev/stdin", "/dev/stderr") or str(path.parent) == "/dev/fd" or re.match(r"/proc/[^/]+/fd/", name):
        raise UsageError(
            f"{printable(name)} is an open file of this command.", "Use the path of a file, or - for stdout."
        )
    return path


def _each_once(files: list[str]) -> list[str]:
    """Returns the files without those that are another name for an earlier one."""
    first: dict[str, str] = {}
    for name in files:
        place = os.path.realpath(name)
        if place in first:
            say(f"{printable(name)}: skipped, because it is the same file as {printable(first[place])}.")
        first.setdefault(place, name)
    return list(first.values())


def _finish(
    result: MergeResult,
    snapshot: Snapshot | None,
    arguments: argparse.Namespace,
    writes: bool,
    error: WizardError | None,
) -> int:
    name = result.before.name
    for problem in result.warnings:
        say(f"{place_of(name, problem.line, problem.column)}: warning: {problem.message} {problem.hint}")
    for conflict in result.conflicts:
        what = "not decided" if result.undecided else "kept" if conflict.kept else "replaced"
        say(f"{place_of(name, conflict.line)}: conflict: {conflict_in_words(conflict)}: {what}.")
    target = _target(result, arguments)
    if writes and target is not None:
        write_policy(target, result.document, snapshot)
    if not (isinstance(error, InputError) and arguments.output == "json"):
        _show(result, arguments, error, to_stdout=target is None and error is None)
    if result.changed:
        say(f"{printable(name)}: {'' if writes else 'would be '}merged: {result.proof}.")
        _say_effect(result, arguments.mode)
    elif not result.undecided:
        say(f"{printable(name)}: nothing to change.")
    return ExitCode.PROBLEMS if arguments.check and result.changed else ExitCode.DONE


def _say_effect(result: MergeResult, mode: str | None) -> None:
    """Prints whether workspaces can drop FUSE, and what a chosen field policy takes from users."""
    from wizard.policy.checks import podman_problems

    takes = {
        "read": "With read, workspaces cannot set these two fields: a resource that they request now is rejected.",
        "append": "With append, workspaces can add other resources to these two fields, and cannot remove FUSE.",
    }
    if mode in takes:
        say(takes[mode])
    elif any(problem.id == "write-with-value" for problem in podman_problems(result.document)):
        say("With write, a workspace can replace the fields and lose FUSE. To prevent it, add --mode append.")


def conflict_in_words(conflict: Conflict) -> str:
    """Returns what was found in place of what is wanted, for the middle of a sentence."""
    from wizard.policy.document import show_path

    if conflict.kind == "name":
        return f"{show_path(conflict.path)} is not {conflict.wanted}"
    return f"{show_path(conflict.path)} is {conflict.shown}, not {conflict.wanted}"


def _target(result: MergeResult, arguments: argparse.Namespace) -> Path | None:
    return Path(result.before.name) if arguments.in_place else arguments.to


def write_policy(path: Path, document: PolicyDocument, snapshot: Snapshot | None) -> None:
    """Writes a policy; the file that it was read from only if that has not changed in the meantime."""
    from wizard.editing.saving import save

    for line in save(path, document.content, snapshot).in_words():
        say(line)


def _show(result: MergeResult, arguments: argparse.Namespace, error: WizardError | None, *, to_stdout: bool) -> None:
    if arguments.output == "json":
        put_json("policy-merge", merge_as_json(result), error)
    elif arguments.diff:
        put(result.diff().encode())
    elif to_stdout and not arguments.check:
        put(result.document.content)


def merge_as_json(result: MergeResult) -> dict[str, Any]:
    """Returns the merge as the command's JSON document."""
    from wizard.policy.document import show_path

    return {
        "changed": result.changed,
        "changes": [
            {
                "path": show_path(change.path),
                "action": change.action,
                "before": change.before,
                "after": change.after,
                "line": change.line,
            }
            for change in result.changes
        ],
        "conflicts": [
            {
                "path": show_path(conflict.path),
                "found": conflict.found,
                "wanted": conflict.wanted,
                "line": conflict.line,
                "kept": conflict.kept,
                "kind": conflict.kind,
            }
            for conflict in result.conflicts
        ],
        "refused": [],
        "warnings": [problem_as_json(result.before.name, problem) for problem in result.warnings],
        "proof": str(result.proof),
        "text": result.document.content.decode(),
    }


def run_new(arguments: argparse.Namespace) -> int:
    """Runs ``policy new``."""
    from wizard.policy.presets import new_policy

    content = new_policy(arguments.preset)
    if arguments.output == "json":
        put_json("policy-new", {"preset": arguments.preset, "text": content.decode()})
    else:
        put(content)
    return ExitCode.DONE


def run_check(arguments: argparse.Namespace) -> int:
    """Runs ``policy check``; problems, and with ``--strict`` also warnings, result in exit code 1.

    A file that cannot be read or is not a policy is reported, and the others are still checked.
    """
    from wizard.policy.checks import check
    from wizard.printing.annotations import refusal_annotation

    listed: list[dict[str, Any]] = []
    refused: list[InputError] = []
    for name in _each_once(arguments.file):
        try:
            document, _ = read_policy(name)
        except InputError as error:
            refused.append(error)
            continue
        for problem in check(document):
            listed.append(problem_as_json(document.name, problem))
            severity = "problem" if arguments.strict else problem.severity
            if arguments.output != "json":
                put(_problem_lines(document.name, problem, severity, arguments.output).encode())
    bad = bool(refused) or any(arguments.strict or problem["severity"] == "problem" for problem in listed)
    if arguments.output == "github":
        put("".join(f"{refusal_annotation(error)}\n" for error in refused).encode())
    elif arguments.output == "json":
        content = {"passed": not bad, "problems": listed, "refused": refused_as_json(refused)}
        put_json("policy-check", content, refused[-1] if refused else None)
    problems = sum(problem["severity"] == "problem" for problem in listed)
    warnings = counted(len(listed) - problems, "warning")
    for one in refused[:-1]:
        say(printable(str(one), lines=True))
    checked = len(arguments.file) - len(refused)
    if checked:
        say(f"{counted(checked, 'file')}: {counted(problems, 'problem')}, {warnings}.")
    if len(arguments.file) > 1 and refused:
        say(f"{counted(len(refused), 'file')} could not be checked.")
    if refused:
        raise refused[-1]
    return ExitCode.PROBLEMS if bad else ExitCode.DONE


def _problem_lines(name: str, problem: Problem, severity: str, output: str) -> str:
    """Returns a problem as compilers print it, which editors and CI systems parse, or for GitHub Actions."""
    if output == "github":
        from wizard.printing.annotations import annotation

        text = f"{problem.message} {problem.hint}"
        return f"{annotation(severity, problem.id, text, name, problem.line, problem.column)}\n"
    hint = f"    {problem.hint}\n" if problem.hint else ""
    return f"{place_of(name, problem.line, problem.column)}: {severity}: {problem.message} [{problem.id}]\n{hint}"


def refused_as_json(refused: list[InputError]) -> list[dict[str, Any]]:
    """Returns the files that were refused as the commands print them."""
    return [{**error.to_json(), "file": error.file, "line": error.line, "column": error.column} for error in refused]


def problem_as_json(name: str, problem: Problem) -> dict[str, Any]:
    """Returns a problem as the commands print it."""
    from wizard.policy.document import show_path

    return {
        "file": name,
        "line": problem.line,
        "column": problem.column,
        "severity": problem.severity,
        "id": problem.id,
        "path": show_path(problem.path),
        "message": problem.message,
        "hint": problem.hint,
    }


def place_of(name: str, line: int, column: int = 0) -> str:
    """Returns ``file:line:column`` for a message, without the parts that are unknown."""
    return ":".join([printable(name), *(str(number) for number in (line, column) if number)])


def read_policy(name: str) -> tuple[PolicyDocument, Snapshot | None]:
    """Reads the policy of a file and its content; from stdin for ``-``. Raises InputError if it is not a policy."""
    from wizard.policy.document import LARGEST, PolicyDocument

    if name != "-":
        return PolicyDocument.read(Path(name))
    content = sys.stdin.buffer.read(LARGEST + 1)
    if not content.strip():
        # what fails before a pipe writes nothing, and a new policy would then take the place of the old one
        raise InputError(
            "Nothing was read from stdin.",
            "Check the command before the pipe. For a new policy, run podman-wizard policy new.",
            file="standard input",
        )
    return PolicyDocument.parse(content, "standard input"), None


def put(content: bytes) -> None:
    """Prints bytes to stdout. Raises InputError if it is closed."""
    # the null device takes the place of a stdout that was closed before the start; its name is a number
    if sys.stdout is None or isinstance(getattr(sys.stdout, "name", ""), int):
        raise InputError("stdout is closed, so nothing can be printed.", "Use --to to write to a file.")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def put_json(kind: str, data: dict[str, Any], error: WizardError | None = None) -> None:
    """Prints the JSON document of a command; ``kind`` names its schema, and ``error`` is what it ends with."""
    import json

    from wizard import documents

    # JSON has no .nan and .inf, so they are shown as text
    made = _json_safe(documents.versioned(kind, data, error))
    text = json.dumps(made, ensure_ascii=False, indent=2) + "\n"
    # a file name that is not UTF-8 contains lone surrogates, which JSON allows only as escapes
    put(text.encode(errors="backslashreplace"))


def _json_safe(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _json_safe(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_json_safe(item) for item in data]
    return str(data) if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))) else data


def say(text: str) -> None:
    """Prints a message to stderr."""
    sys.stderr.write(text + "\n")
