"""Credentials for a cluster: tokens, token files, basic auth, and exec credential plugins.

Under the stock client, the prompt of a plugin is lost in a pipe. Here, a plugin gets the terminal if there is
one: directly on the command line, and under the screens through a hook that hides them while the plugin runs.

No token, key, or password is ever part of a message or of a ``repr``.
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

from wizard.abandoning import abandonable
from wizard.errors import ClusterError
from wizard.text.escaping import printable
from wizard.text.redaction import keep_secret

TOKEN_FILE_SECONDS = 60.0
"""How long a token from a file is used before the file is read again, as in client-go."""

QUIET_SECONDS = 60.0
"""How long a plugin can take if there is no terminal for input."""

PATIENCE_SECONDS = 8.0
"""How long a plugin can take before it is assumed to wait for input, if a terminal is available."""

STDERR_KEPT = 4000
"""How much of a plugin's stderr is kept, in bytes."""

EXPIRY_MARGIN_SECONDS = 10.0
"""A credential is renewed this long before it expires, so that it does not expire on the way to the server."""

EXEC_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

Interactive = Callable[[str], AbstractAsyncContextManager[None]]
"""Gives a plugin the real terminal while the context is open; the argument names the plugin."""

LARGEST_TOKEN = 100_000
"""The largest file with a token, in bytes; servers reject headers above some ten thousand."""

LARGEST_OUTPUT = 4_000_000
"""How much of a plugin's output is read, in bytes."""

END_SECONDS = 5.0
"""How long to wait for a plugin that was killed."""

NEVER = "0001-01-01T00:00:00"
"""Go's time that is not set: such a credential does not expire."""

RELAY_SECONDS = 0.5
"""How long to read a plugin's stderr after it has ended; a process that it started can keep it open."""


@dataclass(frozen=True, slots=True)
class ExecConfig:
    """The ``exec`` stanza of a kubeconfig's user. ``cluster`` is what ``provideClusterInfo`` passes to the plugin."""

    command: str
    api_version: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    interactive_mode: Literal["Never", "IfAvailable", "Always"] = "IfAvailable"
    install_hint: str = ""
    cluster: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """A request's credential. ``certificate`` is a client certificate and its key (PEM); ``expires`` is a Unix time."""

    authorization: str = field(default="", repr=False)
    certificate: tuple[bytes, bytes] | None = field(default=None, repr=False)
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """How a kubeconfig's user authenticates; the first of several ways is used, as in kubectl."""

    certificate: tuple[bytes, bytes] | None = field(default=None, repr=False)
    token_file: Path | None = None
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    exec: ExecConfig | None = None


