"""Status, preparation and upload: nothing half done, and what cannot be known is said."""

from __future__ import annotations

from typing import Any

import pytest

from wizard.coder.answers import Effect, MergeConflict, Workspace
from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials
from wizard.coder.refusals import CoderError, PolicyRefused, Refused
from wizard.coder.schema import unknown_fields
from wizard.coder.steps import (
    enable_templates,
    impact_sentence,
    impact_table,
    prepare,
    read_status,
    rows_of,
    upload,
)
from wizard.policy import PolicyDocument
from wizard.text.columns import columns


async def test_the_whole_way(coder: Any, policy: Any) -> None:
    server, client = await coder()
    enabled = await enable_templates(client)
    assert (enabled.before, enabled.after) == (False, True)
    prepared = await prepare(client, policy)
    assert prepared.notes == ()
    assert server.policy is None
    assert [(row.workspace, row.owner, row.severity, row.when) for row in prepared.impact] == [
        ("gpu-training", "mia", "error", "now"),
        ("notebooks", "mia", "warning", "once updated"),
    ]
    assert prepared.impact[0].consequence == "cannot be rebuilt"
    assert prepared.workspaces == 2
    uploaded = await upload(client, prepared)
    assert server.policy == policy.content
    assert (uploaded.impact, uploaded.note) == (prepared.impact, "")


def test_workspaces_of_one_name_are_told_apart_by_their_owners() -> None:
    broken = MergeConflict("w", Effect((), ("cannot",)), Effect(), True, "")
    rows = [row for owner in ("ada", "ben") for row in rows_of(broken, Workspace("w", "api", owner))]
    assert impact_sentence(rows) == "2 workspaces are affected, 2 cannot be rebuilt"
    assert impact_sentence(rows[:1]) == "1 workspace is affected, 1 cannot be rebuilt"
    assert impact_sentence([]) == "no workspaces are affected"


def test_the_table() -> None:
    conflict = MergeConflict("w", Effect(("careful",)), Effect((), ("cannot",)), False, "")
    assert columns(impact_table(rows_of(conflict))) == (
        "workspace  owner           when          message from Coder",
        "w                 warning  now           careful",
        "w                 error    once updated  cannot",
    )


@pytest.mark.parametrize(
    ("conflict", "rows"),
    [
        (MergeConflict("w", Effect(), Effect(), False, ""), []),
        (MergeConflict("w", Effect(), Effect(), False, "look"), [("warning", "now", ("look",))]),
        (MergeConflict("w", Effect((), ()), Effect((), ()), True, ""), [("error", "now", ("no reason given",))]),
        (MergeConflict("w", Effect((), ()), Effect(), True, "why"), [("error", "now", ("why",))]),
        (MergeConflict("w", Effect(), Effect(("a", "b")), False, ""), [("warning", "once updated", ("a", "b"))]),
        (MergeConflict("w", Effect(), Effect(("a",)), True, ""), []),
    ],
)
def test_rows(conflict: MergeConflict, rows: Any) -> None:
    assert [(row.severity, row.when, row.messages) for row in rows_of(conflict)] == rows


@pytest.mark.parametrize(
    ("behaviours", "what"),
    [
        (("old",), "Coder is version 1.26.2, but only 1.28 and later keep the resource requests of a policy."),
        (("v2",), "is v2 (v2.24.1+a1b2c3d); it has no template policy."),
        (("unauthorized",), "rejected the session token"),
    ],
)
async def test_what_ends_before_anything_is_sent(coder: Any, policy: Any, behaviours: Any, what: str) -> None:
    server, client = await coder(*behaviours)
    with pytest.raises(Refused) as caught:
        await prepare(client, policy)
    assert what in caught.value.what
    assert all(request.method == "GET" for request in server.requests)


async def test_coder_and_not_a_name_of_a_role_decides_who_sets_the_policy(coder: Any, policy: Any) -> None:
    server, client = await coder("wrong-role")
    with pytest.raises(Refused, match="denied permission for") as caught:
        await prepare(client, policy)
    assert caught.value.status == 403
    assert server.policy is None
    server.behaviours.clear()
    server.role = "site-manager"
    assert (await prepare(client, policy)).user.roles == ("site-member", "site-manager")


