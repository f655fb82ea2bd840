"""Coder v1's responses, as data. A response of another shape raises ``UnexpectedAnswer``.

The shapes are those of the Coder CLI (coder-sdk: users.go, config.go, workspace.go, version.go).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from wizard.coder import CLICKS_UPLOAD, UNTRIED
from wizard.coder.refusals import CoderError
from wizard.coder.words import MOST, one_line

SITE_ADMIN = "site-admin"
"""The only role that can set a policy and the site's configuration."""

OLDEST = (1, 28)
"""Custom resource requests were added in 1.27.0, but not saved before 1.28.0 (Coder's changelog)."""


class UnexpectedAnswer(CoderError):
    """A response whose shape is not the one that the Coder CLI expects."""


def unexpected(what: str, why: str) -> UnexpectedAnswer:
    """Returns the error for a response of another shape."""
    return UnexpectedAnswer(
        f"Coder's response for {what} has an unknown format: {why}.",
        f"{UNTRIED} To do this by hand: {CLICKS_UPLOAD}.",
    )


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise unexpected(what, "it is not a JSON object")
    return value


def _text(value: Mapping[str, Any], name: str, what: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise unexpected(what, f"{name} is not text")
    return found


def _texts(value: Any, name: str, what: str) -> tuple[str, ...]:
    # Go writes an empty list as null.
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise unexpected(what, f"{name} is not a list")
    return tuple(one_line(item) for item in value[:MOST])


@dataclass(frozen=True)
class Deployment:
    """The kind of Coder that responds. ``version`` is "" if Coder does not report it."""

    kind: Literal["v1", "v2"]
    version: str = ""

    @property
    def number(self) -> tuple[int, int] | None:
        """The major and minor version; None if they are unknown."""
        found = re.match(r"v?(\d{1,6})\.(\d{1,6})(?!\d)", self.version)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def is_too_old(self) -> bool:
        """Whether this version is known to lose the resource requests of a policy."""
        return self.kind == "v1" and self.number is not None and self.number < OLDEST


@dataclass(frozen=True)
class User:
    """The user that the token belongs to."""

    id: str
    name: str
    roles: tuple[str, ...]

    @property
    def is_site_admin(self) -> bool:
        """Whether this user can set policies and the site's configuration."""
        return SITE_ADMIN in self.roles

    @classmethod
    def of(cls, value: Any) -> User:
        """Reads the response of ``/api/v0/users/me``."""
        what = "your user"
        user = _mapping(value, what)
        name = one_line(user.get("username") or user.get("email") or _text(user, "id", what))
        return cls(_text(user, "id", what), name, _texts(user.get("roles"), "roles", what))


@dataclass(frozen=True)
class WorkspaceSettings:
    """All of the site's workspace settings: unknown fields must be written back as they were."""

    FIELD = "enable_workspaces_as_code"
    """The setting Enable workspace templates of the Coder UI; no source says so, but name and meaning match."""

    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def templates_enabled(self) -> bool:
        """Whether workspace templates are enabled."""
        return bool(self.fields[self.FIELD])

    def with_templates(self, enabled: bool) -> WorkspaceSettings:
        """Returns the same settings, with only that field changed."""
        return WorkspaceSettings({**self.fields, self.FIELD: enabled})

    @classmethod
    def of(cls, value: Any) -> WorkspaceSettings:
        """Reads the response of ``/api/v0/workspaces/config``."""
        what = "the workspace settings"
        fields = _mapping(value, what)
        if not isinstance(fields.get(cls.FIELD), bool):
            raise unexpected(what, f"{cls.FIELD} is not true or false")
        return cls(dict(fields))


@dataclass(frozen=True)
class Template:
    """A template that Coder has parsed. The policy call needs ``id``, which is its ``template_id``."""

    id: str
    file_hash: str = ""
    """SHA-256 of the file's content in hex, according to the Coder CLI source."""

    @classmethod
    def of(cls, value: Any) -> Template:
        """Reads the response of the parse call."""
        what = "the parsed template"
        template = _mapping(value, what)
        id = _text(template, "template_id", what)
        if not id:
            # An empty id would set Coder's default policy instead.
            raise unexpected(what, "template_id is empty")
        file_hash = template.get("file_hash")
        return cls(id, file_hash.lower() if isinstance(file_hash, str) else "")


@dataclass(frozen=True)
class Effect:
    """The effect of a policy on a workspace, for one version of its template."""

    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] | None = None
    """Messages; None for no error, because an error can come without a message."""

    @property
    def is_nothing(self) -> bool:
        """Whether there is neither a warning nor an error."""
        return not self.warnings and self.errors is None


@dataclass(frozen=True)
class MergeConflict:
    """An affected workspace: when it is rebuilt now, and after it is updated to its latest template."""

    workspace_id: str
    now: Effect
    updated: Effect
    is_latest: bool
    message: str

    @classmethod
    def all_of(cls, value: Any) -> tuple[MergeConflict, ...]:
        """Reads the response of the policy call."""
        found = _mapping(value, "the impact of the policy").get("merge_conflicts")
        if found is None:
            return ()
        if not isinstance(found, list):
            raise unexpected("the impact of the policy", "merge_conflicts is not a list")
        return tuple(cls.of(item) for item in found)

    @classmethod
    def of(cls, value: Any) -> MergeConflict:
        """Reads one conflict."""
        what = "the impact on a workspace"
        item = _mapping(value, what)

        def effect(when: str) -> Effect:
            warnings = _texts(item.get(f"{when}_template_warnings"), f"{when}_template_warnings", what)
            errors = item.get(f"{when}_template_errors")
            if errors is None:
                return Effect(warnings)
            return Effect(warnings, _texts(_mapping(errors, what).get("messages"), "messages", what))

        return cls(
            workspace_id=_text(item, "workspace_id", what),
            now=effect("current"),
            updated=effect("latest"),
            is_latest=item.get("current_template_is_latest") is True,
            message=one_line(item.get("message") or ""),
        )


@dataclass(frozen=True)
class Workspace:
    """A workspace with its name and its owner's; ids if the names are unknown."""

    id: str
    name: str
    owner: str
