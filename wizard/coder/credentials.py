"""Where Coder is and who we are to it: from the environment, from the Coder CLI's files, or typed.

The token is in no ``repr``, no message and no log, and is stored only by ``store``, which nobody calls unasked.
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
from wizard.escaping import printable
from wizard.files import read_snapshot, write_file
from wizard.state import private_folder

Source = Literal["environment", "files", "typed", "sandbox", "none"]

_LONGEST = 10_000
"""Bytes; a URL or a token that is longer is neither."""


class NoCredentials(ClusterError):
    """It is not known where Coder is, or there is no token for it."""


@dataclass(frozen=True)
class CoderCredentials:
    """A deployment's base URL (without ``/`` at its end) and a session token ("" for none).

    ``endpoint_authorization`` is what a proxy before Coder wants as ``Authorization``; the Coder CLI reads it
    from ``ENDPOINT_AUTH_HEADER``.
    """

    url: str
    token: str = field(default="", repr=False)
    source: Source = "none"
    endpoint_authorization: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for secret, name in ((self.token, "session token"), (self.endpoint_authorization, "ENDPOINT_AUTH_HEADER")):
            if any(not " " <= character <= "~" for character in secret):
                # Such a header would be refused on its way, by an error that quotes it.
                raise InputError(f"The {name} for Coder holds characters that no header may hold.", "Copy it again.")

    @property
    def is_sent_openly(self) -> bool:
        """Whether the token goes over the network unencrypted."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost")


def base_url(text: str) -> str:
    """A person's URL of Coder as requests need it; a path prefix stays. Raises UsageError where it is none."""
    given = text.strip()
    parts = _split(given)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        # What stands before an @ may be a password.
        shown = printable(given.rpartition("@")[2][:200])
        raise UsageError(
            f"{shown or 'Nothing'} is not the URL of a Coder deployment.", "For example: https://coder.example.org"
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"The URL of Coder at {printable(parts.hostname)} holds a user name or a password.",
            "Leave it out; Coder wants a session token (CODER_TOKEN).",
        )
    if parts.query or parts.fragment:
        raise UsageError("The URL of Coder holds a ? or a #.", "Give only its base: https://coder.example.org")
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return None if any(character <= " " or character == "\x7f" for character in text) else parts


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The Coder CLI's folder, with its files ``url`` and ``session``.

    Linux: ``$XDG_CONFIG_HOME/coder``, else ``~/.config/coder``; macOS: ``~/Library/Application Support/coder``
    (kirsle/configdir, which the CLI asks; the macOS path was not tried).
    """
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "coder"
    base = environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "coder"


def find_credentials(
    url: str | None = None, environ: Mapping[str, str] = os.environ, *, token_needed: bool = True
) -> CoderCredentials:
    """The deployment that is meant, and a token for it.

    As the Coder CLI does it: ``CODER_URL`` and ``CODER_TOKEN`` if both are there, else both from the CLI's
    files. With a ``url`` the token must belong to it: a token goes to no deployment that it was not given for.
    ``CODER_TOKEN`` without ``CODER_URL`` belongs to the ``url`` beside which it was set.

    Raises NoCredentials where there are none, or no token and ``token_needed``; UsageError or InputError where
    something is there and cannot be used.
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
            f"There is no session token for Coder at {known}.",
            f"Set CODER_URL and CODER_TOKEN, or log in with: coder login {known}. {where_to_get_a_token(known)}",
        )
    raise NoCredentials(
        "It is not known where Coder is, nor who you are to it.",
        "Set CODER_URL and CODER_TOKEN, log in with the Coder CLI (coder login URL), or give the URL.",
    )


def where_to_get_a_token(url: str) -> str:
    """The sentence that tells a person where Coder shows a session token."""
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
    own, token = _line(folder / "url"), _line(folder / "session")
    if not own or not token:
        return None
    try:
        url = base_url(own)
    except UsageError as error:
        raise InputError(error.what, "Mend the file, or log in again: coder login URL", file=folder / "url") from None
    if wanted and url != wanted:
        return None
    return CoderCredentials(url, token, "files", environ.get("ENDPOINT_AUTH_HEADER", ""))


def _line(path: Path) -> str:
    content = read_snapshot(path, missing_ok=True, limit=_LONGEST).content or b""
    try:
        return content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise InputError(
            f"{path} holds neither a URL nor a token.", "Log in again: coder login URL", file=path
        ) from None


def typed(url: str, token: str, environ: Mapping[str, str] = os.environ) -> CoderCredentials:
    """Credentials that a person typed."""
    if not token.strip():
        raise UsageError("No session token was given.", where_to_get_a_token(base_url(url)))
    return CoderCredentials(base_url(url), token.strip(), "typed", environ.get("ENDPOINT_AUTH_HEADER", ""))


def store(credentials: CoderCredentials, environ: Mapping[str, str] = os.environ) -> Path:
    """Writes URL and token where the Coder CLI keeps them, readable by their owner alone; gives the folder.

    Only for a person who asked for it. Raises InputError where they cannot be written.
    """
    folder = private_folder(config_folder(environ))
    for name, text in (("url", credentials.url), ("session", credentials.token)):
        path = folder / name
        try:
            path.touch(mode=0o600)
            path.chmod(0o600)  # a file that was there keeps its mode when it is replaced
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}.", "Mend its rights.", file=path) from None
        write_file(path, text.encode(), backup=False)
    return folder
