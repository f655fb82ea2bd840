"""The fourth step: selects nodes, labels them, and waits for the rollout."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from screens.steps import forecast
from screens.steps.step import ListStep
from screens.widgets.dialogs import AskText
from screens.widgets.fields import Field
from screens.widgets.rows import Heading, Name
from screens.widgets.tokens import tone
from screens.widgets.words import clean, detail_text
from wizard.choices.answers import NodesChoice
from wizard.errors import WizardError
from wizard.manifest import selects_every_node
from wizard.manifest.forecast import Comparison, sentence, summary
from wizard.names import NAMESPACE
from wizard.nodes.pools import pool_of
from wizard.nodes.verdicts import NodeGroup, NodeVerdict, groups, judge, matches, parse_selector, vanished_words
from wizard.plan.actions import SetLabels, label_commands
from wizard.plan.derive import plan_labels, plan_wait, room_notes
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.manifest import Switch
    from wizard.plan.derive import Plan
    from wizard.plan.judgement import Judgement, Reading

SETTLE_SECONDS = 0.15
"""How long after the last key the list, or the plan, follows what is typed or selected."""

NARROW = 46
"""Columns of the list below which the name of a node takes the room of its system and kernel."""

Row = NodeVerdict | NodeGroup | Comparison


class Filter(Field):
    """The input of the filter; its keys lead to the list."""

    class Left(Message):
        """Posted when the user goes to the list, and keeps the filter or not."""

        def __init__(self, *, keep: bool) -> None:
            super().__init__()
            self.keep = keep

    BINDING_GROUP_TITLE = "Filter"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "leave(True)", "To the list", id="filter.keep", tooltip="Go to the filtered nodes"),
        Binding("down", "leave(True)", "To the list", show=False, id="filter.down", tooltip="Go to the filtered nodes"),
        Binding("escape", "leave(False)", "Clear filter", id="filter.drop", tooltip="Clear the filter"),
    ]

    def action_leave(self, keep: bool) -> None:
        """Goes to the list, with or without the filter."""
        self.post_message(self.Left(keep=keep))


class NodesStep(ListStep[Row]):
    """Shows the nodes, takes the selection, labels, and waits."""

    STEP = "nodes"
    TITLE = "Nodes"
    WIDTHS = (1, 0, 17, 4, 14)
    EMPTY = "waiting"
    BINDING_GROUP_TITLE = "Nodes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a,l", "label", "Label", id="nodes.label", tooltip="Label the selected nodes, after confirmation"),
        Binding("space", "mark", "Select", id="nodes.mark", tooltip="Select or deselect this node or group"),
        Binding("t", "adjust", "Adjust", id="nodes.adjust", tooltip="Turn on what these nodes need in the manifest"),
        Binding("A", "all", "Select all", id="nodes.all", tooltip="Select all shown nodes that qualify"),
        Binding("slash", "filter", "Filter", key_display="/", id="nodes.filter", tooltip="Filter as you type"),
        Binding("g", "groups", "Groups", id="nodes.groups", tooltip="Show similar nodes as one row"),
        Binding(
            "f", "forecast", "Forecast", id="nodes.forecast", tooltip="Show which nodes will get a pod, and which did"
        ),
        Binding("n", "none", "Deselect all", id="nodes.none", tooltip="Deselect all shown nodes"),
        Binding("w", "wait", "Wait", id="nodes.wait", tooltip="Wait until each node runs its pod and advertises FUSE"),
        Binding(
            "s", "selector", "Selector", id="nodes.selector", tooltip="Select by label selector, as with kubectl -l"
        ),
        Binding(
            "u",
            "unlabel",
            "Unlabel",
            id="nodes.unlabel",
            tooltip="Remove the label from the selected nodes, after confirmation",
        ),
        Binding(
            "e", "every", "Every node", id="nodes.every", tooltip="Use all nodes without taints, instead of labels"
        ),
        Binding("escape", "leave", "Back", show=False, id="nodes.back", tooltip="Go back to the nodes"),
    ]

    def compose_above(self) -> ComposeResult:
        """Yields the filter and the heading."""
        self._field = Filter(id="node-filter")
        with Horizontal(id="filter-line"):
            yield Static("Filter  ", markup=False, classes="filter-name")
            yield self._field
        self._heading = Heading(self.rows)
        yield self._heading

    def compose_under(self) -> ComposeResult:
        """Yields what the selection needs in the manifest."""
        self._advised = Text()
        self._advice = Static("", markup=False, classes="advice")
        yield self._advice

    def on_mount(self) -> None:
        """Hides the filter until it is used."""
        self._grouped = False
        self._forecast = False
        self._narrow = False
        self._any_labelled = False
        self._marks: set[str] = set()
        self._marked_for: tuple[str, ...] | None = None
        """The selection that the marks show, unless a newer one is pending."""
        self._pending = False
        self._shown: tuple[NodeVerdict, ...] = ()
        self._shown_for: tuple[object, ...] = ()
        self._reading: Reading | None = None
        """The reading whose nodes are shown; compared by identity, since five thousand take too long to compare."""
        self._groups: tuple[NodeGroup, ...] = ()
        self._filter_timer: Timer | None = None
        self._mark_timer: Timer | None = None
        self.query_one("#filter-line").display = False
        self.query_one(".list-and-detail").add_class("wide-rows")

    # What is shown -------------------------------------------------------------------------------------------

    def key(self, item: Row) -> str:
        """Returns the name of a node, the key of a group, or the first node of a row of the forecast."""
        if isinstance(item, Comparison):
            return item.nodes[0]
        return item.key if isinstance(item, NodeGroup) else item.node.name

    def items(self) -> Sequence[Row]:
        """Returns the nodes that match the filter; or the forecast with its results."""
        if self._forecast:
            judgement = self.session.judgement
            return self.session.comparison or (judgement.expectations if judgement is not None else ())
        return self._groups if self._grouped else self._shown

    def cells(self, item: Row) -> Sequence[Text | str]:
        """Returns mark, name, system, kernel, and status."""
        if isinstance(item, Comparison):
            return forecast.cells(item)
        if isinstance(item, NodeGroup):
            marked = sum(verdict.node.name in self._marks for verdict in item.verdicts)
            mark = Text("x" if marked == item.count else "-" if marked else " ", style="bold")
            if self._narrow:
                return (mark, f"{item.system} {item.kernel}", f"{marked} of {item.count}")
            return (
                mark,
                f"{marked} of {item.count} selected",
                item.system,
                item.kernel,
                item.runtime,
            )
        mark = Text("x" if item.node.name in self._marks else " ", style="bold")
        if self._narrow:
            return (mark, Name(clean(item.node.name)), self._standing(item))
        return (
            mark,
            Name(clean(item.node.name)),
            clean(item.system),
            clean(item.kernel),
            self._standing(item),
        )

    def _standing(self, verdict: NodeVerdict) -> Text:
        node = verdict.node
        if node.labelled:
            return Text(f"fuse {node.fuse_devices}" if node.fuse_devices else "labeled", style=tone("ok"))
        if verdict.eligible:
            return Text("ready" if node.ready else "not ready", style=tone("text" if node.ready else "warning"))
        return Text(clean(verdict.short), style=tone("warning"))

    def detail(self, item: Row) -> RenderableType:
        """Returns Found, Means, and To do."""
        if isinstance(item, Comparison):
            return forecast.detail(item)
        if isinstance(item, NodeGroup):
            unfit = sum(not verdict.eligible for verdict in item.verdicts)
            names = ", ".join(item.sample) + (" ..." if item.count > 3 else "")
            fit = "It qualifies." if item.count == 1 else "All qualify."
            unfit_words = f"{unfit} of {item.count} {'does' if unfit == 1 else 'do'} not qualify."
            return detail_text(item.title, seen=names, then=unfit_words if unfit else fit)
        node = item.node
        seen = [
            f"{node.os_image}, kernel {node.kernel}, {node.container_runtime}, kubelet {node.kubelet_version}",
            *(f"taint {taint}" for taint in node.taints),
        ]
        then = [*item.reasons, *item.notes] or ["It qualifies."]
        pool = pool_of(node)
        do = []
        if node.labelled:
            then.append(f"It is labeled and advertises {counted(node.fuse_devices, 'FUSE device')}.")
            do.append("" if node.fuse_devices else "Press w to wait until it advertises FUSE.")
        elif item.standing == "possible":
            do.append("Leave it out, or select it to make the manifest tolerate its taint.")
        elif item.standing == "impossible":
            do.append("Leave it out.")
        else:
            do.append("Press a to label it." if node.name in self._marks else "Press space to select it.")
        if pool is not None and item.possible:
            run = f" To label the pool, run: {pool.command}" if pool.command else ""
            do += [f"New nodes in its pool will not have the label.{run}", pool.caution]
        return detail_text(node.name, seen=seen, then=then, do=do)

    def story(self, item: Row) -> RenderableType:
        """Returns the detail with the labels of a node, or with all names of a group."""
        from rich.console import Group

        if isinstance(item, NodeGroup | Comparison):
            members = item.nodes if isinstance(item, Comparison) else [verdict.node.name for verdict in item.verdicts]
            names = Text("\n".join(map(clean, members)))
            head = forecast.detail(item, whole=True) if isinstance(item, Comparison) else self.detail(item)
            return Group(head, Text(), names)
        labels = Text("\n".join(clean(f"{key}={value}") for key, value in sorted(item.node.labels.items())))
        return Group(self.detail(item), Text(), Text("Labels", style="bold"), labels)

    def show(self) -> None:
        """Shows the nodes; while they are being read, those that have arrived."""
        judgement = self.session.judgement
        if judgement is not None and not self._pending and judgement.expected != self._marked_for:
            self._marks, self._marked_for = set(judgement.expected), judgement.expected
        reading = self.walk.reading
        empty = f"waiting  {reading}" if reading else "The nodes have not been read."
        if judgement is not None:
            empty = "No nodes match this filter." if self._field.value else "This cluster has no nodes."
            if judgement.facts.nodes is None:
                empty = (
                    "You cannot list nodes. Press s to select them by label, or h to export the plan for someone who "
                    "can label them."
                )
        self._empty = empty
        self._narrow = self.rows.size.width < NARROW
        few = self.WIDTHS[:2] + self.WIDTHS[-1:]
        self.rows.set_widths(forecast.WIDTHS if self._forecast else few if self._narrow else self.WIDTHS)
        self._heading.show(forecast.HEADING if self._forecast else ())
        self._refill()
        self._show_choice()

    def on_resize(self) -> None:
        """Adapts the columns to the room."""
        self.call_after_refresh(self.show)

    def _verdicts(self) -> tuple[NodeVerdict, ...]:
        judgement = self.session.judgement
        return judgement.verdicts if judgement is not None else ()

    def _refill(self) -> None:
        judgement = self.session.judgement
        if self._forecast:
            self.rows.fill(tuple(self.items()), empty="No nodes are selected.")
            self.show_detail()
            return
        reading = judgement.reading if judgement is not None else None
        wanted = (len(self.walk.arriving) if judgement is None else 0, self._field.value)
        if wanted == self._shown_for and reading is self._reading:
            self.rows.fill(tuple(self.items()), empty=self._empty)
            self.show_detail()
            return
        if judgement is not None and reading is not self._reading:
            self._any_labelled = any(verdict.node.labelled for verdict in judgement.verdicts)
        self._shown_for, self._reading = wanted, reading
        if judgement is not None and not self._field.value.strip() and not self._grouped:
            self._shown = judgement.verdicts
            self.rows.fill(self._shown, empty=self._empty)
            self.show_detail()
        else:
            self.in_background(self._filter(), group="filter", exclusive=True)

    async def _filter(self) -> None:
        text = self._field.value
        judgement, arriving, grouped = self.session.judgement, self.walk.arriving, self._grouped

        def find() -> tuple[tuple[NodeVerdict, ...], tuple[NodeGroup, ...]]:
            verdicts = judgement.verdicts if judgement is not None else tuple(map(judge, arriving))
            shown = tuple(verdict for verdict in verdicts if matches(verdict, text)) if text.strip() else verdicts
            return shown, groups(shown, by_kubelet=False) if grouped else ()

        self._shown, self._groups = await self.walk.compute(find)
        if self._forecast:
            return
        self.rows.fill(tuple(self.items()), empty=self._empty)
        self.show_detail()

    def _show_choice(self) -> None:
        judgement = self.session.judgement
        if judgement is None:
            self.set_note("")
            return
        total = len(judgement.verdicts)
        self.set_note(f"{len(self._marks)} of {total} selected")
        if selects_every_node(judgement.rendering.objects):
            words = "No labels: the DaemonSet runs where no taint prevents it. Press e to use labels again."
        else:
            words = f"{self.EXCERPT} {self._lacking(judgement)}"
        if self._forecast:
            compared = self.session.comparison
            words = sentence(compared) if compared else f"Forecast: {summary(judgement.forecast)}."
        elif self.session.answers.nodes.selector:
            words = f"Selector: {self.session.answers.nodes.selector}. {words}"
        if self.walk.vanished:
            words = f"{clean(vanished_words(self.walk.vanished))} {words}"
        self.set_excerpt(words)
        advice = self._advice_text(judgement)
        if advice != self._advised:
            self._advised = advice
            self._advice.update(advice)
        self.screen.refresh_bindings()

    @staticmethod
    def _lacking(judgement: Judgement) -> str:
        if not judgement.chosen:
            return "None is selected."
        count = len(judgement.to_label)
        if not count:
            return "All of them have the label."
        return f"{count} of them {'lacks' if count == 1 else 'lack'} the label."

    def _called_for(self, judgement: Judgement) -> list[Switch]:
        return [s for s in judgement.rendering.switches if s.id in ("pod-quota", "tolerations") and s.needed]

    def _advice_text(self, judgement: Judgement) -> Text:
        lines = []
        for switch in self._called_for(judgement):
            if switch.on:
                lines.append(f"The manifest adjusts {switch.id}: {switch.why}")
            else:
                lines.append(f"warning: {switch.id} is off: {switch.why}. Press t to turn it on.")
        plan, applied = self.session.plan, self.session.applied
        if plan is not None and plan.stage == "asked" and plan.ids("apply") and applied and applied.complete:
            lines.append("warning: the manifest has changed since you applied it. Apply it again in Manifest.")
        return Text("\n".join(map(clean, lines)), style="bold")

    def home(self) -> Widget | None:
        """Returns the list."""
        return self.rows

    def describe(self, action: str) -> str:
        """Returns the label of a key, with the number of nodes."""
        judgement = self.session.judgement
        if action == "label" and judgement is not None and judgement.to_label:
            return f"Label {counted(len(judgement.to_label), 'node')}"
        if getattr(self, {"groups": "_grouped", "forecast": "_forecast"}.get(action, ""), False):
            return "Nodes"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offers keys that have something to work on; letters are text while the filter has the focus."""
        judgement = self.session.judgement
        if action == "leave":
            return bool(getattr(self, "_forecast", False))
        if action == "filter" and self._field.has_focus:
            return False
        if action == "adjust":
            return judgement is not None and any(not switch.on for switch in self._called_for(judgement))
        if action == "label":
            return judgement is not None and bool(judgement.to_label) and not self.session.cannot_change
        if action in ("mark", "all", "none", "filter", "groups") and getattr(self, "_forecast", False):
            return False
        if action == "unlabel":
            return getattr(self, "_any_labelled", False) and not self.session.cannot_change
        if action in ("mark", "all", "none", "groups", "forecast", "wait", "every", "selector"):
            return judgement is not None
        return True

    def commands(self) -> Sequence[str]:
        """Returns the commands that label the nodes."""
        judgement = self.session.judgement
        if judgement is None:
            return ()
        lines = list(label_commands(judgement.to_label))
        lines += ["# wait", f"kubectl -n {NAMESPACE} rollout status daemonset/{NAMESPACE}"]
        return lines

    # Filter --------------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Gives the focus to the filter."""
        self.query_one("#filter-line").display = True
        self._field.focus()

    @on(Input.Changed, "#node-filter")
    def _typed(self, event: Input.Changed) -> None:
        if self._filter_timer is not None:
            self._filter_timer.stop()
        self._filter_timer = self.set_timer(SETTLE_SECONDS, self.show)

    def on_filter_left(self, message: Filter.Left) -> None:
        """Gives the focus back to the list."""
        if not message.keep:
            self._field.value = ""
            self.query_one("#filter-line").display = False
        self.rows.focus()

    def action_groups(self) -> None:
        """Shows nodes, or similar nodes as one row."""
        self._grouped = not self._grouped
        self.in_background(self._filter(), group="filter", exclusive=True)
        self.screen.refresh_bindings()

    def action_leave(self) -> None:
        """Leaves the forecast."""
        if self._forecast:
            self.action_forecast()

    def action_forecast(self) -> None:
        """Shows the forecast by node type, with the results if there are some; or the nodes again."""
        self._forecast = not self._forecast
        if self._forecast:
            self._field.value = ""
            self.query_one("#filter-line").display = False
        self._shown_for = ()
        self.show()
        if self._forecast:
            # The worst is first.
            self.rows.action_first()

    # Choosing ------------------------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Selects or deselects the node or the group under the cursor."""
        current = self.rows.current
        if current is None or isinstance(current, Comparison):
            return
        if isinstance(current, NodeGroup):
            fit = {verdict.node.name for verdict in current.verdicts if verdict.eligible}
            names = fit or {verdict.node.name for verdict in current.verdicts if verdict.possible}
            refused = not names
        else:
            names, refused = {current.node.name}, not current.possible
        if refused and not names & self._marks:
            self.say("This node does not qualify. The reason is below.")
            return
        self._marks = self._marks - names if names <= self._marks else self._marks | names
        self.rows.redraw_current()
        self._marks_changed()

    def activate(self) -> None:
        """Selects the node on a second click; in the forecast, opens the details."""
        if self._forecast:
            self.action_story()
        else:
            self.action_mark()

    def action_all(self) -> None:
        """Selects all shown nodes that qualify."""
        self._marks |= {verdict.node.name for verdict in self._shown if verdict.eligible}
        self.rows.refresh()
        self._marks_changed()

    def action_none(self) -> None:
        """Deselects all shown nodes."""
        self._marks -= {verdict.node.name for verdict in self._shown}
        self.rows.refresh()
        self._marks_changed()

    def _marks_changed(self) -> None:
        self._pending = True
        self.set_note(f"{len(self._marks)} of {len(self._verdicts())} selected")
        self.show_detail()
        if self._mark_timer is not None:
            self._mark_timer.stop()
        self._mark_timer = self.set_timer(SETTLE_SECONDS, self._take_marks)

    def _take_marks(self) -> None:
        self.in_background(self._settle(), group="marks")

    async def _settle(self) -> None:
        """Takes the selection into the session."""
        marks = frozenset(self._marks)
        verdicts = self._verdicts()
        eligible = {verdict.node.name for verdict in verdicts if verdict.eligible}
        names = None if marks == eligible else tuple(v.node.name for v in verdicts if v.node.name in marks)
        try:
            await self.walk.change(lambda session: session.choose_nodes(names))
        finally:
            if marks == self._marks:
                self._pending = False
                if self.is_attached:
                    self.show()

    def action_selector(self) -> None:
        """Selects by label selector, and keeps the selector as the choice."""

        def check(value: str) -> str:
            try:
                parse_selector(value)
            except WizardError as error:
                return f"{error.what} {error.todo}"
            return ""

        def take(value: str | None) -> None:
            if value is not None:
                choice = NodesChoice(all=False, selector=value)
                self.change(lambda session: session.choose(replace(session.answers, nodes=choice)))

        text = "As with kubectl -l: pool=workspaces, zone in (a, b), !gpu. Nodes that do not qualify are left out."
        current = self.session.answers.nodes.selector or ""
        _ = self.app.push_screen(AskText("Select by label", text, current, check=check), take)

    def action_adjust(self) -> None:
        """Turns on what the selected nodes need."""
        judgement = self.session.judgement
        if judgement is None:
            return
        wanted = [switch.id for switch in self._called_for(judgement) if not switch.on]

        async def adjust() -> None:
            for name in wanted:
                await self.walk.change(lambda session, name=name: session.switch(name, True))  # type: ignore[misc]

        self.in_background(adjust())

    def action_every(self) -> None:
        """Turns on the guide's alternative without labels and node selector, or turns it off."""
        judgement = self.session.judgement
        if judgement is not None:
            on_now = selects_every_node(judgement.rendering.objects)
            self.change(lambda session: session.switch("no-node-selector", not on_now))
            self.say("Labels are used again." if on_now else "Labels are not used. Apply the manifest in Manifest.")

    # Labelling -----------------------------------------------------------------------------------------------

    def action_label(self) -> None:
        """Asks, labels, and waits."""
        self.in_background(self._ask_label(), group="ask")

    async def _ask_label(self) -> None:
        if self._pending:
            await self._settle()
        plan = self.session.plan
        why_not = self.walk.why_not_act()
        if why_not or plan is None:
            self.say(why_not or "The nodes have not been read.", bad=True)
            return
        names = _named_in(plan)
        if not names:
            self.say("All selected nodes have the label.")
            return
        judgement = plan.judgement
        late = [row for row in judgement.forecast if not row.gets_pod and not set(row.nodes).isdisjoint(names)]
        # The warnings come first: the names can be many.
        lines: list[str | Text] = [f"No pod: {row.title}, {counted(row.count, 'node')}: {row.why}" for row in late]
        lines += room_notes(judgement)
        if not self.session.has_device_manager:
            lines.append("You have not applied the manifest. The label has no effect until you do.")
        if "SSH_CONNECTION" in os.environ and not {"TMUX", "STY"} & set(os.environ):
            lines.append("You are connected over SSH. Run in tmux to keep this going if the connection drops.")
        lines += [*([""] if lines else []), *self._names(_described_in(plan))]
        only = plan.ids("label", "rollout") if self.session.has_device_manager else plan.ids("label")
        self.ask_to_carry_out(f"Label {counted(len(names), 'node')}", lines, plan, only)

    @staticmethod
    def _names(names: Sequence[str]) -> list[str]:
        more = [f"  and {len(names) - 12} more"] if len(names) > 12 else []
        return [*(f"  {name}" for name in names[:12]), *more]

    def action_unlabel(self) -> None:
        """Asks, and removes the label from the selected nodes that have it."""
        judgement = self.session.judgement
        why_not = self.walk.why_not_act()
        if why_not or judgement is None:
            self.say(why_not or "The nodes have not been read.", bad=True)
            return
        marked = [v for v in judgement.verdicts if v.node.name in self._marks and v.node.labelled]
        # They are named in the question, so that their loss needs no question of its own.
        plan = plan_labels(judgement, marked, remove=True, by_name=True, read_only=self.session.read_only)
        names = _named_in(plan)
        if not names:
            self.say("None of the selected nodes has the label.")
            return
        follows = (
            "The device manager stops on these nodes. Running workspaces keep their FUSE device; new workspaces there "
            "get none."
        )
        if selects_every_node(judgement.rendering.objects):
            follows = "The DaemonSet does not use labels, so the device manager keeps running on these nodes."
        lines = [*self._names(_described_in(plan)), "", follows]
        self.ask_to_carry_out(f"Unlabel {counted(len(names), 'node')}", lines, plan, plan.ids("label"))

    def action_wait(self) -> None:
        """Waits for the rollout."""
        judgement = self.session.judgement
        if judgement is None or self.walk.offline or self.walk.busy:
            self.say(self.walk.why_not_act() or "The nodes have not been read.")
            return
        if not self.session.has_device_manager:
            self.say("There is no DaemonSet to wait for. Apply the manifest first.")
            return
        plan = plan_wait(judgement)
        self.walk.carry_out("nodes", f"Wait for {counted(len(judgement.expected), 'node')}", plan, plan.ids("rollout"))


def _named_in(plan: Plan) -> tuple[str, ...]:
    """Returns the nodes whose label a plan changes."""
    return tuple(name for action in plan.actions if isinstance(action, SetLabels) for name in action.names)


def _described_in(plan: Plan) -> tuple[str, ...]:
    """Returns the same nodes with the values of others that are overwritten or removed, which come first."""
    found = [name for action in plan.actions if isinstance(action, SetLabels) for name in action.described]
    return tuple(sorted(found, key=lambda name: " " not in name))
