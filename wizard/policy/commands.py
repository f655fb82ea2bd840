"""The commands ``policy merge``, ``policy new`` and ``policy check``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from wizard.errors import ConflictError, ExitCode, InputError, UsageError
from wizard.escaping import printable
from wizard.policy.words import ON_CONFLICT, PRESETS, WORDS

TYPE_CHECKING = False  # what else is needed is imported by the command that runs: every command builds this parser
if TYPE_CHECKING:
    from typing import Any

    from wizard.files import Snapshot
    from wizard.policy.document import PolicyDocument
    from wizard.policy.findings import Problem
    from wizard.policy.merge import MergeResult


def add_parser(
    subparsers: argparse._SubParsersAction[Any], parents: list[argparse.ArgumentParser]
) -> argparse._SubParsersAction[Any]:
    """Adds ``policy`` and its commands; each sets ``run``, which takes the arguments and gives the exit code.

    Gives the commands back, for those that other rooms have to add.
    """
    policy = subparsers.add_parser("policy", parents=parents, help="merge, make or check a template policy")
    commands: argparse._SubParsersAction[Any] = policy.add_subparsers(
        dest="policy_command", metavar="COMMAND", required=True, prog="podman-wizard policy"
    )
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("-o", "--output", choices=("text", "json"), default="text", help="what goes to stdout")

    merge = commands.add_parser(
        "merge",
        parents=[*parents, output],
        help="add what Podman needs to a policy, and change nothing else",
        description="Adds the FUSE device to the resource requests and limits of a policy. Everything else "
        "stays as it is, byte for byte; where that cannot be, nothing is written. The merged policy goes to "
        "stdout unless --to or --in-place is given.",
    )
    merge.add_argument(
        "file", metavar="FILE", nargs="+", help="the policy, - for stdin; several with --check or --in-place"
    )
    target = merge.add_mutually_exclusive_group()
    target.add_argument("--to", metavar="FILE", type=Path, help="write the merged policy to this file")
    target.add_argument("--in-place", action="store_true", help="write it to the file itself, with a backup")
    merge.add_argument("--diff", action="store_true", help="show the difference instead of the merged policy")
    merge.add_argument("--check", action="store_true", help="write nothing; exit 1 if the merge would change something")
    merge.add_argument("--dry-run", action="store_true", help="write nothing; say what would be written")
    merge.add_argument(
        "--mode", choices=WORDS, help="the policy word of both fields (default: what is there, else write)"
    )
    merge.add_argument(
        "--devices", metavar="N", type=_devices, default=1, help="FUSE devices that a workspace asks for (default: 1)"
    )
    merge.add_argument(
        "--on-conflict", choices=ON_CONFLICT, default="keep", help="if another number is there (default: keep it)"
    )
    merge.add_argument(
        "--unshare",
        action="store_true",
        help="where an anchor or alias shares a field with another place, copy it first",
    )
    merge.set_defaults(run=run_merge)

    new = commands.add_parser("new", parents=[*parents, output], help="write a new policy to stdout")
    new.add_argument(
        "--preset", choices=PRESETS, default="podman", help="only what Podman needs, or the guide's whole example"
    )
    new.set_defaults(run=run_new)

    checks = commands.add_parser("check", parents=[*parents, output], help="list what is wrong with a policy")
    checks.add_argument("file", metavar="FILE", nargs="+", help="the policy, - for stdin")
    checks.add_argument("--strict", action="store_true", help="take warnings for problems")
    checks.set_defaults(run=run_check)
    return commands


def _devices(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 1000:
        raise argparse.ArgumentTypeError(f"{printable(text)} is not a whole number from 1 to 1000")
    return int(text)


def run_merge(arguments: argparse.Namespace) -> int:
    """Runs ``policy merge``; the exit code says whether it was done, or ``--check`` would change something."""
    files: list[str] = arguments.file
    if arguments.in_place and "-" in files:
        raise UsageError("--in-place needs a file, and - is stdin.", "Leave --in-place out, or use --to.")
    if len(files) > 1 and (arguments.output == "json" or not (arguments.check or arguments.in_place)):
        raise UsageError("Several files need --check or --in-place, and text output.", "Merge one after the other.")
    from wizard.policy.merge import merge_podman

    # all are merged before the first is written, so that a file that is refused leaves the others as they are
    results = [
        (
            merge_podman(document, arguments.mode, arguments.devices, arguments.on_conflict, unshare=arguments.unshare),
            snapshot,
        )
        for document, snapshot in map(read_policy, _each_once(files))
    ]
    undecided = [
        printable(result.before.name) for result, _ in results if arguments.on_conflict == "fail" and result.conflicts
    ]
    writes = not (undecided or arguments.check or arguments.dry_run)
    code = max(_finish(result, snapshot, arguments, writes=writes) for result, snapshot in results)
    if undecided:
        asks = "ask" if len(undecided) > 1 else "asks"
        raise ConflictError(
            f"{', '.join(undecided)} {asks} for another number of FUSE devices; nothing was written.",
            "Decide with --on-conflict keep or --on-conflict replace, or give that number as --devices.",
        )
    return code


def _each_once(files: list[str]) -> list[str]:
    """The files without those that are another name of one before."""
    first: dict[str, str] = {}
    for name in files:
        place = os.path.realpath(name)
        if place in first:
            _say(f"{printable(name)}: is {printable(first[place])}, which was named already.")
        first.setdefault(place, name)
    return list(first.values())


def _finish(result: MergeResult, snapshot: Snapshot | None, arguments: argparse.Namespace, *, writes: bool) -> int:
    from wizard.policy.document import show_path

    name = result.before.name
    for problem in result.warnings:
        _say(f"{place_of(name, problem.line, problem.column)}: warning: {problem.message} {problem.hint}")
    failed = arguments.on_conflict == "fail" and bool(result.conflicts)
    for conflict in result.conflicts:
        what = "kept" if conflict.kept and not failed else "not decided" if failed else "replaced"
        _say(
            f"{place_of(name, conflict.line)}: {show_path(conflict.path)} is {_shown(conflict.found)}, "
            f"not {conflict.wanted}: {what}."
        )
    target = _target(result, arguments)
    if writes and target is not None:
        _write(result, target, snapshot, arguments)
    _show(result, arguments, to_stdout=target is None and not failed)
    if result.changed:
        _say(f"{printable(name)}: {'' if writes else 'would be '}merged: {result.proof}.")
    elif not failed:
        _say(f"{printable(name)}: nothing to change.")
    return ExitCode.PROBLEMS if arguments.check and result.changed else ExitCode.DONE


def _shown(found: object) -> str:
    return printable(str(found).lower() if isinstance(found, bool) else str(found))  # true, as YAML writes it


def _target(result: MergeResult, arguments: argparse.Namespace) -> Path | None:
    return Path(result.before.name) if arguments.in_place else arguments.to


def _write(result: MergeResult, path: Path, snapshot: Snapshot | None, arguments: argparse.Namespace) -> None:
    from wizard.files import Snapshot, read_target, write_file

    same = snapshot is not None and (arguments.in_place or _is_same_file(path, snapshot.path))
    read = Snapshot(path, snapshot.content) if same and snapshot is not None else read_target(path)
    backup = write_file(path, result.document.content, read=read)
    if backup is not None:
        _say(f"{printable(str(path))}: written; the old file is {printable(str(backup))}.")
    elif read.content is None:
        _say(f"{printable(str(path))}: written.")


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False


def _show(result: MergeResult, arguments: argparse.Namespace, *, to_stdout: bool) -> None:
    if arguments.output == "json":
        _put_json(merge_as_json(result))
    elif arguments.diff:
        _put(result.diff().encode())
    elif to_stdout and not arguments.check:
        _put(result.document.content)


def merge_as_json(result: MergeResult) -> dict[str, Any]:
    """The merge as the command's JSON document has it."""
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
            }
            for conflict in result.conflicts
        ],
        "warnings": [_problem_as_json(result.before.name, problem) for problem in result.warnings],
        "proof": str(result.proof),
        "text": result.document.content.decode(),
    }


