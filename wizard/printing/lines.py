"""The output of commands: text and JSON on stdout, messages on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from wizard import documents
from wizard.engine.events import (
    HEARTBEAT_SECONDS,
    ActionEnded,
    ActionProgress,
    ActionStarted,
    Event,
    Note,
    ObjectResult,
    PlanShown,
)
from wizard.errors import WizardError
from wizard.facts.rollout import Shortfall
from wizard.text.escaping import printable

if TYPE_CHECKING:
    from wizard.facts.changes import Change
    from wizard.manifest.forecast import Comparison


def out(text: str = "", *, lines: bool = False) -> None:
    """Prints a line of text; escaped, so that text from the cluster cannot move the cursor."""
    sys.stdout.write(printable(text, lines=lines) + "\n")


def wrapped(text: str, *, first: str = "", then: str = "") -> str:
    """Returns a text with ``first`` before it, wrapped to the terminal with ``then`` before each further line.

    Without a terminal it stays on one line, which a script can search. Words are never cut: a URL stays whole.
    """
    line = first + text
    if not sys.stdout.isatty():
        return line
    import shutil
    import textwrap

    width = max(40, shutil.get_terminal_size().columns)
    return textwrap.fill(line, width, subsequent_indent=then, break_long_words=False, break_on_hyphens=False)


def say(text: str) -> None:
    """Prints a message to stderr."""
    sys.stderr.write(printable(text, lines=True) + "\n")


def document(kind: str, content: Mapping[str, Any], *, rows: str = "", error: WizardError | None = None) -> None:
    """Prints the JSON document of a command, in ASCII: valid in every locale, and harmless in a terminal.

    ``kind`` names its schema. ``rows`` names a list in it that can be long: each of its items is printed on one line.
    ``error`` is what the command ends with.
    """
    made = documents.versioned(kind, content, error)
    text = json.dumps({**made, rows: []} if rows else made, indent=2)
    if rows and made[rows]:
        lines = ",\n".join(f"    {json.dumps(row)}" for row in made[rows])
        text = text.replace(f'"{rows}": []', f'"{rows}": [\n{lines}\n  ]', 1)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


_NOTHING_TOLD: Final = (-1, -1, "", 0)


class Teller:
    """Prints events as lines of text: progress on stderr, and only when it changes.

    ``fields`` prints what changed in each object too, for commands that did not show it before.
    """

    quiet: ClassVar[bool] = False
    """Whether only results are printed, and no progress."""

    def __init__(self, *, fields: bool = False) -> None:
        self._progress = _NOTHING_TOLD
        self._fields = fields

    def __call__(self, event: Event) -> None:
        match event:
            case ActionStarted() | ActionProgress() if self.quiet:
                pass
            case ActionStarted():
                self._progress = _NOTHING_TOLD
                say(event.title)
            case ActionProgress():
                self._tell_progress(event)
            case ObjectResult():
                out(f"  {event.object}: {event.words}")
                if self._fields:
                    print_fields(event.changes, indent="  ")
                for warning in event.warnings:
                    say(f"  warning: {warning}")
            case ActionEnded():
                out(f"{event.result}: {event.detail}")
                for line in shortfall_lines(event.shortfalls):
                    out(f"  {line}")
            case Note():
                say(event.text)
            case PlanShown():
                from wizard.printing.plans import print_plan

                print_plan(event.plan)
            case _:
                pass

    def _tell_progress(self, event: ActionProgress) -> None:
        missing = _missing(event.shortfalls)
        # A wait in which nothing changes gets another line from time to time.
        silence = self._progress[-1] if event.quiet is None else int(event.quiet // HEARTBEAT_SECONDS)
        progress = (event.done, event.total, missing, silence)
        if progress != self._progress:
            say(f"  {event.words}{missing}" + (f", {event.seconds:.0f} s" if event.patience is None else ""))
        self._progress = progress


tell = Teller()


def print_command(command: str, indent: str) -> None:
    """Prints a command that can be copied; without an indent if it has several lines, as a here-document must not."""
    lines = command.splitlines()
    for line in lines:
        out(line if len(lines) > 1 else f"{indent}{line}")


def print_fields(changes: Iterable[Change], *, indent: str = "") -> None:
    """Prints what changes in one object, field by field, below a line that names it."""
    from wizard.plan.words import change_lines

    for line in change_lines(changes)[1:]:
        out(f"{indent}{line}")


def print_comparison(rows: Sequence[Comparison]) -> None:
    """Prints the forecast by node type, and the result beside it once there is one."""
    from wizard.manifest.forecast import sentence

    happened = any(row.happened for row in rows)
    width = max((len(row.name) for row in rows), default=0)
    wide = max((len(row.forecast) for row in rows), default=0)
    for row in rows:
        line = f"{row.state:8} {row.name:{width}}  forecast: {row.forecast:{wide}}"
        out(f"{line}  result: {row.happened}" if happened else line.rstrip())
        if row.ready or (row.gets_pod and not row.happened and not row.displaces):
            continue
        names = ", ".join(row.nodes[:3]) + (f" and {len(row.nodes) - 3} more" if len(row.nodes) > 3 else "")
        about = f"{names}: {row.seen or row.why}" if row.seen or row.why else ""
        for word, text in (("Found" if row.seen else "Why", about), ("To do", row.todo)):
            if text:
                out(f"         {word:5}  {text}")
    if happened:
        out(sentence(rows))


def shortfall_lines(shortfalls: Iterable[Shortfall]) -> list[str]:
    """Returns one line for each reason, with the names of all that share it."""
    names: dict[str, list[str]] = {}
    for item in shortfalls:
        names.setdefault(item.reason, []).append(item.name)
    # A node type has commas in its name.
    return [f"{('; ' if ', ' in those[0] else ', ').join(those)}: {reason}" for reason, those in names.items()]


def _missing(shortfalls: Sequence[Shortfall]) -> str:
    if not shortfalls:
        return ""
    more = f" and {len(shortfalls) - 1} more" if len(shortfalls) > 1 else ""
    return f", not done: {shortfalls[0].name}{more}"


def tell_json(event: Event) -> None:
    """Prints an event as a line of JSON on stdout."""
    sys.stdout.write(json.dumps(documents.versioned("run", event.to_json())) + "\n")
    sys.stdout.flush()
