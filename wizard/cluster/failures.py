"""Why no answer came: one error per cause, which blames the part of the route where it happened.

The route is the proxy, if there is one, and then the server. The errors of the HTTP library are never printed as they
are: they quote addresses with their passwords.
"""

from __future__ import annotations

import ssl

from wizard.cluster.kubeconfig import Access
from wizard.cluster.refusals import OddAnswer
from wizard.cluster.routes import CONNECT_SECONDS, distrust, reason_of
from wizard.errors import ClusterError
from wizard.text.escaping import printable

REJECTED = ("ALERT_CERTIFICATE", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_UNSUPPORTED_CERTIFICATE")
"""Parts of the alerts by which a server rejects the certificate of a client."""


class Failure(Exception):
    """No complete answer came. ``sent`` is False if the request certainly did not reach the server."""

    def __init__(self, error: ClusterError, *, sent: bool, transient: bool, timeout: bool = False) -> None:
        super().__init__(error.what)
        self.error = error
        self.sent = sent
        self.transient = transient
        self.timeout = timeout


class Failures:
    """Explains failures on the way to one server."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._route = access.route
        self._host = self._route.host
        self._check_client_certificate = (
            "A server closes the connection like this if it requires a client certificate, or if the one in "
            f"{access.source} has expired or is not trusted."
        )

    def odd(self, method: str, path: str, why: str) -> OddAnswer:
        """Returns the error for an answer of another shape."""
        return OddAnswer(self._host, method, path, why)

    def too_large(self, method: str, path: str, largest: int) -> Failure:
        """Returns the failure for an answer without an end."""
        error = self.odd(method, path, f"it has more than {largest // 2**20} MiB; the rest was not read")
        return Failure(error, sent=True, transient=False)

    def not_an_api(self, why: str, *, transient: bool) -> Failure:
        """Returns the failure for an answer that is not from an API server."""
        error = ClusterError(
            f"{self._host} is not responding as a Kubernetes API server: {why}.",
            f"There may be a proxy or a login page in between. Check HTTPS_PROXY, NO_PROXY, and the server address of "
            f"the context in {self._access.source}.",
        )
        return Failure(error, sent=True, transient=transient)

    def broken_off(self) -> Failure:
        """Returns the failure for an answer whose end is missing."""
        error = ClusterError(
            f"The answer of {self._host} is incomplete.",
            "Check the connection and any proxy or VPN in between, then try again.",
        )
        return Failure(error, sent=True, transient=True)

    def silence(self, seconds: float, *, began: bool) -> Failure:
        """Returns the failure for a server that sends nothing; ``began`` if it had sent a part of the answer."""
        if began:
            what = f"{self._host} stopped in the middle of its answer: nothing came for {seconds:.0f} seconds."
        else:
            what = f"{self._host} did not respond within {seconds:.0f} seconds."
        return Failure(
            ClusterError(what, "It may be overloaded, or the connection too slow. Try again later."),
            sent=True,
            transient=True,
            timeout=True,
        )

    def explain(self, error: Exception, timeout: float, *, reached: bool, began: bool = False) -> Failure:
        """Returns the failure for an error of the HTTP library; ``reached`` if the server answered before."""
        from wizard.http_library import aiohttp

        known = self._before_the_server(error) or self._connecting(error)
        if known is not None:
            return known
        if isinstance(error, TimeoutError):
            return self.silence(timeout, began=began)
        if isinstance(error, aiohttp.ClientPayloadError):
            return self.broken_off()
        if isinstance(error, aiohttp.TooManyRedirects):
            return self.not_an_api("it redirects in a circle", transient=False)
        if isinstance(error, (aiohttp.ClientResponseError, ValueError)):
            return self.not_an_api("its answer is not valid HTTP", transient=False)
        todo = "Check the connection, and try again."
        if not reached and self._access.server.startswith("https:"):
            todo = f"{self._check_client_certificate} Else check the connection, and try again."
        problem = ClusterError(f"The connection to {self._host} was lost: {reason_of(error)}.", todo)
        return Failure(problem, sent=True, transient=True)

    def _before_the_server(self, error: Exception) -> Failure | None:
        """Returns the failure if it happened at the proxy, or after a redirect to another address."""
        from yarl import URL

        from wizard.http_library import aiohttp

        at_proxy = self._route.at_proxy(error)
        if at_proxy is not None:
            return Failure(ClusterError(*at_proxy), sent=False, transient=False)
        if not isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ClientConnectorCertificateError)):
            return None
        if isinstance(error, aiohttp.ClientSSLError) and not self._route.encrypted:
            return self.not_an_api("it redirected the request to an https address", transient=False)
        if error.host != URL(self._access.server, encoded=True).raw_host:
            shown = printable(str(error.host))
            return self.not_an_api(f"it redirected the request to {shown}, which cannot be reached", transient=False)
        return None

    def _connecting(self, error: Exception) -> Failure | None:
        """Returns the failure if no connection to the server could be opened."""
        from wizard.http_library import aiohttp

        host, source = self._host, self._access.source
        if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)):
            return Failure(self._explain_certificate(error), sent=False, transient=False)
        if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)) or "SSL" in type(error).__name__:
            said = str(getattr(getattr(error, "os_error", error), "reason", "") or "")
            if any(mark in said for mark in REJECTED):
                what = f"{host} rejected the client certificate: {reason_of(error)}."
                todo = f"Renew the client certificate of the user in {source}, or log in again."
            else:
                what = f"Cannot open a secure connection to {host}: {reason_of(error)}."
                todo = f"Check that the server uses TLS and that the client certificate in {source} is still valid."
            return Failure(ClusterError(what, todo), sent=False, transient=False)
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            problem = ClusterError(
                f"Cannot resolve the host name {host}.",
                f"Check the network, the VPN, and the server address in {source}.",
            )
            return Failure(problem, sent=False, transient=True)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            problem = ClusterError(
                f"Cannot reach the API server {host}: no connection within {CONNECT_SECONDS:.0f} seconds.",
                f"Check the network, the VPN, and the firewall, and the server address in {source}.",
            )
            return Failure(problem, sent=False, transient=True, timeout=True)
        if isinstance(error, aiohttp.ClientConnectorError):
            if isinstance(error.os_error, ConnectionResetError) and self._access.server.startswith("https:"):
                what = f"{host} closed the connection while it was being secured."
                problem = ClusterError(what, f"{self._check_client_certificate} Else check any proxy in between.")
                return Failure(problem, sent=False, transient=True)
            problem = ClusterError(
                f"Cannot reach the API server {host}: {reason_of(error)}.",
                f"Check that the cluster is running, and check the server address in {source}.",
            )
            return Failure(problem, sent=False, transient=True)
        return None

    def _explain_certificate(self, error: Exception) -> ClusterError:
        why = distrust(error)
        todo = f"Check certificate-authority of the cluster in {self._access.source}"
        if "expired" in why or "not yet valid" in why:
            todo = "Check the clock of this machine. If it is right, the server's certificate must be renewed"
        elif "mismatch" in why or "doesn't match" in why or "not valid for" in why:
            todo = f"Check the server address, or set tls-server-name, in {self._access.source}"
        return ClusterError(f"The certificate of {self._host} is not trusted: {why}.", f"{todo}.")
