"""The half of the stock client that is used: its connections, without its models.

``kubernetes.aio`` gives TLS, proxies and the connection pool. The packages above that module would bring the blocking
client along, and the readers of kubeconfigs with all that they need: ten times as much as the half that is wanted.
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
    """What is used of the stock client. Any thread may ask; who comes second waits for the first.

    The garbage collector rests during the import: one pass over all that comes in would hold every thread for tens
    of milliseconds. What was imported stays, so no later pass has to look at it either.
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
    """Imports the modules while the packages above them are places without content, and then forgets all of these.

    Whoever imports ``kubernetes`` in the same process, before or after, gets it whole.
    """
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "kubernetes"}
    for name in before:
        del sys.modules[name]
    try:
        for name in ABOVE:
            sys.modules[name] = _place(name)
        configuration = importlib.import_module("kubernetes.aio.client.configuration")
        rest = importlib.import_module("kubernetes.aio.client.rest")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "kubernetes"]:
            del sys.modules[name]
        sys.modules.update(before)
    gc.freeze()
    return StockClient(configuration.Configuration, rest.RESTClientObject)


def _place(name: str) -> ModuleType:
    """A package with its place on the disk and no content. Raises ModuleNotFoundError."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return importlib.util.module_from_spec(spec)
