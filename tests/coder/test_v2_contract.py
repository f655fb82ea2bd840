"""Each request of the client of Coder v2 is the one of the API reference; answers of another shape are refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.coder.v2_server import ORG, TEMPLATE, TOKEN, Coder
from tests.template.templates import pod
from wizard.coder.credentials import CoderCredentials
from wizard.coder.refusals import CoderError
from wizard.coder.v2.answers import Template, UnexpectedAnswer, Version, Workspace
from wizard.coder.v2.client import TemplatesClient

Started = tuple[Coder, TemplatesClient]
Call = Callable[[TemplatesClient], Awaitable[Any]]


@pytest.fixture
async def started() -> AsyncIterator[Started]:
    server = await Coder.with_files({"main.tf": pod()})
    credentials = CoderCredentials(server.url, TOKEN, "typed", more_headers=(("X-Gate", "open"),))
    try:
        async with TemplatesClient(credentials, environ={}) as client:
            yield server, client
    finally:
        await server.stop()


CHECK = {"object": {"resource_type": "template", "resource_id": TEMPLATE}, "action": "update"}
CALLS: list[tuple[Call, str, str | None, Any]] = [
    (lambda c: c.me(), "GET /api/v2/users/me", None, None),
    (
        lambda c: c.may({"k": ("update", {"resource_type": "template", "resource_id": TEMPLATE})}),
        "POST /api/v2/authcheck",
        "application/json",
        {"checks": {"k": CHECK}},
    ),
    (lambda c: c.organizations(), "GET /api/v2/organizations", None, None),
    (lambda c: c.templates(ORG), f"GET /api/v2/organizations/{ORG}/templates", None, None),
    (
        lambda c: c.versions(TEMPLATE),
        f"GET /api/v2/templates/{TEMPLATE}/versions?limit=100&include_archived=true",
        None,
        None,
    ),
    (lambda c: c.logs("ver-1", 2), "GET /api/v2/templateversions/ver-1/logs?after=2", None, None),
    (lambda c: c.download("file-1"), "GET /api/v2/files/file-1", None, None),
    (lambda c: c.upload(b"tar"), "POST /api/v2/files", "application/x-tar", b"tar"),
    (lambda c: c.cancel("ver-1"), "PATCH /api/v2/templateversions/ver-1/cancel", None, b""),
    (lambda c: c.archive("ver-1"), "POST /api/v2/templateversions/ver-1/archive", None, b""),
    (
        lambda c: c.promote(TEMPLATE, "ver-1"),
        f"PATCH /api/v2/templates/{TEMPLATE}/versions",
        "application/json",
        {"id": "ver-1"},
    ),
]


@pytest.mark.parametrize(("call", "request_line", "kind", "body"), CALLS, ids=[one[1] for one in CALLS])
async def test_a_request_is_as_documented(
    started: Started, call: Call, request_line: str, kind: str | None, body: Any
) -> None:
    server, client = started
    await call(client)
    [(method, path, headers, sent)] = server.requests
    assert f"{method} {path}" == request_line
    assert (headers["Coder-Session-Token"], headers["X-Gate"]) == (TOKEN, "open")
    if kind is not None:
        assert headers["Content-Type"] == kind
    if body is not None:
        assert (json.loads(sent) if isinstance(body, dict) else sent) == body


async def test_the_version_is_asked_without_the_token(started: Started) -> None:
    server, client = started
    assert await client.version() == "v2.34.0"
    assert "Coder-Session-Token" not in server.requests[0][2]


async def test_the_workspaces_of_a_template_are_asked_by_its_name(started: Started) -> None:
    server, client = started
    found = await client.workspaces(await client.template(TEMPLATE))
    assert server.requests[-1][1] == "/api/v2/workspaces?q=template:kubernetes&limit=100&offset=0"
    assert [(one.name, one.updates_itself) for one in found] == [("api", False), ("gpu", True)]


@pytest.mark.parametrize(
    ("version", "status", "said"),
    [("ver-2", 400, "doesn't belong to the specified template"), ("gone", 404, "Template version not found")],
)
async def test_a_version_that_is_not_the_templates_is_not_promoted(version: str, status: int, said: str) -> None:
    server = await Coder.start({"kubernetes": {"main.tf": pod()}, "other": {"main.tf": pod()}})
    try:
        async with TemplatesClient(CoderCredentials(server.url, TOKEN, "typed"), environ={}) as client:
            with pytest.raises(CoderError, match=said) as caught:
                await client.promote(TEMPLATE, version)
        assert caught.value.status == status
        assert server.active == "ver-1"
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (Template.of, ["not", "an", "object"]),
        (Template.of, {"id": "a", "name": "b", "organization_id": "c"}),
        (Template.of, {"id": "../users", "name": "b", "organization_id": "c", "active_version_id": "d"}),
        (Version.of, {"id": "a", "name": "b", "job": {"id": "c", "status": 5}}),
        (Version.of, {"id": "a", "name": "b", "job": {"id": "c", "status": "failed", "tags": {"a": 1}}}),
        (Workspace.of, {"name": 1}),
    ],
)
def test_an_answer_of_another_shape_is_refused(read: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match="has an unknown format"):
        read(value)


def test_what_a_later_version_adds_is_ignored() -> None:
    job = {"id": "j", "status": "resting", "later": [1]}
    version = Version.of({"id": "a", "name": "b", "job": job})
    assert (version.job.status, version.job.ended, version.provisioners) == ("unknown", True, None)
