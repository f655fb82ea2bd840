"""The far end of a line: a terminal in which a person sits, and what stands between the wizard and its cluster."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import select
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import pyte

from tests.pseudo_terminal import ROOT, PseudoTerminal

LONG = 30.0
"""How long a state may take to come about on a busy machine; what must be quick says so itself."""

OBJECTS = {
    "Namespace": "/api/v1/namespaces/smarter-device-manager",
    "ResourceQuota": "/api/v1/namespaces/smarter-device-manager/resourcequotas/smarter-device-manager",
    "ConfigMap": "/api/v1/namespaces/smarter-device-manager/configmaps/smarter-device-manager",
    "DaemonSet": "/apis/apps/v1/namespaces/smarter-device-manager/daemonsets/smarter-device-manager",
}
APPLYING = rb"PATCH /(?!\S*dryRun)\S*smarter-device-manager"
LABELLING = rb"PATCH /\S*api/v1/nodes/"


def wait_until(state: Callable[[], object], what: str, seconds: float = LONG) -> None:
    """Waits for a state that does not come by the terminal."""
    deadline = monotonic() + seconds
    while not state():
        assert monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        select.select([], [], [], 0.02)


class FarTerminal(PseudoTerminal):
    """A program in a pseudo terminal of its own, and what a person sees in it."""

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int] = (80, 24),
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
    ) -> None:
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        super().__init__(command, size, environment, folder)

    def resize(self, width: int, height: int) -> None:
        """Another size of the window."""
        super().resize(width, height)
        self.screen.resize(height, width)

    def read(self, seconds: float = 0.05) -> bytes:
        """What is written until nothing has been for that long."""
        got = super().read(seconds)
        self._stream.feed(got)
        return got

    @property
    def text(self) -> str:
        """What stands on the screen."""
        return "\n".join(self.screen.display)

    def wait_for(self, pattern: str, seconds: float = LONG) -> re.Match[str]:
        """Waits until a text stands on the screen."""
        deadline = monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            assert monotonic() < deadline, f"{pattern!r} was not seen; the screen:\n{self.text}"
            self.read(0.02)
        return found

    def wait_until(self, state: Callable[[], object], what: str, seconds: float = LONG) -> None:
        """Waits for any state, and reads meanwhile as a terminal does."""
        deadline = monotonic() + seconds
        while not state():
            assert monotonic() < deadline, f"not within {seconds:.0f} s: {what}; the screen:\n{self.text}"
            self.read(0.02)

    def press(self, keys: str, pattern: str) -> re.Match[str]:
        """Types, and waits for a text."""
        self.send(keys)
        return self.wait_for(pattern)

    def press_when(self, pattern: str, keys: str) -> None:
        """Waits for a text, and types once the screen stands still."""
        self.wait_for(pattern)
        self.settle()
        self.send(keys)

    def settle(self, seconds: float = 0.2) -> None:
        """Waits until nothing more is written."""
        self.wait_until(lambda: not self.read(seconds), "the screen stands still")

    def agree(self, question: str) -> None:
        """Answers a question with its second button; the first, which changes nothing, has the focus.

        The first change on a cluster wants the context typed before.
        """
        self.wait_for(question)
        self.settle()
        guard = re.search(r"To confirm, type (\S+)", self.text)
        if guard:
            self.send(guard[1])
            self.settle()
        self.send("\t\t" if guard else "\t")
        self.settle()
        self.send("\r")

    def ended(self, seconds: float = LONG) -> int:
        """The exit code, when it has come to its end."""
        self.wait_until(lambda: self.process.poll() is not None, "the program ends", seconds)
        self.read(0.1)
        return int(self.process.returncode)

    def kill(self) -> None:
        """The line drops: the client is gone from one moment to the next."""
        self.process.kill()
        self.process.wait()


def processes_with(mark: str) -> dict[int, str]:
    """The live processes that carry a mark in their environment, with their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if mark.encode() not in (folder / "environ").read_bytes():
                continue
            if (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                continue
            found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


class Gate:
    """Stands before an API server: it slows some requests down, or holds one of them or its answer for good.

    Set ``pattern`` first (a request whose first bytes match is meant), then ``delay`` or ``hold``.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.pattern = rb"$^"
        self.delay = 0.0
        self.hold: tuple[int, str] | None = None
        """The number of the request that is held (from 1), and what of it: ``request`` or ``answer``."""
        self.seen = 0
        self.holding = False
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def set(self, pattern: bytes, *, delay: float = 0.0, hold: tuple[int, str] | None = None) -> None:
        """Says what is to happen from now on."""
        self.seen, self.holding = 0, False
        self.pattern, self.delay, self.hold = pattern, delay, hold

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

    def close(self) -> None:
        """Ends it with all its connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, away = await asyncio.open_connection("127.0.0.1", self._upstream)
        slow = asyncio.Event()
        held = asyncio.Event()
        pumps = [
            asyncio.create_task(self._requests(reader, away, slow, held)),
            asyncio.create_task(self._answers(upstream, writer, slow, held)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            away.close()
            writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, slow: asyncio.Event, held: asyncio.Event
    ) -> None:
        waiting = False
        while chunk := await reader.read(65536):
            if re.match(rb"[A-Z]+ /\S* HTTP/", chunk):
                slow.clear()
                if re.match(self.pattern, chunk):
                    self.seen += 1
                    slow.set()
                    if self.hold is not None and self.seen == self.hold[0]:
                        self.holding = True
                        waiting = self.hold[1] == "request"
                        if not waiting:
                            held.set()
            if not waiting:
                writer.write(chunk)
                await writer.drain()

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, slow: asyncio.Event, held: asyncio.Event
    ) -> None:
        while chunk := await reader.read(65536):
            if slow.is_set():
                await asyncio.sleep(self.delay)
            if held.is_set():
                continue
            writer.write(chunk)
            await writer.drain()


@dataclass
class StandaloneCluster:
    """A sandbox in a process of its own, which outlives its clients; the wizard reaches it through the gate."""

    process: subprocess.Popen[bytes]
    gate: Gate
    kubeconfig: Path
    url: str
    token: str

    def get(self, path: str) -> Any:
        """A GET past the gate; None where there is nothing."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise

    def labelled(self) -> set[str]:
        """The nodes that carry the guide's label."""
        nodes = self.get("/api/v1/nodes?labelSelector=smarter-device-manager%3Denabled")
        return {node["metadata"]["name"] for node in nodes["items"]}

    def close(self) -> None:
        """Ends it."""
        self.gate.close()
        self.process.terminate()
        self.process.wait()


def start_cluster(scenario: str, folder: Path) -> StandaloneCluster:
    """Starts ``podman-wizard sandbox`` as a person does in a second terminal."""
    path = folder / "sandbox.kubeconfig"
    process = subprocess.Popen(
        [sys.executable, "-m", "wizard", "sandbox", scenario, "--kubeconfig-to", str(path), "-o", "json"],
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "sandbox-state"), "PODMAN_WIZARD_SANDBOX_SPEED": "100"},
    )
    deadline = monotonic() + LONG
    config: Any = None
    while config is None:
        assert process.poll() is None and monotonic() < deadline, "the sandbox does not start"
        with contextlib.suppress(OSError, ValueError):
            config = json.loads(path.read_text())
        select.select([], [], [], 0.02)
    url = config["clusters"][0]["cluster"]["server"]
    gate = Gate(int(url.partition("//")[2].partition("/")[0].rpartition(":")[2]))
    config["clusters"][0]["cluster"]["server"] = re.sub(r":\d+", f":{gate.port}", url)
    through = folder / "kubeconfig"
    through.write_text(json.dumps(config))
    return StandaloneCluster(process, gate, through, url, config["users"][0]["user"]["token"])
