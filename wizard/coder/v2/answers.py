"""The responses of Coder v2, as data. A response of another shape raises ``UnexpectedAnswer``.

The shapes are those of codersdk, as its API reference documents them in 2026. Only what is used is read; a field that
older and newer versions may lack has a default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast, get_args

from wizard.coder.refusals import CoderError
from wizard.coder.v2 import UNTRIED
from wizard.coder.words import one_line

Status = Literal["pending", "running", "succeeded", "canceling", "canceled", "failed", "unknown"]
_STATUSES = get_args(Status)
_ONGOING = ("pending", "running", "canceling")
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Ids and names in Coder; nothing else becomes part of a request's path."""
_Some = TypeVar("_Some")


class UnexpectedAnswer(CoderError):
    """A response whose shape is not the documented one."""


def unexpected(what: str, why: str) -> UnexpectedAnswer:
    """Returns the error for a response of another shape."""
    return UnexpectedAnswer(
        f"Coder's response for {what} has an unknown format: {why}.",
        f"{UNTRIED} Check the URL, or use Coder's own command line.",
    )


class _Fields:
    """One JSON object of a response, read field by field."""

    def __init__(self, value: Any, what: str) -> None:
        if not isinstance(value, Mapping):
            raise unexpected(what, "it is not a JSON object")
        self._value, self._what = value, what

    def id(self, name: str) -> str:
        """Returns text that identifies something, exactly as it is; it can be part of a request's path."""
        found = self._value.get(name)
        if not isinstance(found, str) or not IDENTIFIER.fullmatch(found):
            raise unexpected(self._what, f"{name} does not identify anything")
        return found

    def text(self, name: str) -> str:
        """Returns text that is only shown; "" if there is none."""
        found = self._value.get(name)
        if found is not None and not isinstance(found, str):
            raise unexpected(self._what, f"{name} is not text")
        return one_line(found or "")

    def truth(self, name: str) -> bool:
        found = self._value.get(name, False)
        if not isinstance(found, bool):
            raise unexpected(self._what, f"{name} is not true or false")
        return found

    def number(self, name: str) -> int:
        found = self._value.get(name, 0)
        if not isinstance(found, int) or isinstance(found, bool):
            raise unexpected(self._what, f"{name} is not a whole number")
        return found

    def inner(self, name: str) -> _Fields:
        return _Fields(self._value.get(name), f"{self._what} ({name})")

    def has(self, name: str) -> bool:
        return self._value.get(name) is not None

    def items(self, name: str) -> list[Any]:
        return items_of(self._value.get(name), f"{self._what} ({name})")

    def texts(self, name: str) -> dict[str, str]:
        """Returns a mapping of texts, exactly as it is."""
        found = self._value.get(name)
        if found is None:
            return {}
        if not isinstance(found, Mapping) or not all(isinstance(one, str) for one in found.values()):
            raise unexpected(self._what, f"{name} is not a mapping of texts")
        return dict(found)


