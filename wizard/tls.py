"""TLS by the rules of Go, and so of kubectl and the Coder CLI, on every version of Python.

Any certificate among the trusted ones is an anchor: an authority, an intermediate, or the server's own. Certificates
are taken one by one, and one that is broken does not spoil the others. A key never becomes a file that stays, and
OpenSSL never asks for a passphrase: its prompt would appear over the screens, and no signal ends it.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import tempfile
from collections.abc import Iterator, Sequence
from typing import BinaryIO

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
_ENCRYPTED = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED", re.MULTILINE)


class KeyIsEncrypted(ValueError):
    """A private key needs a passphrase."""


def usable_certificates(content: bytes) -> Sequence[str]:
    """Returns the certificates in a PEM file that can be used; what is between them is not read."""
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found = []
    for block in _BLOCK.findall(content):
        with contextlib.suppress(ssl.SSLError, ValueError):
            text = block.decode("ascii")
            probe.load_verify_locations(cadata=text)
            found.append(text)
    return found


def follow_go(context: ssl.SSLContext) -> ssl.SSLContext:
    """Makes a client's context trust what Go trusts; returns it."""
    # Python 3.13 turns on both flags, earlier versions none.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.hostname_checks_common_name = False
    return context


def is_encrypted(key: bytes) -> bool:
    """Tells whether a PEM key needs a passphrase."""
    return _ENCRYPTED.search(key) is not None


def load_client_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Loads a client certificate and its key. Raises KeyIsEncrypted, or ssl.SSLError or ValueError for a bad one."""
    if is_encrypted(key):
        raise KeyIsEncrypted
    # OpenSSL reads them only from files.
    with _in_memory(certificate) as first, _in_memory(key) as second:
        context.load_cert_chain(first, second, password=_no_passphrase)


def _no_passphrase() -> str:
    raise KeyIsEncrypted


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Gives the path of a file that has no name: it needs no writable folder and is gone with the process."""
    with _nameless_file() as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield f"/dev/fd/{file.fileno()}"


def _nameless_file() -> BinaryIO:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("podman-wizard"), "w+b")
    return tempfile.TemporaryFile("w+b")
