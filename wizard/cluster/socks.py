"""SOCKS5 proxies, as ``ssh -D`` opens one: the handshake is python-socks', everything after it aiohttp's.

aiohttp-socks is not used: it does not pass on the name that a certificate is checked against (``tls-server-name``).
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote, urlsplit

from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError, ProxyType
from python_socks.async_.asyncio import Proxy

from wizard.http_library import aiohttp

PORT = 1080
"""The port of a proxy without one."""


class NotThroughProxy(aiohttp.ClientConnectionError):
    """The proxy was reached, but it does not connect to the server."""


class _NoResolver(aiohttp.abc.AbstractResolver):
    """Resolves no name: as in Go, the proxy does, which is often the only one who can."""

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        return [{"hostname": host, "host": host, "port": port, "family": family, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Has nothing to close."""


class SocksConnector(aiohttp.TCPConnector):
    """Opens each connection through a SOCKS5 proxy."""

    def __init__(self, proxy: str, **options: Any) -> None:
        super().__init__(resolver=_NoResolver(), **options)
        parts = urlsplit(proxy)
        self._proxy = Proxy(
            ProxyType.SOCKS5,
            parts.hostname or "",
            parts.port or PORT,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            rdns=True,
            loop=asyncio.get_running_loop(),
        )

    async def _wrap_create_connection(
        self, *args: Any, addr_infos: Any, req: Any, timeout: aiohttp.ClientTimeout, **options: Any
    ) -> Any:
        try:
            connected = await self._proxy.connect(req.url.raw_host, req.url.port, timeout=timeout.sock_connect)
        except ProxyTimeoutError:
            raise aiohttp.ConnectionTimeoutError from None
        except ProxyConnectionError as error:
            why = error.__cause__ if isinstance(error.__cause__, OSError) else OSError("no connection")
            raise aiohttp.ClientProxyConnectionError(req.connection_key, why) from None
        except ProxyError as error:
            raise NotThroughProxy(str(error)) from None
        return await self._wrap_existing_connection(*args, req=req, timeout=timeout, sock=connected, **options)
