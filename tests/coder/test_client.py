"""What the client makes of each answer, over HTTP."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from wizard.coder.answers import MergeConflict, Template, UnexpectedAnswer, User, WorkspaceSettings
from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials
from wizard.coder.refusals import CoderError, Refused, TemplateRefused
from wizard.errors import ExitCode


async def test_a_fine_deployment(coder: Any) -> None:
    _, client = await coder()
    deployment = await client.deployment()
    assert (deployment.kind, deployment.number, deployment.is_too_old) == ("v1", (1, 44), False)
    assert (await client.me()).is_site_admin
    before, after = await client.set_templates(True)
    assert (before.templates_enabled, after.templates_enabled) == (False, True)
    assert after.fields["a_field_of_a_later_version"] == {"kept": [1, 2]}


async def test_nothing_is_written_where_templates_are_enabled_already(coder: Any) -> None:
    server, client = await coder()
    await client.set_templates(True)
    server.requests.clear()
    await client.set_templates(True)
    assert [request.method for request in server.requests] == ["GET"]


async def test_conflicts_and_names(coder: Any, policy: Any) -> None:
    _, client = await coder()
    template = await client.parse(policy.content)
    conflicts = await client.set_policy(template, dry_run=True)
    assert [(c.workspace_id, c.now.errors is not None, c.updated.warnings != ()) for c in conflicts] == [
        ("w-3", True, False),
        ("w-4", False, True),
    ]
    found = await client.workspaces(["w-3", "w-9"])
    assert (found["w-3"].name, found["w-3"].owner) == ("gpu-training", "mia")
    assert (found["w-9"].name, found["w-9"].owner) == ("w-9", "")


@pytest.mark.parametrize(
    ("version", "too_old"),
    [("1.28.0", False), ("v1.27.9", True), ("1.27", True), ("1.100.2-rc.1", False), ("2.0", False), ("dev", False)],
)
def test_versions(version: str, too_old: bool) -> None:
    from wizard.coder.answers import Deployment

    assert Deployment("v1", version).is_too_old is too_old


@pytest.mark.parametrize(
    ("behaviours", "call", "what"),
    [
        (("unauthorized",), "me", "rejected the session token (401): Session token is invalid or expired."),
        (
            ("wrong-role",),
            "settings",
            "denied permission for GET /api/v0/workspaces/config (403): This requires the site-admin role.",
        ),
        (("login-page",), "me", "returned a web page for"),
        (("login-page",), "deployment", "returned a web page for"),
        (("login-redirect",), "me", "redirected GET /api/v0/users/me to https://login.example.org/sso"),
        (("login-redirect",), "deployment", "redirected GET /api to https://login.example.org/sso"),
        (("not-coder",), "deployment", "No Coder was found at"),
        (("not-coder",), "me", "does not support GET /api/v0/users/me (404)"),
        (("v2",), "me", "does not support GET /api/v0/users/me (404)"),
        (("other-shape",), "me", "has an unknown format: it is not a JSON object"),
        (("other-shape",), "settings", "has an unknown format: it is not a JSON object"),
    ],
)
async def test_refusals(coder: Any, behaviours: Any, call: str, what: str) -> None:
    _, client = await coder(*behaviours)
    with pytest.raises(CoderError) as caught:
        await getattr(client, call)()
    assert what in caught.value.what
    assert caught.value.todo
    assert caught.value.exit_code == ExitCode.CLUSTER
    assert client.credentials.token not in str(caught.value)


async def test_a_version_that_is_not_told(coder: Any) -> None:
    _, client = await coder("no-version")
    deployment = await client.deployment()
    assert (deployment.kind, deployment.version, deployment.is_too_old) == ("v1", "", False)


async def test_a_template_that_coder_refuses(coder: Any) -> None:
    _, client = await coder()
    with pytest.raises(TemplateRefused) as caught:
        await client.parse(b'version: "0.2"\nworkspace:\n  specs:\n    kubernetes:\n      cpus: {policy: write}\n')
    assert caught.value.messages == ("workspace.specs.kubernetes.cpus: unknown field",)
    assert caught.value.error_type == "validation"


async def test_a_precondition_is_told_with_coders_solution(coder: Any, policy: Any) -> None:
    _, client = await coder("precondition")
    template = await client.parse(policy.content)
    with pytest.raises(Refused) as caught:
        await client.set_policy(template, dry_run=False)
    assert caught.value.what.endswith("with 412: Precondition failed: locked: Another admin is editing the policy.")
    assert caught.value.todo == "Coder suggests: Wait until they are done."
    assert not caught.value.maybe_done


async def test_a_setting_that_coder_does_not_keep(coder: Any) -> None:
    _, client = await coder("keeps-setting")
    with pytest.raises(CoderError, match="still reports that workspace templates are not enabled"):
        await client.set_templates(True)


async def test_fifty_megabytes_are_not_read(coder: Any) -> None:
    _, client = await coder("huge")
    with pytest.raises(CoderError, match="returned more than 16 MB") as caught:
        await client.reset_policy(dry_run=True)
    assert not caught.value.maybe_done
    with pytest.raises(CoderError) as caught:
        await client.reset_policy(dry_run=False)
    assert caught.value.maybe_done


async def test_a_server_that_never_answers(coder: Any) -> None:
    _, client = await coder("hangs", timeout=0.05)
    with pytest.raises(CoderError, match=r"did not answer within 0.05 seconds") as caught:
        await client.reset_policy(dry_run=False)
    assert caught.value.maybe_done


async def test_a_connection_that_breaks_off(coder: Any) -> None:
    _, client = await coder("breaks-off")
    with pytest.raises(CoderError, match="was lost") as caught:
        await client.reset_policy(dry_run=False)
    assert caught.value.maybe_done


async def test_a_server_that_is_gone(coder: Any) -> None:
    server, client = await coder()
    await server.stop()
    with pytest.raises(CoderError, match="Cannot reach Coder") as caught:
        await client.reset_policy(dry_run=False)
    assert not caught.value.maybe_done


async def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_name(*_: Any, **__: Any) -> Any:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", no_name)
    async with CoderClient(CoderCredentials("https://coder.invalid", "secret"), environ={}) as client:
        with pytest.raises(CoderError, match=r"Cannot resolve the name coder.invalid"):
            await client.deployment()
    proxy = {"HTTPS_PROXY": "http://proxy.invalid:3128"}
    async with CoderClient(CoderCredentials("https://coder.invalid", "secret"), environ=proxy) as client:
        with pytest.raises(CoderError, match=r"Cannot resolve the name of the proxy proxy.invalid:3128"):
            await client.deployment()


class Server:
    """A server that gives one answer to all, for what the sandbox's Coder does not do."""

    def __init__(self, answer: Any, tls: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._tls = tls
        self.seen: list[web.BaseRequest] = []

    async def __aenter__(self) -> str:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            self.seen.append(request)
            return self._answer() if callable(self._answer) else web.Response(**self._answer)

        self._runner = web.ServerRunner(web.Server(handle))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: Any) -> None:
        await self._runner.cleanup()


