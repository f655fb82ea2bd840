"""The commands ``policy upload`` and ``coder status``."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wizard.choices.target import Target
from wizard.coder import CLICKS_UPLOAD, UNTRIED
from wizard.coder.credentials import CoderCredentials, NoCredentials, find_credentials
from wizard.commands.running import engine_of, run_async
from wizard.errors import ExitCode, InputError, UsageError, WizardError
from wizard.printing.lines import document, out, say
from wizard.text.columns import columns
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.choices.answers import Answers
    from wizard.coder.client import CoderClient
    from wizard.coder.steps import Enabled, Prepared, Status, Uploaded
    from wizard.engine.coder import UploadPolicy
    from wizard.engine.engine import Engine
    from wizard.engine.events import Event
    from wizard.policy import PolicyDocument


def _credentials(arguments: argparse.Namespace, *, token_needed: bool = True) -> CoderCredentials | None:
    """Returns the credentials for the options; None in the sandbox, which has its own."""
    if getattr(arguments, "sandbox", None) is not None:
        return None
    if not arguments.ask_token:
        if arguments.store_token:
            raise UsageError(
                "--store-token needs --ask-token: it saves a token that you type.", "Use it together with --ask-token."
            )
        return find_credentials(arguments.coder_url, token_needed=token_needed)
    from wizard.coder.credentials import store, typed, where_to_get_a_token

    url = find_credentials(arguments.coder_url, token_needed=False).url
    if not sys.stdin.isatty():
        raise UsageError("--ask-token needs a terminal.", "Set CODER_URL and CODER_TOKEN instead.")
    from getpass import getpass

    say(where_to_get_a_token(url))
    credentials = typed(url, getpass("Session token (hidden): "))
    if arguments.store_token:
        say(f"The URL and token were saved in {store(credentials)}, readable only by you.")
    return credentials


# --------------------------------------------------------------------------------------- policy upload


def policy_upload(arguments: argparse.Namespace) -> int:
    """Runs ``policy upload``: shows the impact on workspaces, then uploads the policy for the whole site.

    Its changes are recorded in a journal of the deployment, which ``undo --coder-url`` reads; no cluster is needed.
    """
    if arguments.default == bool(arguments.file):
        raise UsageError(
            "policy upload needs either a FILE or --default.",
            "Name the policy file (- for stdin), or use --default for Coder's default policy.",
        )
    read = None if arguments.default else _read_policy(arguments.file)
    try:
        credentials = _credentials(arguments)
    except NoCredentials as error:
        click = CLICKS_UPLOAD if arguments.default else f"{CLICKS_UPLOAD} ({arguments.file})"
        raise NoCredentials(error.what, f"{error.todo}\nTo upload by hand: {click}.") from None
    return run_async(_policy_upload(arguments, read, credentials))


def _read_policy(name: str) -> PolicyDocument:
    from wizard.commands.policy import place_of, read_policy
    from wizard.policy.checks import check

    read, _ = read_policy(name)
    if read.is_empty:
        raise InputError(
            "This policy is empty.", "To add what Podman needs, run podman-wizard policy merge.", file=read.name
        )
    for problem in check(read):
        if problem.severity == "problem":
            say(f"{place_of(read.name, problem.line, problem.column)}: {problem.message} {problem.hint}")
    return read


async def _policy_upload(
    arguments: argparse.Namespace, read: PolicyDocument | None, credentials: CoderCredentials | None
) -> int:
    from wizard.engine.coder import breaking, prepare_upload, reset_action, undo_command, upload_action
    from wizard.engine.engine import Engine

    say(UNTRIED)
    path = None if arguments.file in (None, "-") else Path(arguments.file)
    on_impact: Literal["fail", "warn"] = arguments.on_impact or "fail"
    action = reset_action() if read is None else upload_action(read.content, path, on_impact=on_impact)
    target = Target(sandbox=getattr(arguments, "sandbox", None))
    async with engine_of(Engine(target)) as engine, engine.coder(credentials=credentials) as client:
        engine.at_coder(client.url)
        engine.note_answers(_answers_of(client.url, path, enabling=arguments.enable_templates))
        # Coder has to accept the policy before anything is changed for it.
        prepared = await prepare_upload(action, client, enabling=arguments.enable_templates)
        for note in prepared.notes:
            say(note)
        if arguments.output == "text":
            _print_impact(prepared)
        stopped = breaking(prepared, on_impact)
        if arguments.dry_run or stopped:
            _print_upload(arguments, client, prepared, None, None, stopped)
            if stopped:
                raise stopped
            return ExitCode.DONE
        engine.claim()
        enabled = await _enable(engine, client) if arguments.enable_templates else None
        try:
            uploaded = await _upload(engine, client, action, prepared)
        except WizardError:
            if enabled is not None and not enabled.before:
                say(f"Workspace templates stay enabled. To see how to undo that, run {undo_command(client.url)}.")
            raise
        _print_upload(arguments, client, prepared, uploaded, enabled)
        say(f"To see what can be undone: {undo_command(client.url)}")
    return ExitCode.DONE


async def _enable(engine: Engine, client: CoderClient) -> Enabled:
    from wizard.coder.steps import Enabled
    from wizard.engine.coder import enable_action

    enabled = await engine.execute_in_coder(enable_action(), client, _quietly)
    assert isinstance(enabled, Enabled)
    say(f"Workspace templates: {_on(enabled.before)} before, {_on(enabled.after)} now.")
    return enabled


async def _upload(engine: Engine, client: CoderClient, action: UploadPolicy, prepared: Prepared) -> Uploaded:
    from wizard.coder.steps import NOT_READABLE, Uploaded

    say(NOT_READABLE)
    say(f"Uploading to {client.url} …")
    uploaded = await engine.execute_in_coder(action, client, _quietly, prepared)
    assert isinstance(uploaded, Uploaded)
    return uploaded


def _quietly(event: Event) -> None:
    """Ignores events, because the command prints its own messages."""


def _answers_of(url: str, path: Path | None, *, enabling: bool) -> Answers:
    """Returns the choices that the journal records for an upload."""
    from wizard.choices.answers import Answers, CoderChoice, PolicyChoice

    file = str(path.absolute()) if path is not None else None
    return Answers(
        policy=PolicyChoice(file=file, output=file), coder=CoderChoice(url, enabling, upload=path is not None)
    )


def _on(enabled: bool) -> str:
    return "on" if enabled else "off"


def _print_impact(prepared: Prepared) -> None:
    from wizard.coder.steps import impact_sentence, impact_table

    if not prepared.impact:
        out("Coder's dry run lists no affected workspaces.")
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
    error: WizardError | None = None,
) -> None:
    if uploaded and uploaded.note:
        say(uploaded.note)
    if arguments.output == "json":
        changes = _changes(client.url, prepared, enabled, uploaded)
        document(
            "policy-upload",
            {
                "changed": bool(changes),
                "changes": changes,
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
            },
            error=error,
        )
    elif uploaded:
        name = prepared.document.name if prepared.document is not None else "Coder's default"
        out(f"{name} is now the template policy of {client.url}, uploaded as {prepared.user.name}.")
    elif arguments.dry_run:
        out("Nothing was changed: this was a dry run.")


def _changes(url: str, prepared: Prepared, *results: Enabled | Uploaded | None) -> list[dict[str, Any]]:
    """Returns what was changed in Coder, field by field."""
    from wizard.engine.coder import changes_made

    content = prepared.document.content if prepared.document is not None else b""
    return [change.to_json() for one in results if one for change in changes_made(url, one, content)]


# ---------------------------------------------------------------------------------------- coder status


def status(arguments: argparse.Namespace) -> int:
    """Runs ``coder status``: which Coder this is, who the user is, and what prevents an upload."""
    try:
        if not arguments.ask_token and getattr(arguments, "sandbox", None) is None:
            find_credentials(arguments.coder_url)
    except NoCredentials:
        # Someone who is logged in to Coder v2 only is not told to log in.
        from wizard.coder.v2.credentials import find_credentials as find_v2

        with suppress(NoCredentials):
            return run_async(_status_of_v2(arguments, find_v2(arguments.coder_url)))
    return run_async(_status(arguments, _credentials(arguments, token_needed=False)))


async def _status(arguments: argparse.Namespace, credentials: CoderCredentials | None) -> int:
    from wizard.coder.connection import connected_coder
    from wizard.coder.steps import read_status

    async with connected_coder(credentials=credentials, scenario=getattr(arguments, "sandbox", None)) as client:
        found = await read_status(client)
        source = client.credentials.source
    if arguments.output == "json":
        document("coder-status", {**found.to_json(), "credentials": source, "untried": UNTRIED})
    else:
        _print_status(found, source)
    return ExitCode.PROBLEMS if found.problems else ExitCode.DONE


async def _status_of_v2(arguments: argparse.Namespace, credentials: CoderCredentials) -> int:
    from wizard.coder.connection import connected_templates
    from wizard.coder.v2.looking import read_status

    async with connected_templates(credentials=credentials) as client:
        found = await read_status(client)
    if arguments.output == "json":
        document("coder-status-v2", {**found, "credentials": credentials.source})
        return ExitCode.DONE
    out(f"{'Coder':10} {found['url']}")
    out(f"{'Version':10} {found['version']} (Coder v2)")
    out(f"{'Token':10} {credentials.source}")
    out(f"{'You':10} {found['user']}: {', '.join(found['roles']) or 'no role'}")
    for one in found["organizations"]:
        word = "you can push templates" if one["can_push"] else "no permission to push templates"
        out(f"{'In':10} {one['name']}: {counted(one['templates'], 'template')}; {word}")
    out("To check the templates: podman-wizard template list --check")
    return ExitCode.DONE


def _print_status(found: Status, source: str) -> None:
    kind = f"Coder {found.deployment.kind}"
    version = found.deployment.version or "unknown"
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
        out("ready      You can upload a policy. To see its impact: podman-wizard policy upload FILE --dry-run")
    if found.deployment.kind == "v1":
        say(UNTRIED)
