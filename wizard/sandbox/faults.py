"""An unreliable server that fails reproducibly."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import fields

from wizard.sandbox.scenarios import Faults


class FaultPlan:
    """Decides which request gets which fault, from the seed, the request, and how often it was made before.

    So neither the order nor the number of other requests matters, and a retry can succeed.
    """

    def __init__(self, faults: Faults, seed: int) -> None:
        self._shares = [(one.name, getattr(faults, one.name)) for one in fields(faults) if one.name != "slow_seconds"]
        self._seed = seed
        self._seen: Counter[tuple[str, str]] = Counter()
        self.slow_seconds = faults.slow_seconds
        self.any = any(share for _, share in self._shares)

    def next_fault(self, method: str, path: str) -> str:
        """Returns the name of a fault, "" for none."""
        if not self.any:
            return ""
        self._seen[method, path] += 1
        told = f"{self._seed} {method} {path} {self._seen[method, path]}"
        at = int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], "big") / 2**64
        for name, share in self._shares:
            if at < share:
                return name
            at -= share
        return ""
