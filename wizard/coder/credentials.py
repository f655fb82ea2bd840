"""The Coder URL and session token: from the environment, from the Coder CLI's files, or typed.

The token appears in no ``repr``, message, or log. Only ``store`` saves it, and only when the user asks for that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from wizard.errors import ClusterError, InputError, UsageError
from wizard.files import read_snapshot, write_file
from wizard.journal.state import private_folder
from wizard.text.escaping import printable
from wizard.text.redaction import keep_secret

Source = Literal["environment", "files", "typed", "sandbox", "none"]

_LONGEST = 10_000
"""Bytes; anything longer is not a URL or a token."""


class NoCredentials(ClusterError):
    """No Coder URL was found, or no session token for it."""


@dataclass(frozen=True)
class CoderCredentials:
    """A deployment's base URL (without ``/`` at its end) and a session token ("" for none).

    ``endpoint_authorization`` is the ``Authorization`` header for a proxy in front of Coder; the Coder CLI reads
    it from ``ENDPOINT_AUTH_HEADER``. ``more_headers`` are other headers of every request, with names that are valid.
    """

    url: str
    token: str = field(default="", repr=False)
    source: Source = "none"
    endpoint_authorization: str = field(default="", repr=False)
    more_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        values = [value for _, value in self.more_headers]
        keep_secret(self.token, *(value.rpartition(" ")[2] for value in (self.endpoint_authorization, *values)))
        secrets = [(self.token, "session token"), (self.endpoint_authorization, "ENDPOINT_AUTH_HEADER")]
        secrets += [(value, f"header {name}") for name, value in self.more_headers]
        for secret, name in secrets:
            if any(not " " <= character <= "~" for character in secret):
                # The HTTP library would reject such a header with an error that quotes it.
                raise InputError(
                    f"The {name} for Coder contains characters that are not allowed in an HTTP header.",
                    "Copy it again.",
                )

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request, besides the token's."""
        own = {"Authorization": self.endpoint_authorization} if self.endpoint_authorization else {}
        return {**own, **dict(self.more_headers)}

    @property
    def is_sent_openly(self) -> bool:
        """Whether the token goes over the network unencrypted."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost")


def base_url(text: str) -> str:
    """Returns the Coder URL that a user gave in the form that requests need. Raises UsageError if it is not valid."""
    given = text.strip()
    parts = _split(given)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        # The part before an @ could be a password.
        shown = printable(given.rpartition("@")[2][:200])
        raise UsageError(
            f"{shown or 'An empty value'} is not the URL of a Coder deployment.",
            "Enter a URL such as https://coder.example.org.",
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"The URL of Coder at {printable(parts.hostname)} contains a user name or a password.",
            "Remove it. Coder uses a session token instead (CODER_TOKEN).",
        )
    if parts.query or parts.fragment:
        raise UsageError(
            "The Coder URL contains a ? or a #.", "Enter only the base URL, such as https://coder.example.org."
        )
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        return None
    return None if any(character <= " " or character == "\x7f" for character in text) else parts


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Returns the Coder CLI's folder, which contains the files ``url`` and ``session``.

    Linux: ``$XDG_CONFIG_HOME/coder``, or ``~/.config/coder``; macOS: ``~/Library/Application Support/coder``
    (from kirsle/configdir, which the CLI uses; the macOS path was not tested).
    """
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "coder"
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "coder"


def find_credentials(
    url: str | None = None, environ: Mapping[str, str] = os.environ, *, token_needed: bool = True
) -> CoderCredentials:
    """Finds the deployment and a token for it.

    Like the Coder CLI, it uses ``CODER_URL`` and ``CODER_TOKEN`` if both are set, and otherwise both from the
    CLI's files. With a ``url``, the token must belong to it, so that a token is never sent to another deployment.
    ``CODER_TOKEN`` without ``CODER_URL`` belongs to the given ``url``.

    Raises NoCredentials if there are none, or no token although ``token_needed``; UsageError or InputError if
    something was found but cannot be used.
    """
    wanted = base_url(url) if url else ""
    found = _from_environment(wanted, environ) or _from_files(wanted, environ)
    if found is not None:
        return found
    known = wanted or (base_url(environ["CODER_URL"]) if environ.get("CODER_URL") else "")
    if known and not token_needed:
        return CoderCredentials(known, endpoint_authorization=environ.get("ENDPOINT_AUTH_HEADER", ""))
    if known:
        raise NoCredentials(
            f"No session token was found for Coder at {known}.",
            f"Set CODER_URL and CODER_TOKEN, or log in with coder login {known}. {where_to_get_a_token(known)}",
        )
    raise NoCredentials(
        "No Coder URL or session token was found.",
        "Set CODER_URL and CODER_TOKEN, or log in with coder login URL.",
    )


def where_to_get_a_token(url: str) -> str:
    """Returns a sentence that names the page on which Coder shows a session token."""
    return f"Coder shows a token at {url}/internal-auth?show_token=true."


def _from_environment(wanted: str, environ: Mapping[str, str]) -> CoderCredentials | None:
    token, own = environ.get("CODER_TOKEN", "").strip(), environ.get("CODER_URL", "").strip()
    if not token or not (own or wanted):
        return None
    url = base_url(own) if own else wanted
    if wanted and url != wanted:
        return None
    return CoderCredentials(url, token, "environment", environ.get("ENDPOINT_AUTH_HEADER", ""))


def _from_files(wanted: str, environ: Mapping[str, str]) -> CoderCredentials | None:
    folder = config_folder(environ)
    own, token = line_of_file(folder / "url"), line_of_file(folder / "session")
    if not own or not token:
        return None
    try:
        url = base_url(own)
    except UsageError as error:
        raise InputError(
            error.what, "Correct the file, or log in again with coder login URL.", file=folder / "url"
        ) from None
    if wanted and url != wanted:
        return None
    return CoderCredentials(url, token, "files", environ.get("ENDPOINT_AUTH_HEADER", ""))


def line_of_file(path: Path) -> str:
    """Returns the only line of one of the Coder CLI's files; "" if there is no file."""
    content = read_snapshot(path, missing_ok=True, limit=_LONGEST).content or b""
    try:
        return content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise InputError(
            f"{path} does not contain a URL or a token.", "Log in again with coder login URL.", file=path
        ) from None


def typed(url: str, token: str, environ: Mapping[str, str] = os.environ) -> CoderCredentials:
    """Returns the credentials that a user typed."""
    if not token.strip():
        raise UsageError("No session token was entered.", where_to_get_a_token(base_url(url)))
    return CoderCredentials(base_url(url), token.strip(), "typed", environ.get("ENDPOINT_AUTH_HEADER", ""))


def store(credentials: CoderCredentials, environ: Mapping[str, str] = os.environ) -> Path:
    """Writes the URL and token to the Coder CLI's files, readable only by their owner, and returns the folder.

    Call it only if the user asked for it. Raises InputError if they cannot be written.
    """
    folder = private_folder(config_folder(environ))
    for name, text in (("url", credentials.url), ("session", credentials.token)):
        path = folder / name
        try:
            path.touch(mode=0o600)
            path.chmod(0o600)  # an existing file keeps its mode when it is replaced
        except OSError as error:
            raise InputError(
                f"Cannot write {path}: {error.strerror}.", "Correct the permissions of the file.", file=path
            ) from None

        write_file(path, text.encode(), backup=False)
    return folder
