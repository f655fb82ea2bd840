"""A policy as the rows of a tree: its fields under headings, and the items of the fields that are open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from screens.widgets.words import clean
from wizard.policy import (
    FUSE_RESOURCE,
    PODMAN_FIELDS,
    FieldView,
    PolicyDocument,
    Problem,
    check,
    count_to_add,
    fields,
    show_path,
)
from wizard.policy.item_edits import Item, items_of
from wizard.text.counting import counted

Path = tuple[str, ...]

VERSION: Path = ("version",)


@dataclass(frozen=True)
class Row:
    """One line of the tree: a field, an item of its value, or a heading over some fields (then without ``view``)."""

    path: Path
    label: str
    depth: int
    view: FieldView | None
    line: int
    value: str
    problems: tuple[Problem, ...] = ()
    changed: bool = False
    fuse: str = ""
    """How many FUSE devices a merge requests here; "" if the field already requests that or another number."""
    item: Item | None = None
    """The item of the field's value that the row is about; None for the field itself."""
    items: int = 0
    """How many items the field's value has."""

    @property
    def wants_fuse(self) -> bool:
        """Whether Podman needs something here that is missing."""
        return bool(self.fuse)

    @property
    def key(self) -> str:
        """The identity of the row."""
        return "\0".join(map(str, self.path if self.item is None else self.item.path))

    @property
    def is_field(self) -> bool:
        """Whether the row is about a field as a whole."""
        return self.view is not None and self.item is None

    @property
    def can_have_items(self) -> bool:
        """Whether items can be added to the field's value."""
        view = self.view
        if view is None or not view.present:
            return False
        return isinstance(view.data, dict | list) or (
            view.data is None and view.field is not None and view.field.can_be_appended
        )

    @property
    def wants_attention(self) -> bool:
        """Whether there is something to do here."""
        return bool(self.problems) or self.wants_fuse

    @property
    def marks(self) -> str:
        """``+`` if something is missing for Podman, ``*`` if the field was changed, ``!`` if it has a problem."""
        first = "+" if self.wants_fuse else "*" if self.changed else " "
        return first + ("!" if self.problems else " ")


@dataclass
class _Branch:
    view: FieldView | None
    children: dict[str, _Branch]


def tree_rows(
    original: PolicyDocument, document: PolicyDocument, devices: int = 1, opened: Collection[Path] = ()
) -> tuple[Row, ...]:
    """Returns every field of the file and of the schema, under headings, in the order of the file.

    A heading with only one entry, or with only headings, is joined with its entries. ``devices`` is how many
    FUSE devices a merge requests; below a field in ``opened``, there is a row for each item of its value.
    """
    return _Tree(original, document, devices, opened).rows()


