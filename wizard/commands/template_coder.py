"""``template list``, ``template pull``, and ``template push``: the templates of a Coder v2 deployment."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from wizard.choices.target import Target
from wizard.coder.credentials import CoderCredentials, NoCredentials
from wizard.coder.v2 import UNTRIED
from wizard.coder.v2.credentials import find_credentials, organization_of
from wizard.coder.v2.refusals import TO_PUSH, NameTaken
from wizard.commands.running import engine_of, run_async
from wizard.errors import ConflictError, ExitCode, InputError, UsageError, WizardError
from wizard.printing.lines import document, out, say
from wizard.text.columns import columns
from wizard.text.counting import counted, named

if TYPE_CHECKING:
    from wizard.coder.v2.answers import Template
    from wizard.coder.v2.client import TemplatesClient
    from wizard.coder.v2.looking import Draft, Looked
    from wizard.coder.v2.pushing import Pushed
    from wizard.engine.engine import Engine
    from wizard.template.checks import Problem
    from wizard.template.module import Module


def _credentials(arguments: argparse.Namespace) -> CoderCredentials | None:
    """Returns the credentials for the options; None in the sandbox, which has its own."""
    if getattr(arguments, "sandbox", None) is not None:
        return None
    credentials = find_credentials(arguments.coder_url)
    if credentials.is_sent_openly and not arguments.allow_http:
        raise UsageError(
            f"The session token for {credentials.url} would be sent over the network unencrypted. Nothing was sent.",
            "Use the URL with https. To send it all the same, use --allow-http.",
        )
    return credentials


@asynccontextmanager
async def _connected(
    arguments: argparse.Namespace, credentials: CoderCredentials | None
) -> AsyncIterator[tuple[Engine, TemplatesClient]]:
    from wizard.engine.engine import Engine

    target = Target(sandbox=getattr(arguments, "sandbox", None))
    async with engine_of(Engine(target)) as engine, engine.templates(credentials=credentials) as client:
        yield engine, client


# ---------------------------------------------------------------------------------------------------------- list


def template_list(arguments: argparse.Namespace) -> int:
    """Runs ``template list``; with ``--check``, the exit code is 1 if a template has a problem."""
    return run_async(_list(arguments, _credentials(arguments)))


async def _list(arguments: argparse.Namespace, credentials: CoderCredentials | None) -> int:
    from wizard.coder.v2.looking import organizations_of

    rows: list[dict[str, Any]] = []
    async with _connected(arguments, credentials) as (_, client):
        version = await client.version()
        for organization in await organizations_of(client, organization_of(arguments.org)):
            for template in await client.templates(organization.id):
                rows.append(await _row(client, template, checking=arguments.check))
        url = client.url
    bad = any(row["check"] is not None and row["check"]["passed"] is False for row in rows)
    if arguments.output == "json":
        document("template-list", {"url": url, "version": version, "templates": rows}, rows="templates")
    else:
        _print_rows(rows)
    return ExitCode.PROBLEMS if bad else ExitCode.DONE


async def _row(client: TemplatesClient, template: Template, *, checking: bool) -> dict[str, Any]:
    from wizard.coder.v2.looking import read_version

    row: dict[str, Any] = {
        "name": template.name,
        "organization": template.organization_name,
        "id": template.id,
        "check": None,
    }
    if not checking:
        active = await client.version_of(template.active_version_id)
    else:
        active, archive = await read_version(client, template)
        row["check"] = _check(archive.files)
    return {**row, "active_version": {"id": active.id, "name": active.name}}


def _check(files: Any) -> dict[str, Any]:
    """Returns what a check of these files finds; ``passed`` is None if there is nothing to check."""
    from wizard.commands.template import passes, problem_json
    from wizard.template.checks import check_template
    from wizard.template.module import read_archive

    try:
        found: Sequence[Problem] = check_template(read_archive(files))
    except WizardError as error:
        return {"passed": None, "problems": [], "why": error.what}
    return {"passed": passes(found), "problems": [problem_json(one) for one in found], "why": ""}


def _print_rows(rows: list[dict[str, Any]]) -> None:
    if not rows:
        out("There is no template that you can see.")
        return
    table = [("template", "organization", "active version", "check")]
    for row in rows:
        table.append((row["name"], row["organization"], row["active_version"]["name"], _words(row["check"])))
    for line in columns(table):
        out(line)


def _words(check: dict[str, Any] | None) -> str:
    if check is None:
        return ""
    if check["passed"] is None:
        return f"skipped: {check['why']}"
    problems = [one for one in check["problems"] if one["severity"] == "problem"]
    if not problems:
        return "ok"
    first = problems[0]
    return f"{counted(len(problems), 'problem')}: {first['file']}:{first['line']}: {first['message']}"


# ---------------------------------------------------------------------------------------------------------- pull


def template_pull(arguments: argparse.Namespace) -> int:
    """Runs ``template pull``: writes the files of the active version into a new folder."""
    from wizard.coder.v2.archive import require_empty

    require_empty(Path(arguments.to))
    return run_async(_pull(arguments, _credentials(arguments)))


async def _pull(arguments: argparse.Namespace, credentials: CoderCredentials | None) -> int:
    from wizard.coder.v2.archive import unpack
    from wizard.coder.v2.looking import find_template, read_version

    async with _connected(arguments, credentials) as (_, client):
        await client.version()
        template = await find_template(client, arguments.name, organization_of(arguments.org))
        active, archive = await read_version(client, template)
        url = client.url
    for name in archive.skipped:
        say(f"{name}: not written, because it is neither a file nor a folder.")
    paths = unpack(archive, Path(arguments.to))
    if arguments.output == "json":
        document(
            "template-pull",
            {
                "changed": bool(paths),
                "url": url,
                "template": template.name,
                "organization": template.organization_name,
                "version": {"id": active.id, "name": active.name},
                "to": arguments.to,
                "files": [str(path) for path in paths],
            },
        )
    else:
        out(f"{counted(len(paths), 'file')} of {template.name}, version {active.name}, written to {arguments.to}.")
    say(f"To merge: podman-wizard template merge {shlex.quote(arguments.to)} --in-place")
    return ExitCode.DONE


# ---------------------------------------------------------------------------------------------------------- push


def template_push(arguments: argparse.Namespace) -> int:
    """Runs ``template push``: shows what changes and whom it affects, then pushes, and with ``--yes`` promotes."""
    try:
        credentials = _credentials(arguments)
    except NoCredentials as error:
        raise NoCredentials(error.what, f"{error.todo}\nTo push by hand: {TO_PUSH}") from None
    say(UNTRIED)
    looked: list[Looked] = []

    async def look_first() -> int:
        from wizard.coder.v2.looking import look

        async with _connected(arguments, credentials) as (_, client):
            looked.append(await look(client, arguments.name, organization_of(arguments.org)))
            await _require_free_name(client, looked[0].template, arguments.version_name)
        return ExitCode.DONE

    run_async(look_first())
    draft = _draft(arguments, looked[0])
    _show(arguments, draft)
    denial = None if looked[0].can_push else looked[0].denial
    if denial is not None or arguments.dry_run or not draft.changed:
        _print_push(arguments, draft, None, denial)
        if denial is not None:
            raise denial
        return ExitCode.DONE
    return run_async(_push(arguments, draft, credentials))


async def _require_free_name(client: TemplatesClient, template: Template, name: str) -> None:
    from wizard.coder.v2.answers import IDENTIFIER

    if not name:
        return
    if not IDENTIFIER.fullmatch(name) or len(name) > 64:
        raise UsageError(f"{name!r} cannot be the name of a version.", "Use letters, digits, dots, and dashes.")
    if await client.version_named(template.id, name):
        raise NameTaken(
            f"{template.name} already has a version named {name}. Nothing was sent.",
            "Use another --name, or none, so that Coder names the version.",
        )


def _draft(arguments: argparse.Namespace, looked: Looked) -> Draft:
    """Merges into the active version's files, or into the file that was given. Raises what prevents it."""
    from wizard.coder.v2.looking import Draft
    from wizard.commands.template import merge_json, merge_module, tell_merge
    from wizard.template.module import read_archive, read_template

    given = Path(arguments.file) if arguments.file else None
    module: Module = read_template(given) if given is not None else read_archive(looked.archive.files)
    merged = merge_module(arguments, module)
    result = merged.result
    tell_merge(arguments, module, result)
    if result.error is not None:
        if arguments.output == "json":
            document("template-merge", merge_json(result, merged.needs), error=result.error)
        raise result.error
    path = result.before.name if given is None else _member(given, result.before.name, looked)
    return Draft(looked, path, result.document.content, result)


