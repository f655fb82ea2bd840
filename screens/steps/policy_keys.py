"""The keys of the template policy step."""

from __future__ import annotations

from textual.binding import Binding, BindingType

KEYS: list[BindingType] = [
    Binding("enter,space", "choose", "Value", id="policy.choose", tooltip="Edit the value or choose the row"),
    Binding("m", "merge", "Merge", id="policy.merge", tooltip="Add what Podman needs and change nothing else"),
    Binding(
        "M",
        "secure",
        "Sure",
        show=False,
        id="policy.secure",
        tooltip="Merge, and set a field policy with which no workspace can drop FUSE",
    ),
    Binding("s", "save", "Save", id="policy.save", tooltip="Write the policy to a file; asks first"),
    Binding(
        "r",
        "word('read')",
        "read",
        id="policy.read",
        tooltip="Set the field policy to read: workspaces cannot change it",
    ),
    Binding(
        "w",
        "word('write')",
        "write",
        id="policy.write",
        tooltip="Set the field policy to write: workspaces can replace it",
    ),
    Binding(
        "a",
        "word('append')",
        "append",
        id="policy.append",
        tooltip="Set the field policy to append: workspaces can add to it",
    ),
    Binding("d", "view('diff')", "Diff", id="policy.diff", tooltip="Show the changes to the file"),
    Binding("p", "problem", "Problem", id="policy.problem", tooltip="Go to the next field with a problem"),
    Binding("u", "undo", "Undo", id="policy.undo", tooltip="Undo the last change"),
    Binding("o", "open", "Open", id="policy.open", tooltip="Open another file"),
    Binding("e", "view('effect')", "Effect", id="policy.effect", tooltip="Show what users can change"),
    Binding(
        "t",
        "view('coder')",
        "Coder",
        id="policy.coder",
        tooltip="Enable templates, check the impact, and upload to Coder",
    ),
    Binding("U", "redo", "Redo", show=False, id="policy.redo", tooltip="Redo the last undone change"),
    Binding("i", "items", "Entries", show=False, id="policy.items", tooltip="Show or hide the entries of the value"),
    Binding("plus,insert", "add", "Add", show=False, id="policy.add", tooltip="Add the missing field or an entry"),
    Binding("x,delete", "remove", "Remove", show=False, id="policy.remove", tooltip="Remove the field or entry"),
    Binding("P", "view('problems')", "Problems", show=False, id="policy.problems", tooltip="Show all problems"),
    Binding("E", "editor", "Editor", show=False, id="policy.editor", tooltip="Edit a copy in $EDITOR"),
    Binding("n", "new", "New", show=False, id="policy.new", tooltip="Start from one of the guide's policies"),
    Binding("R", "read_again", "Reload", show=False, id="policy.again", tooltip="Read the file again"),
    Binding("f", "view('fields')", "Fields", show=False, id="policy.fields", tooltip="Return to the fields"),
    Binding("escape", "leave", "Back", show=False, id="policy.leave", tooltip="Return to the fields"),
]
