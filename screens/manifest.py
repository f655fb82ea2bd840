"""The third step: the four objects, their departures from the guide, and applying them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, ClassVar, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widget import Widget
from textual.widgets import Static

from screens.dialogs import AskText, Choice
from screens.handover import offer_folder
from screens.operation import Operation
from screens.pages import Scroll, StoryPage, free_path
from screens.prerequisites import explanation
from screens.rows import Detail, LongDetail, RowList
from screens.step import ListStep
from screens.words import clean, detail_text, diff_text, state_word, yaml_text
from wizard.answers import ManifestChoice
from wizard.counting import counted
from wizard.differences import against_cluster, against_guide
from wizard.errors import WizardError
from wizard.files import read_snapshot, write_file
from wizard.forecast import summary
from wizard.manifest import Switch, check_choice
from wizard.ownership import Contest, contests, decided_lines, undecided, value_words
from wizard.plan import MANIFEST_FILE, apply_objects, object_title

if TYPE_CHECKING:
    from screens.walk import Work
    from wizard.answers import Decision
    from wizard.cluster import ObjectCheck
    from wizard.engine import Engine
    from wizard.ownership import Departure
    from wizard.session import Judgement, Session

View = Literal["objects", "fields", "changes", "diff", "yaml"]
VIEWS: tuple[tuple[View, str], ...] = (
    ("objects", "Objects"),
    ("fields", "Fields"),
    ("changes", "Changes"),
    ("diff", "Diff"),
    ("yaml", "YAML"),
)
DECISION_WORDS = {"fail": "conflict", "skip": "skipped"}
FIELD_WIDTHS = (8, 13, 0, 12)
ROOMY = 20
OVERLAY_FOLDER = "podman-wizard-overlay"
WAITING = "The cluster has not been read yet."


class ManifestStep(ListStep[Switch]):
    """Shows the switches with their reasons, and what the server says to the objects; applies them."""

    STEP = "manifest"
    TITLE = "Manifest"
    EXCERPT = "The objects that bring FUSE to the nodes."
    WIDTHS = (3, 17, 0)
    EMPTY = WAITING
    HELP = """\
Four objects bring FUSE to the nodes. A Namespace holds the other three. A ResourceQuota limits how many pods run in \
it. A ConfigMap tells smarter-device-manager which devices to offer, and how many of each. A DaemonSet runs one pod \
of it on every node that carries the guide's label.

The guide's manifest is some years old. Each switch is one departure from it, with its reason: what this cluster \
needs is on, the rest is yours to choose. space switches, v sets a value of your own. Enter says what stands behind \
it.

The wizard has the server check every object before anything is applied: "server-checked" means that it would be \
taken as it is. Where the namespace does not exist yet, the objects in it are checked in the namespace default. \
"conflict" means that someone else, often a GitOps tool, has set a field to something else. f shows these fields, one \
a row, with what they have, what we would set, and who set it when. Each is yours to decide: t takes it over, l leaves \
it as it is, k skips the whole object; T and L decide all that are still open. The server then checks once more what \
you decided.

Where a GitOps tool owns an object, what is applied past its repository is set back at its next sync. w writes what \
changes as an overlay for that repository, and skips the object here.

