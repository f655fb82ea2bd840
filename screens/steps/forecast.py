"""The forecast by node type, and the result beside it: the same rows before the rollout and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from screens.widgets.words import clean, detail_text, gist, state_word

if TYPE_CHECKING:
    from wizard.manifest.forecast import Comparison

WIDTHS = (8, 0, 8, 13)
HEADING = ("", "nodes", "forecast", "result")


def cells(row: Comparison) -> Sequence[Text | str]:
    """Returns the state, the nodes, the forecast, and the result, in bold if it differs."""
    happened = Text(clean(row.happened), style="bold" if row.wrong else "")
    return (state_word(row.state), clean(row.name), "pod" if row.gets_pod else "no pod", happened)


def detail(row: Comparison, *, whole: bool = False) -> RenderableType:
    """Returns the nodes, the evidence, how it compares with the forecast, and the fix.

    The evidence is complete only in the ``whole`` details: servers are wordy, and the fix comes after it.
    """
    more = f" and {len(row.nodes) - 3} more" if len(row.nodes) > 3 else ""
    if not row.happened:
        then = f"A pod will run there {row.why}".rstrip() + "." if row.gets_pod else f"No pod: {row.why}"
    else:
        words = f"Forecast: {row.forecast}. Result: {row.happened}."
        then = f"{words} This differs from the forecast." if row.wrong else words
    return detail_text(
        row.name, seen=[", ".join(row.nodes[:3]) + more, row.seen if whole else gist(row.seen)], then=then, do=row.todo
    )
