"""Keeps tokens and passwords out of every text: what is known as a secret is replaced where texts come out.

Whoever reads a secret registers it. Errors, and everything that is made safe for a terminal (``wizard.text.escaping``),
go through ``redacted``, so a server, a proxy, or a plugin that repeats what it was sent does not have it printed.
"""

from __future__ import annotations

SHORTEST = 6
"""Shorter ones are not replaced: they are parts of ordinary words."""

HIDDEN = "***"

_secrets: list[str] = []


def keep_secret(*texts: str) -> None:
    """Registers secrets, each also as it is written in a URL and in base64."""
    # This module is imported at every start, and these two only to connect.
    import base64
    from urllib.parse import quote

    for text in texts:
        encoded = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
        for form in (text, quote(text, safe="", errors="replace"), encoded, encoded.rstrip("=")):
            if len(text) >= SHORTEST and form not in _secrets:
                _secrets.append(form)
    # The longest first: a token can contain a password.
    _secrets.sort(key=len, reverse=True)


def redacted(text: str) -> str:
    """Returns the text without any secret."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text