o, g, d, y show the switches, the changes against the guide, the difference to the cluster, and the YAML; escape \
goes back to the switches. a applies \
what you see, after asking. s saves the YAML. Where you may not apply, h writes the whole plan into a folder for \
someone who may."""
    BINDING_GROUP_TITLE = "Manifest"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "apply", "Apply", id="manifest.apply", tooltip="Apply the objects, after asking"),
        Binding("f", "view('fields')", "Fields of others", id="manifest.conflicts", tooltip="Fields of other managers"),
        Binding("t", "decide('take')", "Take", id="manifest.take", tooltip="Take this field over from its manager"),
        Binding("l", "decide('leave')", "Leave", id="manifest.leave", tooltip="Leave this field to its manager"),
        Binding("k", "skip", "Skip", id="manifest.skip", tooltip="Do not apply this object, or apply it after all"),
        Binding("w", "overlay", "Overlay", id="manifest.overlay", tooltip="What changes, for the GitOps repository"),
        Binding("T", "decide_open('take')", "Take all", id="manifest.take_all", tooltip="Take all open fields"),
        Binding("L", "decide_open('leave')", "Leave all", id="manifest.leave_all", tooltip="Leave all open fields"),
        Binding("space", "switch", "Switch", id="manifest.switch", tooltip="This departure on or off"),
        Binding("v", "value", "Values", id="manifest.value", tooltip="A value of your own for this departure"),
        Binding("d", "view('diff')", "Diff", id="manifest.diff", tooltip="The difference to the cluster"),
        Binding("s", "save", "Save YAML", id="manifest.save", tooltip="Write the manifest to a file"),
        Binding("y", "view('yaml')", "YAML", id="manifest.yaml", tooltip="The manifest as it would be applied"),
        Binding("g", "view('changes')", "Changes", id="manifest.changes", tooltip="The changes against the guide"),
        Binding("o", "view('objects')", "Objects", id="manifest.objects", tooltip="Switches and objects"),
        Binding("escape", "leave", "Back", show=False, id="manifest.back", tooltip="Back to the switches"),
    ]

    def compose_body(self) -> ComposeResult:
        """The switches over the objects; in their place, the text of another view."""
        self.view: View = "objects"
        self._objects = LongDetail()
        self._text = Static("", markup=False, classes="wide-text")
        self._scroll = Scroll(self._text, classes="text-view")
        self._asked_for: Judgement | None = None
        self._check_trouble: WizardError | None = None
        self._objects_of: tuple[object, ...] = ()
        self._sum = ""
        self._contests: tuple[Contest, ...] = ()
        """As the last dry run met them: they stay in view while a decision is checked."""
        self._fields: RowList[Contest] = RowList(
            self._field_cells, FIELD_WIDTHS, key=lambda contest: contest.key, classes="rows"
        )
        self._field_detail = Detail()
        with Container(classes="list-and-detail manifest", id="manifest-objects"):
            yield self.rows
            with Vertical(classes="detail"):
                yield self._objects
        with Container(classes="list-and-detail wide-rows", id="manifest-fields") as fields:
            yield self._fields
            with Vertical(classes="detail"):
                yield self._field_detail
        fields.display = False
        self._scroll.display = False
        yield self._scroll

    # What is shown -------------------------------------------------------------------------------------------

    def key(self, item: Switch) -> str:
        """Adjustments have ids."""
        return item.id

    def items(self) -> Iterable[Switch]:
        """Every adjustment, on or off."""
        return self.session.judgement.rendering.switches if self.session.judgement else ()

    def cells(self, item: Switch) -> Sequence[Text | str]:
        """The box, the id, the reason; an exclamation mark where it is off though it is called for."""
        box = Text("[x]" if item.on else "[ ]", style="bold" if item.on else "")
        why = clean(item.why)
        if item.needed and not item.on:
            return (box, item.id, Text.assemble(("off  ", "bold magenta"), why))
        return (box, item.id, why)

    def detail(self, item: Switch) -> RenderableType:
        """The objects with what the server says to each, and who will get a pod."""
        return self._objects_text()

    def story(self, item: Switch) -> RenderableType:
        """What stands behind a switch."""
        decided = {"set": "you switched it on", "without": "you switched it off", "preset": "the preset"}
        value = "" if item.value_kind == "switch" else f"value: {item.value}"
        head = detail_text(
            f"{item.title} ({item.id})",
            seen=item.why,
            then=[
                "It is on." if item.on else "It is off.",
                "This cluster calls for it." if item.needed else "Nothing here calls for it.",
                f"Decided by: {decided[item.forced_by]}." if item.forced_by else "",
            ],
            do=["space switches it", value],
        )
        return Group(head, Text(), Text(explanation(item.id)))

    def show(self) -> None:
        """Switches, objects, the view; asks the server where it has not checked these objects yet."""
        judgement = self.session.judgement
        super().show()
        self._show_fields()
        self._show_tabs()
        if judgement is None:
            trouble = self.walk.trouble
            self.set_excerpt(f"{WAITING}" if trouble is None else clean(trouble.what))
            self._objects.update("")
            return
        rendering = judgement.rendering
        on = sum(switch.on for switch in rendering.switches)
        departures = f"{counted(on, 'departure')} from the guide, each a switch." if on else "As the guide has them."
        self._sum = f"{counted(len(rendering.objects), 'object')}. {departures}"
        self.show_detail()
        roomy = self.size.height >= ROOMY
        shown = (judgement, self.session.checks, self._check_trouble, self.walk.applied_objects, roomy)
        if shown != self._objects_of:
            self._objects_of = shown
            self._objects.update(self._objects_text())
        if not self.session.checks and self._asked_for is not judgement and not self.walk.busy:
            self._asked_for = judgement
            self.in_background(self._check(), group="check", exclusive=True)
        if self.view != "objects":
            self._show_text()

    def on_resize(self) -> None:
        """What stands under the list depends on the room."""
        self.call_after_refresh(self.show)

    def show_detail(self) -> None:
        """Over the list, the reason of the row under the cursor, which may be cut in its row."""
        current, more = self.rows.current, ""
        if self.view == "objects" and current is not None:
            more = f"\n{current.id}: {clean(current.why)}"
        elif self.view == "fields":
            count = len(self._undecided())
            open_words = (
                f"{count} of {len(self._contests)} fields of others {'is' if count == 1 else 'are'} not decided yet"
            )
            more = f"\n{open_words if count else 'All fields of others are decided'}."
        if self.session.judgement is not None:
            self.set_excerpt(self._sum + more)

    async def _check(self) -> None:
        self._check_trouble = None
        try:
            await self.walk.check()
        except WizardError as error:
            self._check_trouble = error
            self.walk.tell()

    def _show_tabs(self) -> None:
        note = Text("  ").join(
            Text(f"[{title}]", style="bold") if view == self.view else Text(title)
            for view, title in VIEWS
            if view != "fields" or self._contests
        )
        self.set_note(note)

    def _objects_text(self) -> RenderableType:
        judgement = self.session.judgement
        if judgement is None:
            return ""
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1, overflow="fold")
        checks = {check.title: check for check in self.session.checks}
        for item in judgement.rendering.objects:
            grid.add_row(*self._object_cells(object_title(item), checks.get(object_title(item))))
        notes = [clean(str(self._check_trouble))] if self._check_trouble is not None else []
        notes += [clean(words) for words in self._words_of_departures(judgement)]
        if any(check.change == "failed" for check in self.session.checks):
            notes.append("h hands the plan over to someone who may apply it.")
        if self.session.applied is not None and not self._up_to_date():
            notes.append("What stands here differs from what was applied: apply it again.")
        # Where there is much to say, or little room, the blank line goes first.
        roomy = not notes and self.size.height >= ROOMY
        lines: list[RenderableType] = [grid, *([Text()] if roomy else []), Text(self._forecast(judgement))]
        lines += [Text(note, style="bold") for note in notes]
        return Group(*lines)

    def _words_of_departures(self, judgement: Judgement) -> Iterable[str]:
        """A sentence on each object that a GitOps tool owns."""
        for one in judgement.departures:
            if judgement.answers.ownership.skips(one.kind):
                yield f"{one.kind} is left to {one.tool}: its repository takes the overlay (w writes it)."
            else:
                yield f"{one.tool} owns {one.kind} and sets back changes: w writes an overlay for its repository."

    def _object_cells(self, title: str, check: ObjectCheck | None) -> tuple[Text, str, str]:
        kind = title.partition(" ")[0]
        if check is None:
            word = "not checked" if self.walk.offline or self._check_trouble else "waiting"
            return Text(word), kind, ""
        if check.change == "conflict":
            managers = ", ".join(sorted({conflict.manager for conflict in check.conflicts}))
            return state_word("conflict"), kind, clean(f"{counted(len(check.conflicts), 'field')} of {managers} (f)")
        if check.change == "skipped":
            return state_word("skipped"), kind, "as you decided (k)"
        if check.change == "failed":
            return state_word("failed"), kind, "refused (d says why)"
        server, _, where = check.checked.partition(" ")
        word = "server-checked" if server == "server" else "not checked"
        note = where if server == "server" else f"({check.checked})"
        note = ", warned (d)" if check.warnings else f" {note}" if note else ""
        return (
            Text(word, style="green" if server == "server" else "magenta"),
            kind,
            clean(f"{check.change}{note}"),
        )

    # Views ---------------------------------------------------------------------------------------------------

    def action_view(self, view: View) -> None:
        """Shows one of the views; its own key shows the switches again."""
        self.view = "objects" if view == self.view else view
        listed = self.view in ("objects", "fields")
        self.query_one("#manifest-objects").display = self.view == "objects"
        self.query_one("#manifest-fields").display = self.view == "fields"
        self._scroll.display = not listed
        self._show_tabs()
        self.show_detail()
        if listed:
            (self.rows if self.view == "objects" else self._fields).focus()
        else:
            self._show_text()
            self._scroll.scroll_home(animate=False)
            self._scroll.focus()
        self.screen.refresh_bindings()

    def action_leave(self) -> None:
        """Leaves another view than the first."""
        self.action_view("objects")

    def _show_text(self) -> None:
        judgement = self.session.judgement
        if judgement is None:
            self._text.update(WAITING)
            return
        if self.view == "yaml":
            self._text.update(yaml_text(judgement.rendering.yaml()))
        elif self.view == "changes":
            self._text.update(diff_text(against_guide(judgement.rendering.objects).splitlines() or ["No difference."]))
        elif self.view == "diff":
            self._text.update(self._cluster_diff())

    def _cluster_diff(self) -> Text:
        checks = self.session.checks
        if not checks:
            return Text("The server has not checked the objects yet, so there is nothing to compare with.")
        said = []
        for check in checks:
            if check.change == "failed":
                said += [f"{check.title} is refused: {check.message}", check.todo, ""]
            if check.change == "skipped":
                said += [f"{check.title} is skipped: it stays as the cluster has it.", ""]
            for warning in check.warnings:
                said += [f"{check.title}, the server warns: {warning}", ""]
        # Read, not scrolled sideways: these are sentences.
        width = max(20, self.size.width - 3)
        words = Text("\n".join(line for text in said for line in wrap(clean(text), width) or [""]), style="bold")
        live = [check.before for check in checks if check.before]
        result = [check.after for check in checks if check.after]
        lines = against_cluster(live, result).splitlines() or ([] if said else ["The cluster holds exactly this."])
        return Text("\n").join([words, diff_text(lines)]) if said else diff_text(lines)

    def home(self) -> Widget | None:
        """The list, or what stands in its place."""
        if self.view == "fields":
            return self._fields
        return self._scroll if self.view != "objects" else self.rows

    def commands(self) -> Sequence[str]:
        """The apply by hand."""
        if self.session.judgement is None:
            return ()
        by_hand = apply_objects(self.session.judgement.rendering, self.session.answers.ownership).by_hand
        return (f"# s saves the manifest as {MANIFEST_FILE}", *by_hand)

    def describe(self, action: str) -> str:
        """How many objects are applied, whose overlay it is."""
        judgement = self.session.judgement
        if action == "apply" and judgement is not None:
            return f"Apply {counted(self._count(judgement), 'object')}"
        if action == "skip" and self._skipped_object():
            return "Apply it too"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that have something to work on."""
        view = getattr(self, "view", "objects")
        if action in ("switch", "value"):
            return view == "objects" and self.rows.current is not None
        if action == "leave":
            return view != "objects"
        if action == "story":
            return (view == "objects" and self.rows.current is not None) or (view == "fields" and bool(self._contests))
        if action == "decide":
            return view == "fields" and self._fields.current is not None
        if action == "decide_open":
            return view == "fields" and bool(self._undecided())
        if action == "skip":
            return view in ("objects", "fields") and (view == "fields" or bool(self._skipped_object()))
        if action == "overlay":
            return self.session.judgement is not None and bool(self.session.judgement.departures)
        if action == "apply":
            # In Fields it only says once more that something is not decided.
            return not self.session.cannot_change and (view != "fields" or not self._undecided())
        if action == "view":
            return parameters[0] != view and (parameters[0] != "fields" or bool(getattr(self, "_contests", ())))
        return True

    # Choices -------------------------------------------------------------------------------------------------

    def action_switch(self) -> None:
        """The switch under the cursor, on or off."""
        current = self.rows.current
        if current is not None:
            self.change(lambda session: session.switch(current.id, not current.on))

    def activate(self) -> None:
        """A second click switches."""
        self.action_switch()

    def action_value(self) -> None:
        """A value of one's own, checked as it is typed."""
        current = self.rows.current
        if current is None:
            return
        if current.value_kind == "switch":
            self.say(f"{current.id} is on or off; it has no value.")
            return

        def check(value: str) -> str:
            try:
                check_choice(ManifestChoice(set={current.id: value}))
            except WizardError as error:
                return f"{error.what} {error.todo}"
            return ""

        def take(value: str | None) -> None:
            if value is not None:
                self.change(lambda session: session.switch(current.id, True, value))

        text = f"{current.why}\nIt would be {current.value}."
        _ = self.app.push_screen(
            AskText(f"{current.title} ({current.id})", text, str(current.value), check=check), take
        )

    def action_save(self) -> None:
        """Asks for a file and writes the manifest to it."""
        judgement = self.session.judgement
        if judgement is None:
            self.say(WAITING)
            return
        text = judgement.rendering.yaml()

        def take(value: str | None) -> None:
            if value:
                self.in_background(self._write(Path(value).expanduser(), text))

        question = "The file; if there is one of that name, what it held is kept beside it."
        _ = self.app.push_screen(AskText("Save the manifest", question, str(free_path(Path(MANIFEST_FILE)))), take)

    async def _write(self, path: Path, text: str) -> None:
        def write() -> Path | None:
            return write_file(path, text.encode(), read=read_snapshot(path, missing_ok=True))

        backup = await self.walk.compute(write)
        self.walk.files.append(str(path))
        self.say(f"{path} written." + (f" What it held is in {backup.name}." if backup else ""))

    # Applying ------------------------------------------------------------------------------------------------

    def _up_to_date(self) -> bool:
        judgement = self.session.judgement
        return judgement is not None and self.walk.applied_objects == judgement.rendering.objects

    def action_apply(self) -> None:
        """Asks, with everything that will happen, and where."""
        judgement = self.session.judgement
        why_not = self.walk.why_not_act()
        if why_not or judgement is None:
            self.say(why_not or WAITING, bad=True)
            return
        checks = {check.title: check for check in self.session.checks}
        if not checks:
            self.say(
                "The server is still checking the objects." if self._check_trouble is None else str(self._check_trouble)
            )
            return
        count = self._count(judgement)
        if not count:
            self.say("Every object is skipped: there is nothing to apply.")
            return
        not_decided = self._undecided()
        if not_decided:
            count = len(not_decided)
            verb = "is" if count == 1 else "are"
            self.say(f"{counted(count, 'field')} of others {verb} not decided yet: decide, then apply.")
            if self.view != "fields":
                self.action_view("fields")
            return
        ownership = self.session.answers.ownership
        lines: list[str | Text] = []
        for title, check in checks.items():
            lines.append(f"  {title}: {check.change}")
            lines += [f"    the server warns: {clean(warning)}" for warning in check.warnings]
        if self._contests:
            lines += ["", "Of the fields of others, as you decided:"]
            lines += [f"  {line}" for line in decided_lines(self._contests, ownership)]
        lines += [
            f"  {one.tool} owns {one.kind}, and may set it back."
            for one in judgement.departures
            if not ownership.skips(one.kind)
        ]
        lines += ["", f"{self._forecast(judgement)}."]
        lacking = len(judgement.to_label)
        if lacking:
            verb = "lacks" if lacking == 1 else "lack"
            lines.append(f"{lacking} of the chosen nodes {verb} the label, without which no pod starts there (Nodes).")
        what = f"Apply {counted(count, 'object')}"
        choices = [Choice("apply", what, danger=True)]
        rows = tuple(object_title(item) for item in judgement.rendering.objects if not ownership.skips(item["kind"]))
        work = self._apply(judgement)
        self.ask_to(what, lines, choices, lambda _: work, rows=rows, stops_softly=False)

    def _count(self, judgement: Judgement) -> int:
        ownership = judgement.answers.ownership
        return sum(not ownership.skips(item["kind"]) for item in judgement.rendering.objects)

    @staticmethod
    def _forecast(judgement: Judgement) -> str:
        if judgement.facts.nodes is None:
            return "The nodes may not be listed, so who will get a pod is not known"
        return clean(summary(judgement.forecast))

    def _apply(self, judgement: Judgement) -> Work:
        ownership = judgement.answers.ownership
        objects = judgement.rendering.objects
        walk = self.walk

        async def work(engine: Engine, operation: Operation) -> None:
            from wizard.engine import ApplyOutcome

            try:
                outcome = await engine.apply(objects, operation.take, ownership=ownership)
            except asyncio.CancelledError:
                rows = operation.objects
                walk.session.applied = ApplyOutcome(
                    applied=tuple(row.name for row in rows if row.state == "done"),
                    left=tuple(row.name for row in rows if row.state != "done"),
                )
                raise
            walk.session.applied = outcome
            if not outcome.failed:
                walk.applied_objects = objects

        return work

    # Fields of others ----------------------------------------------------------------------------------------

    def _show_fields(self) -> None:
        """The rows of the last dry run; while a decision is checked, those of before."""
        if self.session.checks or self.session.judgement is None:
            self._contests = contests(self.session.checks)
        self._fields.fill(self._contests, empty="No field of the manifest belongs to another manager.")
        self._show_field_detail()
        if self.view == "fields" and not self._contests:
            self.action_view("objects")

    def _field_cells(self, contest: Contest) -> Sequence[Text | str]:
        """What is decided, the object, the field, whose it is."""
        decision = self.session.answers.ownership.of(contest.kind, contest.field)
        word = state_word(DECISION_WORDS.get(decision, decision))
        return (word, contest.kind, clean(contest.short), clean(contest.owner))

    def _show_field_detail(self) -> None:
        current = self._fields.current
        self._field_detail.update("" if current is None else self._field_text(current))

    def _field_text(self, contest: Contest) -> RenderableType:
        tool = self._tool_of(contest.kind)
        since = f", since {contest.time}" if contest.time else ""
        back = f" {tool} sets it back at its next sync." if tool else ""
        decision = self.session.answers.ownership.of(contest.kind, contest.field)
        follows = {
            "fail": "The server refuses the object until this is decided.",
            "take": f"Taken: it becomes ours.{back}",
            "leave": "Left: it stays as it is; the rest of the object is applied.",
            "skip": "Skipped: nothing of the object is applied.",
        }
        return detail_text(
            contest.title,
            seen=[contest.field, f"{contest.owner}{since}", f"theirs: {value_words(contest.theirs)}"],
            then=[f"ours: {value_words(contest.ours)}", follows[decision]],
            do=[
                "t takes it, l leaves it, k skips the object.",
                f"w writes the change for {tool}'s repository, and skips the object." if tool else "",
            ],
        )

    def _tool_of(self, kind: str) -> str:
        """The GitOps tool that owns an object which the plan would change; "" where none does."""
        judgement = self.session.judgement
        departures: Sequence[Departure] = judgement.departures if judgement is not None else ()
        return next((one.tool for one in departures if one.kind == kind), "")

    def _undecided(self) -> tuple[Contest, ...]:
        return undecided(getattr(self, "_contests", ()), self.session.answers.ownership)

    def _skipped_object(self) -> str:
        """The skipped object that k would have applied after all: that of the row, else the first there is."""
        ownership = self.session.answers.ownership
        if self.view == "fields":
            current = self._fields.current
            return current.kind if current is not None and ownership.skips(current.kind) else ""
        return next((check.title.partition(" ")[0] for check in self.session.checks if check.change == "skipped"), "")

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """The detail of a field follows the cursor."""
        if message.rows is self._fields:
            message.stop()
            self._show_field_detail()
            self.refresh_bindings()
        else:
            super().on_row_list_moved(message)

    def action_story(self) -> None:
        """The whole story of a switch, or of a field, whose values may be long."""
        if self.view != "fields":
            super().action_story()
        elif self._fields.current is not None:
            _ = self.app.push_screen(StoryPage("A field of others", self._field_text(self._fields.current)))

    def action_decide(self, decision: Decision) -> None:
        """Takes the field under the cursor, or leaves it; the server checks it anew."""
        current = self._fields.current
        if current is not None:
            self.change(lambda session: session.decide(current.key, decision))

    def action_decide_open(self, decision: Decision) -> None:
        """The same for every field that nothing is decided about yet; what is decided stays."""
        keys = [contest.key for contest in self._undecided()]

        def decide(session: Session) -> None:
            for key in keys:
                session.decide(key, decision)

        self.change(decide)

    def action_skip(self) -> None:
        """Skips the object of the field under the cursor; or has a skipped one applied after all."""
        skipped, current = self._skipped_object(), self._fields.current
        if skipped:
            self.change(lambda session: session.undecide(skipped))
        elif current is not None and self.view == "fields":
            self.change(lambda session: session.decide(current.kind, "skip"))

    def action_overlay(self) -> None:
        """Writes what changes in the objects of a GitOps tool for its repository, and skips these objects."""
        judgement = self.session.judgement
        if judgement is None or not judgement.departures:
            return
        departures, facts = judgement.departures, judgement.facts

        def write(folder: Path) -> Sequence[Path]:
            from wizard.handover import write_overlay

            return write_overlay(facts, departures, folder)

        owned = " and ".join(f"{one.tool} owns {one.kind}" for one in departures)
        kinds = " and ".join(one.kind for one in departures)
        offer_folder(
            self,
            "Overlay for the repository",
            f"{owned}, and sets back what is applied past its repository. The folder gets nothing but what changes, as "
            f"a Kustomize component, and how to use it. Then {kinds} is skipped here.",
            OVERLAY_FOLDER,
            write,
            then=(
                "README.md says how it goes into the repository.",
                f"{kinds} is now skipped in the apply; k applies it after all.",
            ),
            written=lambda: self.change(lambda session: session.leave_to_repository(departures)),
        )
