"""The URL, the token, and the extra headers for Coder v2, from where its own command line has them.

``CODER_URL`` and ``CODER_SESSION_TOKEN``, else the files ``url`` and ``session`` in ``CODER_CONFIG_DIR`` (default: the
folder ``coderv2`` of the user's configuration); headers from ``CODER_HEADER`` and ``CODER_HEADER_COMMAND``.
On macOS and Windows, recent versions of the command line keep the token in the system's keyring, which is not read.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from wizard.coder.credentials import CoderCredentials, NoCredentials, Source, base_url, line_of_file
from wizard.errors import InputError, UsageError

_HEADER_SECONDS = 30.0
"""How long the command that prints headers can take."""
_LARGEST_OUTPUT = 100_000
"""How much it can print, in bytes; servers reject larger headers."""
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Returns the folder in which the command line of Coder v2 keeps ``url`` and ``session``."""
    given = environ.get("CODER_CONFIG_DIR", "")
    if given:
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "coderv2"
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "coderv2"


def find_credentials(
    url: str | None = None, environ: Mapping[str, str] = os.environ, *, token_needed: bool = True
) -> CoderCredentials:
    """Finds the deployment, a token for it, and the extra headers.

    Each of URL and token can come from the environment or from the files, but a token is never sent to another
    deployment than its own: the one in the file only to the URL in the file, and the one in the environment, if the
    environment also has a URL, only to that. Runs ``CODER_HEADER_COMMAND`` if it is set.

    Raises NoCredentials if there is no URL, or no token although ``token_needed``; UsageError or InputError if
    something was found but cannot be used.
    """
    folder = config_folder(environ)
    in_environment = base_url(environ["CODER_URL"]) if environ.get("CODER_URL", "").strip() else ""
    in_file = _url_in(folder)
    known = (base_url(url) if url else "") or in_environment or in_file
    if not known:
        raise NoCredentials(
            "No URL of Coder v2 was found.", "Set CODER_URL and CODER_SESSION_TOKEN, or log in with coder login URL."
        )
    token, source = "", "none"
    if environ.get("CODER_SESSION_TOKEN", "").strip() and known == (in_environment or known):
        token, source = environ["CODER_SESSION_TOKEN"].strip(), "environment"
    elif known == in_file and (stored := line_of_file(folder / "session")):
        token, source = stored, "files"
    if not token and token_needed:
        raise NoCredentials(
            f"No session token was found for Coder at {known}.",
            f"Set CODER_SESSION_TOKEN, or log in with coder login {known}. {where_to_get_a_token(known)} "
            "If coder login keeps the token in the system's keyring, log in with CODER_USE_KEYRING=false.",
        )
    return CoderCredentials(known, token, _source(source), more_headers=_headers(known, environ))


def has_credentials(environ: Mapping[str, str] = os.environ) -> bool:
    """Tells whether something here names a deployment of Coder v2 in particular."""
    return bool(environ.get("CODER_SESSION_TOKEN", "").strip()) or bool(line_of_file(config_folder(environ) / "url"))


def where_to_get_a_token(url: str) -> str:
    """Returns a sentence that names the page on which Coder v2 shows a session token."""
    return f"Coder shows a token at {url}/cli-auth."


def organization_of(given: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Returns the organization that was chosen by an option or by ``CODER_ORGANIZATION``; "" if none was."""
    return (given or environ.get("CODER_ORGANIZATION", "")).strip()


def _source(name: str) -> Source:
    return "environment" if name == "environment" else "files" if name == "files" else "none"


def _url_in(folder: Path) -> str:
    own = line_of_file(folder / "url")
    try:
        return base_url(own) if own else ""
    except UsageError as error:
        raise InputError(
            error.what, "Correct the file, or log in again with coder login URL.", file=folder / "url"
        ) from None


def _headers(url: str, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    given = environ.get("CODER_HEADER", "")
    pairs = [pair for row in csv.reader([given]) for pair in row] if given else []
    command = environ.get("CODER_HEADER_COMMAND", "")
    if command:
        pairs += _printed(command, url, environ)
    found = []
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not _HEADER_NAME.fullmatch(name.strip()):
            # The value can be a secret, so it is not quoted.
            raise UsageError(
                "CODER_HEADER or the output of CODER_HEADER_COMMAND has an entry that is not NAME=VALUE.",
                "Correct it; several headers in CODER_HEADER are separated by commas.",
            )
        found.append((name.strip(), value.strip()))
    return tuple(found)


def _printed(command: str, url: str, environ: Mapping[str, str]) -> list[str]:
    """Runs the command that prints headers, as Coder's command line does: by the shell, with the URL."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        env={**environ, "CODER_URL": url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # What the shell starts keeps the pipe open, so it is ended with the shell.
        start_new_session=True,
    )
    late = threading.Event()

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def end_late() -> None:
        late.set()
        end()

    timer = threading.Timer(_HEADER_SECONDS, end_late)
    timer.start()
    try:
        assert process.stdout is not None
        with process.stdout as pipe:
            output = pipe.read(_LARGEST_OUTPUT + 1)
        if len(output) <= _LARGEST_OUTPUT:
            process.wait()
    finally:
        timer.cancel()
        end()
        process.wait()
    why = ""
    if late.is_set():
        why = f"did not end within {_HEADER_SECONDS:.0f} seconds"
    elif len(output) > _LARGEST_OUTPUT:
        why = f"printed more than {_LARGEST_OUTPUT:,} bytes"
    elif process.returncode:
        why = f"ended with exit code {process.returncode}"
    if why:
        raise UsageError(f"CODER_HEADER_COMMAND {why}.", "Correct it, or unset it.")
    return [line for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
