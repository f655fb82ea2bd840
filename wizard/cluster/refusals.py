"""What an API server says when it will not: its Status, made into errors for people.

The server's own words are quoted, made harmless for a terminal; what to do next is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wizard.errors import ClusterError, ConflictError
from wizard.escaping import printable

_CONFLICT = re.compile(r'conflict with "(?P<manager>(?:[^"\\]|\\.)*)"(?:.* at (?P<time>\S+))?')
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')
_PATH = re.compile(
    r"^/(?:api|apis/(?P<group>[^/]+))/[^/]+"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/[^/]+))?"
    r"/(?P<resource>[^/?]+)(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?$"
)
_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about, read from its method and path; ``str()`` names the object."""

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
        """The target of a request; a path that is not of an object stands for itself."""
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
    """One cause of a refusal: a reason in one word, the server's sentence, and the field that it is about."""

    reason: str
    message: str
    field: str


class ApiRefusal(ClusterError):
    """The server answered, and refused. ``message`` has its words; ``object`` names what was asked for."""

    def __init__(self, target: Target, status: int, body: Any) -> None:
        content: Mapping[str, Any] = body if isinstance(body, dict) else {}
        raw_details = content.get("details")
        details: Mapping[str, Any] = raw_details if isinstance(raw_details, dict) else {}
        self.status = status
        self.reason = str(content.get("reason") or "")
        self.message = printable(str(content.get("message") or (body if isinstance(body, str) else "")).strip())
        self.kind = str(details.get("kind") or "")
        self.causes = tuple(
            Cause(*(printable(str(cause.get(key) or "")) for key in ("reason", "message", "field")))
            for cause in details.get("causes") or ()
            if isinstance(cause, dict)
        )
        self.target = target
        self.object = str(target)
        super().__init__(self._what(), self._todo())

    def _what(self) -> str:
        if self.status == 401:
            return "The server does not accept the credentials of this context (401 Unauthorized)."
        said = self.message or f"status {self.status}"
        return f"The server refused to {self.target.verb} {self.object}: {said}"

    def _todo(self) -> str:
        if self.namespace_terminating:
            return "The namespace is being deleted. Wait until it is gone, then try again."
        place = f" in the namespace {printable(self.target.namespace)}" if self.target.namespace else ""
        sentences = {
            401: "The token may have expired: log in again, or choose another context.",
            403: f"Ask a cluster admin for the right to {self.target.verb} {self.target.resource}{place}.",
            404: "Look whether it is still there.",
            409: "Look at the object again: it changed meanwhile.",
            410: "Read the list again.",
            413: "The request is too large.",
            422: "Mend the value that it names.",
            429: "The server is busy. Try again in a while.",
        }
        # A webhook's refusal and a policy's have the status 403 or 400 too, and no right would help.
        if self.status in (400, 403) and "admission webhook" in self.message:
            return "An admission webhook decided so: ask whoever runs it, or change what it objects to."
        if self.status == 403 and " cannot " not in self.message:
            return "Change what it objects to, or ask a cluster admin."
        if self.status >= 500 and not self.permanent:
            return "The server has a problem of its own. Try again in a while."
        return sentences.get(self.status, "Change what it objects to, and try again.")

    @property
    def namespace_missing(self) -> bool:
        """Whether the object could not be looked at because its namespace does not exist."""
        return self.status == 404 and self.kind == "namespaces" and not self.target.resource.startswith("namespaces")

    @property
    def namespace_terminating(self) -> bool:
        """Whether it was refused because the namespace is being deleted."""
        return any(cause.reason == "NamespaceTerminating" for cause in self.causes) or (
            self.status == 403 and "because it is being terminated" in self.message
        )

    @property
    def permanent(self) -> bool:
        """Whether asking again is pointless although the status is 500.

        An API server answers a server-side apply of an unknown field or a bad quantity with 500.
        """
        return self.status == 500 and self.message.startswith(
            ("failed to create typed patch object", "failed to convert new object", "failed to create manager")
        )


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that another manager owns, and since when ("" where that is not known)."""

    field: str
    manager: str
    time: str = ""


class ApplyConflict(ConflictError):
    """A server-side apply met fields of other managers; a person has to decide about each."""

    def __init__(self, name: str, conflicts: tuple[FieldConflict, ...]) -> None:
        self.object = name
        self.conflicts = conflicts
        managers = ", ".join(dict.fromkeys(conflict.manager for conflict in conflicts))
        fields = ", ".join(conflict.field for conflict in conflicts)
        super().__init__(
            f"{name}: fields that must be set belong to {managers}: {fields}.",
            "Take them over, leave them as they are, or change them where they are managed.",
        )


def read_conflicts(refusal: ApiRefusal, live: Mapping[str, Any] | None) -> tuple[FieldConflict, ...]:
    """The conflicts in a refused apply; times come from the live object's managed fields where they are not said."""
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
    """The texts of ``Warning`` headers (``299 - "text"``), several in one header too."""
    return tuple(
        printable(re.sub(r"\\(.)", r"\1", text)) for header in headers for text in _WARNING.findall(header) if text
    )
