"""The commands ``policy upload``, ``coder status`` and ``coder template``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.coder import CLICKS_UPLOAD, UNTRIED
from wizard.coder.credentials import CoderCredentials, NoCredentials, find_credentials
from wizard.commands import document, out, run_async, say
from wizard.errors import ExitCode, InputError, UsageError
from wizard.files import write_file

if TYPE_CHECKING:
    from wizard.coder.client import CoderClient
    from wizard.coder.steps import Enabled, Prepared, Status, Uploaded
    from wizard.policy import PolicyDocument


def _credentials(arguments: argparse.Namespace, *, token_needed: bool = True) -> CoderCredentials | None:
    """The credentials that the options mean; None in the sandbox, which has its own."""
    if getattr(arguments, "sandbox", None) is not None:
        return None
    if not arguments.ask_token:
        if arguments.store_token:
            raise UsageError("--store-token keeps a token that was typed.", "Give it together with --ask-token.")
        return find_credentials(arguments.coder_url, token_needed=token_needed)
    from wizard.coder.credentials import store, typed, where_to_get_a_token

    url = find_credentials(arguments.coder_url, token_needed=False).url
    if not sys.stdin.isatty():
        raise UsageError("--ask-token needs a terminal.", "Without one, set CODER_URL and CODER_TOKEN.")
    from getpass import getpass

    say(where_to_get_a_token(url))
    credentials = typed(url, getpass("Session token (it is not shown): "))
    if arguments.store_token:
        say(f"Stored in {store(credentials)}, readable by you alone.")
    return credentials


# --------------------------------------------------------------------------------------- policy upload


def policy_upload(arguments: argparse.Namespace) -> int:
    """``policy upload``: the impact on workspaces, then the policy for the whole site."""
    read = _read_policy(arguments.file)
    try:
        credentials = _credentials(arguments)
    except NoCredentials as error:
        raise NoCredentials(error.what, f"{error.todo}\nBy hand: {CLICKS_UPLOAD} ({arguments.file}).") from None
    return run_async(_policy_upload(arguments, read, credentials))


def _read_policy(name: str) -> PolicyDocument:
    from wizard.policy.checks import check
    from wizard.policy.commands import place_of, read_policy

    read, _ = read_policy(name)
    if read.is_empty:
        raise InputError("This policy is empty.", "podman-wizard policy merge makes one of it.", file=read.name)
    for problem in check(read):
        if problem.severity == "problem":
            say(f"{place_of(read.name, problem.line, problem.column)}: {problem.message} {problem.hint}")
    return read


async def _policy_upload(
    arguments: argparse.Namespace, read: PolicyDocument, credentials: CoderCredentials | None
) -> int:
    from wizard.coder.connection import connected_coder
    from wizard.coder.steps import NOT_READABLE, enable_templates, prepare, require_v1_admin, upload

    say(UNTRIED)
    async with connected_coder(credentials=credentials, scenario=getattr(arguments, "sandbox", None)) as client:
        enabled: Enabled | None = None
        if arguments.enable_templates and not arguments.dry_run:
            await require_v1_admin(client)
            enabled = await enable_templates(client)
            say(f"Workspace templates: {_on(enabled.before)} before, {_on(enabled.after)} now.")
        prepared = await prepare(client, read)
        for note in prepared.notes:
            say(note)
        if arguments.output == "text":
            _print_impact(prepared)
        uploaded: Uploaded | None = None
        if not arguments.dry_run:
            say(NOT_READABLE)
            say(f"Uploading to {client.url} …")
            uploaded = await upload(client, prepared)
        _print_upload(arguments, client, prepared, uploaded, enabled)
    return ExitCode.DONE


def _on(enabled: bool) -> str:
    return "on" if enabled else "off"


def _print_impact(prepared: Prepared) -> None:
    from wizard.coder.steps import columns, impact_sentence, impact_table

    if not prepared.impact:
        out("No workspace is touched, says Coder's dry run.")
        return
    for line in columns(impact_table(prepared.impact)):
        out(line)
    out(f"{impact_sentence(prepared.impact)}.")


def _print_upload(
    arguments: argparse.Namespace,
    client: CoderClient,
    prepared: Prepared,
    uploaded: Uploaded | None,
    enabled: Enabled | None,
) -> None:
    if uploaded and uploaded.note:
        say(uploaded.note)
    if arguments.output == "json":
        document(
            {
                "file": prepared.document.name,
                "url": client.url,
                "user": prepared.user.name,
                "dry_run": arguments.dry_run,
                "uploaded": uploaded is not None,
                "templates": {"before": enabled.before, "after": enabled.after} if enabled else None,
                "template": {"id": prepared.template.id, "file_hash": prepared.template.file_hash or None},
                "impact": [row.to_json() for row in (uploaded or prepared).impact],
                "workspaces": prepared.workspaces,
                "notes": [*prepared.notes, *([uploaded.note] if uploaded and uploaded.note else [])],
            }
        )
    elif uploaded:
        out(f"{prepared.document.name} is the template policy of {client.url} now, as {prepared.user.name}.")
    else:
        out("Nothing was changed: this was a dry run.")


# ---------------------------------------------------------------------------------------- coder status


def status(arguments: argparse.Namespace) -> int:
    """``coder status``: which Coder this is, who we are to it, and what is in the way of an upload."""
    return run_async(_status(arguments, _credentials(arguments, token_needed=False)))


async def _status(arguments: argparse.Namespace, credentials: CoderCredentials | None) -> int:
    from wizard.coder.connection import connected_coder
    from wizard.coder.steps import read_status

    async with connected_coder(credentials=credentials, scenario=getattr(arguments, "sandbox", None)) as client:
        found = await read_status(client)
        source = client.credentials.source
    if arguments.output == "json":
        document({**found.to_json(), "credentials": source, "untried": UNTRIED})
    else:
        _print_status(found, source)
    return ExitCode.PROBLEMS if found.problems else ExitCode.DONE


def _print_status(found: Status, source: str) -> None:
    kind = f"Coder {found.deployment.kind}"
    version = found.deployment.version or "of unknown version"
    rows = [("Coder", found.url), ("Version", f"{version} ({kind})"), ("Token", source)]
    if found.user is not None:
        rows.append(("You", f"{found.user.name}: {', '.join(found.user.roles) or 'no role'}"))
    if found.templates_enabled is not None:
        rows.append(("Templates", "enabled" if found.templates_enabled else "not enabled"))
    for name, value in rows:
        out(f"{name:10} {value}")
    for problem in found.problems:
        out(f"problem    {problem}")
    for note in found.notes:
        out(f"note       {note}")
    if found.ready:
        out("ready      A policy can be uploaded: podman-wizard policy upload FILE --dry-run shows its impact.")
    if found.deployment.kind == "v1":
        say(UNTRIED)


# -------------------------------------------------------------------------------------- coder template


def template(arguments: argparse.Namespace) -> int:
    """``coder template``: what a Terraform template of Coder v2 needs, as HCL."""
    from wizard.coder.v2 import template_json, template_text

    text = template_text(arguments.resource, arguments.container)
    if arguments.to:
        backup = write_file(Path(arguments.to), text.encode())
        say(f"{arguments.to} written" + (f"; what it held is in {backup}" if backup else "") + ".")
    if arguments.output == "json":
        document({**template_json(arguments.resource, arguments.container), "to": arguments.to})
    elif not arguments.to:
        sys.stdout.write(text)
    return ExitCode.DONE
