"""The commands ``policy upload``, ``coder status`` and ``coder template``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.coder import CLICKS_UPLOAD, UNTRIED
from wizard.coder.credentials import CoderCredentials, NoCredentials, find_credentials
from wizard.commands.printing import document, out, say
from wizard.commands.running import engine_of, run_async
from wizard.errors import ExitCode, InputError, UsageError, WizardError
from wizard.files import write_file
from wizard.target import Target

if TYPE_CHECKING:
    from wizard.answers import Answers
    from wizard.coder.actions import UploadPolicy
    from wizard.coder.client import CoderClient
    from wizard.coder.steps import Enabled, Prepared, Status, Uploaded
    from wizard.engine import Engine
    from wizard.events import Event
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
    """``policy upload``: the impact on workspaces, then the policy for the whole site.

    What it changes is in a journal of the deployment, which ``undo --coder-url`` finds; no cluster is asked.
    """
    if arguments.default == bool(arguments.file):
        raise UsageError(
            "policy upload wants a FILE (- for stdin), or --default for Coder's default policy.", "Give one of them."
        )
    read = None if arguments.default else _read_policy(arguments.file)
    try:
        credentials = _credentials(arguments)
    except NoCredentials as error:
        click = CLICKS_UPLOAD if arguments.default else f"{CLICKS_UPLOAD} ({arguments.file})"
        raise NoCredentials(error.what, f"{error.todo}\nBy hand: {click}.") from None
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
    arguments: argparse.Namespace, read: PolicyDocument | None, credentials: CoderCredentials | None
) -> int:
    from wizard.coder.actions import prepare_upload, reset_action, undo_command, upload_action
    from wizard.engine import Engine

    say(UNTRIED)
    path = None if arguments.file in (None, "-") else Path(arguments.file)
    action = reset_action() if read is None else upload_action(read.content, path)
    target = Target(sandbox=getattr(arguments, "sandbox", None))
    async with engine_of(Engine(target)) as engine, engine.coder(credentials=credentials) as client:
        engine.at_coder(client.url)
        engine.note_answers(_answers_of(client.url, path, enabling=arguments.enable_templates))
        # Coder has to take the policy before anything is changed for its sake.
        prepared = await prepare_upload(action, client, enabling=arguments.enable_templates)
        for note in prepared.notes:
            say(note)
        if arguments.output == "text":
            _print_impact(prepared)
        if arguments.dry_run:
            _print_upload(arguments, client, prepared, None, None)
            return ExitCode.DONE
        engine.claim()
        enabled = await _enable(engine, client) if arguments.enable_templates else None
        try:
            uploaded = await _upload(engine, client, action, prepared)
        except WizardError:
            if enabled is not None and not enabled.before:
                say(f"Workspace templates stay enabled; {undo_command(client.url)} shows how to take that back.")
            raise
        _print_upload(arguments, client, prepared, uploaded, enabled)
        say(f"What can be taken back of this: {undo_command(client.url)}")
    return ExitCode.DONE


async def _enable(engine: Engine, client: CoderClient) -> Enabled:
    from wizard.coder.actions import enable_action

    enabled: Enabled = await engine.execute_in_coder(enable_action(), client, _quietly)
    say(f"Workspace templates: {_on(enabled.before)} before, {_on(enabled.after)} now.")
    return enabled


async def _upload(engine: Engine, client: CoderClient, action: UploadPolicy, prepared: Prepared) -> Uploaded:
    from wizard.coder.steps import NOT_READABLE

    say(NOT_READABLE)
    say(f"Uploading to {client.url} …")
    uploaded: Uploaded = await engine.execute_in_coder(action, client, _quietly, prepared)
    return uploaded


def _quietly(event: Event) -> None:
    """The command says in its own order what there is to say."""


def _answers_of(url: str, path: Path | None, *, enabling: bool) -> Answers:
    """The choices that the journal keeps of an upload."""
    from wizard.answers import Answers, CoderChoice, PolicyChoice

    file = str(path.absolute()) if path is not None else None
    return Answers(
        policy=PolicyChoice(file=file, output=file), coder=CoderChoice(url, enabling, upload=path is not None)
    )


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
                "file": prepared.document.name if prepared.document is not None else None,
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
        name = prepared.document.name if prepared.document is not None else "Coder's default"
        out(f"{name} is the template policy of {client.url} now, as {prepared.user.name}.")
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
