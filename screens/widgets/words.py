"""The one visual language: states, the three parts of a detail, YAML, and diffs, all as text without markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from screens.widgets.tokens import Token, state_style, tone
from wizard.text.escaping import printable

if TYPE_CHECKING:
    from wizard.finding import Finding, Remedy

STATE_WIDTH = 8


def clean(text: str) -> str:
    """Returns text from outside on one line, without control characters."""
    return printable(" ".join(text.split()))


def gist(text: str, length: int = 130) -> str:
    """Returns the beginning of a long text, so that what follows stays in view; the details have all of it."""
    return text if len(text) <= length else f"{text[: length - 4].rstrip()} ..."


def state_word(state: str) -> Text:
    """Returns a state in its color."""
    return Text(state, style=state_style(state), no_wrap=True)


class Titled(Group):
    """A text under its title, which can stand on the rule above it instead."""

    def __init__(self, title: str, body: RenderableType) -> None:
        super().__init__(Text(title, style="bold"), body)
        self.title = title
        self.body = body


def detail_text(
    title: str,
    *,
    seen: str | Sequence[str] = "",
    then: str | Sequence[str] = "",
    do: str | Sequence[str] = "",
) -> RenderableType:
    """Returns the detail of a row: the evidence, what it means, and what to do."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=5, no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for name, content in (("Found", seen), ("Means", then), ("To do", do)):
        lines = [content] if isinstance(content, str) else list(content)
        for number, line in enumerate(line for line in lines if line):
            grid.add_row(Text(name if number == 0 else "", style=tone("dim")), Text(printable(line, lines=True)))
    return Titled(clean(title), grid)


def remedy_lines(remedies: Iterable[Remedy]) -> list[str]:
    """Returns the fixes, the least disruptive first, numbered if there are several."""
    items = list(remedies)
    numbered = len(items) > 1
    lines = []
    for number, remedy in enumerate(items, start=1):
        lines.append((f"{number} " if numbered else "") + remedy.text)
        if remedy.command:
            lines.append("  " + remedy.command)
    return lines


def finding_detail(finding: Finding) -> RenderableType:
    """Returns the detail of the finding under the cursor."""
    seen = list(finding.evidence)
    if finding.confidence != "high" and seen:
        seen[-1] = f"{seen[-1]} ({finding.confidence} confidence)"
    return detail_text(finding.title, seen=seen, then=finding.detail, do=remedy_lines(finding.remedies))


def finding_story(finding: Finding, explanation: str) -> RenderableType:
    """Returns the details of a finding: evidence, meaning, every fix with its cost, and the background."""
    parts: list[RenderableType] = [
        Text.assemble(state_word(finding.outcome), "  ", Text(clean(finding.title), style="bold")),
        Text(),
    ]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=10, no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for number, line in enumerate(finding.evidence):
        grid.add_row(Text("Found" if number == 0 else "", style="bold"), Text(printable(line, lines=True)))
    if finding.confidence != "high":
        grid.add_row(Text("Confidence", style="bold"), Text(finding.confidence))
    if finding.detail:
        grid.add_row(Text("Means", style="bold"), Text(printable(finding.detail, lines=True)))
    for number, remedy in enumerate(finding.remedies, start=1):
        grid.add_row(Text(), Text())
        grid.add_row(Text(f"To do ({number})", style="bold"), Text(printable(remedy.text, lines=True)))
        for name, value in (
            ("command", remedy.command),
            ("who", remedy.who),
            ("affects", remedy.touches),
            ("cost", " ".join(_costs(remedy))),
        ):
            if value:
                grid.add_row(Text(f"  {name}"), Text(printable(value, lines=True)))
    parts.append(grid)
    if explanation:
        parts += [Text(), Text("Background", style="bold"), Text(printable(explanation, lines=True))]
    return Group(*parts)


def _costs(remedy: Remedy) -> Iterable[str]:
    if remedy.reboot:
        yield "The nodes reboot."
    if not remedy.reversible:
        yield "This cannot be undone."


def finding_commands(findings: Iterable[Finding]) -> list[str]:
    """Returns the commands of all fixes, each once, after a comment that says what it does."""
    lines: list[str] = []
    for finding in findings:
        for remedy in finding.remedies:
            if remedy.command and remedy.command not in lines:
                lines += [f"# {clean(remedy.text)}", remedy.command]
    return lines


def yaml_text(source: str) -> Text:
    """Returns YAML in the terminal's own sixteen colors."""
    from rich.syntax import Syntax

    text = Syntax("", "yaml", theme="ansi_dark", background_color="default").highlight(printable(source, lines=True))
    text.no_wrap = True
    return text


def diff_text(lines: Iterable[str]) -> Text:
    """Returns a unified diff. The signs at the start of its lines have the meaning; the colors only help."""
    text = Text(no_wrap=True)
    for line in lines:
        line = printable(line.rstrip("\n"), lines=True)
        token: Token = "text"
        if line.startswith(("+++", "---")):
            token = "title"
        elif line.startswith("+"):
            token = "added"
        elif line.startswith("-"):
            token = "removed"
        elif line.startswith("@@"):
            token = "info"
        text.append(line + "\n", style=tone(token))
    return text