def run_new(arguments: argparse.Namespace) -> int:
    """Runs ``policy new``."""
    from wizard.policy.presets import new_policy

    content = new_policy(arguments.preset)
    if arguments.output == "json":
        _put_json({"preset": arguments.preset, "text": content.decode()})
    else:
        _put(content)
    return ExitCode.DONE


def run_check(arguments: argparse.Namespace) -> int:
    """Runs ``policy check``; problems, and with ``--strict`` warnings, make its exit code 1.

    A file that cannot be read or is no policy is said, and the others are checked all the same.
    """
    from wizard.policy.checks import check

    listed: list[dict[str, Any]] = []
    refused: InputError | None = None
    for name in arguments.file:
        try:
            document, _ = read_policy(name)
        except InputError as error:
            if refused is not None:
                _say(printable(str(refused), lines=True))
            refused = error
            continue
        for problem in check(document):
            listed.append(_problem_as_json(document.name, problem))
            if arguments.output == "text":
                severity = "problem" if arguments.strict else problem.severity
                place = place_of(document.name, problem.line, problem.column)
                hint = f"    {problem.hint}\n" if problem.hint else ""
                _put(f"{place}: {severity}: {problem.message} [{problem.id}]\n{hint}".encode())
    bad = refused is not None or any(arguments.strict or problem["severity"] == "problem" for problem in listed)
    if arguments.output == "json":
        _put_json({"passed": not bad, "problems": listed})
    problems = sum(problem["severity"] == "problem" for problem in listed)
    _say(f"{len(arguments.file)} file(s): {problems} problem(s), {len(listed) - problems} warning(s).")
    if refused is not None:
        raise refused
    return ExitCode.PROBLEMS if bad else ExitCode.DONE


def _problem_as_json(name: str, problem: Problem) -> dict[str, Any]:
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
    """``file:line:column`` for a message, as far as it is known."""
    return ":".join([printable(name), *(str(number) for number in (line, column) if number)])


def read_policy(name: str) -> tuple[PolicyDocument, Snapshot | None]:
    """The policy of a file, and what that held; of stdin for ``-``. Raises InputError where it is none."""
    from wizard.policy.document import LARGEST, PolicyDocument

    if name != "-":
        return PolicyDocument.read(Path(name))
    return PolicyDocument.parse(sys.stdin.buffer.read(LARGEST + 1), "standard input"), None


def _put(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _put_json(data: dict[str, Any]) -> None:
    import json

    # a number that JSON does not have (.nan) is shown as text
    text = json.dumps(_json_safe(data), ensure_ascii=False, indent=2) + "\n"
    # a file's name that is not UTF-8 holds lone surrogates, which JSON has as escapes only
    _put(text.encode(errors="backslashreplace"))


def _json_safe(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _json_safe(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_json_safe(item) for item in data]
    return str(data) if isinstance(data, float) and (data != data or data in (float("inf"), float("-inf"))) else data


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
