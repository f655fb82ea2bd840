"""The forecast by kind of node, and beside it what happened: the same rows before the rollout and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from screens.words import clean, detail_text, gist, state_word

if TYPE_CHECKING:
    from wizard.forecast import Comparison

WIDTHS = (8, 0, 8, 13)
HEADING = ("", "nodes", "expected", "happened")


def cells(row: Comparison) -> Sequence[Text | str]:
    """The word of state, which nodes, what was expected, what happened; what came otherwise stands out."""
    happened = Text(clean(row.happened), style="bold" if row.wrong else "")
    return (state_word(row.state), clean(row.name), "pod" if row.gets_pod else "no pod", happened)


def detail(row: Comparison, *, whole: bool = False) -> RenderableType:
    """Which nodes, what was seen of them, how that stands to the forecast, what mends it.

    What was seen is told in full only in the ``whole`` story: servers are wordy, and the remedy stands under it.
    """
    more = f" and {len(row.nodes) - 3} more" if len(row.nodes) > 3 else ""
    if not row.happened:
        then = f"A pod will run there {row.why}".rstrip() + "." if row.gets_pod else f"No pod: {row.why}"
    else:
        words = f"Expected: {row.forecast}. Happened: {row.happened}."
        then = f"{words} Otherwise than forecast." if row.wrong else words
    return detail_text(
        row.name, seen=[", ".join(row.nodes[:3]) + more, row.seen if whole else gist(row.seen)], then=then, do=row.todo
    )