class Credentials:
    """The credential of one identity, kept fresh. Requests at the same time share one renewal."""

    def __init__(self, identity: Identity, interactive: Interactive | None = None) -> None:
        self._identity = identity
        self._interactive = interactive
        self._lock = asyncio.Lock()
        self._current: Credential | None = None
        self._failures = 0
        self._failure: ClusterError | None = None

    async def current(self) -> Credential:
        """Returns the credential to use now. Raises ClusterError if there is none."""
        failures = self._failures
        async with self._lock:
            if self._current is None or _expired(self._current):
                self._current = await self._try(failures)
            return self._current

    async def renew(self, rejected: Credential) -> bool:
        """Returns whether there is another credential to try after the server answered 401 to ``rejected``."""
        if self._identity.exec is None and self._identity.token_file is None:
            return False
        failures = self._failures
        async with self._lock:
            if self._current is None or self._current is rejected:
                self._current = await self._try(failures)
            return self._current != rejected

    async def _try(self, failures: int) -> Credential:
        """Returns a new credential. ``failures`` is the number of failures when the caller began to wait.

        A failure in the meantime counts for all waiting requests, so that no user is asked for a password many times.
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
            try:
                token = await abandonable(_read_token, identity.token_file)
            except ClusterError:
                if not identity.token:
                    raise
                # kubectl goes on with the token beside the file, until the file can be read.
                token = identity.token
            return Credential(f"Bearer {token}", identity.certificate, time.time() + TOKEN_FILE_SECONDS)
        if identity.token:
            return Credential(f"Bearer {identity.token}", identity.certificate)
        if identity.username:
            pair = base64.b64encode(f"{identity.username}:{identity.password}".encode()).decode("ascii")
            keep_secret(pair)
            return Credential(f"Basic {pair}", identity.certificate)
        if identity.exec is not None:
            got = await run_plugin(identity.exec, self._interactive)
            return Credential(got.authorization, got.certificate or identity.certificate, got.expires)
        return Credential(certificate=identity.certificate)


def _expired(credential: Credential) -> bool:
    return credential.expires is not None and time.time() >= credential.expires - EXPIRY_MARGIN_SECONDS


def _read_token(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_TOKEN + 1)
        if len(content) > LARGEST_TOKEN:
            raise ClusterError(f"The token file {path} is too large for a token.", "Check tokenFile in the kubeconfig.")
        token = content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ClusterError(
            f"The token file {path} cannot be read: {str(reason).lower()}.",
            "Check tokenFile in the kubeconfig, or log in again.",
        ) from None
    if not token:
        raise ClusterError(f"The token file {path} is empty.", "Log in again.")
    keep_secret(token)
    if not token.isprintable():
        raise ClusterError(f"The token file {path} contains more than a token: it has several lines.", "Log in again.")
    return token


async def run_plugin(config: ExecConfig, interactive: Interactive | None = None) -> Credential:
    """Runs an exec credential plugin and reads its ExecCredential.

    If there is a terminal and the plugin is allowed to prompt, it can: without a hook, it inherits the terminal
    directly, as under kubectl. With a hook (the terminal shows the screens), it first runs without the terminal,
    because most plugins never prompt; if that fails, or takes longer than a user would wait, it runs again with
    the terminal to itself.

    Raises ClusterError with the command's name and the last lines of its stderr.
    """
    person = _person_present() and config.interactive_mode != "Never"
    if config.interactive_mode == "Always" and not person:
        raise ClusterError(
            f"The credential plugin {printable(config.command)} needs input, but no terminal is available.",
            "Run it in a terminal first to log in, or use a kubeconfig with a token.",
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
    """Runs the plugin with the terminal. With ``relay``, its stderr is kept too, because the screens cover it later."""
    said = bytearray()
    async with _relayed(said) if relay else contextlib.nullcontext() as stderr:
        process = await _start(config, interactive=True, stdin=None, stderr=stderr)
        try:
            output, _ = await _read_output(config, process, group=False)
        finally:
            await _end(process, group=False)
    return _read_result(config, process.returncode, output, bytes(said))


@contextlib.asynccontextmanager
async def _relayed(said: bytearray) -> AsyncIterator[int]:
    """Gives a descriptor; text written to it goes to stderr, and its last part is kept in ``said``.

    A pipe of asyncio does not work here: a process counts as ended only when its pipes are closed, and a browser that
    the plugin started keeps this one open.
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
            output, errors = await _read_output(config, process, group=True)
    except TimeoutError:
        raise ClusterError(
            f"The credential plugin {printable(config.command)} did not finish within {seconds:.0f} seconds.",
            "Run it by hand to see what it is waiting for.",
        ) from None
    finally:
        await _end(process, group=True)
    return _read_result(config, process.returncode, output, errors)


