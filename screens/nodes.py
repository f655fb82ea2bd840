"""The fourth step: which nodes, the label on them, and the rollout."""

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

from screens import forecast
from screens.dialogs import AskText, Choice
from screens.fields import Field
from screens.operation import Operation
from screens.rows import Heading, Name
from screens.step import ListStep
from screens.words import clean, detail_text
from wizard.answers import NodesChoice
from wizard.counting import counted
from wizard.errors import WizardError
from wizard.forecast import Comparison, sentence, summary
from wizard.names import NAMESPACE
from wizard.nodes import NodeGroup, NodeVerdict, groups, judge, matches, parse_selector, pool_of
from wizard.plan import label_commands, selects_every_node

if TYPE_CHECKING:
    from screens.walk import Work
    from wizard.engine import Engine
    from wizard.manifest import Switch
    from wizard.session import Judgement

SETTLE_SECONDS = 0.15
"""How long typing and marking may go on before the list, or the plan, follows."""

NARROW = 46
"""Columns of the list below which a node's name needs the room of its system and kernel."""

Row = NodeVerdict | NodeGroup | Comparison


class Filter(Field):
    """Where the filter is typed; its keys lead to the list."""

    class Left(Message):
        """The person goes to the list, and keeps the filter or not."""

        def __init__(self, *, keep: bool) -> None:
            super().__init__()
            self.keep = keep

    BINDING_GROUP_TITLE = "Filter"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "leave(True)", "To the list", id="filter.keep", tooltip="To the nodes that pass"),
        Binding("down", "leave(True)", "To the list", show=False, id="filter.down", tooltip="To the nodes that pass"),
        Binding("escape", "leave(False)", "No filter", id="filter.drop", tooltip="Take the filter away"),
    ]

    def action_leave(self, keep: bool) -> None:
        """To the list, with or without the filter."""
        self.post_message(self.Left(keep=keep))