async def test_a_policy_that_coder_refuses_is_told_at_its_line(coder: Any) -> None:
    server, client = await coder()
    document = PolicyDocument.parse(
        b'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      cpus: {}\n', "p.yaml"
    )
    with pytest.raises(PolicyRefused) as caught:
        await prepare(client, document)
    assert caught.value.place == "p.yaml:5"
    assert server.policy is None


async def test_a_server_that_goes_away_between_dry_run_and_upload(coder: Any, policy: Any) -> None:
    server, client = await coder("goes-away")
    prepared = await prepare(client, policy)
    assert {row.workspace for row in prepared.impact} == {"w-3", "w-4"}, "names can no longer be asked for"
    with pytest.raises(CoderError) as caught:
        await upload(client, prepared)
    assert caught.value.what.startswith("The policy was not uploaded, and Coder still uses its earlier one: ")
    assert server.policy is None


async def test_an_upload_without_an_answer(coder: Any, policy: Any) -> None:
    server, client = await coder("breaks-off")
    prepared = await prepare(client, policy)
    with pytest.raises(CoderError) as caught:
        await upload(client, prepared)
    assert caught.value.what.startswith("It is unknown whether Coder accepted the policy: ")
    assert "It is safe to upload the same file again." in caught.value.todo
    server.behaviours.clear()
    await upload(client, await prepare(client, policy))


async def test_conflicts_that_are_new_since_the_dry_run_are_named(coder: Any, policy: Any) -> None:
    _, client = await coder()
    prepared = await prepare(client, policy)
    earlier = type(prepared)(policy, prepared.template, prepared.user, prepared.impact[:1])
    note = (await upload(client, earlier)).note
    assert note == "The upload also affects workspaces that the dry run did not list: notebooks (mia)."


async def test_disabled_templates_and_the_own_schema_are_noted(coder: Any, policy: Any) -> None:
    _, client = await coder("strict-schema")
    notes = (await prepare(client, policy)).notes
    assert notes[0] == (
        "line 5: workspace.specs.kubernetes.resource-requests is not in the JSON Schema of this deployment."
    )
    assert notes[-1].startswith("Workspace templates are not enabled, so the policy has no effect")


async def test_no_schema_is_no_matter(coder: Any, policy: Any) -> None:
    _, client = await coder("no-schema")
    await enable_templates(client)
    assert (await prepare(client, policy)).notes == ()


@pytest.mark.parametrize(
    ("schema", "unknown"),
    [
        ({}, 0),
        ({"properties": {"version": {}}}, 2),
        ({"properties": {"workspace": {"$ref": "#/definitions/w"}}, "definitions": {"w": {"properties": {}}}}, 2),
        ({"properties": {"workspace": {"$ref": "#/nowhere"}}}, 0),
        ({"properties": {"workspace": True}}, 0),
        ({"properties": {"workspace": {"properties": {"specs": {}}, "additionalProperties": True}}}, 0),
        ({"allOf": [{"properties": {"workspace": {"properties": {"specs": {"properties": {"docker": {}}}}}}}]}, 2),
        ({"$ref": "#"}, 0),
        ({"$ref": "#/a", "a": {"$ref": "#/a"}}, 0),
    ],
)
def test_schemas_of_any_form(schema: Any, unknown: int, policy: Any) -> None:
    assert len(unknown_fields(schema, policy)) == unknown


async def test_status_of_a_fine_deployment(coder: Any) -> None:
    _, client = await coder()
    status = await read_status(client)
    assert status.ready
    assert status.templates_enabled is False


@pytest.mark.parametrize(
    ("behaviours", "kind", "ready", "said"),
    [
        (("wrong-role",), "v1", True, "site-manager; templates and policies require site-admin"),
        (("old",), "v1", False, "Update Coder first"),
        (("v2",), "v2", False, "podman-wizard coder template"),
        (("no-version",), "v1", True, "does not report its version"),
    ],
)
async def test_status(coder: Any, behaviours: Any, kind: str, ready: bool, said: str) -> None:
    _, client = await coder(*behaviours)
    status = await read_status(client)
    assert (status.deployment.kind, status.ready) == (kind, ready)
    assert said in " ".join((*status.problems, *status.notes))


async def test_status_without_a_token(coder: Any) -> None:
    server, _ = await coder()
    async with CoderClient(CoderCredentials(server.url), environ={}) as client:
        status = await read_status(client)
    assert status.problems == (
        f"No session token was found. Coder shows a token at {server.url}/internal-auth?show_token=true.",
    )
    assert "Session-Token" not in server.requests[0].headers
