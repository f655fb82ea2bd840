"""Coder's errors in Coder's own words, each with what to do.

The body of an error is ``{"error": {"msg", "code", "details"}}``; the codes ``wac_template``, ``verbose`` and
``precondition`` have details of a known shape (coder-v1-cli: coder-sdk/error.go, internal/cmd/errors.go).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.coder import CLICKS_UPLOAD, UNTRIED
from wizard.coder.words import MOST, one_line, sentence
from wizard.errors import ClusterError, InputError

if TYPE_CHECKING:
    from wizard.policy import PolicyDocument


class CoderError(ClusterError):
    """A request to Coder that failed.

    ``status`` is the HTTP status, 0 without a response; ``code`` is Coder's own. ``maybe_done`` is set if Coder
    may have carried out the request although its response was not received.
    """

    def __init__(self, what: str, todo: str = "", *, status: int = 0, code: str = "", maybe_done: bool = False) -> None:
        super().__init__(what, todo)
        self.status = status
        self.code = code
        self.maybe_done = maybe_done


class Refused(CoderError):
    """A request that Coder rejected."""


class TemplateRefused(Refused):
    """A template that Coder rejected (``wac_template``); ``messages`` are Coder's own, one line each."""

    def __init__(self, messages: tuple[str, ...], error_type: str, *, status: int) -> None:
        super().__init__(
            f"Coder rejected the template: {'; '.join(messages)}",
            "Correct it, then try again.",
            status=status,
            code="wac_template",
        )
        self.messages = messages
        self.error_type = error_type


@dataclass(frozen=True)
class RefusedLine:
    """One message about a policy; ``line`` counts from 1, and is 0 if the message names no field of the file."""

    line: int
    message: str


class PolicyRefused(InputError):
    """A policy that Coder rejected, with its messages at the lines that they concern."""

    def __init__(self, document: PolicyDocument, refused: TemplateRefused) -> None:
        lines = [RefusedLine(line_of(document, message), message) for message in refused.messages]
        self.lines = tuple(sorted(lines, key=lambda item: (not item.line, item.line)))
        said = "\n".join(f"  {f'line {item.line}: ' if item.line else ''}{item.message}" for item in self.lines)
        kind = f" ({refused.error_type})" if refused.error_type else ""
        super().__init__(
            f"Coder rejected the policy{kind}. Nothing was changed.\n{said}",
            "Correct the file. To check it without Coder, run podman-wizard policy check.",
            file=document.name,
            line=self.lines[0].line if self.lines else 0,
        )


def line_of(document: PolicyDocument, message: str) -> int:
    """Returns the line of the file that a message concerns, from 1; 0 if it names none.

    Coder's messages have no known format. A line number in the message is used first, then the longest path of
    keys that exists in the file (``specs.kubernetes.cpu``), then a word in quotes, or with a dash or an
    underscore, that is a key in the file exactly once.
    """
    number = re.search(r"\bline (\d{1,7})\b", message)
    if number and 1 <= int(number[1]) <= document.text.count("\n") + 1:
        return int(number[1])
    places = list(_keys(document))
    best, depth = 0, 0
    for word in re.findall(r"[\w./-]*\w", message):
        wanted = tuple(word.split("."))
        # A path can begin below the root, can follow a file name, and can end in a key that is not in the file.
        for start in range(len(wanted) - 1):
            for end in range(len(wanted), start + 1, -1):
                found = [line for path, line in places if path[start - end :] == wanted[start:end]]
                if len(found) == 1 and end - start > depth:
                    best, depth = found[0], end - start
    if best:
        return best
    quoted = [next(filter(None, groups)) for groups in re.findall(r'"([^"]+)"|\'([^\']+)\'|`([^`]+)`', message)]
    for word in [*quoted, *re.findall(r"\w+(?:[-_/]\w+)+", message)]:
        found = [line for path, line in places if path[-1] == word]
        if len(found) == 1:
            return found[0]
    return 0


def _keys(document: PolicyDocument) -> Iterator[tuple[tuple[str, ...], int]]:
    from wizard.policy.tree import Collection, Mapping, Node, key_text

    waiting: list[tuple[Node, tuple[str, ...]]] = [(document.tree.root, ())]
    while waiting:
        node, path = waiting.pop()
        if isinstance(node, Mapping):
            for key, value in node.pairs:
                here = (*path, key_text(key) or "")
                yield here, document.line(key)
                waiting.append((value, here))
        elif isinstance(node, Collection):
            waiting += [(item, path) for item in node.children]


def refusal(status: int, body: bytes, *, where: str, url: str) -> CoderError:
    """Returns the error for a status above 299. ``where`` is the method and path, ``url`` the deployment's."""
    error = _error_of(body)
    message, code, details = sentence(error.get("msg")), str(error.get("code") or ""), error.get("details")
    said = f": {message}" if message else ""
    if status == 401:
        return Refused(
            f"Coder at {url} rejected the session token (401){said}.",
            f"Get a new token at {url}/internal-auth?show_token=true, or log in with coder login {url}.",
            status=status,
            code=code,
        )
    if code == "wac_template" and isinstance(details, dict):
        found = details.get("messages")
        messages = tuple(one_line(item) for item in found[:MOST]) if isinstance(found, list) else ()
        kind = one_line(details.get("error_type") or "")
        return TemplateRefused(messages or (message or "no reason given",), kind, status=status)
    if status == 403:
        return Refused(
            f"Coder at {url} denied permission for {where} (403){said}.",
            "This requires the site-admin role. Give the policy file to a site admin.",
            status=status,
            code=code,
        )
    if status == 404:
        return Refused(
            f"Coder at {url} does not support {where} (404){said}.",
            f"Check the URL, including its path if Coder has one. {UNTRIED} To do this by hand: {CLICKS_UPLOAD}.",
            status=status,
            code=code,
        )
    todo = _advice(code, details)
    return Refused(
        f"Coder at {url} answered {where} with {status}{said}{_more(code, details)}.",
        todo or f"Try again. If it still fails, do it by hand: {CLICKS_UPLOAD}.",
        status=status,
        code=code,
    )


def _error_of(body: bytes) -> dict[str, Any]:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _more(code: str, details: Any) -> str:
    if not isinstance(details, dict):
        return ""
    names = {"verbose": ("verbose",), "precondition": ("error", "message")}.get(code, ())
    said = [sentence(details.get(name)) for name in names]
    return "".join(f": {text}" for text in dict.fromkeys(said) if text)


def _advice(code: str, details: Any) -> str:
    if code == "precondition" and isinstance(details, dict):
        solution = sentence(details.get("solution"))
        return f"Coder suggests: {solution}." if solution else ""
    return ""
