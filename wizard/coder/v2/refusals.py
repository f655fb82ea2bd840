"""The errors of Coder v2 in its own words, each with what to do.

The body of an error is ``{"message", "detail", "validations": [{"field", "detail"}]}`` (codersdk.Response).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wizard.coder.refusals import CoderError, Refused
from wizard.coder.v2.credentials import where_to_get_a_token
from wizard.coder.words import MOST, sentence
from wizard.errors import ConflictError, ProblemsFound

TO_PUSH = "coder templates push NAME -d DIR --activate=false"
"""The command of Coder's own command line that pushes a template without making the version active."""


class Denied(Refused):
    """A request for which Coder denied permission."""


class NameTaken(ConflictError):
    """The name that was given to a new version belongs to another one."""


class ActiveMoved(ConflictError):
    """Another version became the active one after the active version was read."""


class NoProvisioner(CoderError):
    """Nobody takes the job that imports a version."""


class ImportFailed(ProblemsFound):
    """Coder could not import a version. ``lines`` are the errors in the log of the job."""

    def __init__(self, what: str, todo: str, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join([what, *(f"  {line}" for line in lines)]), todo)
        self.lines = lines


def refusal(status: int, body: bytes, *, where: str, url: str) -> CoderError:
    """Returns the error for a status above 299. ``where`` is the method and path, ``url`` the deployment's."""
    said = _said(body)
    told = f": {said}" if said else ""
    match status:
        case 401:
            return Refused(
                f"Coder at {url} rejected the session token (401){told}.",
                f"Log in again with coder login {url}, or set CODER_SESSION_TOKEN. {where_to_get_a_token(url)}",
                status=status,
            )
        case 403:
            return Denied(
                f"Coder at {url} denied permission for {where} (403){told}.",
                "This needs the role template-admin or owner, in the deployment or in the organization, and a token "
                "whose scopes include it. Use another token, or give the merged files to a template admin.",
                status=status,
            )
        case 404:
            return Refused(
                f"Coder at {url} has no {where} (404){told}.",
                "It does not exist, or you do not have permission to see it. Check the name and the organization.",
                status=status,
            )
        case 413:
            return Refused(
                f"Coder at {url}, or a proxy in front of it, rejected {where} as too large (413){told}.",
                "Remove files that the template does not need, or raise the limit of the proxy.",
                status=status,
            )
    again = "Try again later." if status >= 500 or status == 429 else "Correct what it says, then try again."
    return Refused(
        f"Coder at {url} answered {where} with {status}{told}.", f"{again} By hand: {TO_PUSH}.", status=status
    )


def _said(body: bytes) -> str:
    """Returns what Coder says, on one line: the message, its detail, and the fields that are not valid."""
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(answer, Mapping):
        return ""
    found = [sentence(answer.get("message")), sentence(answer.get("detail"))]
    fields = answer.get("validations")
    for one in fields[:MOST] if isinstance(fields, list) else ():
        if isinstance(one, Mapping):
            found.append(f"{sentence(one.get('field'))}: {sentence(one.get('detail'))}")
    return "; ".join(dict.fromkeys(text for text in found if text.strip(": ")))
