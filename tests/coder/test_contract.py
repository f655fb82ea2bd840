"""Each request of the client is the one that Coder's own command line sends (coder-v1-cli, coder-sdk)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wizard.coder.answers import Template
from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials
from wizard.sandbox.coder import TOKEN

CONFIG = {
    "gpu_vendor": "nvidia",
    "enable_container_vms": True,
    "enable_workspaces_as_code": True,
    "a_field_of_a_later_version": {"kept": [1, 2]},
}


async def _parse(client: CoderClient) -> Any:
    return await client.parse(b'version: "0.2"\n')


CALLS: list[tuple[str, Any, list[tuple[str, str, str | None, Any]]]] = [
    # name, call, requests: method, path with query, content type, body (None: no body, bytes: raw, else JSON)
    ("version", lambda c: c.deployment(), [("GET", "/api", None, None)]),
    ("who am I", lambda c: c.me(), [("GET", "/api/v0/users/me", None, None)]),
    ("settings", lambda c: c.settings(), [("GET", "/api/v0/workspaces/config", None, None)]),
    (
        "enable",
        lambda c: c.set_templates(True),
        [
            ("GET", "/api/v0/workspaces/config", None, None),
            ("PUT", "/api/v0/workspaces/config", "application/json", CONFIG),
            ("GET", "/api/v0/workspaces/config", None, None),
        ],
    ),
    (
        "parse",
        _parse,
        [
            (
                "POST",
                "/api/private/workspaces/template/parse?org-id=SKIP_ORG",
                "application/octet-stream",
                b'version: "0.2"\n',
            )
        ],
    ),
    (
        "dry run",
        lambda c: c.set_policy(Template(""), dry_run=True),
        [
            (
                "POST",
                "/api/private/workspaces/template/policy?dry-run=true",
                "application/json",
                {"template_id": "", "type": "site"},
            )
        ],
    ),
    (
        "reset",
        lambda c: c.reset_policy(dry_run=False),
        [
            (
                "POST",
                "/api/private/workspaces/template/policy",
                "application/json",
                {"template_id": "", "type": "site"},
            )
        ],
    ),
    (
        "names",
        lambda c: c.workspaces(["w-3"]),
        [("GET", "/api/v0/workspaces/w-3", None, None), ("GET", "/api/v0/users/u-mia", None, None)],
    ),
    ("schema", lambda c: c.schema(), [("GET", "/api/private/template/schemas/wac.schema.json", None, None)]),
]


@pytest.mark.parametrize(("call", "expected"), [call[1:] for call in CALLS], ids=[call[0] for call in CALLS])
@pytest.mark.parametrize("prefix", ["", "/tools/coder"])
async def test_request(coder: Any, call: Any, expected: Any, prefix: str) -> None:
    server, client = await coder(prefix=prefix)
    await call(client)
    sent = [
        (request.method, request.path, request.headers.get("Content-Type"), request.body) for request in server.requests
    ]
    assert [(*item[:3], _body(item)) for item in sent] == [
        (method, prefix + path, kind, body) for method, path, kind, body in expected
    ]
    assert {request.headers["Session-Token"] for request in server.requests} == {TOKEN}
    assert not any("Authorization" in request.headers for request in server.requests)


def _body(item: tuple[str, str, str | None, bytes]) -> Any:
    return json.loads(item[3]) if item[2] == "application/json" else item[3] or None


async def test_the_policy_call_has_the_template_id_and_not_the_id_of_its_version(coder: Any, policy: Any) -> None:
    server, client = await coder()
    template = await client.parse(policy.content)
    await client.set_policy(template, dry_run=False)
    assert template.id.startswith("t-")
    assert json.loads(server.requests[-1].body) == {"template_id": template.id, "type": "site"}
    assert server.policy == policy.content


async def test_v2_is_asked_for_its_build_without_a_token(coder: Any) -> None:
    server, client = await coder("v2")
    deployment = await client.deployment()
    assert deployment.kind == "v2"
    assert [request.path for request in server.requests] == ["/api", "/api/v2/buildinfo"]
    assert "Session-Token" not in server.requests[1].headers


async def test_the_header_of_a_proxy_goes_along(coder: Any) -> None:
    server, _ = await coder()
    credentials = CoderCredentials(server.url, server.token, "typed", "Basic c2VjcmV0")
    async with CoderClient(credentials, environ={}) as client:
        await client.me()
    assert server.requests[-1].headers["Authorization"] == "Basic c2VjcmV0"


async def test_a_netrc_is_not_sent(coder: Any, own_home: Any) -> None:
    (own_home / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    server, client = await coder()
    await client.me()
    assert "Authorization" not in server.requests[-1].headers
