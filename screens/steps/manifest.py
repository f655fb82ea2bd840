"""The third step: the four objects, the adjustments to the guide's manifest, and applying them."""

from __future__ import annotations

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

from screens.steps.handover import offer_folder
from screens.steps.prerequisites import explanation
from screens.steps.step import ListStep
from screens.widgets.dialogs import AskText, Option, Pick
from screens.widgets.pages import Scroll, StoryPage, free_path
from screens.widgets.rows import Detail, LongDetail, RowList
from screens.widgets.tokens import tone
from screens.widgets.words import clean, detail_text, diff_text, state_word, yaml_text
from wizard.choices.answers import ManifestChoice
from wizard.errors import WizardError
from wizard.facts.differences import against_cluster
from wizard.facts.objects import ObjectRef
from wizard.files import read_snapshot, write_file
from wizard.manifest import Switch, check_choice
from wizard.manifest.forecast import summary
from wizard.manifest.guide import against_guide
from wizard.manifest.ownership import Contest, decided_lines, undecided, value_words
from wizard.manifest.values import RECOMMENDED, Value
from wizard.plan.actions import MANIFEST_FILE, ApplyObject, apply_commands
from wizard.plan.words import change_lines
from wizard.text.counting import counted
from wizard.text.escaping import printable

if TYPE_CHECKING:
    from wizard.choices.answers import Decision
    from wizard.facts.changes import Change
    from wizard.manifest.asking import ObjectCheck
    from wizard.manifest.ownership import Departure
    from wizard.plan.derive import Plan
    from wizard.plan.judgement import Judgement
    from wizard.session.session import Session

View = Literal["objects", "fields", "changes", "diff", "yaml"]
VIEWS: tuple[tuple[View, str], ...] = (
    ("objects", "Objects"),
    ("fields", "Conflicts"),
    ("changes", "Changes"),
    ("diff", "Diff"),
    ("yaml", "YAML"),
)
DECISION_WORDS = {"fail": "conflict", "skip": "skipped"}
FIELD_WIDTHS = (8, 13, 0, 12)
ROOMY = 20
WIDE = 120
"""Columns from which the objects stand beside the adjustments, with room for the changes."""
OVERLAY_FOLDER = "podman-wizard-overlay"
WAITING = "The cluster has not been read yet."
NO_ADJUSTMENTS = "No adjustments to the guide's manifest."
NOTHING_TO_APPLY = "Nothing to apply: the cluster already matches."


def value_text(value: Value | None) -> str:
    """Returns the value of an adjustment; for one that has none, whether it is on."""
    return {True: "on", False: "off", None: "off"}[value] if value is None or isinstance(value, bool) else str(value)


def in_force(switch: Switch) -> str:
    """Returns the value that an adjustment has now; "off" where the guide's stays."""
    return value_text(switch.value if switch.on and switch.value_kind != "switch" else switch.on)


def _changes_of(actions: Iterable[ApplyObject]) -> list[Change]:
    return [change for action in actions for change in action.changes]


