"""The fields of a policy as a tree, edited in place: field policies, values, and single entries of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Input

from screens.steps.policy_changes import (
    data_edit,
    item_addition,
    item_edit,
    item_removal,
    removal,
    value_removal,
    word_edit,
)
from screens.steps.policy_forms import ValueEditor, new_item_judge, value_judge
from screens.steps.policy_model import PolicyModel
from screens.steps.policy_rows import VERSION, Path, Row, field_of, suggested_value
from screens.steps.policy_tabs import SourceTab, marks_text
from screens.steps.policy_view import row_detail
from screens.widgets.rows import RowList
from screens.widgets.tokens import tone
from screens.widgets.words import clean
from wizard.policy import Problem, fields, value_from_text, value_text
from wizard.policy.item_edits import new_item_from_text

if TYPE_CHECKING:
    from screens.steps.policy_asking import EditDialogs
    from wizard.choices.answers import PolicyChoice


class FieldsTab(SourceTab[Row]):
    """The tree, and the input line for a value or a new entry."""

    def __init__(self, model: PolicyModel, asking: EditDialogs, choice: Callable[[], PolicyChoice]) -> None:
        super().__init__(RowList[Row](_cells, (2, 26, 7, 0), key=self.key), model)
        self._asking = asking
        self._choice = choice
        self.tree_rows: tuple[Row, ...] = ()
        self.opened: frozenset[Path] = frozenset()
        """The fields below which each entry has a row."""
        self.editor = ValueEditor()

    def compose_under(self) -> ComposeResult:
        """Yields the input line, and the text of the file."""
        yield self.editor
        yield from super().compose_under()

    def key(self, item: Row) -> str:
        """Returns the path."""
        return item.key

    def line(self, item: Row) -> int:
        """Returns the line of the field or entry."""
        return item.line

    def detail(self, item: Row) -> RenderableType:
        """Returns what is known about a row."""
        return row_detail(item)

    def home(self) -> Widget:
        """Returns the input line while something is typed, else the list."""
        return self.editor.field if self.editor.row is not None else self.rows

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.rows.current

    @property
    def is_typing(self) -> bool:
        """Whether a value is being typed."""
        return self.editor.row is not None

    def show_tree(self, tree: tuple[Row, ...]) -> None:
        """Shows these rows."""
        self.tree_rows = tree
        self.fill(tree)

    def offers(self, action: str) -> bool:
        """Whether an action on the row under the cursor is possible."""
        row = self.current
        if row is None or row.view is None:
            return False
        match action:
            case "add":
                return row.wants_fuse or not row.view.present or row.can_have_items
            case "remove":
                return row.view.present
            case "items":
                return bool(row.items) or row.item is not None
            case "word":
                return row.is_field
        return True

    # Going to a row -----------------------------------------------------------------------------------------------

    def go_to_problem(self, problem: Problem) -> None:
        """Goes to the field that a problem is about."""
        self.go_to(field_of(problem, {row.path for row in self.tree_rows}))

    def go_to(self, path: tuple[str | int, ...]) -> None:
        """Goes to a field or an entry."""
        self.rows.move_to("\0".join(map(str, path)))

    def go_to_line(self, line: int) -> None:
        """Goes to the last field that starts before a line."""
        before = [row for row in self.tree_rows if row.view is not None and 0 < row.line <= line]
        if before:
            self.rows.move_to(max(before, key=lambda row: row.line).key)

    def go_to_next_problem(self) -> None:
        """Goes to the next row with a problem; after the last, to the first."""
        places = [number for number, row in enumerate(self.tree_rows) if row.wants_attention]
        if places:
            number = next((place for place in places if place > self.rows.cursor), places[0])
            self.rows.move_to(self.tree_rows[number].key)

    # Edits --------------------------------------------------------------------------------------------------------

    def set_word(self, word: str) -> None:
        """Sets the field policy of the field under the cursor; adds a missing field."""
        row = self.current
        if row is not None and row.view is not None and row.view.word != word:
            self._asking.edit(f"Set the field policy of {row.label}", word_edit(row.path, word))

    def switch_items(self) -> None:
        """Shows or hides a row for each entry of the field under the cursor."""
        row = self.current
        if row is None:
            return
        self.opened ^= {row.path}
        self._asking.redraw()
        if row.path not in self.opened:
            self.go_to(row.path)

    def add(self) -> None:
        """Adds the field under the cursor, with what Podman needs if it is one of Podman's; or an entry to it."""
        row = self.current
        if row is None or row.view is None:
            return
        if row.wants_fuse:
            self._add_fuse(row)
        elif row.can_have_items:
            self.editor.open(row, "", new_item_judge(row, self.model.document), is_new=True)
            self.refresh_bindings()
        else:
            self._asking.edit(f"Add {row.label}", word_edit(row.path, "read"))

    def _add_fuse(self, row: Row) -> None:
        assert row.view is not None
        choice = self._choice()
        value = suggested_value(fields(self.model.document), row.path, choice.devices)
        if value is None:
            self._asking.merge()  # the merge explains what is wrong with the current value
            return
        edit = data_edit(row.path, value, word=choice.mode or "write", present=row.view.present)
        self._asking.edit(f"Add {row.label}", edit)

    def remove_current(self) -> None:
        """Removes the field or entry under the cursor, after showing what is removed."""
        row = self.current
        if row is None or row.view is None:
            return
        if row.item is not None:
            self._asking.remove(f"Remove {row.label}", item_removal(row.item), [])
        else:
            lines = ["Coder then uses its default, read: workspaces cannot change the field."]
            self._asking.remove(f"Remove {row.label}", removal(row.path), lines)

    def edit_value(self) -> None:
        """Opens the input line with the value of the row under the cursor."""
        row = self.current
        if row is None or row.view is None:
            return
        text = value_text(row.view.data) if row.view.has_value else ""
        if row.item is not None:
            text = value_text(row.item.data)
        elif row.wants_fuse:
            value = suggested_value(fields(self.model.document), row.path, self._choice().devices)
            text = value_text(value) if value is not None else text
        self.editor.open(row, text, value_judge(row))
        self.refresh_bindings()

    def close_editor(self, *, focus: bool = True) -> None:
        """Ends typing without an edit."""
        if self.editor.row is None:
            return
        self.editor.close()
        if focus:
            self.rows.focus()
        self.refresh_bindings()

    @on(Input.Submitted)
    def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        row, text = self.editor.row, event.value
        if row is None or row.view is None or not self.editor.problem(text)[1]:
            return
        is_new = self.editor.is_new
        # A value that YAML readers understand differently becomes unambiguous if it is accepted as shown.
        untouched = self.editor.untouched and not row.wants_attention
        self.close_editor()
        if untouched or (is_new and not text.strip()):
            return
        if is_new:
            self._add_item(row, text)
        elif row.item is not None:
            self._set_item(row, text)
        else:
            self._set_value(row, text)

    def _add_item(self, row: Row, text: str) -> None:
        data = new_item_from_text(self.model.document, row.path, text)
        self.opened |= {row.path}
        self._asking.edit(f"Add an entry to {clean(row.path[-1])}", item_addition(row.path, data))
        added = [one for one in self.tree_rows if one.path == row.path and one.changed and one.item is not None]
        if added and added[-1].item is not None:
            self.go_to(added[-1].item.path)

    def _set_item(self, row: Row, text: str) -> None:
        assert row.item is not None
        if text.strip():
            edit = item_edit(row.item, text)
            self._asking.edit(f"Set {row.label}", edit, ask_for_comments=True)
        else:
            self._asking.remove(f"Remove {row.label}", item_removal(row.item), [])

    def _set_value(self, row: Row, text: str) -> None:
        assert row.view is not None
        what = f"Set the value of {row.label}"
        if text.strip():
            word = (self._choice().mode or "write") if row.wants_fuse else "read"
            edit = data_edit(row.path, value_from_text(text), word=word, present=row.view.present)
            self._asking.edit(what, edit, ask_for_comments=True)
        elif row.view.has_value:
            self._asking.edit(what, value_removal(row.path), ask_for_comments=True)


def _cells(row: Row) -> Sequence[Text | str]:
    style = tone("title" if row.view is None and row.path != VERSION else "text")
    missing = row.view is not None and not row.view.present and not row.wants_fuse
    name = Text("  " * row.depth + row.label, style=tone("dim") if missing else style)
    word = (row.view.word or ("-" if row.view.present else "")) if row.view is not None and row.is_field else ""
    return (marks_text(row.marks), name, clean(word), Text(row.value, style=tone("dim") if missing else ""))
