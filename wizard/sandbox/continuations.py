"""Continue tokens in the form of the real server: the version of the list, and where it continues."""

from __future__ import annotations

import base64
import binascii
import json

from wizard.sandbox.refusals import bad_request
from wizard.sandbox.store import Key


def token(resource_version: int, after: Key) -> str:
    """With -1 as ``resource_version``, the list continues with the current objects."""
    start = "/".join(filter(None, after)) + "\u0000"
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": resource_version, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(text: str) -> tuple[int, Key]:
    """Returns the resource version and the last key. Raises the server's 400."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise bad_request("invalid continue token: continue key is not valid: illegal base64 data") from None
    try:
        content = json.loads(raw)
        start = str(content["start"]).rstrip("\u0000").lstrip("/")
        namespace, _, name = start.rpartition("/")
        return int(content["rv"]), (namespace, name)
    except (UnicodeDecodeError, ValueError, KeyError, TypeError):
        # Go decodes byte by byte and names the first that cannot begin a value
        first = chr(raw[0]) if raw else ""
        shown = f"\\u{raw[0]:04x}" if raw and not 32 <= raw[0] < 127 else first
        text = f"invalid character '{shown}' looking for beginning of value" if raw else "unexpected end of JSON input"
        raise bad_request(f"invalid continue token: continue key is not valid: {text}") from None
