"""The tree and the problems of the current policy; those of a large policy are made in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from screens.steps.policy_rows import Path, Row, tree_rows
from wizard.policy import PolicyDocument, Problem, check

LARGE = 100_000
"""Size in bytes from which checking a policy takes longer than the response to a key can."""

What = tuple[PolicyDocument, PolicyDocument, int, frozenset[Path]]
"""The policy as opened and as it is now, the devices of a merge, and the fields whose entries are shown."""


class Judging:
    """Keeps the tree and the problems of one version; ``later`` runs a coroutine, ``ready`` draws its result."""

    def __init__(self, later: Callable[[Coroutine[Any, Any, None]], None], ready: Callable[[], None]) -> None:
        self._later = later
        self._ready = ready
        self._judged: What | None = None
        self._judging: What | None = None
        self.tree: tuple[Row, ...] = ()
        self.problems: Sequence[Problem] = ()

    def is_ready(
        self, original: PolicyDocument, document: PolicyDocument, devices: int, opened: frozenset[Path]
    ) -> bool:
        """Makes the tree and the problems of a version; returns whether they are ready."""
        what = (original, document, devices, opened)
        if _same(what, self._judged):
            return True
        if len(document.content) < LARGE:
            self._judged, self.tree, self.problems = what, tree_rows(*what), check(document)
            return True
        if not _same(what, self._judging):
            self._judging = what
            self._later(self._judge(what))
        return False

    async def _judge(self, what: What) -> None:
        tree, problems = await asyncio.to_thread(lambda: (tree_rows(*what), check(what[1])))
        if self._judging is what:
            self._judging, self._judged = None, what
            self.tree, self.problems = tree, problems
            self._ready()


def _same(one: What, other: What | None) -> bool:
    # by identity: comparing large documents costs time
    return other is not None and one[0] is other[0] and one[1] is other[1] and one[2:] == other[2:]
