"""The user's editor, for which the screens make way: started on a file or on a copy of a text, and waited for."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from wizard.errors import InputError
from wizard.files import read_snapshot, why
from wizard.policy import LARGEST

_AGAIN = "Press E to open it again."


def editor_command() -> list[str]:
    """Returns the user's editor, found as other tools find it."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(os.environ.get(name, ""))
        except ValueError:
            words = []
        if words:
            return words
    return ["vi"]


def edited(content: bytes, name: str) -> bytes:
    """Returns a text as the user edited it. The caller has suspended the screens before.

    Raises InputError if the editor cannot be started or fails (``:cq``).
    """
    try:
        with tempfile.TemporaryDirectory(prefix="podman-wizard-") as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            run_editor(path)
            if not path.exists():
                raise InputError(f"The editor {editor_command()[0]} removed the copy.", _AGAIN)
            return read_snapshot(path, limit=LARGEST).content or b""
    except OSError as error:
        raise InputError(f"No copy for the editor can be written: {why(error)}.", "Set TMPDIR to a folder.") from None


def run_editor(path: Path) -> None:
    """Runs the editor on a file and waits for it; raises InputError if it cannot be started or fails."""
    command = editor_command()
    todo = "Set EDITOR to an editor that is installed on this machine."
    try:
        process = subprocess.Popen([*command, str(path)])
    except (OSError, ValueError) as error:
        reason = why(error) if isinstance(error, OSError) else str(error)
        raise InputError(f"Cannot start the editor {command[0]}: {reason}.", todo) from None
    try:
        with _signals_reach(process):
            code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if code < 0:
        raise InputError(f"The editor {command[0]} was ended by {signal_name(-code)}.", _AGAIN)
    if code:
        raise InputError(f"The editor {command[0]} failed with exit code {code}.", _AGAIN)


def signal_name(number: int) -> str:
    """Returns the name of a signal, as people know it: ``SIGKILL``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@contextlib.contextmanager
def _signals_reach(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leaves ctrl+c to the editor, which is in the same process group; the second one ends it, if it hangs.

    A signal that ends the wizard ends the editor first, because the wizard waits for it.
    """
    interrupts = 0

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            process.kill()

    def ended(number: int, frame: FrameType | None) -> None:
        process.terminate()
        earlier = before[number]
        if callable(earlier):
            earlier(number, frame)

    before: dict[int, Any] = {signal.SIGINT: signal.signal(signal.SIGINT, interrupted)}
    before |= {number: signal.signal(number, ended) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