def _member(given: Path, name: str, looked: Looked) -> str:
    """Returns the path in the archive of the file that a local one replaces.

    Raises ConflictError if a folder has other files that differ: only one file is replaced.
    """
    files = looked.archive.files
    path = str(PurePosixPath(Path(name).relative_to(given).as_posix())) if given.is_dir() else given.name
    if path not in files:
        raise InputError(
            f"The active version of {looked.template.name} has no file {path}.",
            f"Its files: {named(sorted(files))}. To push a folder as it is: {looked.by_hand}",
            file=name,
        )
    if given.is_dir():
        others = [
            other
            for other, content in files.items()
            if other != path and (not (given / other).is_file() or (given / other).read_bytes() != content)
        ]
        if others:
            raise ConflictError(
                f"{given} differs from the active version ({looked.active.name}) in other files: {named(others)}. "
                "Nothing was sent.",
                f"podman-wizard replaces only {path}. Pull the active version again, or push the whole folder: "
                f"{looked.by_hand}",
            )
    return path


def _show(arguments: argparse.Namespace, draft: Draft) -> None:
    """Prints what would change and whom it affects."""
    from wizard.coder.v2.archive import CLI_LIMIT

    looked = draft.looked
    say(f"{looked.template.name} in {looked.template.organization_name} at {looked.url}, as {looked.user.name}")
    if draft.changed and len(draft.archive) > CLI_LIMIT:
        say(f"The archive has {len(draft.archive):,} bytes; Coder's own command line pushes at most {CLI_LIMIT:,}.")
    if arguments.output == "text":
        for line in draft.diff.splitlines():
            out(line)
        for line in looked.impact.lines if draft.changed else ():
            out(line)
    say("If a pipeline pushes this template, commit the merged file to its repository instead.")


