"""Questions on stdout, and answers from stdin, without a thread and without moving the cursor."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from wizard.errors import Interrupted, WizardError
from wizard.printing.lines import out, say
from wizard.text.escaping import printable


class _Lines:
    """The lines of stdin, read without a thread, so that a signal ends the wait."""

    def __init__(self) -> None:
        self._held = b""

    async def next(self) -> str:
        """Returns the next line with its line end; "" at the end of stdin."""
        while b"\n" not in self._held:
            chunk = await self._more()
            if not chunk:
                line, self._held = self._held, b""
                return line.decode("utf-8", "replace")
            self._held += chunk
        line, _, self._held = self._held.partition(b"\n")
        return line.decode("utf-8", "replace") + "\n"

    async def _more(self) -> bytes:
        loop, there = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(0, there.set)
        except OSError:  # a file is always ready
            there.set()
        try:
            await there.wait()
        finally:
            loop.remove_reader(0)
        try:
            return os.read(0, 65536)
        except OSError:  # the terminal is gone
            return b""


_lines = _Lines()


async def ask(question: str, options: Sequence[str] = (), *, default: str = "", also: Sequence[str] = ()) -> str:
    """Returns one answer from stdin: one of the options, if there are any, or one of ``also``, which are not listed.

    Raises Interrupted at the end of stdin.
    """
    hint = f" [{'/'.join(options)}]" if options else ""
    hint += f" (enter: {default})" if default else ""
    # The options stay together on one line of an 80-column terminal.
    between = "\n" if len(question + hint) > 76 else ""
    while True:
        sys.stdout.write(printable(question) + between + printable(f"{hint}: "))
        sys.stdout.flush()
        line = await _lines.next()
        if not line:
            raise Interrupted("The input ended.", "Changes made so far are listed above and recorded in the journal.")
        answer = line.strip() or default
        if not options or answer in options or answer in also:
            return answer
        out(f"Enter one of: {', '.join(options)}.")


async def agreed(question: str) -> bool:
    """Asks a question that only the answer yes agrees to."""
    return await ask(question, ("yes", "no"), default="no") == "yes"


def path_of(typed: str) -> Path:
    """Returns the path that was typed, as an absolute one."""
    return Path(typed).expanduser().absolute()


async def or_say(work: Callable[[], Awaitable[None]]) -> None:
    """Does the work; an error is printed, and the walk continues."""
    try:
        await work()
    except Interrupted:
        raise
    except WizardError as error:
        say(str(error))
