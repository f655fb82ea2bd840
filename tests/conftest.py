"""What every test has: a home of its own, no cluster of the person who runs it, nothing beyond loopback."""

from __future__ import annotations

import gc
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import alone
from tests.contract import validate
from wizard import documents
from wizard.text import redaction

# How long an example takes is the machine's business; what must be quick is measured in tests/benchmarks.
settings.register_profile("podman-wizard", deadline=None)
settings.load_profile("podman-wizard")


def pytest_configure(config: pytest.Config) -> None:
    alone.install(config)


def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are processors: many tests wait for a program that they started."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name, folder in [
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_STATE_HOME", ".local/state"),
        ("XDG_CACHE_HOME", ".cache"),
        ("XDG_DATA_HOME", ".local/share"),
    ]:
        monkeypatch.setenv(name, str(home / folder))
    for name in list(os.environ):
        if name in ("KUBECONFIG", "CODER_URL", "CODER_TOKEN", "NO_COLOR", "COLORTERM", "COLUMNS", "LINES") or (
            name.lower().endswith("_proxy") or name.startswith("KUBERNETES_SERVICE_")
        ):
            monkeypatch.delenv(name)
    return home


@pytest.fixture(autouse=True)
def no_known_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets the secrets of earlier tests: what one of them registers would be hidden on another's screen."""
    monkeypatch.setattr(redaction, "_secrets", [])


@pytest.fixture(autouse=True)
def documents_in_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validates every document of -o json that a command prints in this process."""
    original = documents.versioned

    def validated(*arguments: Any, **options: Any) -> dict[str, Any]:
        made = original(*arguments, **options)
        validate(json.loads(json.dumps(made, default=str)))
        return made

    monkeypatch.setattr(documents, "versioned", validated)


@pytest.fixture(autouse=True)
def heap_of_its_own(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keeps what thousands of earlier tests left in memory out of the garbage collector's way while time is measured.

    A full collection over the objects of a whole suite takes 0.4 s.
    """
    if not alone.measures(request.node):
        yield
        return
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "::1", "localhost")):
            raise AssertionError(f"a test tried to reach {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