async def _asked(url: str, call: str = "me", token: str = "secret-token", **more: Any) -> Any:
    async with CoderClient(CoderCredentials(url, token), **{"environ": {}, **more}) as client:
        return await getattr(client, call)()


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({"text": "hello"}, "it is not JSON"),
        ({"text": "[" * 100_000}, "it is not JSON"),
        ({"text": '{"id": 3}'}, "id is not text"),
        ({"text": '{"id": "a", "roles": "site-admin"}'}, "roles is not a list"),
        ({"status": 500, "text": ""}, "answered GET /api/v0/users/me with 500."),
        ({"status": 500, "text": '{"error": "text"}'}, "answered GET /api/v0/users/me with 500."),
        ({"status": 500, "text": '{"error": {"msg": "boom", "code": "verbose", "details": {"verbose": "disk full"}}}'},
         "with 500: boom: disk full."),
        ({"status": 502, "text": "<html>Bad gateway</html>", "content_type": "text/html"},
         "returned a web page for GET /api/v0/users/me (502)"),
        ({"status": 401, "text": '{"error": {"msg": "no \\u001b[31m secret-token here"}}'},
         r"(401): no \x1b[31m *** here."),
        ({"status": 400, "text": '{"error": {"msg": "' + "x" * 9000 + '"}}'}, "x…."),
        ({"status": 301, "headers": {"Location": "https://127.0.0.1/x"}},
         "redirected GET /api/v0/users/me to https://127.0.0.1/x"),
    ],
)  # fmt: skip
async def test_odd_answers(answer: Any, what: str) -> None:
    async with Server(answer) as url:
        with pytest.raises(CoderError) as caught:
            await _asked(url)
    assert what in caught.value.what
    assert "secret-token" not in str(caught.value)
    assert len(str(caught.value)) < 2000


