"""A Coder on loopback, for the client on the test's own loop and for commands, which run a loop of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from wizard.cli import main
from wizard.coder.client import CoderClient
from wizard.coder.credentials import CoderCredentials
from wizard.engine.bridge import Bridge
from wizard.policy import PolicyDocument, new_policy
from wizard.sandbox.coder import Behaviour, SandboxCoder

Started = Callable[..., Awaitable[tuple[SandboxCoder, CoderClient]]]


@pytest.fixture
async def coder() -> AsyncIterator[Started]:
    """Starts a Coder with behaviours, and a client that is connected to it."""
    async with AsyncExitStack() as stack:

        async def start(
            *behaviours: Behaviour, prefix: str = "", timeout: float = 10.0
        ) -> tuple[SandboxCoder, CoderClient]:
            server = await stack.enter_async_context(await SandboxCoder.start(*behaviours, prefix=prefix))
            credentials = CoderCredentials(server.url, server.token, "typed")
            client = await stack.enter_async_context(CoderClient(credentials, timeout=timeout, environ={}))
            return server, client

        yield start


@pytest.fixture
def policy() -> PolicyDocument:
    return PolicyDocument.parse(new_policy("podman"), "policy.yaml")


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_bytes(new_policy("podman"))
    return path


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Ended]]:
    """Runs a command against a Coder with behaviours that runs in another thread, found by the environment."""
    bridge = Bridge()
    bridge.start()
    servers: list[SandboxCoder] = []

    def run(*arguments: str, coder: tuple[Behaviour, ...] = ()) -> Ended:
        server = bridge.submit(SandboxCoder.start(*coder)).result(10)
        servers.append(server)
        monkeypatch.setenv("CODER_URL", server.url)
        monkeypatch.setenv("CODER_TOKEN", server.token)
        code = main(arguments)
        said = capfd.readouterr()
        return Ended(code, said.out, said.err)

    run.servers = servers  # type: ignore[attr-defined]
    yield run
    for server in servers:
        bridge.submit(server.stop()).result(10)
    bridge.stop()
