"""aiohttp, imported without the system's authorities: ``from wizard.http_library import aiohttp``.

Its module makes two TLS contexts, and reads all authorities of the system into each: more than all else that it does,
and every connection here gets a context of its own (``wizard.tls``). The two trust nobody, so one that would be used by
mistake connects to nobody.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator

__all__ = ["aiohttp", "without_authorities"]


@contextlib.contextmanager
def without_authorities() -> Iterator[None]:
    """Lets contexts that this thread makes meanwhile read no authorities."""
    thread, read = threading.get_ident(), ssl.SSLContext.set_default_verify_paths

    def read_unless_importing(context: ssl.SSLContext) -> None:
        if threading.get_ident() != thread:
            read(context)

    ssl.SSLContext.set_default_verify_paths = read_unless_importing  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        ssl.SSLContext.set_default_verify_paths = read  # type: ignore[method-assign]


with without_authorities():
    import aiohttp