async def _read_output(config: ExecConfig, process: asyncio.subprocess.Process, *, group: bool) -> tuple[bytes, bytes]:
    """Returns what a plugin writes until its end: its output, and the last part of its errors if they are a pipe.

    Raises ClusterError if it writes without an end.
    """
    from wizard.cluster.concurrency import together

    async def output() -> bytes:
        assert process.stdout is not None
        read = bytearray()
        while part := await process.stdout.read(65536):
            read += part
            if len(read) > LARGEST_OUTPUT:
                _kill(process, group=group)
                # A process counts as ended only when its pipes are read to their end.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RELAY_SECONDS):
                        while await process.stdout.read(2**20):
                            pass
                raise ClusterError(
                    f"The credential plugin {printable(config.command)} writes more than {LARGEST_OUTPUT:,} bytes.",
                    "Run it by hand and check its output.",
                )
        return bytes(read)

    async def errors() -> bytes:
        kept = bytearray()
        while process.stderr is not None and (part := await process.stderr.read(65536)):
            kept += part
            del kept[:-STDERR_KEPT]
        return bytes(kept)

    said = await together((output(), errors()))
    await process.wait()
    return said[0], said[1]


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
        if not os.path.isabs(command):  # noqa: PTH117 (a text is passed on)
            # Whoever can write to the folder would have it run.
            raise FileNotFoundError(2, "it is only in the current folder, which is in the PATH")
        return await asyncio.create_subprocess_exec(
            command,
            *config.args,
            env=environment,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            # A new session has no controlling terminal, so the plugin cannot prompt over the screens.
            start_new_session=not interactive,
        )
    except (OSError, ValueError) as error:
        hint = printable(config.install_hint, lines=True).strip()
        reason = (error.strerror or "cannot be run") if isinstance(error, OSError) else "cannot be run"
        raise ClusterError(
            f"The credential plugin {printable(config.command)} of the kubeconfig cannot be run: {reason.lower()}.",
            hint or "Install it, or add it to the PATH.",
        ) from None


async def _end(process: asyncio.subprocess.Process, *, group: bool) -> None:
    """Ends the process, whatever ended the wait (a cancellation, a timeout)."""
    if process.returncode is None:
        _kill(process, group=group)
    # A process that it started can keep its pipes open for ever.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await process.wait()


def _kill(process: asyncio.subprocess.Process, *, group: bool) -> None:
    with contextlib.suppress(ProcessLookupError):
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _read_result(config: ExecConfig, status: int | None, output: bytes, errors: bytes) -> Credential:
    command = printable(config.command)
    said = _tail(errors)
    if status != 0:
        how = f"was ended by signal {-status}" if status is not None and status < 0 else f"failed (exit code {status})"
        raise ClusterError(
            f"The credential plugin {command} {how}" + (f":\n{said}" if said else "."),
            "Run it by hand, or log in again with the tool that provides it.",
        )

    def refuse(why: str) -> ClusterError:
        return ClusterError(
            f"The credential plugin {command} returned no credential: {why}.",
            f"It wrote:\n{said}" if said else "Run it by hand and check its output.",
        )

    result = _status_of(output, config.api_version, refuse)
    read = [result.get(name) or "" for name in ("token", "clientCertificateData", "clientKeyData")]
    if not all(isinstance(one, str) for one in read):
        raise refuse("its token, certificate, or key is not text")
    token, certificate, key = read
    keep_secret(token)
    if not token.isprintable():
        raise refuse("its token has a line break, or another character that is not allowed in a request")
    if bool(certificate) != bool(key):
        raise refuse("it has a client certificate or a key, but not both")
    if not token and not certificate:
        raise refuse("it has neither a token nor a client certificate")
    return Credential(
        f"Bearer {token}" if token else "",
        (certificate.encode(), key.encode()) if certificate else None,
        _expiry(result, refuse),
    )


def _status_of(output: bytes, api_version: str, refuse: Callable[[str], ClusterError]) -> dict[str, Any]:
    """Returns the status of an ExecCredential. Its output is not quoted in errors, because it can contain a token."""
    try:
        document = json.loads(output)
    except (ValueError, RecursionError):
        raise refuse("its output is not JSON") from None
    if not isinstance(document, dict) or document.get("kind") != "ExecCredential":
        raise refuse("its output is not an ExecCredential")
    if document.get("apiVersion") != api_version:
        raise refuse(f"its apiVersion differs from the one in the kubeconfig ({printable(api_version)})")
    status = document.get("status")
    if not isinstance(status, dict):
        raise refuse("it has no status")
    return status


def _expiry(status: Mapping[str, Any], refuse: Callable[[str], ClusterError]) -> float | None:
    """Returns when a credential expires, in seconds since the epoch; None if it does not."""
    text = str(status.get("expirationTimestamp") or "")
    if not text or text.startswith(NEVER):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise refuse("its expirationTimestamp is not a time") from None


def _tail(errors: bytes, lines: int = 5) -> str:
    text = errors[-STDERR_KEPT:].decode("utf-8", "replace").strip()
    return "\n".join(printable(line.strip()) for line in text.splitlines()[-lines:])
