"""A policy as rows and words: what the screen of the template policy shows, without any widget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from screens.words import clean, detail_text
from wizard.errors import InputError, WizardError
from wizard.escaping import printable
from wizard.policy import (
    FUSE_RESOURCE,
    PODMAN_FIELDS,
    FieldView,
    PolicyDocument,
    Problem,
    check,
    count_to_add,
    effective_view,
    fields,
    fuse_guarantee,
    show_path,
)

Path = tuple[str, ...]

VERSION: Path = ("version",)

MAY = {
    "read": "workspaces may not change it",
    "append": "workspaces may add to it",
    "write": "workspaces may replace it",
}
"""What a policy word means for the author of a workspace."""


@dataclass(frozen=True)
class Row:
    """One line of the tree: a field, or a heading over some (then without ``view``)."""

    path: Path
    label: str
    depth: int
    view: FieldView | None
    line: int
    value: str
    problems: tuple[Problem, ...] = ()
    changed: bool = False
    fuse: str = ""
    """How many FUSE devices a merge asks for here; "" where that many or another number is asked for already."""

    @property
    def wants_fuse(self) -> bool:
        """Whether Podman needs something here that is not there."""
        return bool(self.fuse)

    @property
    def key(self) -> str:
        """By what the row is known again."""
        return "\0".join(self.path)

    @property
    def wants_attention(self) -> bool:
        """Whether there is something to do here."""
        return bool(self.problems) or self.wants_fuse

    @property
    def marks(self) -> str:
        """``+`` for what Podman needs and lacks, ``*`` for what was changed, ``!`` for a problem."""
        first = "+" if self.wants_fuse else "*" if self.changed else " "
        return first + ("!" if self.problems else " ")


@dataclass
class _Branch:
    view: FieldView | None
    children: dict[str, _Branch]


def tree_rows(original: PolicyDocument, document: PolicyDocument, devices: int = 1) -> tuple[Row, ...]:
    """Every field of the file and of the schema, under headings, in the file's order.

    A heading that would hold only one thing, or only headings, is joined with what it holds. ``devices`` is
    how many FUSE devices a merge asks for.
    """
    views = fields(document)
    wanted = _wanted_count(views, devices)
    before = {view.path: _content(view) for view in fields(original)}
    problems = check(document)
    found = _assigned(problems, [VERSION, *(view.path for view in views)])
    root = _Branch(None, {})
    for view in views:
        at = root
        for name in view.path:
            at = at.children.setdefault(name, _Branch(None, {}))
        at.view = view
    rows = [_version_row(original, document, found.get(VERSION, ()))]
    _add_rows(rows, root, (), (), 0, before, found, wanted)
    return tuple(rows)


def _add_rows(
    rows: list[Row],
    branch: _Branch,
    path: Path,
    prefix: Path,
    depth: int,
    before: Mapping[Path, object],
    found: Mapping[Path, tuple[Problem, ...]],
    wanted: str,
) -> None:
    for name, child in branch.children.items():
        here, label = (*path, name), (*prefix, name)
        if child.view is not None:
            rows.append(_field_row(child.view, label, depth, before, found.get(here, ()), wanted))
            _add_rows(rows, child, here, (), depth + 1, before, found, wanted)
        elif len(child.children) == 1 or all(one.view is None for one in child.children.values()):
            _add_rows(rows, child, here, label, depth, before, found, wanted)
        else:
            rows.append(Row(here, show_path(label), depth, None, 0, ""))
            _add_rows(rows, child, here, (), depth + 1, before, found, wanted)


def _field_row(
    view: FieldView,
    label: Path,
    depth: int,
    before: Mapping[Path, object],
    problems: tuple[Problem, ...],
    wanted: str,
) -> Row:
    fuse = wanted if view.for_podman and any(problem.id == "fuse-missing" for problem in problems) else ""
    return Row(
        path=view.path,
        label=show_path(label),
        depth=depth,
        view=view,
        line=view.line,
        value=short_value(view, fuse),
        # What Podman lacks has a mark of its own.
        problems=tuple(problem for problem in problems if problem.id != "fuse-missing"),
        changed=before.get(view.path) != _content(view),
        fuse=fuse,
    )


def _version_row(original: PolicyDocument, document: PolicyDocument, problems: tuple[Problem, ...]) -> Row:
    value, was = (_version(one) for one in (document, original))
    return Row(VERSION, "version", 0, None, document.key_line(VERSION), value or "not set", problems, value != was)


def _version(document: PolicyDocument) -> str:
    data = document.data
    version = data.get("version") if isinstance(data, dict) else None
    return "" if version is None else clean(str(version))


def _content(view: FieldView) -> object:
    return (view.word, view.has_value, view.data) if view.present else None


def _assigned(problems: Sequence[Problem], paths: Sequence[Path]) -> dict[Path, tuple[Problem, ...]]:
    """Each problem at the field that it is about; what is about none stands at the version, on top."""
    known = set(paths)
    found: dict[Path, tuple[Problem, ...]] = {}
    for problem in problems:
        path = field_of(problem, known)
        found[path] = (*found.get(path, ()), problem)
    return found


def field_of(problem: Problem, known: set[Path]) -> Path:
    """The field among the known ones that a problem is about."""
    for length in range(len(problem.path), 0, -1):
        if problem.path[:length] in known:
            return problem.path[:length]
    return VERSION


def short_value(view: FieldView, fuse: str = "") -> str:
    """A value in a few words: ``sriov 1, + fuse 1``, ``2 entries``."""
    data = view.data
    if not view.present:
        shown = "" if fuse else "not set"
    elif isinstance(data, list):
        shown = f"{len(data)} {'entry' if len(data) == 1 else 'entries'}"
    elif isinstance(data, dict) and view.field is not None and view.field.shape == "quantities":
        shown = ", ".join(f"{clean(str(name)).rpartition('/')[2]} {clean(str(count))}" for name, count in data.items())
    else:
        shown = clean(view.value)
    return ", ".join(part for part in (shown, f"+ fuse {clean(fuse)}" if fuse else "") if part)


def suggested_value(views: Sequence[FieldView], path: Path, devices: int) -> dict[Any, Any] | None:
    """The value of one of Podman's fields with a FUSE device in it; None where there is no place for one.

    The count is the other field's, where that has one: Kubernetes wants both the same.
    """
    own = next((view.data for view in views if view.path == path), None)
    if own is not None and not isinstance(own, dict):
        return None
    return {**(own or {}), FUSE_RESOURCE: _wanted_count(views, devices)}


def _wanted_count(views: Sequence[FieldView], devices: int) -> str:
    """What a field that has no count gets: what the other one has, where that has one."""
    values = [view.data for view in views if view.path in PODMAN_FIELDS and isinstance(view.data, dict)]
    return count_to_add((str(value.get(FUSE_RESOURCE, "")) for value in values), str(devices))


# Details -----------------------------------------------------------------------------------------------------


def row_detail(row: Row) -> RenderableType:
    """What stands beside a row: what was seen, what follows, what to do."""
    if row.view is None:
        return _heading_detail(row)
    view = row.view
    title = row.label + (f", line {row.line}" if row.line else "")
    seen = [f"{view.word or 'no policy word'}{': ' + clean(view.value) if view.has_value else ', without a value'}"]
    if not view.present:
        seen = ["not in this file"]
    if view.field is not None:
        since = f", since Coder {view.field.since}" if view.field.since else ""
        seen.append(f"takes {view.field.shape_in_words}{since}")
    word = view.word or "read"
    then = [f"{MAY[word]}" if word in MAY else "Coder may refuse this policy word"]
    if view.word is None:
        then[0] += " (Coder takes read where no word is written)"
    if row.wants_fuse:
        then.append("as it is, no workspace gets FUSE")
    elif view.for_podman and word in MAY and all(problem.severity != "problem" for problem in row.problems):
        then.append("and so lose FUSE" if word == "write" else "every workspace gets FUSE")
    do: list[str] = []
    for problem in row.problems:
        place = f"line {problem.line}: " if problem.line and problem.line != row.line else ""
        seen.append(f"{problem.severity}: {place}{problem.message}")
        if problem.hint:
            do.append(problem.hint)
    if row.wants_fuse:
        do.append(f'm adds "{FUSE_RESOURCE}": "{clean(row.fuse)}" where it is missing, + to this one')
    if not do:
        do.append(
            "r w a set the policy word, enter the value" + (", x removes it" if view.present else "; both add it")
        )
    return detail_text(title, seen=seen, then=then, do=do)


def _heading_detail(row: Row) -> RenderableType:
    if row.path != VERSION:
        return detail_text(
            show_path(row.path), seen="a group of fields", do="the fields under it have the policy words"
        )
    seen = [f"version: {row.value}" + (f", line {row.line}" if row.line else "")]
    seen += [
        f"{problem.severity}: {f'line {problem.line}: ' if problem.line else ''}{problem.message}"
        for problem in row.problems
    ]
    hints = [problem.hint for problem in row.problems if problem.hint]
    return detail_text("version", seen=seen, then="it says which fields Coder looks for", do=hints)


def error_detail(
    title: str, error: WizardError, text: str = "", *, then: str = "Nothing was changed."
) -> RenderableType:
    """A refusal, explained: where, with the line itself, why, and what to do."""
    seen = [error.what]
    excerpt: list[RenderableType] = []
    if isinstance(error, InputError) and error.place:
        seen.insert(0, error.place)
        excerpt = _excerpt(error, text)
    return Group(detail_text(title, seen=seen, then=then, do=error.todo), *excerpt)


def _excerpt(error: InputError, text: str) -> list[RenderableType]:
    lines = text.split("\n")
    if not 1 <= error.line <= len(lines):
        return []
    line = lines[error.line - 1].rstrip("\r")
    number = f"{error.line:>6}  "
    shown = printable(line.expandtabs(1))[:200]
    rows: list[RenderableType] = [Text(f"{number}{shown}", no_wrap=True, overflow="ellipsis")]
    if error.column:
        # Characters that are shown as escapes are wider than what they stand for.
        before = len(printable(line[: error.column - 1].expandtabs(1)))
        rows.append(Text(" " * (len(number) + before) + "^", no_wrap=True, style="bold"))
    return rows


def problem_detail(problem: Problem) -> RenderableType:
    """A problem of the list."""
    title = show_path(problem.path) or "the file"
    place = f"line {problem.line}, column {problem.column}" if problem.line else "nowhere in the file"
    return detail_text(title, seen=[problem.message, place], do=[problem.hint, "enter goes to the field"])


# What an author of a workspace may do ------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """One line of the effective view: before, after, and what to say of it."""

    key: str
    name: str
    before: str
    after: str
    detail: RenderableType

    @property
    def marks(self) -> str:
        """``*`` where it changes."""
        return "*" if self.before != self.after else " "


def effects(original: PolicyDocument, document: PolicyDocument) -> tuple[Effect, ...]:
    """Whether every workspace gets FUSE, then field by field what the author of a workspace may do."""
    before, after = fuse_guarantee(original), fuse_guarantee(document)
    first = Effect(
        "",
        "FUSE in every workspace",
        "sure" if before.sure else "not sure",
        "sure" if after.sure else "not sure",
        detail_text(
            "Is every workspace sure to get a FUSE device?",
            seen=after.reasons,
            then="Yes." if after.sure else "No, a workspace may come up without it.",
            do=""
            if after.sure
            else "m adds what is missing; read or append in place of write keeps workspaces from dropping it",
        ),
    )
    rows = [first]
    for row in effective_view(original, document):
        seen = [f"before  {row.before} change it" if row.before == "may not" else f"before  {row.before}"]
        seen[0] += f": {row.value_before}" if row.value_before else ""
        seen.append(f"after   {row.after}" + (f": {row.value_after}" if row.value_after else ""))
        note = "no policy word is written; Coder's documentation says that it is then read" if row.assumed else ""
        rows.append(
            Effect(
                "\0".join(row.path),
                row.name.removeprefix("workspace.").removeprefix("specs.kubernetes."),
                row.before,
                row.after,
                detail_text(row.name, seen=seen, then=note),
            )
        )
    return tuple(rows)


# The clicks in Coder -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Click:
    """Something that a person does in Coder's own screens; ``id`` is kept in ``session.ticks`` when it is done."""

    id: str
    title: str
    what: str
    why: str


