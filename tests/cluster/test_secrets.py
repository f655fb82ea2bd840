"""Tokens, passwords, and keys go only where they belong: to the right server, encrypted, and into no text."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from tests.cluster.servers import Certificates, raw_api_server, status, version, write_kubeconfig
from tests.cluster.test_beside_kubectl import jwt
from tests.cluster.test_credentials import V1, plugin
from tests.cluster.test_routes import port_of, socks_proxy
from tests.clusters import command
from wizard.cluster import Gateway
from wizard.cluster.kubeconfig import read_access
from wizard.errors import ClusterError, WizardError
from wizard.sandbox import Sandbox
from wizard.text import redaction

CANARY = "canary-5up3r/s3cr3t+x"


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_no_credentials_go_over_plain_http_and_no_plugin_runs(tmp_path: Path, scheme: str) -> None:
    heard: list[dict[str, str]] = []
    ran = tmp_path / "ran"

    async def answer(request: web.Request) -> web.StreamResponse:
        heard.append(dict(request.headers))
        return status(403, "Forbidden", 'User "system:anonymous" cannot get path "/version"')

    users: list[dict[str, Any]] = [
        {"token": CANARY},
        {"username": "jane", "password": CANARY},
        {"exec": {"command": plugin(tmp_path / "p", f"open({str(ran)!r}, 'w')"), "apiVersion": V1}},
    ]
    async with raw_api_server(answer) as url:
        address = url.removeprefix("http://")
        for user in users:
            config = write_kubeconfig(tmp_path / "k", scheme + address, user={**user, "as": "bob"})
            async with await Gateway.connect(config, None) as gateway:
                with pytest.raises(ClusterError, match="no credentials are sent, as with kubectl"):
                    await gateway.request("GET", "/api/v1/nodes")
    assert heard
    assert not any("Authorization" in headers for headers in heard)
    assert {headers["Impersonate-User"] for headers in heard} == {"bob"}
    assert not ran.exists()


async def test_a_password_in_the_address_is_sent_encrypted_and_shown_nowhere(
    tmp_path: Path, certificates: Certificates
) -> None:
    heard: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        heard.append(request.headers.get("Authorization", ""))
        return version()

    trusted = {"certificate-authority": str(certificates.authority)}
    async with raw_api_server(answer, certificates.context()) as url:
        address = url.replace("://", "://jane:pass-word-1@") + "/?x=1"
        config = write_kubeconfig(tmp_path / "k", address, cluster=trusted, user={"token": "other"})
        async with await Gateway.connect(config, None) as gateway:
            assert gateway.server == url
            assert "pass-word-1" not in repr(gateway) + repr(read_access(config))
    assert heard == ["Basic " + base64.b64encode(b"jane:pass-word-1").decode()]


CREDENTIALS = ("token", "tokenFile", "id-token", "password", "plugin", "address", "proxy-url", "HTTPS_PROXY")


@pytest.mark.parametrize("place", CREDENTIALS)
async def test_a_server_that_repeats_a_secret_does_not_have_it_printed(
    tmp_path: Path, place: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is, and as it was sent: in the refusal, and in a warning."""
    monkeypatch.setattr(redaction, "_secrets", [])
    secret = jwt(3600) if place == "id-token" else CANARY
    pair = base64.b64encode(f"jane:{secret}".encode()).decode()

    async def echo(request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        heard.append(given)
        answer = status(403, "Forbidden", f"cannot accept {given}, that is {given[7:]}, with {secret}")
        answer.headers["Warning"] = f'299 - "{given} {secret}"'
        return answer

    heard: list[str] = []
    (tmp_path / "token").write_text(secret)
    credential = {"kind": "ExecCredential", "apiVersion": V1, "status": {"token": secret}}
    command = plugin(tmp_path / "p", f"print(json.dumps({credential!r}))")
    provider = {"name": "oidc", "config": {"id-token": secret}}
    users: dict[str, dict[str, Any]] = {
        "token": {"token": secret},
        "tokenFile": {"tokenFile": "token"},
        "id-token": {"auth-provider": provider},
        "password": {"username": "jane", "password": secret},
        "plugin": {"exec": {"command": command, "apiVersion": V1, "interactiveMode": "Never"}},
    }
    cluster: dict[str, Any] = {"certificate-authority": str(certificates.authority)}
    async with (
        raw_api_server(echo, certificates.context("elsewhere")) as url,
        socks_proxy(port_of(url), password=secret) as (proxy, _),
    ):
        server = f"https://api.example.org:{port_of(url)}"
        inside = f"://jane:{quote(secret, safe='')}@"
        # Where the secret is not the proxy's, the name of the certificate is given, and the way is direct.
        if place == "proxy-url":
            cluster["proxy-url"] = f"socks5{inside}{proxy}"
        elif place == "HTTPS_PROXY":
            monkeypatch.setenv("HTTPS_PROXY", f"socks5{inside}{proxy}")
        else:
            cluster["tls-server-name"] = "api.example.org"
            server = url.replace("://", inside) if place == "address" else url
        config = write_kubeconfig(tmp_path / "k", server, cluster=cluster, user=users.get(place))
        async with await Gateway.connect(config, None) as gateway:
            with pytest.raises(WizardError) as caught:
                await gateway.request("GET", "/api/v1/nodes")
            told = f"{caught.value} {gateway.warnings}"
    assert "cannot accept" in told
    assert secret not in told
    assert pair not in told
    sent = {"password": f"Basic {pair}", "address": f"Basic {pair}", "proxy-url": "", "HTTPS_PROXY": ""}
    assert heard[-1] == sent.get(place, f"Bearer {secret}")


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("check", "-o", "json"),
        ("nodes", "list", "-o", "json"),
        ("plan", "--to", "{}"),
        ("plan", "--to", "{}", "-o", "json"),
    ],
    ids=" ".join,
)
async def test_no_command_and_no_file_has_a_secret(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A cluster that works, with a canary in each credential; the sandbox needs none."""
    folder = tmp_path / "plan"
    async with await Sandbox.start("mixed", speed=50) as sandbox:
        server = str(sandbox.kubeconfig()["clusters"][0]["cluster"]["server"])
        config = write_kubeconfig(
            tmp_path / "k",
            server.replace("://", "://jane:canary-address@"),
            user={"token": "canary-token", "username": "joe", "password": "canary-password"},
        )
        proxy = "http://me:canary-proxy@127.0.0.1:9"
        options = ("--kubeconfig", config, *(one.format(folder) for one in arguments))
        ended = await command(*options, HTTPS_PROXY=proxy, CODER_TOKEN="canary-coder")
    assert ended.code in (0, 1), ended.error
    written = [path for path in tmp_path.rglob("*") if path.is_file() and str(path) != config]
    texts = [ended.out, ended.error, *(path.read_text(errors="replace") for path in written)]
    assert bool(written) == (arguments[0] == "plan")
    assert not [text for text in texts if "canary" in text]
    if "json" in arguments:
        json.loads(ended.out)


@pytest.mark.parametrize("place", ["server", "proxy-url", "plugin", "redirect"])
async def test_no_error_on_the_way_has_a_secret(tmp_path: Path, place: str, certificates: Certificates) -> None:
    async def away(_: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"https://jane:{CANARY.replace('/', '%2F')}@127.0.0.1:1/")

    cluster: dict[str, Any] = {"certificate-authority": str(certificates.authority)}
    user: dict[str, Any] = {"token": CANARY}
    secret = "canary%2Fpass"
    async with raw_api_server(away, certificates.context()) as url:
        server = url if place == "redirect" else f"https://jane:{secret}@127.0.0.1:1"
        if place == "proxy-url":
            cluster["proxy-url"] = f"http://jane:{secret}@127.0.0.1:1"
        if place == "plugin":
            server = "https://127.0.0.1:1"
            user = {"exec": {"command": plugin(tmp_path / "p", "sys.exit(1)"), "apiVersion": V1}}
        config = write_kubeconfig(tmp_path / "k", server, cluster=cluster, user=user)
        ended = await command("--kubeconfig", config, "check", "-o", "json")
    assert ended.code == 3
    assert "canary" not in ended.out + ended.error


def test_the_report_of_a_bug_has_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    from wizard.cli import _report
    from wizard.journal.state import state_folder
    from wizard.text.redaction import keep_secret

    keep_secret("canary-of-a-bug")
    told = _report(RuntimeError("no such token: canary-of-a-bug"))
    (report,) = state_folder().glob("bug-*.txt")
    assert "no such token: ***" in report.read_text()
    assert "canary" not in told + report.read_text()
