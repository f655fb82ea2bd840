"""Who we are to a cluster: tokens, token files, basic auth, and exec credential plugins.

A plugin of the stock client loses its prompt in a pipe. Ours gets the terminal where one is there: on the
command line as it is, under the screens through a hook that steps aside for as long as the plugin runs.

No token, key or password is ever part of a message or of a ``repr``.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from wizard.errors import ClusterError
from wizard.escaping import printable

TOKEN_FILE_SECONDS = 60.0
"""How long a token that was read from a file is used before the file is read again, as client-go does it."""

QUIET_SECONDS = 60.0
"""How long a plugin may take that nobody can answer."""

PATIENCE_SECONDS = 8.0
"""How long a plugin may take before it is taken to be waiting for a person, where it could have the terminal."""

STDERR_KEPT = 4000
"""How much of what a plugin wrote to stderr is kept, in bytes."""

EXPIRY_MARGIN_SECONDS = 10.0
"""A credential is renewed this long before it expires, so that none expires on its way to the server."""

EXEC_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

Interactive = Callable[[str], AbstractAsyncContextManager[None]]
"""Gives a plugin the real terminal for as long as the context is open; it is told whom, in a few words."""

RELAY_SECONDS = 0.5
"""How long a plugin's last words may take after it has ended; what it left running may keep its stderr open."""


@dataclass(frozen=True, slots=True)
class ExecConfig:
    """The ``exec`` stanza of a kubeconfig's user. ``cluster`` is what ``provideClusterInfo`` hands to the plugin."""

    command: str
    api_version: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    interactive_mode: Literal["Never", "IfAvailable", "Always"] = "IfAvailable"
    install_hint: str = ""
    cluster: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request carries. ``certificate`` is a client certificate and its key, in PEM; ``expires`` a Unix time."""

    authorization: str = field(default="", repr=False)
    certificate: tuple[bytes, bytes] | None = field(default=None, repr=False)
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """How a kubeconfig's user proves who it is; of several ways the first in this order counts, as in kubectl."""

    certificate: tuple[bytes, bytes] | None = field(default=None, repr=False)
    token_file: Path | None = None
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    exec: ExecConfig | None = None


class Credentials:
    """The credential of one identity, kept fresh. Many requests may ask at once; it is renewed once for all."""

    def __init__(self, identity: Identity, interactive: Interactive | None = None) -> None:
        self._identity = identity
        self._interactive = interactive
        self._lock = asyncio.Lock()
        self._current: Credential | None = None
        self._failures = 0
        self._failure: ClusterError | None = None

    async def current(self) -> Credential:
        """The credential to use now. Raises ClusterError where it cannot be had."""
        failures = self._failures
        async with self._lock:
            if self._current is None or _expired(self._current):
                self._current = await self._try(failures)
            return self._current

    async def renew(self, rejected: Credential) -> bool:
        """After the server answered 401 to ``rejected``: whether there is another credential to try."""
        if self._identity.exec is None and self._identity.token_file is None:
            return False
        failures = self._failures
        async with self._lock:
            if self._current is None or self._current is rejected:
                self._current = await self._try(failures)
            return self._current != rejected

    async def _try(self, failures: int) -> Credential:
        """A new credential. ``failures`` is how often that had failed when the caller began to wait for its turn.

        What failed meanwhile failed for all who waited: nobody is asked for a password thirty times.
        """
        if self._failure is not None and self._failures != failures:
            raise ClusterError(self._failure.what, self._failure.todo)
        try:
            return await self._obtain()
        except ClusterError as error:
            self._failures, self._failure = self._failures + 1, error
            raise

    async def _obtain(self) -> Credential:
        identity = self._identity
        if identity.token_file is not None:
            token = _read_token(identity.token_file)
            return Credential(f"Bearer {token}", identity.certificate, time.time() + TOKEN_FILE_SECONDS)
        if identity.token:
            return Credential(f"Bearer {identity.token}", identity.certificate)
        if identity.username:
            pair = base64.b64encode(f"{identity.username}:{identity.password}".encode()).decode("ascii")
            return Credential(f"Basic {pair}", identity.certificate)
        if identity.exec is not None:
            got = await run_plugin(identity.exec, self._interactive)
            return Credential(got.authorization, got.certificate or identity.certificate, got.expires)
        return Credential(certificate=identity.certificate)


