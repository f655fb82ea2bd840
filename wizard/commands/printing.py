"""What commands print: text and JSON on stdout, messages on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wizard.escaping import printable
from wizard.events import ActionEnded, ActionProgress, ActionStarted, Event, Note, ObjectResult

if TYPE_CHECKING:
    from wizard.forecast import Comparison


def out(text: str = "", *, lines: bool = False) -> None:
    """Prints a line for people; whatever came from outside cannot move the cursor."""
    sys.stdout.write(printable(text, lines=lines) + "\n")


def say(text: str) -> None:
    """Says something beside the output, on stderr."""
    sys.stderr.write(printable(text, lines=True) + "\n")


def document(content: Any, *, rows: str = "") -> None:
    """Prints the one JSON document of a command, in ASCII: valid in every locale, and harmless in a terminal.

    ``rows`` names a list in it that may be long: its items get a line each.
    """
    text = json.dumps({**content, rows: []} if rows else content, indent=2)
    if rows and content[rows]:
        lines = ",\n".join(f"    {json.dumps(row)}" for row in content[rows])
        text = text.replace(f'"{rows}": []', f'"{rows}": [\n{lines}\n  ]', 1)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Teller:
    """Tells events as lines for people: on stderr where it is only progress, and only where it is news."""

    def __init__(self) -> None:
        self._progress = ""

    def __call__(self, event: Event) -> None:
        match event:
            case ActionStarted():
                self._progress = ""
                say(event.title)
            case ActionProgress():
                progress = f"  {event.done} of {event.total}" + _who(event.shortfalls)
                if progress != self._progress:
                    say(f"{progress}, {event.seconds:.0f} s")
                self._progress = progress
            case ObjectResult():
                out(f"  {event.object}: {event.words}")
                for warning in event.warnings:
                    say(f"  warning: {warning}")
            case ActionEnded():
                out(f"{event.result}: {event.detail}")
                for item in event.shortfalls:
                    out(f"  {item.name}: {item.reason}")
            case Note():
                say(event.text)
            case _:
                pass


tell = Teller()


def print_comparison(rows: Sequence[Comparison]) -> None:
    """The forecast by kind of node, and beside it what happened, where something has."""
    from wizard.forecast import sentence

    happened = any(row.happened for row in rows)
    width = max((len(row.name) for row in rows), default=0)
    wide = max((len(row.forecast) for row in rows), default=0)
    for row in rows:
        line = f"{row.state:8} {row.name:{width}}  expected {row.forecast:{wide}}"
        out(f"{line}  happened {row.happened}" if happened else line.rstrip())
        if row.ready or (row.gets_pod and not row.happened):
            continue
        names = ", ".join(row.nodes[:3]) + (f" and {len(row.nodes) - 3} more" if len(row.nodes) > 3 else "")
        for word, text in (("Seen", row.seen), ("Why", "" if row.seen else row.why), ("Do", row.todo)):
            if text:
                out(f"         {word:4}  {f'{names}: ' if word != 'Do' else ''}{text}")
    if happened:
        out(sentence(rows))


def _who(shortfalls: Sequence[Any]) -> str:
    if not shortfalls:
        return ""
    more = f" and {len(shortfalls) - 1} more" if len(shortfalls) > 1 else ""
    return f", not {shortfalls[0].name}{more}"


def tell_json(event: Event) -> None:
    """An event as a line of JSON on stdout."""
    sys.stdout.write(json.dumps(event.to_json()) + "\n")
    sys.stdout.flush()
