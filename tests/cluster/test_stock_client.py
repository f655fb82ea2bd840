"""The stock client comes without the packages above it, and leaves the interpreter as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ALONE = """
import sys
from wizard.cluster.stock_client import stock_client
client = stock_client()
assert stock_client() is client
"""
NOTHING_ELSE = """
assert not [name for name in sys.modules if name.startswith(("kubernetes", "requests", "urllib3"))]
"""
BEFORE = """
import kubernetes.aio.client
before = kubernetes.aio.client.CoreV1Api
import sys
modules = dict(sys.modules)
"""
AFTER = """
import kubernetes.aio.client.rest
assert kubernetes.aio.client.CoreV1Api.__name__ == "CoreV1Api"
assert kubernetes.aio.client.rest.RESTClientObject.__name__ == client.rest.__name__
"""
KEPT = """
import kubernetes.aio.client
assert kubernetes.aio.client.CoreV1Api is before
assert all(sys.modules[name] is module for name, module in modules.items())
"""
TWO_THREADS = """
import threading
from wizard.cluster.stock_client import stock_client
found = []
threads = [threading.Thread(target=lambda: found.append(stock_client())) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(found) == 2 and found[0] is found[1]
"""


@pytest.mark.parametrize(
    "program",
    [ALONE + NOTHING_ELSE, ALONE + AFTER, BEFORE + ALONE + KEPT, TWO_THREADS],
    ids=["alone", "the whole of it afterwards", "the whole of it before", "from two threads"],
)
def test_the_client_is_imported(program: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 0, ended.stderr
