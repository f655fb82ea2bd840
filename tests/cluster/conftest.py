"""Certificates, and a connection to a server of the test's own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.servers import Certificates, Handler, api_server, write_kubeconfig
from wizard.cluster import Gateway
from wizard.sandbox import Sandbox

Opened = Callable[..., AbstractAsyncContextManager[tuple[Sandbox, Gateway]]]
Connected = Callable[[Handler], AbstractAsyncContextManager[Gateway]]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def connected(tmp_path: Path) -> Connected:
    """A gateway to a server that answers as the test says."""

    @asynccontextmanager
    async def connect(handler: Handler) -> AsyncIterator[Gateway]:
        async with api_server(handler) as url:
            config = write_kubeconfig(tmp_path / "kubeconfig", url, user={"token": "secret-token"})
            async with await Gateway.connect(config, None) as gateway:
                yield gateway

    return connect


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between repetitions take no time; gives how long they would have been."""
    from wizard.cluster import transport

    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    class Asyncio:
        def __getattr__(self, name: str) -> Any:
            return sleep if name == "sleep" else getattr(asyncio, name)

    monkeypatch.setattr(transport, "asyncio", Asyncio())
    return pauses


@pytest.fixture
def recordings() -> Path:
    """What a real API server said."""
    return Path(__file__).parent.parent / "sandbox" / "recordings"


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """A sandbox with a scenario, and a gateway to it."""

    @asynccontextmanager
    async def start(scenario: str, user: str | None = None) -> AsyncIterator[tuple[Sandbox, Gateway]]:
        async with await Sandbox.start(scenario, speed=50) as sandbox:
            sandbox.write_kubeconfig(tmp_path / "kubeconfig", user)
            async with await Gateway.connect(str(tmp_path / "kubeconfig"), None, sandbox=scenario) as gateway:
                yield sandbox, gateway

    return start