class ManifestStep(ListStep[Switch]):
    """Shows the adjustments with their reasons, and the server's check of the objects; applies them."""

    STEP = "manifest"
    TITLE = "Manifest"
    WIDTHS = (3, 17, 0)
    EMPTY = WAITING
    BINDING_GROUP_TITLE = "Manifest"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "apply", "Apply", id="manifest.apply", tooltip="Apply the objects, after confirmation"),
        Binding(
            "f", "view('fields')", "Conflicts", id="manifest.conflicts", tooltip="Show fields that other managers own"
        ),
        Binding(
            "t", "decide('take')", "Take over", id="manifest.take", tooltip="Take this field over from its manager"
        ),
        Binding("l", "decide('leave')", "Leave", id="manifest.leave", tooltip="Leave this field to its manager"),
        Binding("k", "skip", "Skip", id="manifest.skip", tooltip="Skip this object, or apply it after all"),
        Binding(
            "w", "overlay", "Overlay", id="manifest.overlay", tooltip="Write the changes for the GitOps repository"
        ),
        Binding(
            "T", "decide_open('take')", "Take all", id="manifest.take_all", tooltip="Take over all undecided fields"
        ),
        Binding(
            "L", "decide_open('leave')", "Leave all", id="manifest.leave_all", tooltip="Leave all undecided fields"
        ),
        Binding("space", "switch", "Toggle", id="manifest.switch", tooltip="Turn this adjustment on or off"),
        Binding("v", "value", "Value", id="manifest.value", tooltip="Choose the value of this adjustment"),
        Binding("d", "view('diff')", "Diff", id="manifest.diff", tooltip="Show the differences from the cluster"),
        Binding("s", "save", "Save YAML", id="manifest.save", tooltip="Save the manifest to a file"),
        Binding("y", "view('yaml')", "YAML", id="manifest.yaml", tooltip="Show the manifest as YAML"),
        Binding(
            "g", "view('changes')", "Changes", id="manifest.changes", tooltip="Show changes to the guide's manifest"
        ),
        Binding("o", "view('objects')", "Objects", id="manifest.objects", tooltip="Show adjustments and objects"),
        Binding("escape", "leave", "Back", show=False, id="manifest.back", tooltip="Go back to the adjustments"),
    ]

    def compose_body(self) -> ComposeResult:
        """Yields the adjustments and the objects, and the other views, which are shown instead."""
        self.view: View = "objects"
        self._objects = LongDetail()
        self._text = Static("", markup=False, classes="wide-text")
        self._scroll = Scroll(self._text, classes="text-view")
        self._objects_said: tuple[object, ...] = ()
        self._sum = ""
        self._contests: tuple[Contest, ...] = ()
        """As in the last dry run: they stay in view while a decision is checked."""
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
        """Returns the id of the adjustment."""
        return item.id

    def items(self) -> Iterable[Switch]:
        """Returns every adjustment, on or off."""
        return self.session.judgement.rendering.switches if self.session.judgement else ()

    def cells(self, item: Switch) -> Sequence[Text | str]:
        """Returns the box, the id, and the reason; first what is live here, or "off" although it is needed."""
        box = Text("[x]" if item.on else "[ ]", style="bold" if item.on else "")
        why = clean(item.why)
        if item.source == "live":
            return (box, item.id, Text.assemble((f"now: {clean(in_force(item))}", "cyan"), f"  {why}"))
        if item.needed and not item.on:
            return (box, item.id, Text.assemble(("off  ", tone("warning")), why))
        return (box, item.id, why)

    def detail(self, item: Switch) -> RenderableType:
        """Returns the objects with the server's check of each, and the forecast."""
        return self._objects_text()

    def story(self, item: Switch) -> RenderableType:
        """Returns the details of an adjustment."""
        decided = {
            "set": "You turned it on." if item.on else "You chose what is recommended.",
            "without": "You turned it off.",
            "preset": "The preset set this.",
            "live": "It keeps its current value until you change it.",
        }
        head = detail_text(
            f"{item.title} ({item.id})",
            seen=[item.why, f"now: {value_text(item.live)}" if item.live is not None else ""],
            then=[
                f"It is {'on' if item.on else 'off'}"
                + (f" (value: {item.value})." if item.value_kind != "switch" and item.value else "."),
                "This cluster needs it." if item.needed else "This cluster does not need it.",
                decided.get(item.source, ""),
            ],
            do=["Press space to turn it on or off, v to choose a value."],
        )
        return Group(head, Text(), Text(explanation(item.id)))

    def show(self) -> None:
        """Shows adjustments, objects, and the view."""
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
        adjustments = f"{counted(on, 'adjustment')} to the guide's manifest." if on else NO_ADJUSTMENTS
        self._sum = f"{counted(len(rendering.objects), 'object')}. {adjustments}"
        self.show_detail()
        self._show_objects()
        if self.view != "objects":
            self._show_text()

    def on_resize(self) -> None:
        """Adapts what is below the list to the room."""
        self.call_after_refresh(self.show)

    def show_detail(self) -> None:
        """Shows the full reason of the row under the cursor above the list, as it can be cut in the row."""
        current, more = self.rows.current, ""
        if self.view == "objects" and current is not None:
            more = f"\n{current.id}: {clean(current.why)}"
        elif self.view == "fields":
            count = len(self._undecided())
            open_words = f"{count} of {counted(len(self._contests), 'conflict')} undecided."
            more = f"\n{open_words if count else 'All conflicts are decided.'}"
        if self.session.judgement is not None:
            self.set_excerpt(self._sum + more)

    def _show_tabs(self) -> None:
        note = Text("  ").join(
            Text(f"[{title}]", style="bold") if view == self.view else Text(title)
            for view, title in VIEWS
            if view != "fields" or self._contests
        )
        self.set_note(note)

    def _show_objects(self) -> None:
        """Draws the objects again if something about them reads differently now."""
        said = self._objects_cells(), self._notes(), self._forecast(), self._changes(), self.size.height >= ROOMY
        if said != self._objects_said:
            self._objects_said = said
            self._objects.update(self._objects_text())

    def _objects_text(self) -> RenderableType:
        if self.session.plan is None:
            return ""
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1, overflow="fold")
        for cells in self._objects_cells():
            grid.add_row(*cells)
        notes = self._notes()
        # With notes, or with little room, there is no blank line.
        roomy = not notes and self.size.height >= ROOMY
        lines: list[RenderableType] = [grid, *([Text()] if roomy else []), Text(self._forecast())]
        lines += [Text(note, style="bold") for note in notes]
        changes = self._changes()
        if changes:
            told = (
                "What an apply changes:"
                if self.session.plan.stage == "asked"
                else "What an apply sets, not checked yet:"
            )
            lines += [Text(), Text(told, style="bold"), *(Text(printable(line)) for line in changes)]
        return Group(*lines)

    def _changes(self) -> tuple[str, ...]:
        """Returns what an apply changes, where there is room for it."""
        plan = self.session.plan
        if plan is None or self.app.size.width < WIDE:
            return ()
        return tuple(change_lines(_changes_of(action for action in plan.actions if isinstance(action, ApplyObject))))

    def _objects_cells(self) -> tuple[tuple[Text, str, str], ...]:
        """Returns what the server said about each object."""
        plan = self.session.plan
        if plan is None:
            return ()
        checks = {check.ref: check for check in plan.judgement.checks}
        fields = {
            action.ref: sum(not change.noise for change in action.changes)
            for action in plan.actions
            if isinstance(action, ApplyObject)
        }
        refs = [ObjectRef.of(item) for item in plan.rendering.objects]
        return tuple(self._object_cells(ref, checks.get(ref), fields.get(ref, 0)) for ref in refs)

    def _notes(self) -> tuple[str, ...]:
        plan, trouble, applied = self.session.plan, self.walk.check_trouble, self.session.applied
        if plan is None:
            return ()
        notes = [clean(str(trouble))] if trouble is not None else []
        notes += [clean(words) for words in self._words_of_departures(plan.judgement)]
        if plan.ids("apply") and any(check.change == "failed" for check in plan.judgement.checks):
            notes.append("Press h to export the plan for someone who can apply it.")
        if plan.stage == "asked" and not plan.ids("apply"):
            notes.append(self._nothing_to_apply(plan))
        elif plan.stage == "asked" and applied is not None and applied.complete:
            notes.append("The manifest has changed since you applied it. Apply it again.")
        return tuple(notes)

    @staticmethod
    def _nothing_to_apply(plan: Plan) -> str:
        skipped = any(check.change == "skipped" for check in plan.judgement.checks)
        return "Nothing to apply: what differs is skipped." if skipped else NOTHING_TO_APPLY

    def _words_of_departures(self, judgement: Judgement) -> Iterable[str]:
        """Yields a sentence for each object that a GitOps tool manages."""
        for one in judgement.departures:
            if judgement.answers.ownership.skips(one.kind):
                yield f"{one.kind} is left to {one.tool}. Press w to write an overlay for its repository."
            else:
                owned = f"{one.tool} manages {one.kind} and reverts other changes."
                yield f"{owned} Press w to write an overlay for its repository."

    def _object_cells(self, ref: ObjectRef, check: ObjectCheck | None, fields: int) -> tuple[Text, str, str]:
        """Returns the state of an object, its kind, and in a few words what an apply would do to it."""
        kind = ref.kind
        if check is None:
            word = "not checked" if self.walk.offline or self.walk.check_trouble else "waiting"
            return Text(word), kind, ""
        if not check.answered:
            words = f"{counted(fields, 'field')} to change" if fields else "nothing to change"
            return Text("not checked", style=tone("warning")), kind, f"{words} (press d)"
        if check.change == "conflict":
            managers = ", ".join(sorted({conflict.manager for conflict in check.conflicts}))
            owned = f"{counted(len(check.conflicts), 'field')} owned by {managers} (f)"
            return state_word("conflict"), kind, clean(owned)
        if check.change == "skipped":
            return state_word("skipped"), kind, "as you decided (k)"
        if check.change == "failed":
            return state_word("failed"), kind, "rejected (press d)"
        where = check.checked.removeprefix("server").strip()
        note = ", warning (d)" if check.warnings else f" {where}" if where else ""
        count = f", {counted(fields, 'field')}" if check.change == "configure" else ""
        return Text("server-checked", style=tone("ok")), kind, clean(f"{check.change}{count}{note}")

    # Views ---------------------------------------------------------------------------------------------------

    def action_view(self, view: View) -> None:
        """Shows a view, or the adjustments if it is shown already."""
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
        """Goes back to the adjustments."""
        self.action_view("objects")

    def _show_text(self) -> None:
        judgement = self.session.judgement
        if judgement is None:
            self._text.update(WAITING)
            return
        if self.view == "yaml":
            self._text.update(yaml_text(judgement.rendering.yaml()))
        elif self.view == "changes":
            self._text.update(diff_text(against_guide(judgement.rendering.objects).splitlines() or ["No differences."]))
        elif self.view == "diff":
            self._text.update(self._cluster_diff())

    def _cluster_diff(self) -> Text:
        plan = self.session.plan
        checks = plan.judgement.checks if plan is not None else ()
        if plan is None or not checks:
            return Text("The server has not checked the objects yet, so there is nothing to compare.")
        said = []
        for check in checks:
            if check.change == "failed":
                said += [
                    f"{check.title} {'is rejected' if check.answered else 'was not checked'}: {check.message}",
                    check.todo,
                    "",
                ]
            if check.change == "skipped":
                said += [f"{check.title} is skipped: it stays as it is on the cluster.", ""]
            for warning in check.warnings:
                said += [f"{check.title}, warning from the server: {warning}", ""]
        # Sentences are wrapped, not scrolled sideways.
        width = max(20, self.size.width - 3)
        words = Text("\n".join(line for text in said for line in wrap(clean(text), width) or [""]), style="bold")
        live = [check.before for check in checks if check.before]
        result = [check.after for check in checks if check.after]
        lines = against_cluster(live, result).splitlines()
        unasked = {check.ref for check in checks if not check.answered}
        actions = [action for action in plan.actions if isinstance(action, ApplyObject) and action.ref in unasked]
        read = _changes_of(actions)
        if read:
            lines += ["The plan sets, compared with what was read:", *change_lines(read)]
        if not lines and not said:
            lines = ["The cluster already matches this manifest."]
        return Text("\n").join([words, diff_text(lines)]) if said else diff_text(lines)

    def home(self) -> Widget | None:
        """Returns the list, or the view that is shown instead."""
        if self.view == "fields":
            return self._fields
        return self._scroll if self.view != "objects" else self.rows

    def commands(self) -> Sequence[str]:
        """Returns the commands that apply the manifest."""
        plan = self.session.plan
        if plan is None:
            return ()
        ownership = plan.judgement.answers.ownership
        decisions = [(one, ownership.of(one.kind, one.field)) for one in self._contests]
        by_hand = apply_commands(
            force=any(decision == "take" for _, decision in decisions),
            left=[f"{one.title} {one.field}" for one, decision in decisions if decision == "leave"],
            skipped=[ref.title for ref in map(ObjectRef.of, plan.rendering.objects) if ownership.skips(ref.kind)],
        )
        return (f"# press s to save the manifest as {MANIFEST_FILE}", *by_hand)

    def main_keys(self) -> Sequence[str]:
        """Returns the key that applies, if there is something to apply."""
        plan = self.session.plan
        return ("a",) if plan is None or plan.ids("apply") else ()

    def describe(self, action: str) -> str:
        """Returns the label of a key, with the number of objects."""
        plan = self.session.plan
        if action == "apply" and plan is not None and plan.ids("apply"):
            return f"Apply {counted(len(plan.ids('apply')), 'object')}"
        if action == "skip" and self._skipped_object():
            return "Apply anyway"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offers keys that have something to work on."""
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
            # In Conflicts, it would only repeat that something is undecided.
            return not self.session.cannot_change and (view != "fields" or not self._undecided())
        if action == "view":
            return parameters[0] != view and (parameters[0] != "fields" or bool(getattr(self, "_contests", ())))
        return True

    # Choices -------------------------------------------------------------------------------------------------

    def action_switch(self) -> None:
        """Turns the adjustment under the cursor on or off."""
        current = self.rows.current
        if current is not None:
            self.change(lambda session: session.switch(current.id, not current.on))

    def activate(self) -> None:
        """Turns it on or off on a second click."""
        self.action_switch()

    def action_value(self) -> None:
        """Offers the guide's value, the recommended one, the one that is live here, and a value of one's own."""
        current = self.rows.current
        if current is None:
            return
        recommended = value_text(current.recommended) if current.needed else "the guide's"
        options = [
            Option("guide", "The guide's value" if current.value_kind != "switch" else "The guide's: off"),
            Option("recommended", f"Recommended for this cluster: {recommended}"),
        ]
        if current.live is not None:
            live = "the guide's value" if current.live is False else value_text(current.live)
            options.append(Option("here", f"Keep the current value: {live}"))
        if current.value_kind != "switch":
            options.append(Option("own", "Another value…"))
        text = f"{current.why}\nNow: {in_force(current)}."
        now = {"without": "guide", "live": "here", "facts": "recommended"}.get(current.source, "own")

        def picked(answer: str | None) -> None:
            match answer:
                case "guide":
                    self.change(lambda session: session.switch(current.id, False))
                case "recommended":
                    self.change(lambda session: session.switch(current.id, True, RECOMMENDED))
                case "here":
                    self.change(lambda session: session.keep_here(current))
                case "own":
                    self._ask_value(current)

        self.ask(Pick(f"{current.title} ({current.id})", text, options, now), picked)

    def _ask_value(self, current: Switch) -> None:
        """Asks for a value, which is checked as it is typed."""

        def check(value: str) -> str:
            try:
                check_choice(ManifestChoice(set={current.id: value}))
            except WizardError as error:
                return f"{error.what} {error.todo}"
            return ""

        def take(value: str | None) -> None:
            if value is not None:
                self.change(lambda session: session.switch(current.id, True, value))

        text = f"{current.why}\nCurrent value: {current.value}."
        self.ask(AskText(f"{current.title} ({current.id})", text, str(current.value), check=check), take)

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

        question = "File path. An existing file is backed up first."
        _ = self.app.push_screen(AskText("Save the manifest", question, str(free_path(Path(MANIFEST_FILE)))), take)

    async def _write(self, path: Path, text: str) -> None:
        def write() -> Path | None:
            return write_file(path, text.encode(), read=read_snapshot(path, missing_ok=True))

        backup = await self.walk.compute(write)
        self.walk.files.append(str(path))
        self.say(f"Wrote {path}." + (f" The old content is in {backup.name}." if backup else ""))

    # Applying ------------------------------------------------------------------------------------------------

    def action_apply(self) -> None:
        """Asks, with everything that will change, and where."""
        plan = self.session.plan
        why_not = self.walk.why_not_act()
        if why_not or plan is None:
            self.say(why_not or WAITING, bad=True)
            return
        if plan.stage == "planned":
            trouble = self.walk.check_trouble
            self.say("The server is still checking the objects." if trouble is None else str(trouble))
            return
        not_decided = self._undecided()
        if not_decided:
            self.say(f"{counted(len(not_decided), 'conflict')} undecided. Press f to decide, then apply.")
            if self.view != "fields":
                self.action_view("fields")
            return
        only = plan.ids("apply", "wake")
        if not only:
            self.say(self._nothing_to_apply(plan))
            return
        what = f"Apply {counted(len(plan.ids('apply')), 'object')}"
        self.ask_to_carry_out(what, self._question(plan), plan, only, stops_softly=False)

    def ask_again(self) -> None:
        """Shows the plan of now, and asks about it."""

        async def ask() -> None:
            await self.walk.settled()
            self.action_apply()

        self.in_background(ask(), group="ask")

    def _question(self, plan: Plan) -> list[str | Text]:
        """Returns what an apply changes, field by field, and what follows from it."""
        judgement, ownership = plan.judgement, plan.judgement.answers.ownership
        lines: list[str | Text] = []
        for action in plan.actions:
            if not isinstance(action, ApplyObject) or action.check is None:
                continue
            new = action.check.before is None
            lines += [f"{action.ref.title}: new"] if new else change_lines(action.changes)
            lines += [f"  warning from the server: {clean(warning)}" for warning in action.check.warnings]
        if judgement.conflicts:
            lines += ["", "Conflicts, as you decided:"]
            lines += [f"  {line}" for line in decided_lines(judgement.conflicts, ownership)]
        lines += [
            f"  {one.tool} manages {one.kind} and can revert it."
            for one in judgement.departures
            if not ownership.skips(one.kind)
        ]
        lines += ["", f"{self._forecast()}."]
        lacking = len(judgement.to_label)
        if lacking:
            verb, them = ("lacks", "it") if lacking == 1 else ("lack", "them")
            lines.append(
                f"{lacking} of the selected nodes {verb} the label. "
                f"No pod starts there until you label {them} in Nodes."
            )
        return [*lines, *([""] if plan.notes else []), *plan.notes]

    def _forecast(self) -> str:
        judgement = self.session.judgement
        if judgement is None or judgement.facts.nodes is None:
            return "You cannot list nodes, so there is no forecast"
        return clean(summary(judgement.forecast))

    # Conflicts -----------------------------------------------------------------------------------------------

    def _show_fields(self) -> None:
        """Shows the conflicts of the last dry run; while a decision is checked, the previous ones."""
        judgement = self.session.judgement
        if judgement is None or judgement.checks:
            self._contests = judgement.conflicts if judgement is not None else ()
        self._fields.fill(self._contests, empty="No conflicts with other managers.")
        self._show_field_detail()
        if self.view == "fields" and not self._contests:
            self.action_view("objects")

    def _field_cells(self, contest: Contest) -> Sequence[Text | str]:
        """Returns the decision, the object, the field, and its manager."""
        decision = self.session.answers.ownership.of(contest.kind, contest.field)
        word = state_word(DECISION_WORDS.get(decision, decision))
        return (word, contest.kind, clean(contest.short), clean(contest.owner))

    def _show_field_detail(self) -> None:
        current = self._fields.current
        self._field_detail.update("" if current is None else self._field_text(current))

    def _field_text(self, contest: Contest) -> RenderableType:
        tool = self._tool_of(contest.kind)
        since = f", since {contest.time}" if contest.time else ""
        back = f" {tool} reverts it at its next sync." if tool else ""
        decision = self.session.answers.ownership.of(contest.kind, contest.field)
        follows = {
            "fail": "The server rejects the object until you decide.",
            "take": f"You take it over: podman-wizard becomes its manager.{back}",
            "leave": "You leave it: the current value stays; the rest of the object is applied.",
            "skip": "You skip the object: none of it is applied.",
        }
        return detail_text(
            contest.title,
            seen=[contest.field, f"{contest.owner}{since}", f"on the cluster: {value_words(contest.theirs)}"],
            then=[f"in the manifest: {value_words(contest.ours)}", follows[decision]],
            do=[
                "Press t to take it over, l to leave it, or k to skip the object.",
                f"Press w to write the change for the repository of {tool} and skip the object." if tool else "",
            ],
        )

    def _tool_of(self, kind: str) -> str:
        """Returns the GitOps tool that manages an object which the plan changes; "" if none does."""
        judgement = self.session.judgement
        departures: Sequence[Departure] = judgement.departures if judgement is not None else ()
        return next((one.tool for one in departures if one.kind == kind), "")

    def _undecided(self) -> tuple[Contest, ...]:
        return undecided(getattr(self, "_contests", ()), self.session.answers.ownership)

    def _skipped_object(self) -> str:
        """Returns the skipped object that k applies after all: that of the row, otherwise the first one."""
        ownership = self.session.answers.ownership
        if self.view == "fields":
            current = self._fields.current
            return current.kind if current is not None and ownership.skips(current.kind) else ""
        return next((check.ref.kind for check in self.session.checks if check.change == "skipped"), "")

    def on_row_list_moved(self, message: RowList.Moved) -> None:
        """Shows the detail of the field under the cursor."""
        if message.rows is self._fields:
            message.stop()
            self._show_field_detail()
            self.refresh_bindings()
        else:
            super().on_row_list_moved(message)

    def action_story(self) -> None:
        """Opens the details of an adjustment, or of a conflict, whose values can be long."""
        if self.view != "fields":
            super().action_story()
        elif self._fields.current is not None:
            _ = self.app.push_screen(StoryPage("Conflict", self._field_text(self._fields.current)))

    def action_decide(self, decision: Decision) -> None:
        """Takes over the field under the cursor, or leaves it; the server checks the object again."""
        current = self._fields.current
        if current is not None:
            self.change(lambda session: session.decide(current.key, decision))

    def action_decide_open(self, decision: Decision) -> None:
        """Decides all undecided conflicts; earlier decisions stay."""
        keys = [contest.key for contest in self._undecided()]

        def decide(session: Session) -> None:
            for key in keys:
                session.decide(key, decision)

        self.change(decide)

    def action_skip(self) -> None:
        """Skips the object of the field under the cursor, or applies a skipped one after all."""
        skipped, current = self._skipped_object(), self._fields.current
        if skipped:
            self.change(lambda session: session.undecide(skipped))
        elif current is not None and self.view == "fields":
            self.change(lambda session: session.decide(current.kind, "skip"))

    def action_overlay(self) -> None:
        """Writes the changes to the objects of a GitOps tool for its repository, and skips these objects."""
        judgement = self.session.judgement
        if judgement is None or not judgement.departures:
            return
        departures, facts = judgement.departures, judgement.facts

        def write(folder: Path) -> Sequence[Path]:
            from wizard.handover import write_overlay

            return write_overlay(facts, departures, folder)

        owned = " and ".join(f"{one.tool} manages {one.kind}" for one in departures)
        kinds = " and ".join(one.kind for one in departures)
        verb = "is" if len(departures) == 1 else "are"
        offer_folder(
            self,
            "Overlay for the repository",
            f"{owned}. Changes made outside the repository are reverted. The folder will contain only the changes, as "
            f"a Kustomize component, with instructions. {kinds} {verb} then skipped here.",
            OVERLAY_FOLDER,
            write,
            then=(
                "README.md explains how to add it to the repository.",
                f"{kinds} {verb} now skipped. Press k to apply after all.",
            ),
            written=lambda: self.change(lambda session: session.leave_to_repository(departures)),
        )
