"""Parts of a file that an anchor, an alias, or a merge key shares with another place, and copies of them."""

from __future__ import annotations

from wizard.policy.changes import Path, Wish
from wizard.policy.document import PolicyDocument, show_path
from wizard.policy.readings import data_of, inherited
from wizard.policy.tree import Alias, Collection, Mapping, Node, Sequence, resolved

TYPE_CHECKING = False  # typing itself would be the largest import of all
if TYPE_CHECKING:
    from wizard.errors import InputError

UNSHARE = "Edit it by hand, or with --unshare, which copies the shared part first."


def sharing_refusal(document: PolicyDocument, node: Node, path: Path, *, inside: bool = False) -> InputError | None:
    """Returns the error about aliases that refer to a node, or with ``inside`` to a node in it; None without any."""
    tree = document.tree
    waiting = [node]
    while waiting:
        one = waiting.pop()
        users = tree.users(one)
        if users:
            found = list(dict.fromkeys(str(document.line(alias)) for alias in users))
            used = f"also used on line{'s' if len(found) > 1 else ''} {', '.join(found)}"
            name = show_path(path) or "The policy"
            if one is not node:
                what = f"{name} contains the anchor &{one.anchor}, which is {used}."
                return document.refusal(one, what, "Edit it by hand.")
            what = f"{name} has the anchor &{one.anchor}, which is {used}; the edit would change both."
            return document.refusal(one, what, UNSHARE)
        if inside and isinstance(one, Collection) and tree.aliases:
            waiting += one.children
    return None


def unshared(document: PolicyDocument, path: Path) -> PolicyDocument:
    """Returns the same data, in which nothing on the way to ``path`` is shared with another place of the file.

    An alias on the path becomes a copy of its target; aliases elsewhere of an anchor on the path become copies;
    and a key on the path that comes from a merge key is written out.
    """
    while (copied := _unshared_once(document, path)) is not None:
        same_comments = copied.tree.comment_texts() == document.tree.comment_texts()
        if not same_comments or data_of(copied.tree.root) != data_of(document.tree.root):
            raise document.refusal(document.tree.root, f"The shared part of {show_path(path)} cannot be copied safely.")
        document = copied
    return document


def _unshared_once(document: PolicyDocument, path: Path) -> PolicyDocument | None:
    from wizard.policy.text_editor import TextEditor  # it calls this for --unshare

    editor = TextEditor(document, may_hide=True)
    node = document.tree.root
    for depth, name in enumerate((*path, "")):
        users = [node] if isinstance(node, Alias) else document.tree.users(node)
        if users:
            for alias in users:
                editor.copy_in(alias)
            return document.with_text(editor.new_text())
        if isinstance(node, Sequence) and isinstance(name, int) and name < len(node.children):
            node = node.children[name]
            continue
        if not isinstance(node, Mapping) or isinstance(name, int):
            return None
        found = node.get(name) if depth < len(path) else None
        if found is None:
            source = inherited(node, name)
            if source is None:
                return None
            wish = at = Wish()
            for step in path[: depth + 1]:
                at = at.children.setdefault(step, Wish())
            at.value = resolved(source)
            return document.with_text(editor.cut(wish))
        node = found
    return None
