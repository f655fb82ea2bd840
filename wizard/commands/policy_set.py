"""The commands ``policy set``, ``policy unset``, and ``policy effect``."""

from __future__ import annotations

import argparse
from pathlib import Path as FilePath
from typing import Any

from wizard.commands.policy import (
    place_of,
    problem_as_json,
    put,
    put_json,
    read_policy,
    refused_as_json,
    say,
    write_policy,
)
from wizard.errors import ExitCode, InputError, UsageError
from wizard.policy.compare import prove, unified_diff
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.effective import EffectiveRow, effective_view, fuse_guarantee
from wizard.policy.item_edits import edited, edits_to_remove, edits_to_set, needs_text, new_problems
from wizard.policy.lookup import lookup
from wizard.policy.paths import Finder, Path
from wizard.policy.readings import data_of
from wizard.policy.text_editor import Edit
from wizard.policy.views import value_from_text
from wizard.text.escaping import printable, visible

_AS_TEXT = "To set it as text, add --type string."


def run_set(arguments: argparse.Namespace) -> int:
    """Runs ``policy set``."""

    def edit(document: PolicyDocument) -> tuple[Path, list[Edit]]:
        place = Finder(document, arguments.path).find()
        return edits_to_set(place, _value(arguments, is_text=needs_text(place)))

    return _run(arguments, edit)


def _value(arguments: argparse.Namespace, *, is_text: bool) -> Any:
    """Returns VALUE; if text is needed and it is something else, says how to set it as text."""
    if arguments.type == "string":
        return arguments.value
    try:
        data = value_from_text(arguments.value, version=2)
    except InputError as error:
        error.todo += f" {_AS_TEXT}" if is_text else ""
        raise
    if is_text and not isinstance(data, str | dict | list):
        kind = "nothing" if data is None else "a boolean" if isinstance(data, bool) else "a number"
        say(f"{printable(arguments.path)} needs text, and {visible(arguments.value)} is {kind}. {_AS_TEXT}")
    return data


def run_unset(arguments: argparse.Namespace) -> int:
    """Runs ``policy unset``."""

    def edit(document: PolicyDocument) -> tuple[Path, list[Edit]]:
        finder = Finder(document, arguments.path)
        place = finder.find()
        if not place.exists:
            raise finder.refusal()
        return place.path, edits_to_remove(place.path)

    return _run(arguments, edit)


def _run(arguments: argparse.Namespace, edit: Any) -> int:
    if arguments.in_place and arguments.file == "-":
        raise UsageError("--in-place needs a file, but - is stdin.", "Remove --in-place.")
    try:
        document, snapshot = read_policy(arguments.file)
        path, edits = edit(document)
        made = edited(document, edits, unshare=arguments.unshare)
        warnings = new_problems(document, made)
    except InputError as error:
        if arguments.output == "json":
            nothing = {"changed": False, "changes": [], "warnings": [], "proof": "", "text": ""}
            put_json("policy-set", {**nothing, "refused": refused_as_json([error])}, error)
        raise
    for problem in warnings:
        place = place_of(made.name, problem.line, problem.column)
        say(f"{place}: {problem.severity}: {problem.message} {problem.hint}")
    changed = made.content != document.content
    if arguments.output == "json":
        before, after = _data(document, path), _data(made, path)
        change = {"path": show_path(path), "before": before, "after": after, "line": _line(made, path)}
        put_json(
            "policy-set",
            {
                "changed": changed,
                "changes": [change] if changed else [],
                "refused": [],
                "warnings": [problem_as_json(made.name, problem) for problem in warnings],
                "proof": str(prove(document, made)),
                "text": made.content.decode(),
            },
        )
    elif arguments.diff:
        put(unified_diff(document, made).encode())
    elif not arguments.in_place:
        put(made.content)
    writes = arguments.in_place and not arguments.dry_run
    if writes:
        write_policy(FilePath(made.name), made, snapshot)
    name = printable(document.name)
    if changed:
        say(f"{name}: {'' if writes else 'would be '}changed: {prove(document, made)}.")
    else:
        say(f"{name}: nothing to change.")
    return ExitCode.DONE


def _data(document: PolicyDocument, path: Path) -> Any:
    node = lookup(document, path)
    return data_of(node) if node is not None else None


def _line(document: PolicyDocument, path: Path) -> int:
    node = lookup(document, path)
    return document.line(node) if node is not None else 0


def run_effect(arguments: argparse.Namespace) -> int:
    """Runs ``policy effect``: what users can change, and whether every workspace gets a FUSE device."""
    try:
        document, _ = read_policy(arguments.file)
    except InputError as error:
        if arguments.output == "json":
            put_json("policy-effect", {"fields": [], "fuse": None, "refused": refused_as_json([error])}, error)
        raise
    rows, fuse = effective_view(document, document), fuse_guarantee(document)
    if arguments.output == "json":
        fields = [
            {"path": row.name, "effect": row.after, "value": row.value_after, "assumed": row.assumed} for row in rows
        ]
        put_json(
            "policy-effect",
            {"fields": fields, "fuse": {"sure": fuse.sure, "reasons": list(fuse.reasons)}, "refused": []},
        )
        return ExitCode.DONE
    width = max(len(row.name) for row in rows)
    for row in rows:
        put(f"{row.name:{width}}  {_effect(row):13}  {row.value_after}".rstrip().encode() + b"\n")
    put(f"\nEvery workspace gets a FUSE device: {'yes' if fuse.sure else 'no'}\n".encode())
    for reason in fuse.reasons:
        put(f"  {reason}\n".encode())
    say("* not set in this file; Coder then uses read." if any(row.assumed for row in rows) else "")
    return ExitCode.DONE


def _effect(row: EffectiveRow) -> str:
    return row.after + ("*" if row.assumed else "")