CLICKS = (
    Click(
        "coder-enable-templates",
        "Enable workspace templates",
        "in Coder: Manage > Admin > Templates, set Enable workspace templates to On",
        "without it Coder reads neither templates nor this policy",
    ),
    Click(
        "coder-upload-policy",
        "Upload the policy",
        "on the same page, under Template policy, upload {file}",
        "it takes the place of the policy that is there; new workspaces follow it",
    ),
    Click(
        "coder-save",
        "Save",
        "click Save on that page",
        "before that, nothing has changed for workspaces",
    ),
)
"""What the guide has an admin do once the file is written."""


def click_detail(click: Click, done: bool, file: str) -> RenderableType:
    """A click under the cursor."""
    return detail_text(
        click.title,
        seen="ticked off as done" if done else "the wizard cannot see Coder's screens; you tick it off",
        then=click.why,
        do=[click.what.format(file=file), "enter takes the tick away" if done else "enter ticks it off"],
    )


# What one can start from -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """A way to begin."""

    id: str
    state: str
    title: str
    detail: RenderableType


def starts(refused: InputError | None, text: str) -> tuple[Start, ...]:
    """The ways to begin; the file that was refused comes first, with the reason."""
    rows: list[Start] = []
    if refused is not None:
        rows.append(
            Start(
                "again",
                "failed",
                clean(f"{refused.place or refused.file}: {refused.what}"),
                error_detail(
                    "This file cannot be opened",
                    refused,
                    text,
                    then="It was left as it is.",
                ),
            )
        )
    rows += [
        Start(
            "open",
            "",
            "Open the policy that your Coder uses",
            detail_text(
                "Open a file",
                seen="a deployment that runs has a template policy already: in a repository, or as the file that was "
                "last uploaded",
                then="what Podman needs is merged into it; every comment and every other byte stays",
                do="enter or o, and type the path",
            ),
        ),
        Start(
            "podman",
            "",
            "Start from the guide's short policy",
            detail_text(
                "The guide's short policy",
                seen=f"two fields, with which every workspace asks for {FUSE_RESOURCE}",
                then="fields that it does not name are read: workspaces may not set them",
                do="enter; for a Coder that has no template policy yet",
            ),
        ),
        Start(
            "complete",
            "",
            "Start from the guide's complete policy",
            detail_text(
                "The guide's complete policy",
                seen="an example with every field that the guide knows",
                then="its values are examples: look at each of them",
                do="enter; for a Coder that has no template policy yet",
            ),
        ),
    ]
    return tuple(rows)