async def _push(arguments: argparse.Namespace, draft: Draft, credentials: CoderCredentials | None) -> int:
    from wizard.coder.v2.looking import promote_by_hand
    from wizard.coder.v2.pushing import journaled_before, push
    from wizard.engine.coder import undo_command

    async with _connected(arguments, credentials) as (engine, client):
        engine.at_coder(client.url)
        engine.claim()
        title = f"Push {draft.path} to the template {draft.looked.template.name} in Coder"
        pushed = None
        try:
            async with engine.journaled("coder", title, journaled_before(draft)) as change:
                pushed = await push(
                    client,
                    draft,
                    change,
                    say,
                    promoting=arguments.yes,
                    name=arguments.version_name,
                    message=arguments.message,
                )
        except WizardError as error:
            _print_push(arguments, draft, pushed, error)
            raise
    _print_push(arguments, draft, pushed, None)
    if not pushed.promoted:
        say(f"To make it active: {promote_by_hand(draft.looked.template, pushed.version.name)}")
        say(f"In the Coder UI: Templates > {draft.looked.template.name} > Versions > {pushed.version.name} > Promote.")
    if getattr(arguments, "sandbox", None) is None:
        say(f"To see what can be undone: {undo_command(client.url)}")
    else:
        say("The sandbox ends with this command. One that stays: podman-wizard sandbox coder-v2")
    return ExitCode.DONE


def _print_push(arguments: argparse.Namespace, draft: Draft, pushed: Pushed | None, error: WizardError | None) -> None:
    looked = draft.looked
    if arguments.output == "json":
        from wizard.commands.template import merge_json

        merge = merge_json(draft.merge, None)
        document(
            "template-push",
            {
                "changed": pushed is not None,
                "changes": _changes(looked, pushed),
                "url": looked.url,
                "user": looked.user.name,
                "template": looked.template.name,
                "organization": looked.template.organization_name,
                "file": draft.path,
                "dry_run": arguments.dry_run,
                "can_push": looked.can_push,
                "active_version": {"id": looked.active.id, "name": looked.active.name},
                "version": {"id": pushed.version.id, "name": pushed.version.name} if pushed else None,
                "promoted": bool(pushed and pushed.promoted),
                "impact": looked.impact.to_json(),
                "merge": {name: merge[name] for name in ("changed", "changes", "conflicts", "notes")},
                "diff": draft.diff,
            },
            error=error,
        )
        return
    if error is not None:
        return
    if pushed is not None and pushed.promoted:
        out(f"Version {pushed.version.name} is now the active version of {looked.template.name}.")
    elif pushed is not None:
        out(f"Version {pushed.version.name} was imported and is not active; {looked.active.name} still is.")
    elif not draft.changed:
        out("Nothing to push: the active version already has what Podman needs.")
    else:
        out("Nothing was sent: this was a dry run.")
        out(f"To push by hand: {looked.by_hand}")


def _changes(looked: Looked, pushed: Pushed | None) -> list[dict[str, Any]]:
    """Returns what was changed in Coder, field by field."""
    from wizard.facts.changes import Change
    from wizard.facts.objects import ObjectRef

    if pushed is None:
        return []
    about = ObjectRef("Template", looked.template.name)
    made = [Change(about, ".versions", None, pushed.version.name)]
    if pushed.promoted:
        made.append(Change(about, ".active_version", looked.active.name, pushed.version.name))
    return [change.to_json() for change in made]
