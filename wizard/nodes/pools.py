"""Managed pools: how a node shows that it belongs to one, and how the label gets onto the pool.

A pool's manager replaces its nodes, so a label that is set only on a node is lost with the node. The providers are
data (``assets/nodes/pools.yaml``). A node of a pool that no row knows is still one of a pool if a label says so.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import yaml

from wizard.facts.cluster import NodeFacts
from wizard.names import NODE_LABEL, NODE_LABEL_VALUE
from wizard.resources import asset_text

if TYPE_CHECKING:
    from wizard.nodes.verdicts import NodeVerdict

LABEL_PAIR: Final = f"{NODE_LABEL}={NODE_LABEL_VALUE}"

_POOL_KEY: Final = re.compile(
    r"[^/]+/(?:.*[-.])?(?:node-?pool|node-?group|worker-?pool|agent-?pool|machine-?pool|instance-?group|pool)"
    r"(?:-?(?:name|id))?"
)
"""A label with a domain whose name says that its value is a pool."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A managed pool. Its manager replaces nodes, so a label that is set only on a node is lost with the node.

    ``command`` sets the label on the pool, "" if the caution says how; words in capitals are placeholders.
    ``caution`` says what else it does.
    """

    manager: str
    name: str
    command: str
    caution: str


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A provider's row: its sign on a node, and how its pools are labeled (see the data file)."""

    manager: str
    caution: str
    source: str
    read: str
    label: str = ""
    annotation: str = ""
    pattern: str = "(.+)"
    when: Mapping[str, str] | None = None
    name: tuple[str, ...] = ()
    command: str = ""

    def pool_in(self, node: NodeFacts) -> str:
        """Returns the name of the node's pool; "" if the node does not have this sign."""
        value = node.labels.get(self.label, "") if self.label else node.annotations.get(self.annotation, "")
        found = re.fullmatch(self.pattern, value)
        if found is None or not all(_holds(node.labels.get(key), one) for key, one in (self.when or {}).items()):
            return ""
        return found[1] if not self.name or found[1] in self.name else ""

    def pool(self, name: str) -> Pool:
        """Returns a pool of this provider, with the command that labels it."""
        labels = {"metadata": {"labels": {NODE_LABEL: NODE_LABEL_VALUE}}}
        texts = {
            "pair": LABEL_PAIR,
            "key": NODE_LABEL,
            "value": NODE_LABEL_VALUE,
            "labels": _compact(labels["metadata"]["labels"]),
            "template": _compact({"spec": {"template": labels}}),
            "machine": _compact({"spec": {"template": {"spec": labels}}}),
        }
        command = self.command.format(pool=shlex.quote(name), **texts)
        return Pool(self.manager, name, command, self.caution.format(pool=name, **texts))


def _holds(value: str | None, wanted: str) -> bool:
    return value is not None if wanted == "*" else value == wanted


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


@lru_cache(maxsize=1)
def pool_rows() -> tuple[PoolRow, ...]:
    """Returns the table of providers."""
    rows = yaml.safe_load(asset_text("nodes", "pools.yaml"))
    return tuple(PoolRow(**{**row, "read": str(row["read"]), "name": tuple(row.get("name", ()))}) for row in rows)


def pool_of(node: NodeFacts) -> Pool | None:
    """Returns the managed pool that a node belongs to; None if there is no sign of one."""
    for row in pool_rows():
        if name := row.pool_in(node):
            return row.pool(name)
    for key, value in sorted(node.labels.items()):
        if value and _POOL_KEY.fullmatch(key):
            return Pool("", value, "", f"Add the label {LABEL_PAIR} where this pool is configured (node label {key}).")
    return None


def pools(verdicts: Iterable[NodeVerdict]) -> tuple[tuple[Pool, int], ...]:
    """Returns the managed pools of these nodes, each with its number of nodes, the largest first."""
    counted = Counter(pool for verdict in verdicts if (pool := pool_of(verdict.node)))
    return tuple(counted.most_common())


def make_pool(manager: str, name: str) -> Pool:
    """Returns a pool of a provider that the table has."""
    row = next(row for row in pool_rows() if row.manager == manager and not row.name)
    return row.pool(name)
