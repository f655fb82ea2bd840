"""Whom a connection trusts, and with which certificate it goes: what kubectl takes, on the very same kubeconfig."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cluster.servers import raw_api_server, version, write_kubeconfig
from tests.cluster.test_credentials import V1, plugin
from tests.clusters import command
from wizard.cluster import Gateway
from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials
from wizard.coder.refusals import CoderError
from wizard.errors import WizardError


class Chain:
    """A root, an intermediate, a server's certificate, and a client's, with an encrypted key too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        self._run(f"req -x509 {new_key} -days 2 -subj /CN=root -keyout root.key -out root.crt")
        self._signed("inter", "root", "basicConstraints=critical,CA:TRUE")
        self._signed("server", "inter", "subjectAltName=IP:127.0.0.1")
        self._signed("client", "inter", "extendedKeyUsage=clientAuth")
        self._signed("expired", "inter", "extendedKeyUsage=clientAuth", "-days -1")
        self._run("pkey -in client.key -aes256 -passout pass:x -out encrypted.key")
        self._run("ec -in client.key -aes256 -passout pass:x -out traditional.key")
        (folder / "sent.crt").write_bytes((folder / "server.crt").read_bytes() + (folder / "inter.crt").read_bytes())

    def _run(self, arguments: str) -> None:
        subprocess.run(["openssl", *arguments.split()], cwd=self.folder, check=True, capture_output=True)

    def _signed(self, name: str, by: str, extension: str, validity: str = "-days 2") -> None:
        (self.folder / "extension").write_text(extension)
        new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        self._run(f"req {new_key} -subj /CN={name} -keyout {name}.key -out {name}.csr")
        signer = f"-CA {by}.crt -CAkey {by}.key -CAcreateserial"
        self._run(f"x509 -req -in {name}.csr {signer} {validity} -extfile extension -out {name}.crt")

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "sent.crt", self.folder / "server.key")
        return context


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    return Chain(tmp_path_factory.mktemp("chain"))


async def answer(_: web.Request) -> web.StreamResponse:
    return version()


PAIR = (("Certificate", "crt"), ("Key", "key"))
BROKEN = b"-----BEGIN CERTIFICATE-----\nMIIBbroken\n-----END CERTIFICATE-----\n"

AUTHORITIES: dict[str, tuple[Callable[[Chain], bytes], bool]] = {
    "the root": (lambda chain: chain.read("root.crt"), True),
    "the intermediate": (lambda chain: chain.read("inter.crt"), True),
    "the server itself": (lambda chain: chain.read("server.crt"), True),
    "a comment that is not ASCII": (lambda chain: "# Zertifikat für Köln\n".encode() + chain.read("root.crt"), True),
    "a comment that is not UTF-8": (lambda chain: b"# K\xf6ln\n" + chain.read("root.crt"), True),
    "one broken among others": (lambda chain: BROKEN + chain.read("root.crt"), True),
    "another one": (lambda chain: chain.read("client.crt"), False),
    "only a broken one": (lambda _: BROKEN, False),
    "no certificate at all": (lambda _: b"nothing\n", False),
}