async def test_a_redirect_to_https_says_so() -> None:
    async with Server({"status": 308, "headers": {"Location": "https://127.0.0.1/api"}}) as url:
        with pytest.raises(CoderError) as caught:
            await _asked(url, "deployment")
    assert caught.value.todo == f"Use the URL with https: {url.replace('http', 'https')}"


async def test_a_redirect_is_not_followed_with_the_token() -> None:
    other = Server({"text": "{}"})
    async with other as target, Server({"status": 302, "headers": {"Location": target}}) as url:
        with pytest.raises(CoderError):
            await _asked(url)
    assert other.seen == []


async def test_an_unpacked_bomb_is_not_read() -> None:
    def bomb() -> web.StreamResponse:
        response = web.Response(body=b" " * 40_000_000, content_type="application/json")
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with Server(bomb) as url:
        with pytest.raises(CoderError, match="returned more than 16 MB"):
            await _asked(url)


async def test_proxies_of_the_environment_are_used() -> None:
    proxy = Server({"text": '{"id": "u", "username": "ada", "roles": ["site-admin"]}'})
    async with proxy as url:
        user = await _asked("http://coder.example.org/base", environ={"HTTP_PROXY": url})
    assert user.name == "ada"
    assert str(proxy.seen[0].url) == "http://coder.example.org/base/api/v0/users/me"


async def test_a_proxy_that_refuses() -> None:
    async with Server({"status": 407}) as url:
        with pytest.raises(CoderError, match="The proxy rejected the connection"):
            await _asked("https://coder.example.org", environ={"HTTPS_PROXY": url})


async def test_a_certificate_of_nobody(tmp_path: Path) -> None:
    async with Server({"text": "{}"}, _own_certificate(tmp_path)) as url:
        with pytest.raises(CoderError, match=r"a certificate that is not trusted: self.signed certificate") as caught:
            await _asked(url)
    assert "SSL_CERT_FILE" in caught.value.todo


def _own_certificate(folder: Path) -> ssl.SSLContext:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=nobody"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "server.key", "-out", "server.crt"]
    subprocess.run(["openssl", "req", *made, *names], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context


async def test_a_certificate_of_a_named_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = _own_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.crt"))
    async with Server({"text": '{"id": "u", "username": "ada"}'}, tls) as url:
        assert (await _asked(url)).name == "ada"


@pytest.mark.parametrize(
    "read",
    [
        lambda: MergeConflict.all_of([]),
        lambda: MergeConflict.all_of({"merge_conflicts": {}}),
        lambda: MergeConflict.all_of({"merge_conflicts": [3]}),
        lambda: MergeConflict.all_of({"merge_conflicts": [{}]}),
        lambda: MergeConflict.all_of({"merge_conflicts": [{"workspace_id": "a", "current_template_errors": "no"}]}),
        lambda: Template.of({"template_id": ""}),
        lambda: Template.of({"id": "v-1"}),
        lambda: User.of(None),
        lambda: WorkspaceSettings.of({"enable_workspaces_as_code": "yes"}),
    ],
)
def test_another_shape(read: Any) -> None:
    with pytest.raises(UnexpectedAnswer) as caught:
        read()
    assert "not been tested on a live deployment" in caught.value.todo
    assert "by hand: in Coder, go to Manage > Admin > Templates" in caught.value.todo


def test_lists_that_are_null_are_empty() -> None:
    assert MergeConflict.all_of({"merge_conflicts": None}) == ()
    found = MergeConflict.all_of(
        {"merge_conflicts": [{"workspace_id": "a", "latest_template_errors": {"messages": None}}]}
    )
    assert found[0].updated.errors == ()
    assert found[0].now.is_nothing


async def test_the_token_is_in_no_repr() -> None:
    credentials = CoderCredentials("https://coder.example.org", "secret-token", "typed", "Basic other-secret")
    assert "secret" not in repr(credentials)
    async with CoderClient(credentials) as client:
        assert "secret" not in repr(client)


async def test_a_cancelled_request_leaves_nothing_open(coder: Any) -> None:
    server, client = await coder("hangs")
    task = asyncio.ensure_future(client.reset_policy(dry_run=True))
    await server.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
