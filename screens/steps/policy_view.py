"""The details of a policy's rows in words, and the text of the file beside them. Nothing here is a widget."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath

from rich.console import Group, RenderableType
from rich.text import Text

from screens.steps.policy_model import NEW_FILE, PolicyModel
from screens.steps.policy_rows import VERSION, Row
from screens.widgets.tokens import tone
from screens.widgets.words import clean, detail_text
from wizard.errors import InputError, WizardError
from wizard.policy import (
    FUSE_RESOURCE,
    FieldView,
    PolicyDocument,
    Problem,
    effective_view,
    fuse_guarantee,
    show_path,
    value_text,
)
from wizard.policy.compare import hunks
from wizard.policy.effective import MAY as EFFECTS
from wizard.policy.item_edits import Item
from wizard.text.counting import counted
from wizard.text.escaping import printable

CAN = {
    "read": "Workspaces cannot change it",
    "append": "Workspaces can add to it",
    "write": "Workspaces can replace it",
}
"""What workspaces can do with a field, by its field policy."""

FIELD_POLICIES = {effect: word for word, effect in EFFECTS.items()}
"""The field policy behind an effect."""


def row_detail(row: Row) -> RenderableType:
    """Returns the detail of a row: what was found, what it means, what to do."""
    if row.view is None:
        return _heading_detail(row)
    if row.item is not None:
        return _item_detail(row, row.item)
    view = row.view
    title = row.label + (f", line {row.line}" if row.line else "")
    seen = [f"{view.word or 'no field policy'}{': ' + clean(view.value) if view.has_value else ', no value'}"]
    if not view.present:
        seen = ["not in this file"]
    if view.field is not None:
        since = f", since Coder {view.field.since}" if view.field.since else ""
        seen.append(f"expects {view.field.shape_in_words}{since}")
    word = view.word or "read"
    then = [CAN.get(word, "Coder can reject this field policy")]
    if view.word is None:
        then[0] += " (Coder uses read if no field policy is set)"
    then[0] += "."
    if row.wants_fuse:
        then.append("This field requests no FUSE device, so no workspace gets one.")
    elif view.for_podman and word in CAN and all(problem.severity != "problem" for problem in row.problems):
        then.append("A workspace that does so can lose FUSE." if word == "write" else "Every workspace gets FUSE.")
    for problem in row.problems:
        place = f"line {problem.line}: " if problem.line and problem.line != row.line else ""
        seen.append(f"{problem.severity}: {place}{problem.message}")
    return detail_text(title, seen=seen, then=then, do=_field_hints(row, view, word))


def _field_hints(row: Row, view: FieldView, word: str) -> list[str]:
    do = [problem.hint for problem in row.problems if problem.hint]
    if view.for_podman and view.present and word == "write" and not row.wants_fuse:
        do.append("Press M to set it for both fields.")
    if row.wants_fuse:
        added = f'"{FUSE_RESOURCE}": "{clean(row.fuse)}"'
        do.append(f"Press m to add {added} to every field that needs it, or + to this field only.")
    # short, because it is drawn at each move over a slow connection
    if do and row.items:
        do.append("Press i to list its entries.")
    elif not do and view.present:
        items = ", i to list its entries" if row.items else ", + to add an entry" if row.can_have_items else ""
        do.append(
            f"Press r, w, or a to set the field policy, enter to edit the value{items}, or x to remove the field."
        )
    elif not do:
        do.append("Press r, w, or a to add the field with this field policy, or enter to add it with a value.")
    return do


def _item_detail(row: Row, item: Item) -> RenderableType:
    assert row.view is not None
    seen = [f"{show_path(item.path)}, line {item.line}", clean(value_text(item.data))]
    seen += [f"{problem.severity}: {problem.message}" for problem in row.problems]
    do = [problem.hint for problem in row.problems if problem.hint]
    do.append("Press enter to change it, x to remove it, or + to add another one. Nothing else in the file changes.")
    return detail_text(f"{row.label}, an entry of {show_path(row.path[-1:])}", seen=seen, do=do)


def _heading_detail(row: Row) -> RenderableType:
    if row.path != VERSION:
        return detail_text(show_path(row.path), seen="a group of fields")
    seen = [f"version: {row.value}" + (f", line {row.line}" if row.line else "")]
    seen += [
        f"{problem.severity}: {f'line {problem.line}: ' if problem.line else ''}{problem.message}"
        for problem in row.problems
    ]
    hints = [problem.hint for problem in row.problems if problem.hint]
    return detail_text("version", seen=seen, then="It is the version of the policy format.", do=hints)


def error_detail(
    title: str, error: WizardError, text: str = "", *, then: str = "Nothing was changed."
) -> RenderableType:
    """Returns an error with its place, the line itself, the reason, and what to do."""
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
        # An escape is wider than the character that it represents.
        before = len(printable(line[: error.column - 1].expandtabs(1)))
        rows.append(Text(" " * (len(number) + before) + "^", no_wrap=True, style="bold"))
    return rows


def source_text(original: PolicyDocument, document: PolicyDocument, line: int, height: int) -> Text:
    """Returns the lines of the file around one, with ``+`` at those that were added or changed."""
    lines = document.text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    new = changed_lines(original, document)
    first = max(min((line or 1) - 1 - height // 3, len(lines) - height), 0)
    shown = Text(no_wrap=True, overflow="ellipsis")
    for number in range(first, min(first + height, len(lines))):
        is_new, is_here = number in new, number + 1 == line
        mark = ("+" if is_new else " ") + (">" if is_here else " ")
        content = printable(lines[number].rstrip("\r").expandtabs(8))
        style = tone("title" if is_here else "added" if is_new else "text")
        shown.append(f"{number + 1:>4} {mark} {content}\n", style=style)
    shown.rstrip()
    return shown


@lru_cache(maxsize=2)
def changed_lines(original: PolicyDocument, document: PolicyDocument) -> frozenset[int]:
    """Returns the numbers of the lines, from 0, that are new in a document."""
    old, new = (one.text.split("\n") for one in (original, document))
    return frozenset(number for hunk in hunks(old, new) for number in range(hunk.new_start, hunk.new_end))


_COMMON = "workspace.specs.kubernetes."


def short_message(problem: Problem) -> str:
    """Returns the message for a row, in which most paths would take up all of the room."""
    return problem.message.replace(_COMMON, "")


def problem_detail(problem: Problem) -> RenderableType:
    """Returns the detail of a problem in the list."""
    title = show_path(problem.path) or "the file"
    place = f"line {problem.line}, column {problem.column}" if problem.line else "not in the file"
    hint = problem.hint.replace("run podman-wizard policy merge", "press m")
    return detail_text(title, seen=[problem.message, place], do=[hint, "Press enter to go to the field."])


# What users can change ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """One line of the effect: before, after, and the detail."""

    key: str
    name: str
    before: str
    after: str
    detail: RenderableType

    @property
    def marks(self) -> str:
        """``*`` if it changes."""
        return "*" if self.before != self.after else " "


def effects(original: PolicyDocument, document: PolicyDocument) -> tuple[Effect, ...]:
    """Returns whether every workspace gets FUSE, then field by field what users can change."""
    before, after = fuse_guarantee(original), fuse_guarantee(document)
    first = Effect(
        "",
        "FUSE in every workspace",
        "yes" if before.sure else "no",
        "yes" if after.sure else "no",
        detail_text(
            "Does every workspace get a FUSE device?",
            seen=after.reasons,
            then="Yes." if after.sure else "No. A workspace can start without one, or not start at all.",
            do=""
            if after.sure
            else "Press m to add what is missing. Use read or append instead of write to keep it in every workspace.",
        ),
    )
    rows = [first]
    for row in effective_view(original, document):
        seen = [
            f"Before: {_effect_in_words(row.before, row.value_before)}",
            f"After: {_effect_in_words(row.after, row.value_after)}",
        ]
        note = "No field policy is set. Coder's documentation says that read is the default." if row.assumed else ""
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


def _effect_in_words(effect: str, value: str) -> str:
    word = FIELD_POLICIES.get(effect, "")
    can = CAN[word].lower() if word in CAN else "the field policy is unknown"
    return f"{can}{f'; value: {value}' if value else ''}"


# Ways to start -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """A way to start."""

    id: str
    state: str
    title: str
    detail: RenderableType


def starts(refused: InputError | None, text: str) -> tuple[Start, ...]:
    """Returns the ways to start; a file that cannot be opened comes first, with the reason."""
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
                    then="The file was not changed.",
                ),
            )
        )
    rows += [
        Start(
            "open",
            "",
            "Open the policy that Coder uses now",
            detail_text(
                "Open a file",
                seen="A running deployment already has a template policy: in a repository, or as the file that was "
                "last uploaded.",
                then="The merge adds what Podman needs. Every comment and every other byte stays.",
                do="Press enter or o, and enter the path.",
            ),
        ),
        Start(
            "podman",
            "",
            "Start from the guide's short policy",
            detail_text(
                "The guide's short policy",
                seen=f"Two fields, with which every workspace requests {FUSE_RESOURCE}.",
                then="All other fields are read: workspaces cannot change them.",
                do="Press enter if Coder has no template policy yet.",
            ),
        ),
        Start(
            "complete",
            "",
            "Start from the guide's complete policy",
            detail_text(
                "The guide's complete policy",
                seen="An example with every field in the guide.",
                then="Its values are examples: review each of them.",
                do="Press enter if Coder has no template policy yet.",
            ),
        ),
    ]
    return tuple(rows)


def commands_for(path: FilePath | None) -> Sequence[str]:
    """Returns the commands that do the merge without the screens."""
    if path is None:
        return ["# create a new policy with only what Podman needs", f"podman-wizard policy new > {NEW_FILE}"]
    name = shlex.quote(str(path))
    return [
        "# preview the merge",
        f"podman-wizard policy merge {name} --diff",
        "# merge into the file, with a backup",
        f"podman-wizard policy merge {name} --in-place",
        "# check the policy",
        f"podman-wizard policy check {name}",
    ]


TABS = {"fields": "Fields", "problems": "Problems", "diff": "Diff", "effect": "Effect", "coder": "Coder"}


def tabs_text(current: str, *, is_v2: bool) -> Text:
    """Returns the names of the tabs; the current one is in brackets."""
    note = Text()
    for view, name in TABS.items():
        name = "Template" if view == "coder" and is_v2 else name
        # No space before the first: at 80 columns each one counts.
        text = f"[{name}]" if view == current else f" {name} " if note else f"{name} "
        note.append(text, style="bold" if view == current else "")
    return note


def state_words(model: PolicyModel, problems: Sequence[Problem]) -> str:
    """Returns the file, whether it has unsaved changes, its problems, and whether FUSE is guaranteed, in one line."""
    parts = []
    for word in ("problem", "warning"):
        number = sum(problem.severity == word for problem in problems)
        if number:
            parts.append(counted(number, word))
    parts.append("FUSE guaranteed" if fuse_guarantee(model.document).sure else "FUSE not guaranteed")
    # A new policy is always unsaved, and its name says that it is new.
    unsaved = model.edits is not None and model.edits.dirty and model.path is not None
    return f"{clean(model.name)}{', unsaved' if unsaved else ''}: {', '.join(parts)}"
