"""What ``-v`` tells: each request to the cluster and to Coder, once its answer is there."""

from __future__ import annotations

import time
from collections.abc import Callable

_listeners: list[Callable[[str], None]] = []


def listen(listener: Callable[[str], None]) -> None:
    """Sends each request to a listener, as one line: method, path, status, and seconds."""
    _listeners.append(listener)


def note_request(method: str, path: str, status: int, began: float) -> None:
    """Tells the listeners about an answered request; ``began`` is of ``time.time``. Queries are not told."""
    for listener in _listeners:
        listener(f"{method} {path.partition('?')[0]} {status} {time.time() - began:.3f} s")