def _expired(credential: Credential) -> bool:
    return credential.expires is not None and time.time() >= credential.expires - EXPIRY_MARGIN_SECONDS


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ClusterError(
            f"The token file {path} cannot be read: {str(reason).lower()}.",
            "Check tokenFile in the kubeconfig, or log in again.",
        ) from None
    if not token:
        raise ClusterError(f"The token file {path} is empty.", "Log in again.")
    if not token.isprintable():
        raise ClusterError(f"The token file {path} holds more than a token: it has several lines.", "Log in again.")
    return token


async def run_plugin(config: ExecConfig, interactive: Interactive | None = None) -> Credential:
    """Runs an exec credential plugin and reads its ExecCredential.

    Where a person is at the terminal and the plugin may ask, it can: without a hook it inherits the terminal
    at once, as under kubectl. With one (the terminal is busy showing screens) it first runs quietly, cut off
    from the terminal, since most plugins never ask; where that fails, or takes longer than a person would
    wait in the dark, it runs again with the terminal to itself.

    Raises ClusterError with the command's name and the last lines that it wrote to stderr.
    """
    person = _person_present() and config.interactive_mode != "Never"
    if config.interactive_mode == "Always" and not person:
        raise ClusterError(
            f"The credential plugin {printable(config.command)} wants to ask something, and there is no terminal.",
            "Log in with it in a terminal first, or use a kubeconfig with a token.",
        )
    if person and interactive is None:
        return await _run_with_terminal(config, relay=False)
    if not person or interactive is None:
        return await _run_quietly(config, QUIET_SECONDS)
    if config.interactive_mode == "IfAvailable":
        with contextlib.suppress(ClusterError):
            return await _run_quietly(config, PATIENCE_SECONDS)
    async with interactive(f"The credential plugin {printable(config.command)}"):
        return await _run_with_terminal(config, relay=True)


def _person_present() -> bool:
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # closed
        return False


async def _run_with_terminal(config: ExecConfig, *, relay: bool) -> Credential:
    """Under screens, which come back and cover what it wrote to stderr, that is relayed: shown, and kept."""
    said = bytearray()
    async with _relayed(said) if relay else contextlib.nullcontext() as stderr:
        process = await _start(config, interactive=True, stdin=None, stderr=stderr)
        try:
            output, _ = await process.communicate()
        finally:
            await _end(process, group=False)
    return _read_result(config, process.returncode, output, bytes(said))


