"""The nodes in plain mode: which are selected, their labels, and the wait for the rollout."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from wizard.choices.answers import NodesChoice
from wizard.plain.asking import ask, or_say
from wizard.plain.desk import Desk
from wizard.plan.derive import plan_labels, room_notes
from wizard.plan.gates import GateKind
from wizard.printing.lines import out, print_comparison
from wizard.text.counting import counted

WAITING_CHANGES_NOTHING: Final[tuple[GateKind, ...]] = ("read-only", "blocker", "acknowledgement", "disruption")
"""The gates that do not stop someone from watching the rollout."""


class NodesStep:
    """The step Nodes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def run(self) -> None:
        """Shows the nodes and their forecast until the user goes on."""
        actions: Mapping[str, Callable[[], Awaitable[None]]] = {
            "list": self._list,
            "label": self._label,
            "unlabel": self._unlabel,
            "wait": self._wait,
            "repeat": self._desk.look,
        }
        while True:
            judgement = self._desk.judgement
            print_comparison(self._desk.session.comparison or judgement.expectations)
            nodes = counted(len(judgement.verdicts), "node")
            out(f"{len(judgement.chosen)} of {nodes} selected, {len(judgement.to_label)} to label.")
            answer = await ask(
                "Enter list, label, unlabel, wait, next, all, a label selector, or node names", default="next"
            )
            if answer == "next":
                return
            await or_say(actions.get(answer) or partial(self._choose, answer))

    async def _list(self) -> None:
        judgement = self._desk.judgement
        chosen = set(judgement.expected)
        for verdict in judgement.verdicts:
            node = verdict.node
            mark = "selected" if node.name in chosen else "-"
            state = "labeled" if node.labelled else ""
            out(f"{mark:8} {node.name} {node.os_image} {node.kernel} {state} {'; '.join(verdict.reasons)}")

    async def _choose(self, answer: str) -> None:
        """Selects all nodes that qualify, the nodes with these names, or those that a selector matches."""
        session = self._desk.session
        words = tuple(answer.replace(",", " ").split())
        if answer == "all":
            choice = NodesChoice()
        elif {verdict.node.name for verdict in self._desk.judgement.verdicts}.issuperset(words):
            choice = NodesChoice(all=False, names=words)
        else:
            choice = NodesChoice(all=False, selector=answer)
        before = session.answers
        session.choose(replace(before, nodes=choice))
        if choice.selector is not None and not self._desk.judgement.chosen:
            session.choose(before)
            out(f"No node that qualifies matches {answer}. The selection is unchanged.")
        await self._desk.ask_server()

    async def _label(self) -> None:
        session = self._desk.session
        if self._desk.refuses(session.may_act()):
            return
        if not session.answers.nodes.label:
            session.choose(replace(session.answers, nodes=replace(session.answers.nodes, label=True)))
        plan, names = self._desk.plan, self._desk.judgement.to_label
        if not names:
            out("No selected node lacks the label.")
            return
        for note in room_notes(self._desk.judgement):
            out(note)
        await self._desk.act(plan, ("label",), f"Label {counted(len(names), 'node')}?")

    async def _unlabel(self) -> None:
        session, judgement = self._desk.session, self._desk.judgement
        if self._desk.refuses(session.may_act()):
            return
        labelled = [verdict for verdict in judgement.chosen if verdict.node.labelled]
        if not labelled:
            out("No selected node has the label.")
            return
        plan = plan_labels(judgement, labelled, remove=True, by_name=False, read_only=session.read_only)
        await self._desk.act(plan, ("label",), f"Unlabel {counted(len(labelled), 'node')}?")

    async def _wait(self) -> None:
        judgement, plan = self._desk.judgement, self._desk.plan
        if not judgement.expected or len(judgement.to_label) == len(judgement.expected):
            out("No selected node has the label, so there is nothing to wait for.")
        elif not plan.ids("rollout"):
            out("Each selected node already advertises FUSE.")
        else:
            await self._desk.execute(plan, plan.ids("rollout"), WAITING_CHANGES_NOTHING)