class _Tree:
    def __init__(
        self, original: PolicyDocument, document: PolicyDocument, devices: int, opened: Collection[Path]
    ) -> None:
        self.original = original
        self.document = document
        self.opened = opened
        self.views = fields(document)
        self.wanted = _wanted_count(self.views, devices)
        self.before = {view.path: _content(view) for view in fields(original)}
        self.found = _assigned(check(document), [VERSION, *(view.path for view in self.views)])

    def rows(self) -> tuple[Row, ...]:
        root = _Branch(None, {})
        for view in self.views:
            at = root
            for name in view.path:
                at = at.children.setdefault(name, _Branch(None, {}))
            at.view = view
        return (self._version_row(), *self._below(root, (), (), 0))

    def _below(self, branch: _Branch, path: Path, prefix: Path, depth: int) -> Iterator[Row]:
        for name, child in branch.children.items():
            here, label = (*path, name), (*prefix, name)
            if child.view is not None:
                field = self._field_row(child.view, label, depth)
                yield field
                if here in self.opened:
                    yield from self._item_rows(field)
                yield from self._below(child, here, (), depth + 1)
            elif len(child.children) == 1 or all(one.view is None for one in child.children.values()):
                yield from self._below(child, here, label, depth)
            else:
                yield Row(here, show_path(label), depth, None, 0, "")
                yield from self._below(child, here, (), depth + 1)

    def _field_row(self, view: FieldView, label: Path, depth: int) -> Row:
        problems = self.found.get(view.path, ())
        fuse = self.wanted if view.for_podman and any(one.id == "fuse-missing" for one in problems) else ""
        return Row(
            path=view.path,
            label=show_path(label),
            depth=depth,
            view=view,
            line=view.line,
            value=short_value(view, fuse),
            # A missing FUSE device has a mark of its own.
            problems=tuple(problem for problem in problems if problem.id != "fuse-missing"),
            changed=self.before.get(view.path) != _content(view),
            fuse=fuse,
            items=len(view.data) if view.present and isinstance(view.data, dict | list) else 0,
        )

    def _item_rows(self, field: Row) -> Iterator[Row]:
        before = [(item.path[-1], item.data) for item in items_of(self.original, field.path)]
        for item in items_of(self.document, field.path):
            is_listed = isinstance(item.path[-1], int)
            known = [data for name, data in before if is_listed or name == item.path[-1]]
            yield Row(
                path=field.path,
                label=clean(item.label),
                depth=field.depth + 1,
                view=field.view,
                line=item.line,
                value=clean(item.value),
                problems=tuple(one for one in field.problems if one.path[: len(item.path)] == item.path),
                changed=item.data not in known,
                item=item,
            )

    def _version_row(self) -> Row:
        value, was = _version(self.document), _version(self.original)
        problems = self.found.get(VERSION, ())
        line = self.document.key_line(VERSION)
        return Row(VERSION, "version", 0, None, line, value or "not set", problems, value != was)


def _version(document: PolicyDocument) -> str:
    data = document.data
    version = data.get("version") if isinstance(data, dict) else None
    return "" if version is None else clean(str(version))


def _content(view: FieldView) -> object:
    return (view.word, view.has_value, view.data) if view.present else None


def _assigned(problems: Sequence[Problem], paths: Sequence[Path]) -> dict[Path, tuple[Problem, ...]]:
    """Returns the problems by field; those about no field are listed at the version, on top."""
    known = set(paths)
    found: dict[Path, tuple[Problem, ...]] = {}
    for problem in problems:
        path = field_of(problem, known)
        found[path] = (*found.get(path, ()), problem)
    return found


def field_of(problem: Problem, known: set[Path]) -> Path:
    """Returns the known field that a problem is about."""
    path: Path = ()
    found = VERSION
    for key in problem.path:
        if isinstance(key, int):
            break
        path = (*path, key)
        found = path if path in known else found
    return found


def short_value(view: FieldView, fuse: str = "") -> str:
    """Returns a value in a few words: ``sriov 1, + fuse 1``, ``2 entries``."""
    data = view.data
    if not view.present:
        shown = "" if fuse else "not set"
    elif isinstance(data, list):
        shown = counted(len(data), "entry", "entries")
    elif isinstance(data, dict) and view.field is not None and view.field.shape == "quantities":
        shown = ", ".join(f"{clean(str(name)).rpartition('/')[2]} {clean(str(count))}" for name, count in data.items())
    else:
        shown = clean(view.value)
    return ", ".join(part for part in (shown, f"+ fuse {clean(fuse)}" if fuse else "") if part)


def suggested_value(views: Sequence[FieldView], path: Path, devices: int) -> dict[Any, Any] | None:
    """Returns the value of one of Podman's fields with a FUSE device added; None if the value is no mapping.

    The count is the other field's, if that has one: Kubernetes requires both to be the same.
    """
    own = next((view.data for view in views if view.path == path), None)
    if own is not None and not isinstance(own, dict):
        return None
    return {**(own or {}), FUSE_RESOURCE: _wanted_count(views, devices)}


def _wanted_count(views: Sequence[FieldView], devices: int) -> str:
    """Returns the count for a field without one: that of the other field, if it has one."""
    values = [view.data for view in views if view.path in PODMAN_FIELDS and isinstance(view.data, dict)]
    return count_to_add((str(value.get(FUSE_RESOURCE, "")) for value in values), str(devices))
