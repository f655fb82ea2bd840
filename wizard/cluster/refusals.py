"""Errors for rejected requests, made from the API server's Status.

The server's own words are quoted, safe for a terminal; the advice on what to do is added here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from wizard.errors import ClusterError, ConflictError
from wizard.text.escaping import printable

T = TypeVar("T")

_CONFLICT = re.compile(r'conflict with "(?P<manager>(?:[^"\\]|\\.)*)"(?:.* at (?P<time>\S+))?')
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')
_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/[^/]+"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]+))?"
    r"/(?P<resource>[^/?]+)(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?$"
)
LONGEST_MESSAGE = 2000
"""How much of a message is shown, in characters; the longest of Kubernetes itself, on an invalid pod, have some
thousand."""

MOST_CAUSES = 200
"""How many causes are kept; a DaemonSet has fewer fields that can be in conflict."""

WITHHELD = (
    "Its address begins with http, so the connection is not encrypted and no credentials are sent, as with kubectl. "
    "Use its https address in the kubeconfig."
)

_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Target:
    """The verb and object of a request, read from its method and path; ``str()`` names the object."""

    verb: str
    resource: str
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        resource, _, part = self.resource.partition("/")
        text = "/".join(one for one in (resource, self.name, part) if one)
        return printable(text + (f" in {self.namespace}" if self.namespace else ""))

    @classmethod
    def of(cls, method: str, path: str) -> Target:
        """Returns the target of a request; for a path that is not of an object, the path itself."""
        match = _PATH.match(path)
        if match is None:
            return cls(_VERBS.get(method, "get"), path)
        resource = match["resource"]
        if match["group"]:
            resource += f".{match['group']}"
        if match["subresource"]:
            resource += f"/{match['subresource']}"
        verb = _VERBS.get(method) or ("get" if match["name"] else "list")
        return cls(verb, resource, match["name"] or "", match["namespace"] or "")


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of a rejection: a reason in one word, the server's sentence, and the field."""

    reason: str
    message: str
    field: str


class OddAnswer(ClusterError):
    """An answer that Kubernetes does not give: ``why`` says what is odd about it."""

    def __init__(self, host: str, method: str, path: str, why: str) -> None:
        self.why = why
        self.object = str(Target.of(method, path))
        super().__init__(
            f"{host} gave an answer to {method} {printable(path)} that Kubernetes does not give: {why}.",
            "Check what answers at this address: a proxy, a gateway, or an aggregated API. kubectl get --raw "
            f"{printable(path)} shows its answer.",
        )