class NodesStep(ListStep[Row]):
    """Shows every node, takes the choice, labels, waits."""

    STEP = "nodes"
    TITLE = "Nodes"
    EXCERPT = ""
    WIDTHS = (1, 0, 17, 4, 14)
    EMPTY = "waiting"
    HELP = """\
The device manager runs where a node carries the guide's label. Here you choose the nodes and put the label on them; \
workspaces that ask for FUSE are then scheduled there.

At first every node that qualifies is marked with x. A node does not qualify where it is not Linux, has a processor \
that the image is not built for, a kernel that is too old, or a taint, by which the cluster keeps pods away (control \
plane nodes have one). A tainted node can be marked all the same: the manifest then gets a toleration for its taint.

/ filters as you type: words of the name, the system or the kernel, labels as zone=z1, and states such as labelled, \
tainted or unfit. s takes a label selector as kubectl does, and keeps it as your choice. g shows like nodes as one \
row; space marks them all.

f shows the forecast: by kind of node, whether the marked ones will get a pod, and why not. After the rollout the same \
rows say what happened; what came otherwise than forecast stands first, with what was seen and what mends it.

l puts the label on the marked nodes that lack it, after asking, and then waits until each runs its pod and \
advertises FUSE. u takes it off. A label on a node of a managed pool goes away with the node; the detail has the \
command that sets it on the pool.

e does without labels: the device manager then runs on every Linux node without taints, the guide's alternative."""
    BINDING_GROUP_TITLE = "Nodes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "label", "Label", id="nodes.label", tooltip="Label the marked nodes that lack it, after asking"),
        Binding("space", "mark", "Mark", id="nodes.mark", tooltip="Mark this node or group, or take the mark off"),
        Binding("t", "adjust", "Adjust", id="nodes.adjust", tooltip="Switch on what these nodes need in the manifest"),
        Binding("a", "all", "All shown", id="nodes.all", tooltip="Mark all that are shown and can serve"),
        Binding("slash", "filter", "Filter", key_display="/", id="nodes.filter", tooltip="Filter as you type"),
        Binding("g", "groups", "Groups", id="nodes.groups", tooltip="Like nodes as one row"),
        Binding("f", "forecast", "Forecast", id="nodes.forecast", tooltip="Who will get a pod, and who did"),
        Binding("n", "none", "None shown", id="nodes.none", tooltip="Take the marks off all that are shown"),
        Binding("w", "wait", "Wait", id="nodes.wait", tooltip="Wait until each node runs its pod and advertises FUSE"),
        Binding("s", "selector", "Selector", id="nodes.selector", tooltip="Choose by label selector, as kubectl -l"),
        Binding("u", "unlabel", "Unlabel", id="nodes.unlabel", tooltip="Take the label off marked nodes, after asking"),
        Binding("e", "every", "Every node", id="nodes.every", tooltip="No labels: run on every node without taints"),
        Binding("escape", "leave", "Back", show=False, id="nodes.back", tooltip="Back to the nodes"),
    ]

    def compose_above(self) -> ComposeResult:
        """The filter."""
        self._field = Filter(id="node-filter")
        with Horizontal(id="filter-line"):
            yield Static("Filter  ", markup=False, classes="filter-name")
            yield self._field
        self._heading = Heading(self.rows)
        yield self._heading

    def compose_under(self) -> ComposeResult:
        """What the choice asks of the manifest."""
        self._advised = Text()
        self._advice = Static("", markup=False, classes="advice")
        yield self._advice

    def on_mount(self) -> None:
        """The filter shows once it is used."""
        self._grouped = False
        self._forecast = False
        self._narrow = False
        self._any_labelled = False
        self._marks: set[str] = set()
        self._marked_for: Judgement | None = None
        self._pending = False
        self._shown: tuple[NodeVerdict, ...] = ()
        self._shown_for: tuple[object, ...] = ()
        self._groups: tuple[NodeGroup, ...] = ()
        self._filter_timer: Timer | None = None
        self._mark_timer: Timer | None = None
        self.query_one("#filter-line").display = False
        self.query_one(".list-and-detail").add_class("wide-rows")

    # What is shown -------------------------------------------------------------------------------------------

    def key(self, item: Row) -> str:
        """Nodes by name, groups by kind, rows of the forecast by their first node."""
        if isinstance(item, Comparison):
            return item.nodes[0]
        return item.key if isinstance(item, NodeGroup) else item.node.name

    def items(self) -> Sequence[Row]:
        """Those that pass the filter; or the forecast, and what became of it."""
        if self._forecast:
            judgement = self.session.judgement
            return self.session.comparison or (judgement.expectations if judgement is not None else ())
        return self._groups if self._grouped else self._shown

    def cells(self, item: Row) -> Sequence[Text | str]:
        """Mark, name, system, kernel, how it stands."""
        if isinstance(item, Comparison):
            return forecast.cells(item)
        if isinstance(item, NodeGroup):
            marked = sum(verdict.node.name in self._marks for verdict in item.verdicts)
            mark = Text("x" if marked == item.count else "-" if marked else " ", style="bold")
            if self._narrow:
                return (mark, f"{item.system} {item.kernel}", f"{marked} of {item.count}")
            return (
                mark,
                f"{marked} of {item.count} marked",
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
            return Text(f"fuse {node.fuse_devices}" if node.fuse_devices else "labelled", style="green")
        if verdict.eligible:
            return Text("ready" if node.ready else "not ready", style="" if node.ready else "magenta")
        return Text(clean(verdict.short), style="magenta")

    def detail(self, item: Row) -> RenderableType:
        """Seen, Then, Do."""
        if isinstance(item, Comparison):
            return forecast.detail(item)
        if isinstance(item, NodeGroup):
            unfit = sum(not verdict.eligible for verdict in item.verdicts)
            names = ", ".join(item.sample) + (" ..." if item.count > 3 else "")
            fit = "it qualifies" if item.count == 1 else "all qualify"
            return detail_text(item.title, seen=names, then=f"{unfit} of {item.count} do not qualify" if unfit else fit)
        node = item.node
        seen = [
            f"{node.os_image}, kernel {node.kernel}, {node.container_runtime}, kubelet {node.kubelet_version}",
            *(f"taint {taint}" for taint in node.taints),
        ]
        then = [*item.reasons, *item.notes] or ["It qualifies."]
        pool = pool_of(node)
        do = []
        if node.labelled:
            do.append(f"It is labelled; it advertises {node.fuse_devices} FUSE devices.")
        elif item.standing == "possible":
            do.append("Leave it out, or mark it: the manifest then tolerates its taint.")
        elif item.standing == "impossible":
            do.append("Leave it out.")
        else:
            do.append("l labels it." if node.name in self._marks else "space marks it.")
        if pool is not None:
            do.append(f"Its pool makes new nodes without the label; for the pool: {pool.command}  {pool.caution}")
        return detail_text(node.name, seen=seen, then=then, do=do)

    def story(self, item: Row) -> RenderableType:
        """With the labels of a node, or all names of a group."""
        from rich.console import Group

        if isinstance(item, NodeGroup | Comparison):
            members = item.nodes if isinstance(item, Comparison) else [verdict.node.name for verdict in item.verdicts]
            names = Text("\n".join(map(clean, members)))
            head = forecast.detail(item, whole=True) if isinstance(item, Comparison) else self.detail(item)
            return Group(head, Text(), names)
        labels = Text("\n".join(clean(f"{key}={value}") for key, value in sorted(item.node.labels.items())))
        return Group(self.detail(item), Text(), Text("Labels", style="bold"), labels)

    def show(self) -> None:
        """The nodes as they are known; while they are still being read, those that have arrived."""
        judgement = self.session.judgement
        if judgement is not self._marked_for and not self._pending and judgement is not None:
            self._marks = {verdict.node.name for verdict in judgement.chosen}
            self._any_labelled = any(verdict.node.labelled for verdict in judgement.verdicts)
            self._marked_for = judgement
        reading = self.walk.reading
        empty = f"waiting  {reading}" if reading else "The nodes have not been read."
        if judgement is not None:
            empty = "No node passes this filter." if self._field.value else "This cluster has no nodes."
            if judgement.facts.nodes is None:
                empty = (
                    "You may not list the nodes. s chooses them by label selector; h hands the plan over to someone "
                    "who may label them."
                )
        self._empty = empty
        self._narrow = self.rows.size.width < NARROW
        few = self.WIDTHS[:2] + self.WIDTHS[-1:]
        self.rows.set_widths(forecast.WIDTHS if self._forecast else few if self._narrow else self.WIDTHS)
        self._heading.show(forecast.HEADING if self._forecast else ())
        self._refill()
        self._show_choice()

    def on_resize(self) -> None:
        """The columns follow the room that there is."""
        self.call_after_refresh(self.show)

    def _verdicts(self) -> tuple[NodeVerdict, ...]:
        judgement = self.session.judgement
        return judgement.verdicts if judgement is not None else ()

    def _refill(self) -> None:
        judgement = self.session.judgement
        if self._forecast:
            self.rows.fill(tuple(self.items()), empty="No node is chosen.")
            self.show_detail()
            return
        wanted = (
            judgement and judgement.verdicts,
            len(self.walk.arriving) if judgement is None else 0,
            self._field.value,
        )
        if wanted == self._shown_for:
            self.rows.fill(tuple(self.items()), empty=self._empty)
            self.show_detail()
            return
        self._shown_for = wanted
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
        self.set_note(f"{len(self._marks)} of {total} chosen")
        if selects_every_node(judgement.rendering):
            words = "No labels: the daemon set runs on every node that it tolerates (e takes this back)."
        else:
            words = f"Choose the nodes that get FUSE; {self._lacking(judgement)}."
        if self._forecast:
            compared = self.session.comparison
            words = sentence(compared) if compared else f"Forecast: {summary(judgement.forecast)}."
        elif self.session.answers.nodes.selector:
            words = f"Chosen by selector {self.session.answers.nodes.selector}. " + words
        self.set_excerpt(words)
        advice = self._advice_text(judgement)
        if advice != self._advised:
            self._advised = advice
            self._advice.update(advice)
        self.screen.refresh_bindings()

    @staticmethod
    def _lacking(judgement: Judgement) -> str:
        if not judgement.chosen:
            return "none is chosen"
        count = len(judgement.to_label)
        if not count:
            return "all that are chosen have the label"
        return f"{count} of them {'lacks' if count == 1 else 'lack'} the label"

    def _called_for(self, judgement: Judgement) -> list[Switch]:
        return [s for s in judgement.rendering.switches if s.id in ("pod-quota", "tolerations") and s.needed]

    def _advice_text(self, judgement: Judgement) -> Text:
        lines = []
        for switch in self._called_for(judgement):
            if switch.on:
                lines.append(f"Manifest adjusts {switch.id}: {switch.why}")
            else:
                lines.append(f"warning: {switch.id} is off: {switch.why}; t switches it on")
        applied = self.walk.applied_objects
        if applied and applied != judgement.rendering.objects:
            lines.append("warning: the manifest differs from what was applied: apply it again in Manifest")
        return Text("\n".join(map(clean, lines)), style="bold")

    def home(self) -> Widget | None:
        """The list."""
        return self.rows

    def describe(self, action: str) -> str:
        """How many nodes."""
        judgement = self.session.judgement
        if action == "label" and judgement is not None and judgement.to_label:
            return f"Label {counted(len(judgement.to_label), 'node')}"
        if getattr(self, {"groups": "_grouped", "forecast": "_forecast"}.get(action, ""), False):
            return "Nodes"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that have something to work on; letters are letters while the filter is typed."""
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
        """The labelling by hand."""
        judgement = self.session.judgement
        if judgement is None:
            return ()
        lines = list(label_commands(judgement.to_label))
        lines += ["# wait", f"kubectl -n {NAMESPACE} rollout status daemonset/{NAMESPACE}"]
        return lines

    # Filter --------------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Typing goes to the filter."""
        self.query_one("#filter-line").display = True
        self._field.focus()

    @on(Input.Changed, "#node-filter")
    def _typed(self, event: Input.Changed) -> None:
        if self._filter_timer is not None:
            self._filter_timer.stop()
        self._filter_timer = self.set_timer(SETTLE_SECONDS, self.show)

    def on_filter_left(self, message: Filter.Left) -> None:
        """The list has the focus again."""
        if not message.keep:
            self._field.value = ""
            self.query_one("#filter-line").display = False
        self.rows.focus()

    def action_groups(self) -> None:
        """Nodes, or like nodes as one row."""
        self._grouped = not self._grouped
        self.in_background(self._filter(), group="filter", exclusive=True)
        self.screen.refresh_bindings()

    def action_leave(self) -> None:
        """Leaves the forecast."""
        if self._forecast:
            self.action_forecast()

    def action_forecast(self) -> None:
        """The forecast by kind of node, with what happened where something has; or the nodes again."""
        self._forecast = not self._forecast
        if self._forecast:
            self._field.value = ""
            self.query_one("#filter-line").display = False
        self._shown_for = ()
        self.show()
        if self._forecast:
            # What is worst stands first.
            self.rows.action_first()

    # Choosing ------------------------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Marks the node or the group under the cursor, or takes the mark off."""
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
            self.say("It cannot serve FUSE; the detail says why.")
            return
        self._marks = self._marks - names if names <= self._marks else self._marks | names
        self.rows.redraw_current()
        self._marks_changed()

    def activate(self) -> None:
        """A second click marks; in the forecast it tells the whole story."""
        if self._forecast:
            self.action_story()
        else:
            self.action_mark()

    def action_all(self) -> None:
        """Marks all that are shown and qualify."""
        self._marks |= {verdict.node.name for verdict in self._shown if verdict.eligible}
        self.rows.refresh()
        self._marks_changed()

    def action_none(self) -> None:
        """Takes the marks off all that are shown."""
        self._marks -= {verdict.node.name for verdict in self._shown}
        self.rows.refresh()
        self._marks_changed()

    def _marks_changed(self) -> None:
        self._pending = True
        self.set_note(f"{len(self._marks)} of {len(self._verdicts())} chosen")
        self.show_detail()
        if self._mark_timer is not None:
            self._mark_timer.stop()
        self._mark_timer = self.set_timer(SETTLE_SECONDS, self._take_marks)

    def _take_marks(self) -> None:
        self.in_background(self._settle(), group="marks")

    async def _settle(self) -> None:
        """The session follows the marks."""
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
        """Chooses by label selector, and keeps the selector as the choice."""

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

        text = "As kubectl -l takes it: pool=workspaces, zone in (a, b), !gpu. Nodes that cannot serve stay out."
        current = self.session.answers.nodes.selector or ""
        _ = self.app.push_screen(AskText("Choose by label selector", text, current, check=check), take)

    def action_adjust(self) -> None:
        """Switches on what the chosen nodes need."""
        judgement = self.session.judgement
        if judgement is None:
            return
        wanted = [switch.id for switch in self._called_for(judgement) if not switch.on]

        async def adjust() -> None:
            for name in wanted:
                await self.walk.change(lambda session, name=name: session.switch(name, True))  # type: ignore[misc]

        self.in_background(adjust())

    def action_every(self) -> None:
        """The guide's alternative: no labels, no node selector; or back."""
        judgement = self.session.judgement
        if judgement is not None:
            on_now = selects_every_node(judgement.rendering)
            self.change(lambda session: session.switch("no-node-selector", not on_now))
            self.say("With labels again." if on_now else "No node selector: apply the manifest again in Manifest.")

    # Labelling -----------------------------------------------------------------------------------------------

    def action_label(self) -> None:
        """Asks, labels, waits."""
        self.in_background(self._ask_label(), group="ask")

    async def _ask_label(self) -> None:
        if self._pending:
            await self._settle()
        judgement = self.session.judgement
        why_not = self.walk.why_not_act()
        if why_not or judgement is None:
            self.say(why_not or "The nodes have not been read.", bad=True)
            return
        names = judgement.to_label
        if not names:
            self.say("All chosen nodes carry the label.")
            return
        late = [row for row in judgement.forecast if not row.gets_pod and set(row.nodes) & set(names)]
        # What one must know first: the names may be many.
        lines: list[str | Text] = [f"No pod: {row.title}, {counted(row.count, 'node')}: {row.why}" for row in late]
        if not self._device_manager_is_there():
            lines.append("The manifest has not been applied yet: the label alone does nothing until it is.")
        if "SSH_CONNECTION" in os.environ and not {"TMUX", "STY"} & set(os.environ):
            lines.append("This is an SSH session: in tmux, the work would go on if the line drops.")
        lines += [*([""] if lines else []), *self._names(names)]
        what = f"Label {counted(len(names), 'node')}"
        choices = [Choice("label", what, danger=True)]
        self.ask_to(what, lines, choices, lambda _: self._label(judgement))

    @staticmethod
    def _names(names: Sequence[str]) -> list[str]:
        more = [f"  and {len(names) - 12} more"] if len(names) > 12 else []
        return [*(f"  {name}" for name in names[:12]), *more]

    def _device_manager_is_there(self) -> bool:
        return bool(self.walk.applied_objects) or self.session.has_device_manager

    def _label(self, judgement: Judgement) -> Work:
        walk, names = self.walk, judgement.to_label
        wait = self._device_manager_is_there()
        expected = judgement.expected
        rollout = self._rollout(judgement)

        async def work(engine: Engine, operation: Operation) -> None:
            result = await engine.label(names, operation.take, stop=operation.stop)
            walk.session.labelled = result
            if wait and expected and not result.failed and not result.cancelled:
                await rollout(engine, operation)

        return work

    def _rollout(self, judgement: Judgement) -> Work:
        """The wait for the chosen nodes, whose end is held against the forecast of now."""
        walk, timeout = self.walk, self.session.answers.rollout.timeout
        names, foreseen = judgement.expected, judgement.forecast

        async def work(engine: Engine, operation: Operation) -> None:
            result = await engine.wait(names, operation.take, timeout=timeout, stop=operation.stop)
            walk.session.take_rollout(result, foreseen)
            operation.comparison = walk.session.comparison

        return work

    def action_unlabel(self) -> None:
        """Asks, and takes the label off the marked nodes that carry it."""
        names = tuple(v.node.name for v in self._verdicts() if v.node.name in self._marks and v.node.labelled)
        why_not = self.walk.why_not_act()
        if why_not or not names:
            self.say(why_not or "No marked node carries the label.", bad=bool(why_not))
            return

        async def work(engine: Engine, operation: Operation) -> None:
            await engine.label(names, operation.take, remove=True, stop=operation.stop)

        lines = [
            *self._names(names),
            "",
            "Their device manager ends. Workspaces that run keep their device; new ones find none there.",
        ]
        what = f"Unlabel {counted(len(names), 'node')}"
        choices = [Choice("unlabel", what, danger=True)]
        self.ask_to(what, lines, choices, lambda _: work)

    def action_wait(self) -> None:
        """Waits for the rollout."""
        judgement = self.session.judgement
        if judgement is None or self.walk.offline or self.walk.busy:
            self.say(self.walk.why_not_act() or "The nodes have not been read.")
            return
        if not self._device_manager_is_there():
            self.say("There is no daemon set to wait for: apply the manifest first.")
            return
        self.walk.begin("nodes", f"Wait for {counted(len(judgement.expected), 'node')}", (), self._rollout(judgement))
