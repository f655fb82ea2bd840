"""What Coder v1 answers, as data. Whatever has not the shape that was expected is an ``UnexpectedAnswer``.

The shapes are those of Coder's own command line (coder-sdk: users.go, config.go, workspace.go, version.go).
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
"""The one role that may set a policy and the site's configuration."""

OLDEST = (1, 28)
"""Custom resource requests came with 1.27.0; up to 1.28.0 they were not kept (Coder's changelog)."""


class UnexpectedAnswer(CoderError):
    """Coder answered, but not in the shape that its command line expects."""


def unexpected(what: str, why: str) -> UnexpectedAnswer:
    """The error for an answer of another shape."""
    return UnexpectedAnswer(
        f"Coder answered {what} in a shape that is not known: {why}.", f"{UNTRIED} By hand: {CLICKS_UPLOAD}."
    )


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise unexpected(what, "it is no JSON object")
    return value


def _text(value: Mapping[str, Any], name: str, what: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise unexpected(what, f"{name} is no text")
    return found


def _texts(value: Any, name: str, what: str) -> tuple[str, ...]:
    # Go writes an empty list as null.
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise unexpected(what, f"{name} is no list")
    return tuple(one_line(item) for item in value[:MOST])


@dataclass(frozen=True)
class Deployment:
    """Which Coder answers. ``version`` is "" where it does not say."""

    kind: Literal["v1", "v2"]
    version: str = ""

    @property
    def number(self) -> tuple[int, int] | None:
        """Major and minor of the version; None where they cannot be told."""
        found = re.match(r"v?(\d{1,6})\.(\d{1,6})(?!\d)", self.version)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def is_too_old(self) -> bool:
        """Whether it is known to lose resource requests of a policy."""
        return self.kind == "v1" and self.number is not None and self.number < OLDEST


@dataclass(frozen=True)
class User:
    """The person that the token belongs to."""

    id: str
    name: str
    roles: tuple[str, ...]

    @property
    def is_site_admin(self) -> bool:
        """Whether this person may set policies and the site's configuration."""
        return SITE_ADMIN in self.roles

    @classmethod
    def of(cls, value: Any) -> User:
        """Reads the answer of ``/api/v0/users/me``."""
        what = "who you are"
        user = _mapping(value, what)
        name = one_line(user.get("username") or user.get("email") or _text(user, "id", what))
        return cls(_text(user, "id", what), name, _texts(user.get("roles"), "roles", what))


@dataclass(frozen=True)
class WorkspaceSettings:
    """The site's settings of workspaces, whole: what is not known here must be written back as it was."""

    FIELD = "enable_workspaces_as_code"
    """The screen's Enable workspace templates: no source says so literally; name and meaning match."""

    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def templates_enabled(self) -> bool:
        """Whether workspace templates are enabled."""
        return bool(self.fields[self.FIELD])

    def with_templates(self, enabled: bool) -> WorkspaceSettings:
        """The same settings but for that one field."""
        return WorkspaceSettings({**self.fields, self.FIELD: enabled})

    @classmethod
    def of(cls, value: Any) -> WorkspaceSettings:
        """Reads the answer of ``/api/v0/workspaces/config``."""
        what = "the settings of workspaces"
        fields = _mapping(value, what)
        if not isinstance(fields.get(cls.FIELD), bool):
            raise unexpected(what, f"{cls.FIELD} is not true or false")
        return cls(dict(fields))


@dataclass(frozen=True)
class Template:
    """A template that Coder has parsed. The policy call wants ``id``, which is its ``template_id``."""

    id: str
    file_hash: str = ""
    """SHA-256 of the file's content in hex, as the command line's sources say."""

    @classmethod
    def of(cls, value: Any) -> Template:
        """Reads the answer of the parse call."""
        what = "the parsed template"
        template = _mapping(value, what)
        id = _text(template, "template_id", what)
        if not id:
            # An empty id would set the default policy in place of ours.
            raise unexpected(what, "template_id is empty")
        file_hash = template.get("file_hash")
        return cls(id, file_hash.lower() if isinstance(file_hash, str) else "")


@dataclass(frozen=True)
class Effect:
    """What a policy does to a workspace as it is built at one moment."""

    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] | None = None
    """Messages; None for no error: an error may come without a message."""

    @property
    def is_nothing(self) -> bool:
        """Neither a warning nor an error."""
        return not self.warnings and self.errors is None


@dataclass(frozen=True)
class MergeConflict:
    """A workspace that a policy touches: when it is rebuilt now, and once it is updated to its latest template."""

    workspace_id: str
    now: Effect
    updated: Effect
    is_latest: bool
    message: str

    @classmethod
    def all_of(cls, value: Any) -> tuple[MergeConflict, ...]:
        """Reads the answer of the policy call."""
        found = _mapping(value, "the impact of the policy").get("merge_conflicts")
        if found is None:
            return ()
        if not isinstance(found, list):
            raise unexpected("the impact of the policy", "merge_conflicts is no list")
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
    """A workspace by its name and its owner's; the ids where those are not known."""

    id: str
    name: str
    owner: str