class ApiRefusal(ClusterError):
    """The server rejected a request. ``message`` has its words; ``object`` names the requested object.

    ``withheld`` says that no credentials were sent, since the connection is not encrypted.
    """

    def __init__(self, target: Target, status: int, body: Any, *, withheld: bool = False) -> None:
        content: Mapping[str, Any] = body if isinstance(body, dict) else {}
        raw_details = content.get("details")
        details: Mapping[str, Any] = raw_details if isinstance(raw_details, dict) else {}
        self.status = status
        self.withheld = withheld
        self.reason = _words(content.get("reason"))
        self.message = _words(content.get("message") or body)
        self.kind = _words(details.get("kind"))
        causes = details.get("causes")
        self.causes = tuple(
            Cause(*(_words(cause.get(key)) for key in ("reason", "message", "field")))
            for cause in (causes[:MOST_CAUSES] if isinstance(causes, list) else ())
            if isinstance(cause, dict)
        )
        self.target = target
        self.object = str(target)
        super().__init__(self._what(), self._todo())

    def _what(self) -> str:
        if self.status == 401:
            if self.withheld:
                return "The server requires credentials (401 Unauthorized), and none were sent."
            return "The server rejected the credentials of this context (401 Unauthorized)."
        said = self.message or f"status {self.status}"
        if self.lacks_permission:
            return f"You do not have permission to {self.target.verb} {self.object}: {said}"
        return f"The server rejected the request to {self.target.verb} {self.object}: {said}"

    def _todo(self) -> str:
        if self.withheld and (self.status == 401 or "system:anonymous" in self.message):
            return WITHHELD
        if self.namespace_terminating:
            return "The namespace is being deleted. Wait until it is gone, then try again."
        place = f" in the namespace {printable(self.target.namespace)}" if self.target.namespace else ""
        sentences = {
            401: "The token may have expired. Log in again, or choose another context.",
            403: f"Ask a cluster admin for permission to {self.target.verb} {self.target.resource}{place}, or export "
            "the plan for them: podman-wizard plan --to DIR.",
            404: "Check that it still exists.",
            409: "The object changed in the meantime. Check it, and try again.",
            410: "Refresh, and try again.",
            413: "The request is too large.",
            422: "Correct the value named in the message.",
            429: "The server is busy. Try again later.",
        }
        # Rejections by a webhook or an admission policy have status 403 or 400 too, and no permission would help.
        if self.status in (400, 403) and "admission webhook" in self.message:
            return "An admission webhook rejected it. Ask its owner for an exemption, or change what it rejects."
        if self.status == 403 and " cannot " not in self.message:
            return "Change what the server rejects, or ask a cluster admin."
        if self.status >= 500 and not self.permanent:
            return "The server reported an internal error. Try again later."
        return sentences.get(self.status, "Change what the server rejects, and try again.")

    @property
    def lacks_permission(self) -> bool:
        """Whether the user lacks a permission; webhooks and admission policies answer with the same status."""
        return (
            self.status == 403
            and " cannot " in self.message
            and "admission webhook" not in self.message
            and not self.namespace_terminating
        )

    @property
    def namespace_missing(self) -> bool:
        """Whether the request failed because the namespace does not exist."""
        return self.status == 404 and self.kind == "namespaces" and not self.target.resource.startswith("namespaces")

    @property
    def namespace_terminating(self) -> bool:
        """Whether the request was rejected because the namespace is being deleted."""
        return any(cause.reason == "NamespaceTerminating" for cause in self.causes) or (
            self.status == 403 and "because it is being terminated" in self.message
        )

    @property
    def permanent(self) -> bool:
        """Whether a repeat is pointless although the status is 500.

        An API server answers a server-side apply of an unknown field or a bad quantity with 500.
        """
        return self.status == 500 and self.message.startswith(
            ("failed to create typed patch object", "failed to convert new object", "failed to create manager")
        )


def _words(value: Any) -> str:
    """Returns a text of the server, safe for a terminal and not longer than anyone reads; "" for anything else."""
    if not isinstance(value, str):
        return ""
    return printable(value.strip() if len(value) <= LONGEST_MESSAGE else f"{value[:LONGEST_MESSAGE].strip()} ...")


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that another manager owns, and since when ("" if unknown)."""

    field: str
    manager: str
    time: str = ""


class ApplyConflict(ConflictError):
    """A server-side apply found conflicts; the user has to decide about each field."""

    def __init__(self, name: str, conflicts: tuple[FieldConflict, ...]) -> None:
        self.object = name
        self.conflicts = conflicts
        managers = ", ".join(dict.fromkeys(conflict.manager for conflict in conflicts))
        fields = ", ".join(conflict.field for conflict in conflicts)
        super().__init__(
            f"{name}: conflict with {managers} over fields that the manifest sets: {fields}.",
            "Take the fields over, leave them as they are, or change them in their source.",
        )


def read_conflicts(refusal: ApiRefusal, live: Mapping[str, Any] | None) -> tuple[FieldConflict, ...]:
    """Returns the conflicts of a rejected apply; missing times come from the live object's managed fields."""
    times = _times_of_managers(live)
    found = []
    for cause in refusal.causes:
        match = _CONFLICT.search(cause.message) if cause.reason == "FieldManagerConflict" else None
        if match:
            manager = match["manager"]
            found.append(FieldConflict(cause.field, manager, match["time"] or times.get(manager, "")))
    return tuple(found)


def _times_of_managers(live: Mapping[str, Any] | None) -> dict[str, str]:
    entries = ((live or {}).get("metadata") or {}).get("managedFields") or ()
    return {str(entry.get("manager")): printable(str(entry.get("time") or "")) for entry in entries}


def read_warnings(headers: Iterable[str]) -> tuple[str, ...]:
    """Returns the texts of ``Warning`` headers (``299 - "text"``), several in one header too."""
    return tuple(
        printable(re.sub(r"\\(.)", r"\1", text)) for header in headers for text in _WARNING.findall(header) if text
    )


async def unless_rejected(work: Awaitable[T], *, but: Container[int] = ()) -> T | None:
    """Returns the result, or None if it was rejected; raises ApiRefusal if the status is 401 or in ``but``."""
    try:
        return await work
    except ApiRefusal as refusal:
        if refusal.status == 401 or refusal.status in but:
            raise
        return None