def kubectl_connects(config: str) -> bool | None:
    """Whether kubectl takes the same kubeconfig; None where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return None
    options = ["--kubeconfig", config, "get", "--raw", "/version", "--request-timeout", "20s"]
    return subprocess.run([kubectl, *options], capture_output=True, timeout=60).returncode == 0


async def connects(config: str) -> bool:
    try:
        await (await Gateway.connect(config, None)).close()
    except WizardError:
        return False
    return True


@pytest.mark.parametrize("authority", AUTHORITIES)
async def test_what_is_an_authority(authority: str, tmp_path: Path, chain: Chain) -> None:
    content, trusted = AUTHORITIES[authority]
    (tmp_path / "ca").write_bytes(content(chain))
    async with raw_api_server(answer, chain.context()) as url:
        # Without any credentials, kubectl asks for a user.
        user = {"token": "any-token"}
        config = write_kubeconfig(tmp_path / "k", url, cluster={"certificate-authority": "ca"}, user=user)
        assert await connects(config) is trusted
        assert await asyncio.to_thread(kubectl_connects, config) in (trusted, None)


@pytest.mark.parametrize("name", ["root", "inter", "server"])
async def test_the_system_s_authorities_are_anchors_too(
    name: str, chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(chain.folder / f"{name}.crt"))
    async with raw_api_server(answer, chain.context()) as url:
        assert await connects(write_kubeconfig(tmp_path / "k", url))
        async with CoderClient(CoderCredentials(url, "token-of-coder")) as client:
            await client._exchange("GET", "/api")
        monkeypatch.setenv("SSL_CERT_FILE", str(chain.folder / "client.crt"))
        async with CoderClient(CoderCredentials(url, "token-of-coder")) as client:
            with pytest.raises(CoderError, match="not trusted"):
                await client._exchange("GET", "/api")


@pytest.mark.parametrize("key", ["encrypted", "traditional"])
async def test_an_encrypted_key_is_refused_at_once(key: str, chain: Chain, tmp_path: Path) -> None:
    user = {
        "client-certificate": str(chain.folder / "client.crt"),
        "client-key": str(chain.folder / f"{key}.key"),
    }
    config = write_kubeconfig(tmp_path / "k", "https://127.0.0.1:1", user=user)
    ended = await command("--kubeconfig", config, "check")
    assert ended.code == 4
    assert "is encrypted" in ended.error
    assert "openssl pkey -in" in ended.error
    assert kubectl_connects(config) in (False, None)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, the key is in a file without a name")
async def test_a_key_leaves_no_file_and_needs_no_folder(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    context = chain.context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(chain.folder / "root.crt")
    context.load_verify_locations(chain.folder / "inter.crt")
    cluster: dict[str, Any] = {"certificate-authority": str(chain.folder / "root.crt")}
    user = {"client-certificate": str(chain.folder / "client.crt"), "client-key": str(chain.folder / "client.key")}
    async with raw_api_server(answer, context) as url:
        assert await connects(write_kubeconfig(tmp_path / "k", url, cluster=cluster, user=user))
        assert not await connects(write_kubeconfig(tmp_path / "k", url, cluster=cluster))
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


async def test_a_certificate_of_a_plugin_is_sent(chain: Chain, tmp_path: Path) -> None:
    context = chain.context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(chain.folder / "root.crt")
    context.load_verify_locations(chain.folder / "inter.crt")
    status = {f"client{kind}Data": chain.read(f"client.{end}").decode() for kind, end in PAIR}
    credential = {"kind": "ExecCredential", "apiVersion": V1, "status": status}
    command = plugin(tmp_path / "p", f"print(json.dumps({credential!r}))")
    user = {"exec": {"command": command, "apiVersion": V1, "interactiveMode": "Never"}}
    async with raw_api_server(answer, context) as url:
        cluster: dict[str, Any] = {"certificate-authority": str(chain.folder / "root.crt")}
        config = write_kubeconfig(tmp_path / "k", url, cluster=cluster, user=user)
        assert await connects(config)
        assert await asyncio.to_thread(kubectl_connects, config) in (True, None)


@pytest.mark.parametrize("latest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_an_expired_client_certificate_is_blamed(latest: ssl.TLSVersion, chain: Chain, tmp_path: Path) -> None:
    context = chain.context()
    context.maximum_version = latest
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(chain.folder / "root.crt")
    context.load_verify_locations(chain.folder / "inter.crt")
    cluster: dict[str, Any] = {"certificate-authority": str(chain.folder / "root.crt")}
    user = {"client-certificate": str(chain.folder / "expired.crt"), "client-key": str(chain.folder / "expired.key")}
    async with raw_api_server(answer, context) as url:
        with pytest.raises(WizardError) as caught:
            await Gateway.connect(write_kubeconfig(tmp_path / "k", url, cluster=cluster, user=user), None)
    assert "client certificate" in str(caught.value)
    assert str(tmp_path / "k") in str(caught.value)
