"""The undo of a push: the former version becomes active again if the pushed one still is, which is then archived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.coder.refusals import CoderError
from wizard.coder.v2.client import TemplatesClient
from wizard.errors import ConflictError
from wizard.facts.changes import Change
from wizard.facts.objects import ObjectRef

if TYPE_CHECKING:
    from wizard.journal.journal import Change as JournaledChange


@dataclass(frozen=True)
class PushedTemplate:
    """What the journal says of the pushes of one template: the version before, and the versions that were pushed."""

    url: str
    template_id: str
    name: str
    organization: str
    former: str
    former_name: str
    versions: tuple[tuple[str, str], ...]
    """Id and name of each."""

    @classmethod
    def of(cls, latest_first: Sequence[JournaledChange]) -> PushedTemplate:
        """Returns what these changes of one template tell; the oldest has the version before."""
        before: Mapping[str, Any] = latest_first[-1].before
        versions = [
            (str(one.after["version"]), str(one.after.get("version_name", "")))
            for one in latest_first
            if one.after.get("version")
        ]
        return cls(
            url=str(before["url"]),
            template_id=str(before.get("template_id", "")),
            name=str(before.get("template", "")),
            organization=str(before.get("organization", "")),
            former=str(before.get("former", "")),
            former_name=str(before.get("former_name", "")),
            versions=tuple(dict.fromkeys(versions)),  # a version that became active later is in two changes
        )

    def is_ours(self, version_id: str) -> bool:
        """Tells whether a version was pushed by these changes."""
        return any(version_id == id for id, _ in self.versions)


@dataclass(frozen=True)
class Present:
    """What Coder says now: whether a pushed version is active, and which of the pushed ones are not archived."""

    active: str
    pushed: tuple[tuple[str, str], ...]

    def promotes(self, pushed: PushedTemplate) -> bool:
        """Tells whether an undo has to promote the former version."""
        return pushed.is_ours(self.active)


async def read_present(client: TemplatesClient, pushed: PushedTemplate) -> Present:
    """Reads what is there now; changes nothing. Raises CoderError."""
    template = await client.template(pushed.template_id)
    there = {one.id: one for one in await client.versions(pushed.template_id)}
    kept = tuple((id, name) for id, name in pushed.versions if id in there and not there[id].archived)
    return Present(template.active_version_id, kept)


def changes_of(pushed: PushedTemplate, present: Present) -> tuple[Change, ...]:
    """Returns what an undo changes, field by field."""
    about = ObjectRef("Template", pushed.name)
    names = dict(pushed.versions)
    found = []
    if present.promotes(pushed):
        before, after = names.get(present.active) or present.active, pushed.former_name or pushed.former
        found.append(Change(about, ".active_version", before, after))
    found += [Change(about, f".versions.{name or id}.archived", False, True) for id, name in present.pushed]
    return tuple(found)


def title_of(pushed: PushedTemplate, present: Present) -> str:
    """Returns what an undo does, for its list of steps."""
    where = f"of the template {pushed.name} in Coder at {pushed.url}"
    if present.promotes(pushed):
        return f"Make version {pushed.former_name} {where} active again, and archive the pushed one"
    return f"Archive the pushed version {where}, which is not active"


def why_not(pushed: PushedTemplate, present: Present) -> str:
    """Returns why the version that is active now is not replaced; "" if it is the former one, or a pushed one."""
    if present.active == pushed.former or present.promotes(pushed):
        return ""
    return f"another version of {pushed.name} became active since, and is not replaced"


async def take_back(client: TemplatesClient, pushed: PushedTemplate, shown: Present) -> None:
    """Promotes the former version if it has to be, and archives the pushed ones.

    Raises ConflictError if the active version is not the one that was shown, CoderError if Coder rejects it.
    """
    now = await read_present(client, pushed)
    if now.active != shown.active:
        raise ConflictError(
            f"The active version of {pushed.name} changed after the preview, so it was not touched.", "Repeat undo."
        )
    if now.promotes(pushed):
        await client.promote(pushed.template_id, pushed.former)
        if (await client.template(pushed.template_id)).active_version_id != pushed.former:
            raise CoderError(
                f"Coder accepted the promotion of {pushed.former_name}, but another version is active.",
                "Check the versions of the template in Coder.",
            )
    for id, _ in now.pushed:
        await client.archive(id)
