"""The steps of an undo that are about node labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wizard.journal import journal as journals
from wizard.names import FIELD_MANAGER, NODE_LABEL
from wizard.plan.undo import AS_BEFORE, NodeLabel, UndoStep, What
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.cluster import Gateway
    from wizard.facts.cluster import KubernetesObject

SHOWN = 20
"""How many nodes a title names."""


@dataclass(frozen=True)
class NodeLabels:
    """The labels of nodes, and the managers that set the guide's label.

    ``denied`` is why not every node was read, "" if all were; ``unread`` are the nodes that could not even be read by
    their name.
    """

    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    setters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    denied: str = ""
    unread: frozenset[str] = frozenset()


async def read_node_labels(gateway: Gateway, names: Collection[str] = ()) -> NodeLabels:
    """Reads the labels of all nodes; without permission to list them, of those with these names, one by one."""
    from wizard.cluster import ApiRefusal

    found: dict[str, tuple[Mapping[str, str], tuple[str, ...]]] = {}
    try:
        async for part in gateway.slices("Node", convert=_labels_of, metadata_only=True):
            if part.restarted:
                found.clear()
            found.update((name, (labels, by)) for name, labels, by in part.items)
    except ApiRefusal as refusal:
        if refusal.status != 403:
            raise
        return await _read_by_name(gateway, names, refusal.message or refusal.what)
    return NodeLabels({name: one[0] for name, one in found.items()}, {name: one[1] for name, one in found.items()})


async def _read_by_name(gateway: Gateway, names: Collection[str], denied: str) -> NodeLabels:
    from wizard.cluster import ApiRefusal
    from wizard.cluster.concurrency import together

    async def read(name: str) -> KubernetesObject | ApiRefusal | None:
        try:
            return await gateway.get("Node", name)
        except ApiRefusal as refusal:
            if refusal.status != 403:
                raise
            return refusal

    found: dict[str, tuple[Mapping[str, str], tuple[str, ...]]] = {}
    unread = set()
    for name, node in zip(names, await together(read(name) for name in names), strict=True):
        if isinstance(node, ApiRefusal):
            unread.add(name)
        elif node is not None:
            _, labels, setters = _labels_of(node)
            found[name] = (labels, setters)
    labels_of = {name: one[0] for name, one in found.items()}
    return NodeLabels(labels_of, {name: one[1] for name, one in found.items()}, denied, frozenset(unread))


def _labels_of(node: KubernetesObject) -> tuple[str, Mapping[str, str], tuple[str, ...]]:
    metadata = node["metadata"]
    return metadata["name"], metadata.get("labels") or {}, tuple(_setters(metadata))


def _setters(metadata: Mapping[str, Any]) -> list[str]:
    """Returns the managers that own the guide's label."""
    return [
        str(entry.get("manager"))
        for entry in metadata.get("managedFields") or ()
        if f"f:{NODE_LABEL}" in (entry.get("fieldsV1") or {}).get("f:metadata", {}).get("f:labels", {})
    ]


@dataclass(frozen=True)
class LabelsBefore:
    """The label of each node before the first run that changed it, and the value that the last run set."""

    before: Mapping[str, str | None]
    last: Mapping[str, str | None]

    @classmethod
    def of(cls, newest_first: Sequence[journals.Change]) -> LabelsBefore:
        """Returns them from the changes of labels among these."""
        before: dict[str, str | None] = {}
        last: dict[str, str | None] = {}
        for change in newest_first:
            if change.kind == "label":
                before.update(change.after)
                last = {**dict.fromkeys(change.after, change.before["value"]), **last}
        return cls(before, last)


def label_steps(labels: LabelsBefore, nodes: NodeLabels) -> list[UndoStep]:
    """Returns the steps that restore the labels; nodes whose label someone changed since are left."""
    what = f"Label of {_nodes(list(labels.before))}"
    if not nodes.unread.isdisjoint(labels.before):
        why = f"the nodes cannot be listed: {nodes.denied}"
        return [UndoStep(what, What.NOTHING, left=why, rejected=True)]
    now = {name: there.get(NODE_LABEL) for name, there in nodes.labels.items()}
    changed = [
        NodeLabel(name, now[name], value) for name, value in labels.before.items() if now.get(name, value) != value
    ]
    back = tuple(one for one in changed if one.now == labels.last[one.name])
    left = [one.name for one in changed if one.now != labels.last[one.name]]
    steps = []
    if back:
        steps.append(unlabel_step(back))
    if left:
        setters = sorted({one for name in left for one in nodes.setters.get(name, ()) if one != FIELD_MANAGER})
        why = f"{', '.join(setters) or 'someone'} changed it since"
        steps.append(UndoStep(f"Label of {_nodes(left)}", What.NOTHING, left=why))
    if not steps and labels.before:
        steps.append(UndoStep(what, What.NOTHING, left=AS_BEFORE))
    return steps


def unlabel_step(nodes: tuple[NodeLabel, ...]) -> UndoStep:
    """Returns the step that gives these nodes their earlier labels."""
    names = _nodes([one.name for one in nodes])
    if all(one.before is None for one in nodes):
        return UndoStep(f"Remove the label from {names}", What.UNLABEL, nodes=nodes)
    return UndoStep(f"Restore the previous label on {names}", What.RELABEL, nodes=nodes)


def _nodes(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{counted(len(names), 'node')} ({', '.join(names[:SHOWN])}{more})"
