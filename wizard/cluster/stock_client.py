"""The part of the stock client that is used: its connections, without its models.

``kubernetes.aio`` provides TLS, proxies, and the connection pool. The packages above that module import the blocking
client and the kubeconfig readers with their dependencies too: ten times as much as is needed.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import sys
import threading
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

_IMPORTING = threading.Lock()
ABOVE = ("kubernetes", "kubernetes.aio", "kubernetes.aio.client", "kubernetes.aio.utils")


class StockClient(NamedTuple):
    """``kubernetes.aio.client``'s ``Configuration`` and ``RESTClientObject``."""

    configuration: Any
    rest: Any


def stock_client() -> StockClient:
    """Returns the used part of the stock client. Any thread can call this; a second one waits for the first.

    The garbage collector is off during the import: one pass over the new objects would block every thread for tens
    of milliseconds. They are never freed, so later passes skip them too.
    """
    with _IMPORTING:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return _import_alone()
        finally:
            if collecting:
                gc.enable()


@cache
def _import_alone() -> StockClient:
    """Imports the modules while the packages above them are empty, and then forgets these packages.

    Other code that imports ``kubernetes`` in the same process, before or after, gets the whole package.
    """
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "kubernetes"}
    for name in before:
        del sys.modules[name]
    try:
        for name in ABOVE:
            sys.modules[name] = _place(name)
        importlib.import_module("wizard.http_library")  # before the client imports aiohttp by itself
        configuration = importlib.import_module("kubernetes.aio.client.configuration")
        rest = importlib.import_module("kubernetes.aio.client.rest")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "kubernetes"]:
            del sys.modules[name]
        sys.modules.update(before)
    gc.freeze()
    return StockClient(configuration.Configuration, rest.RESTClientObject)


def _place(name: str) -> ModuleType:
    """Returns an empty package with its location on the disk. Raises ModuleNotFoundError."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return importlib.util.module_from_spec(spec)
