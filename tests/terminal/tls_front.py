"""A front that speaks TLS and passes everything on to a server on loopback that does not, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, ssl.SSLError):
        writer.close()


@contextlib.contextmanager
def tls_front(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Yields the port on which the server at ``port`` is reached by TLS."""
    started = threading.Event()
    found: list[int] = []
    ended: list[asyncio.Event] = []
    loop: list[asyncio.AbstractEventLoop] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        found.append(server.sockets[0].getsockname()[1])
        ended.append(asyncio.Event())
        loop.append(asyncio.get_running_loop())
        started.set()
        await ended[0].wait()
        server.close()

    # asyncio.run cancels what is still being passed on.
    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    started.wait(30)
    try:
        yield found[0]
    finally:
        loop[0].call_soon_threadsafe(ended[0].set)
        thread.join(30)
