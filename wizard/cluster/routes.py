"""The way to a server: the server, and the proxy before it. Whoever explains a failure asks first where it happened."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from wizard.text.escaping import printable

CONNECT_SECONDS = 10.0
"""How long a connection can take."""

SOCKS = ("socks5", "socks5h")
"""The schemes of SOCKS5 proxies."""


def is_socks(proxy: str) -> bool:
    """Tells whether a proxy speaks SOCKS5."""
    return urlsplit(proxy).scheme in SOCKS


@dataclass(frozen=True)
class Route:
    """A server's address and its proxy's, "" if there is none; ``named`` is where, if not in the environment."""

    server: str
    proxy: str = field(default="", repr=False)
    named: str = ""

    @property
    def host(self) -> str:
        """The server as errors name it: its host and port."""
        return urlsplit(self.server).netloc

    @property
    def encrypted(self) -> bool:
        """Whether there is TLS anywhere on the way."""
        return any(urlsplit(address).scheme == "https" for address in (self.server, self.proxy))

    @cached_property
    def _shown(self) -> str:
        parts = urlsplit(self.proxy)
        return printable(f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname or ""))

    def at_proxy(self, error: Exception) -> tuple[str, str] | None:
        """Returns what happened and what to do if an error of the HTTP library is about the proxy, else None."""
        from wizard.http_library import aiohttp

        if not self.proxy:
            return None
        todo = f"Check {self.named or f'{urlsplit(self.server).scheme.upper()}_PROXY and NO_PROXY'}."
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return f"The proxy rejected the connection to {self.host} ({error.status}).", todo
        if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ConnectionTimeoutError)):
            return self._explain(error), todo
        if is_socks(self.proxy):
            from wizard.cluster.socks import NotThroughProxy

            if isinstance(error, NotThroughProxy):
                said = printable(str(error)[:200]).rstrip(".").lower()
                what = f"The proxy {self._shown} did not connect to {self.host}: {said}."
                return what, f"{todo} Also check the address of the server, {self.host}."
        if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ClientConnectorCertificateError)):
            from yarl import URL

            # As the library writes it: in lower case, and with the letters of other scripts encoded.
            proxy = URL(self.proxy)
            if (error.host, error.port) == (proxy.raw_host, proxy.port):
                return self._explain(error), todo
        return None

    def _explain(self, error: Exception) -> str:
        from wizard.http_library import aiohttp

        why: Any = getattr(error, "os_error", error)
        if isinstance(error, aiohttp.ClientConnectorDNSError) or (isinstance(why, OSError) and _is_unknown_name(why)):
            return f"Cannot resolve the name of the proxy {self._shown}."
        if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)):
            return f"The certificate of the proxy {self._shown} is not trusted: {distrust(error)}."
        if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
            return f"Cannot open a secure connection to the proxy {self._shown}: {reason_of(error)}."
        if isinstance(error, TimeoutError):
            # Either of the two is silent: the proxy, or the server behind it.
            within = f"within {CONNECT_SECONDS:.0f} seconds"
            return f"No connection to {self.host} through the proxy {self._shown} {within}."
        return f"Cannot reach the proxy {self._shown}: {reason_of(error)}."


def _is_unknown_name(error: OSError) -> bool:
    import socket

    return isinstance(error, socket.gaierror) or isinstance(error.__cause__, socket.gaierror)


def distrust(error: Any) -> str:
    """Returns why a certificate is not trusted."""
    cause = getattr(error, "certificate_error", error)
    return printable(str(getattr(cause, "verify_message", "") or cause).rstrip("."))


def reason_of(error: BaseException) -> str:
    """Returns why a connection failed, in the system's words."""
    cause = getattr(error, "os_error", error)
    text = getattr(cause, "reason", None) or getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    # asyncio writes "Connect call failed ('127.0.0.1', 1)" when the system reports "Connection refused".
    number = getattr(cause, "errno", None)
    if isinstance(number, int) and number > 0 and not isinstance(cause, ssl.SSLError):
        text = os.strerror(number)
    return printable(str(text)).strip().rstrip(".").replace("_", " ").lower()