@contextlib.asynccontextmanager
async def _relayed(said: bytearray) -> AsyncIterator[int]:
    """A descriptor; what is written to it comes out of our stderr, and its end is kept in ``said``.

    A pipe of asyncio's would not do: a process counts as ended only when its pipes are closed, and a browser that the
    plugin left running keeps this one open.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def pass_on() -> None:
        part = os.read(reading, 4096)
        if not part:
            loop.remove_reader(reading)
            ended.set()
        said.extend(part)
        del said[:-STDERR_KEPT]
        with contextlib.suppress(OSError):  # the terminal is gone
            os.write(2, part)

    loop.add_reader(reading, pass_on)
    try:
        yield writing
    finally:
        os.close(writing)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELAY_SECONDS):
                await ended.wait()
        loop.remove_reader(reading)
        os.close(reading)


async def _run_quietly(config: ExecConfig, seconds: float) -> Credential:
    process = await _start(config, interactive=False, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(seconds):
            output, errors = await process.communicate()
    except TimeoutError:
        raise ClusterError(
            f"The credential plugin {printable(config.command)} did not finish within {seconds:.0f} seconds.",
            "Run it by hand to see what it waits for.",
        ) from None
    finally:
        await _end(process, group=True)
    return _read_result(config, process.returncode, output, errors)


async def _start(
    config: ExecConfig, *, interactive: bool, stdin: int | None, stderr: int | None
) -> asyncio.subprocess.Process:
    spec: dict[str, Any] = {"interactive": interactive}
    if config.cluster is not None:
        spec["cluster"] = dict(config.cluster)
    information = {"apiVersion": config.api_version, "kind": "ExecCredential", "spec": spec}
    environment = {**os.environ, **config.env, "KUBERNETES_EXEC_INFO": json.dumps(information)}
    command = shutil.which(config.command, path=environment.get("PATH"))
    try:
        if command is None:
            raise FileNotFoundError(2, "not found")
        return await asyncio.create_subprocess_exec(
            command,
            *config.args,
            env=environment,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            # A session of its own has no controlling terminal: what is run quietly cannot prompt over the screens.
            start_new_session=not interactive,
        )
    except (OSError, ValueError) as error:
        hint = printable(config.install_hint, lines=True).strip()
        reason = (error.strerror or "cannot be run") if isinstance(error, OSError) else "cannot be run"
        raise ClusterError(
            f"The credential plugin {printable(config.command)} of the kubeconfig cannot be run: {reason.lower()}.",
            hint or "Install it, or put it on the PATH.",
        ) from None


async def _end(process: asyncio.subprocess.Process, *, group: bool) -> None:
    """Leaves nothing running, whatever ended the wait (a cancellation, a timeout)."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
    await process.wait()


def _read_result(config: ExecConfig, status: int | None, output: bytes, errors: bytes) -> Credential:
    command = printable(config.command)
    said = _tail(errors)
    if status != 0:
        how = f"was ended by signal {-status}" if status is not None and status < 0 else f"failed (exit code {status})"
        raise ClusterError(
            f"The credential plugin {command} {how}" + (f":\n{said}" if said else "."),
            "Run it by hand, or log in again with the tool that it belongs to.",
        )

    def refuse(why: str) -> ClusterError:
        return ClusterError(
            f"The credential plugin {command} gave no credential: {why}.",
            f"It wrote:\n{said}" if said else "Run it by hand and look at what it prints.",
        )

    # What it printed is not quoted: a token may be in it.
    try:
        document = json.loads(output)
    except ValueError:
        raise refuse("what it printed is not JSON") from None
    if not isinstance(document, dict) or document.get("kind") != "ExecCredential":
        raise refuse("what it printed is not an ExecCredential")
    if document.get("apiVersion") != config.api_version:
        raise refuse(f"it speaks another version than the kubeconfig says ({printable(config.api_version)})")
    result = document.get("status")
    if not isinstance(result, dict):
        raise refuse("it has no status")
    token, certificate, key = (
        str(result.get(name) or "") for name in ("token", "clientCertificateData", "clientKeyData")
    )
    if not token.isprintable():
        raise refuse("its token has a line break, or another character that no request can carry")
    if bool(certificate) != bool(key):
        raise refuse("it has a client certificate or a key, but not both")
    if not token and not certificate:
        raise refuse("it has neither a token nor a client certificate")
    expires = None
    if result.get("expirationTimestamp"):
        try:
            expires = datetime.fromisoformat(str(result["expirationTimestamp"])).timestamp()
        except ValueError:
            raise refuse("its expirationTimestamp is not a time") from None
    return Credential(
        f"Bearer {token}" if token else "",
        (certificate.encode(), key.encode()) if certificate else None,
        expires,
    )


def _tail(errors: bytes, lines: int = 5) -> str:
    text = errors[-STDERR_KEPT:].decode("utf-8", "replace").strip()
    return "\n".join(printable(line.strip()) for line in text.splitlines()[-lines:])
