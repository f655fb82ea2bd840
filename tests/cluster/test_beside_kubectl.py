"""Kubeconfigs as ten tools write them: what kubectl reaches with them, and with what it introduces itself.

Each row is the very same file for both, against the same server. Where there is no kubectl, the row says what it does.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from tests.cluster.servers import Certificates, raw_api_server, version, write_kubeconfig
from tests.cluster.test_credentials import V1, plugin
from wizard.cluster import Gateway
from wizard.errors import WizardError

HEAD = "apiVersion: v1\nkind: Config\ncurrent-context: here\ncontexts: [{name: here, context: {cluster: c, user: u}}]\n"


def config(cluster: str, user: str) -> str:
    return f"{HEAD}clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers:\n- {{name: u, user: {{{user}}}}}\n"


@dataclass(frozen=True)
class Row:
    """A kubeconfig with ``URL`` and ``CA`` in it, and the credentials that the server gets; None: no connection."""

    text: str
    sent: str | None
    encoding: str = "utf-8"


TRUSTED = "server: URL, certificate-authority: CA"
EXEC = f"exec: {{command: PLUGIN, apiVersion: {V1}, interactiveMode: Never}}"
MERGED = (
    f"base: &base {{certificate-authority: CA}}\nwho: &who {{token: merged}}\n{HEAD}"
    "clusters: [{name: c, cluster: {<<: *base, server: URL}}]\nusers: [{name: u, user: {<<: *who}}]\n"
)
FIRST = config(TRUSTED, "token: first")


def jwt(seconds: int) -> str:
    """A token that expires so many seconds from now."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + seconds}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{claims}.c2ln"


VALID = jwt(3600)
OIDC = "auth-provider: {name: oidc, config: {client-id: x, idp-issuer-url: 'https://127.0.0.1:1', id-token: TOKEN}}"
ROWS = {
    "an id-token": Row(config(TRUSTED, OIDC.replace("TOKEN", VALID)), f"Bearer {VALID}"),
    "an id-token that has expired": Row(config(TRUSTED, OIDC.replace("TOKEN", jwt(-60))), None),
    "a token beside an id-token": Row(config(TRUSTED, "token: own, " + OIDC.replace("TOKEN", VALID)), "Bearer own"),
    "a removed provider": Row(config(TRUSTED, "auth-provider: {name: gcp}"), None),
    "a token": Row(config(TRUSTED, "token: plain"), "Bearer plain"),
    "merge keys": Row(MERGED, "Bearer merged"),
    "a key after a merge": Row(MERGED.replace("<<: *who", "<<: *who, token: own"), "Bearer own"),
    "a key before a merge": Row(MERGED.replace("<<: *who", "token: own, <<: *who"), "Bearer merged"),
    "a key twice": Row(config(TRUSTED, "token: first, token: last"), "Bearer last"),
    "a name twice": Row(FIRST + "- {name: u, user: {token: last}}\n", None),
    "a name twice that nobody uses": Row(FIRST + "- {name: v, user: {}}\n- {name: v, user: {}}\n", None),
    "two documents": Row(f"{FIRST}---\n{FIRST.replace('first', 'second')}", "Bearer first"),
    "UTF-16 with a mark": Row(FIRST, "Bearer first", "utf-16"),
    "UTF-8 with a mark": Row(FIRST, "Bearer first", "utf-8-sig"),
    "CRLF": Row(FIRST.replace("\n", "\r\n"), "Bearer first"),
    "a token file that is missing": Row(config(TRUSTED, "token: beside, tokenFile: missing"), "Bearer beside"),
    "a certificate and a plugin": Row(config(TRUSTED, f"client-certificate: CERT, client-key: KEY, {EXEC}"), ""),
    "a plugin": Row(config(TRUSTED, EXEC), "Bearer of-plugin"),
    "a query in the address": Row(config(TRUSTED.replace("URL", '"URL/?x=1"'), "token: plain"), "Bearer plain"),
    "a password in the address": Row(config(TRUSTED.replace("URL", "USERURL"), "token: plain"), "Basic amFuZTpwYXNz"),
    "a tilde of nobody": Row(config("server: URL, certificate-authority: ~zz/ca.crt", "token: plain"), None),
    "a tilde": Row(config("server: URL, certificate-authority: ~/ca.crt", "token: plain"), None),
    "brackets in the address": Row(config("server: 'https://[API_SERVER]:6443'", "token: plain"), None),
    "no current context": Row(FIRST.replace("current-context: here", "current-context: null"), None),
}


@pytest.mark.parametrize("name", ROWS)
async def test_the_same_as_kubectl(
    name: str, tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, heard = ROWS[name], list[str]()

    async def answer(request: web.Request) -> web.StreamResponse:
        heard.append(request.headers.get("Authorization", ""))
        return version()

    (Path.home() / "ca.crt").write_bytes(certificates.authority.read_bytes())
    credential = f"{{'kind': 'ExecCredential', 'apiVersion': {V1!r}, 'status': {{'token': 'of-plugin'}}}}"
    async with raw_api_server(answer, certificates.context()) as url:
        text = row.text
        for word, value in {
            "USERURL": url.replace("://", "://jane:pass@"),
            "URL": url,
            "CA": str(certificates.authority),
            "CERT": str(certificates.folder / "client.crt"),
            "KEY": str(certificates.folder / "client.key"),
            "PLUGIN": plugin(tmp_path / "p", f"print(json.dumps({credential}))"),
        }.items():
            text = text.replace(f": {word}", f": {value}").replace(f'"{word}/', f'"{value}/')
        path = tmp_path / "kubeconfig"
        path.write_bytes(text.encode(row.encoding))
        try:
            await (await Gateway.connect(str(path), None)).close()
            found = heard.pop()
        except WizardError:
            found = None
        assert found == row.sent
        kubectl = shutil.which("kubectl")
        if kubectl is not None:
            heard.clear()
            options = [kubectl, "--kubeconfig", str(path), "get", "--raw", "/version"]
            ended = await asyncio.to_thread(subprocess.run, options, capture_output=True, timeout=60)
            reached = heard[-1] if ended.returncode == 0 and heard else None
            assert reached == row.sent, ended.stderr


async def test_the_path_of_an_address_is_kept(tmp_path: Path, certificates: Certificates) -> None:
    """As Rancher and other gateways have it: one address for many clusters."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return version()

    trusted = {"certificate-authority": str(certificates.authority)}
    async with raw_api_server(answer, certificates.context()) as url:
        config = write_kubeconfig(tmp_path / "k", f"{url}/k8s/c-1/", cluster=trusted, user={"token": "any-token"})
        await (await Gateway.connect(config, None)).close()
        assert asked == ["/k8s/c-1/version"]
        kubectl = shutil.which("kubectl")
        if kubectl is not None:
            options = [kubectl, "--kubeconfig", config, "version"]
            await asyncio.to_thread(subprocess.run, options, capture_output=True, timeout=60)
            assert asked[1] == asked[0]