def items_of(value: Any, what: str) -> list[Any]:
    """Returns a list; Go writes an empty one as null."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise unexpected(what, "it is not a list")
    return value


def all_of(value: Any, what: str, read: Callable[[Any], _Some]) -> tuple[_Some, ...]:
    """Reads each item of a list."""
    return tuple(read(item) for item in items_of(value, what))


@dataclass(frozen=True)
class User:
    """The user that the token belongs to."""

    id: str
    name: str
    roles: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: Any) -> User:
        """Reads the response of ``/api/v2/users/me``."""
        user = _Fields(value, "your user")
        roles = tuple(_Fields(role, "your roles").text("name") for role in user.items("roles"))
        return cls(user.id("id"), user.text("username") or user.text("email") or user.id("id"), roles)


@dataclass(frozen=True)
class Organization:
    """An organization, which has templates."""

    id: str
    name: str
    is_default: bool = False

    @classmethod
    def of(cls, value: Any) -> Organization:
        """Reads one organization."""
        found = _Fields(value, "an organization")
        return cls(found.id("id"), found.text("name"), found.truth("is_default"))


@dataclass(frozen=True)
class Template:
    """A template, with the id of its active version."""

    id: str
    name: str
    organization_id: str
    organization_name: str
    active_version_id: str
    provisioner: str = "terraform"
    requires_active: bool = False
    """Whether a workspace is updated to the active version whenever it starts."""
    deprecated: bool = False

    @classmethod
    def of(cls, value: Any) -> Template:
        """Reads one template."""
        found = _Fields(value, "a template")
        return cls(
            id=found.id("id"),
            name=found.id("name"),
            organization_id=found.id("organization_id"),
            organization_name=found.text("organization_name"),
            active_version_id=found.id("active_version_id"),
            provisioner=found.text("provisioner") or "terraform",
            requires_active=found.truth("require_active_version"),
            deprecated=found.truth("deprecated"),
        )


@dataclass(frozen=True)
class Job:
    """The job that imports a version. ``tags`` decide which provisioner takes it."""

    id: str
    status: Status
    file_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    error_code: str = ""
    queue_position: int = 0
    queue_size: int = 0
    logs_overflowed: bool = False

    @property
    def ended(self) -> bool:
        """Whether the job has ended, however."""
        return self.status not in _ONGOING

    @classmethod
    def of(cls, found: _Fields) -> Job:
        """Reads the job of a version."""
        status = found.id("status")
        return cls(
            id=found.id("id"),
            status=cast(Status, status) if status in _STATUSES else "unknown",
            file_id=found.id("file_id") if found.has("file_id") else "",
            tags=found.texts("tags"),
            error=found.text("error"),
            error_code=found.text("error_code"),
            queue_position=found.number("queue_position"),
            queue_size=found.number("queue_size"),
            logs_overflowed=found.truth("logs_overflowed"),
        )


@dataclass(frozen=True)
class Version:
    """One version of a template. ``provisioners`` is how many could take its job; None if Coder does not say."""

    id: str
    name: str
    job: Job
    message: str = ""
    archived: bool = False
    provisioners: int | None = None
    available: int | None = None
    """How many of them have answered lately."""

    @classmethod
    def of(cls, value: Any) -> Version:
        """Reads one version."""
        found = _Fields(value, "a template version")
        matched = found.inner("matched_provisioners") if found.has("matched_provisioners") else None
        return cls(
            id=found.id("id"),
            name=found.id("name"),
            job=Job.of(found.inner("job")),
            message=found.text("message"),
            archived=found.truth("archived"),
            provisioners=matched.number("count") if matched else None,
            available=matched.number("available") if matched else None,
        )


@dataclass(frozen=True)
class LogLine:
    """One line of a job's log."""

    id: int
    level: str
    stage: str
    text: str

    @property
    def is_error(self) -> bool:
        """Whether the line reports an error."""
        return self.level == "error"

    @classmethod
    def of(cls, value: Any) -> LogLine:
        """Reads one line."""
        found = _Fields(value, "a line of the log")
        return cls(found.number("id"), found.text("log_level"), found.text("stage"), found.text("output"))


@dataclass(frozen=True)
class Workspace:
    """A workspace of a template, and the version that it was last built with."""

    name: str
    owner: str
    template_id: str
    version_id: str
    status: str
    updates_itself: bool = False
    """Whether it is updated to the active version whenever it starts."""

    @classmethod
    def of(cls, value: Any) -> Workspace:
        """Reads one workspace."""
        found = _Fields(value, "a workspace")
        build = found.inner("latest_build") if found.has("latest_build") else None
        return cls(
            name=found.text("name"),
            owner=found.text("owner_name"),
            template_id=found.text("template_id"),
            version_id=build.text("template_version_id") if build else "",
            status=build.text("status") if build else "",
            updates_itself=found.text("automatic_updates") == "always",
        )


def file_id_of(value: Any) -> str:
    """Reads the response to an upload: the key says hash, and the value is the id of the file."""
    return _Fields(value, "the uploaded file").id("hash")


def version_of_build(value: Any) -> str:
    """Reads the deployment's version from the response of ``/api/v2/buildinfo``."""
    found = _Fields(value, "the build information").text("version")
    if not found:
        raise unexpected("the build information", "it has no version")
    return found


def checks_of(value: Any, names: tuple[str, ...]) -> dict[str, bool]:
    """Reads the response of ``/api/v2/authcheck``."""
    found = _Fields(value, "your permissions")
    return {name: found.truth(name) for name in names}
