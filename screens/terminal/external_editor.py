"""The user's editor, for which the screens make way: started on a file or on a copy of a text, and waited for."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from wizard.errors import InputError
from wizard.files import read_snapshot, why
from wizard.policy import LARGEST
from wizard.text.escaping import printable

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
            code = _waited(process, command[0])
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if code < 0:
        raise InputError(f"The editor {command[0]} was ended by {signal_name(-code)}.", _AGAIN)
    if code:
        raise InputError(f"The editor {command[0]} failed with exit code {code}.", _AGAIN)


def _waited(process: subprocess.Popen[bytes], name: str) -> int:
    """Waits for the editor and returns its exit code, negative for a signal.

    An editor that only stops would leave a dead terminal, which may not even send ctrl+c as a signal: the user decides
    what becomes of it. One that ctrl+z stops is continued by the shell, together with the wizard.
    """
    terminal = sys.__stdin__.fileno() if sys.__stdin__ is not None and sys.__stdin__.isatty() else None
    before = termios.tcgetattr(terminal) if terminal is not None else None
    while True:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode
        is_continued = os.waitpid(process.pid, os.WCONTINUED | os.WNOHANG)[0] == process.pid
        if terminal is None or before is None or is_continued:
            continue
        its = termios.tcgetattr(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        if _goes_on(terminal, name):
            termios.tcsetattr(terminal, termios.TCSADRAIN, its)
            process.send_signal(signal.SIGCONT)
        else:
            process.kill()


def _goes_on(terminal: int, name: str) -> bool:
    """Asks what to do with a stopped editor; returns whether it continues."""
    question = f"The editor {printable(name)} is stopped. Press enter to continue it, or ctrl+c to end it."
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        os.write(terminal, f"\r\n{question}\r\n".encode())
        return os.read(terminal, 1024) != b""
    except KeyboardInterrupt:
        return False
    finally:
        signal.signal(signal.SIGINT, handler)


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
