"""The third step: the four objects, their departures from the guide, and applying them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from screens.dialogs import AskText, Choice
from screens.operation import Operation
from screens.pages import Scroll, StoryPage, free_path
from screens.prerequisites import explanation
from screens.step import ListStep
from screens.words import clean, detail_text, diff_text, state_word, yaml_text
from wizard.answers import ManifestChoice
from wizard.differences import against_cluster, against_guide
from wizard.errors import WizardError
from wizard.files import read_snapshot, write_file
from wizard.forecast import summary
from wizard.manifest import Switch, check_choice
from wizard.ownership import contests, undecided, value_words
from wizard.plan import MANIFEST_FILE, apply_objects, object_title

if TYPE_CHECKING:
    from screens.walk import Work
    from wizard.cluster import ObjectCheck
    from wizard.engine import Engine
    from wizard.session import Judgement

View = Literal["objects", "changes", "diff", "yaml"]
VIEWS: tuple[tuple[View, str], ...] = (
    ("objects", "Objects"),
    ("changes", "Changes"),
    ("diff", "Diff"),
    ("yaml", "YAML"),
)
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
"conflict" means that someone else, often a GitOps controller, has set a field; f shows which, and whose it is.

o, g, d, y show the switches, the changes against the guide, the difference to the cluster, and the YAML. a applies \
what you see, after asking. s saves the YAML. Where you may not apply, h writes the whole plan into a folder for \
someone who may."""
    BINDING_GROUP_TITLE = "Manifest"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "apply", "Apply", id="manifest.apply", tooltip="Apply the objects, after asking"),
        Binding("space", "switch", "Switch", id="manifest.switch", tooltip="This departure on or off"),
        Binding("v", "value", "Values", id="manifest.value", tooltip="A value of your own for this departure"),
        Binding("d", "view('diff')", "Diff", id="manifest.diff", tooltip="The difference to the cluster"),
        Binding("s", "save", "Save YAML", id="manifest.save", tooltip="Write the manifest to a file"),
        Binding("f", "conflicts", "Fields of others", id="manifest.conflicts", tooltip="Fields of other managers"),
        Binding("y", "view('yaml')", "YAML", id="manifest.yaml", tooltip="The manifest as it would be applied"),
        Binding("g", "view('changes')", "Changes", id="manifest.changes", tooltip="The changes against the guide"),
        Binding("o", "view('objects')", "Objects", id="manifest.objects", tooltip="Switches and objects"),
    ]

    def compose_body(self) -> ComposeResult:
        """The switches over the objects; in their place, the text of another view."""
        self.view: View = "objects"
        self._objects = Static("", markup=False, classes="objects-text")
        self._text = Static("", markup=False, classes="wide-text")
        self._scroll = Scroll(self._text, classes="text-view")
        self._asked_for: Judgement | None = None
        self._check_trouble: WizardError | None = None
        self._objects_of: tuple[object, ...] = ()
        with Container(classes="list-and-detail manifest"):
            yield self.rows
            under = VerticalScroll(self._objects, classes="detail")
            under.can_focus = False
            yield under
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
        self._show_tabs()
        if judgement is None:
            trouble = self.walk.trouble
            self.set_excerpt(f"{WAITING}" if trouble is None else clean(trouble.what))
            self._objects.update("")
            return
        rendering = judgement.rendering
        on = sum(switch.on for switch in rendering.switches)
        departures = f"{on} departures from the guide, each a switch." if on else "As the guide has them."
        self.set_excerpt(f"{len(rendering.objects)} objects. {departures}")
        shown = (judgement, self.session.checks, self._check_trouble, self.walk.applied_objects)
        if shown != self._objects_of:
            self._objects_of = shown
            self._objects.update(self._objects_text())
        if not self.session.checks and self._asked_for is not judgement and not self.walk.busy:
            self._asked_for = judgement
            self.in_background(self._check(), group="check", exclusive=True)
        if self.view != "objects":
            self._show_text()

    def show_detail(self) -> None:
        """What stands under the list does not follow the cursor here."""

    async def _check(self) -> None:
        self._check_trouble = None
        try:
            await self.walk.check()
        except WizardError as error:
            self._check_trouble = error
            self.walk.tell()

    def _show_tabs(self) -> None:
        note = Text("  ").join(
            Text(f"[{title}]", style="bold") if view == self.view else Text(title) for view, title in VIEWS
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
        sentence = summary(judgement.forecast)
        if judgement.facts.nodes is None:
            sentence = "The nodes may not be listed, so who will get a pod is not known."
        lines: list[RenderableType] = [grid, Text(), Text(clean(sentence))]
        if self._check_trouble is not None:
            lines.append(Text(clean(str(self._check_trouble)), style="bold"))
        if any(check.change == "failed" for check in self.session.checks):
            lines.append(Text("h hands the plan over, in a folder, to someone who may apply it.", style="bold"))
        if self.session.applied is not None and not self._up_to_date():
            lines.append(Text("What stands here differs from what was applied: apply it again.", style="bold"))
        return Group(*lines)

    def _object_cells(self, title: str, check: ObjectCheck | None) -> tuple[Text, str, str]:
        kind = title.partition(" ")[0]
        if check is None:
            word = "not checked" if self.walk.offline or self._check_trouble else "waiting"
            return Text(word), kind, ""
        if check.change == "conflict":
            managers = ", ".join(sorted({conflict.manager for conflict in check.conflicts}))
            return state_word("conflict"), kind, clean(f"{len(check.conflicts)} fields belong to {managers}")
        if check.change == "skipped":
            return state_word("skipped"), kind, "left as it is, as you decided"
        if check.change == "failed":
            return state_word("failed"), kind, clean(f"{check.message} {check.todo}")
        server, _, where = check.checked.partition(" ")
        word = "server-checked" if server == "server" else "not checked"
        note = where if server == "server" else f"({check.checked})"
        warnings = f"; {'; '.join(check.warnings)}" if check.warnings else ""
        return (
            Text(word, style="green" if server == "server" else "magenta"),
            kind,
            clean(f"{check.change} {note}{warnings}"),
        )

    # Views ---------------------------------------------------------------------------------------------------

    def action_view(self, view: View) -> None:
        """Shows one of the views; its own key shows the switches again."""
        self.view = "objects" if view == self.view else view
        plain = self.view == "objects"
        self.query_one(".list-and-detail").display = plain
        self._scroll.display = not plain
        self._show_tabs()
        if plain:
            self.rows.focus()
        else:
            self._show_text()
            self._scroll.scroll_home(animate=False)
            self._scroll.focus()
        self.screen.refresh_bindings()

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
        live = [check.before for check in checks if check.before]
        result = [check.after for check in checks if check.after]
        return diff_text(against_cluster(live, result).splitlines() or ["The cluster holds exactly this."])

    def home(self) -> Widget | None:
        """The list, or the text in its place."""
        return self._scroll if self.view != "objects" else self.rows

    def commands(self) -> Sequence[str]:
        """The apply by hand."""
        if self.session.judgement is None:
            return ()
        return (f"# s saves the manifest as {MANIFEST_FILE}", *apply_objects(self.session.judgement.rendering).by_hand)

    def describe(self, action: str) -> str:
        """How many objects are applied."""
        if action == "apply" and self.session.judgement is not None:
            return f"Apply {len(self.session.judgement.rendering.objects)} objects"
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that have something to work on."""
        plain = getattr(self, "view", "objects") == "objects"
        if action in ("switch", "value", "story"):
            return plain and self.rows.current is not None
        if action == "conflicts":
            return any(check.conflicts for check in self.session.checks)
        if action == "view":
            return parameters[0] != getattr(self, "view", "objects")
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

    def action_conflicts(self) -> None:
        """Field by field: whose it is and since when, what they have and what we would set, what is decided."""
        ownership = self.session.answers.ownership
        decisions = {"fail": "not decided: a asks", "take": "taken over", "leave": "left to them"}
        decisions["skip"] = "the object is not applied"
        parts: list[RenderableType] = []
        for one in contests(self.session.checks):
            since = f" since {one.time}" if one.time else ""
            seen = (one.field, f"{one.owner}{since}: {value_words(one.theirs)}")
            decision = decisions[ownership.of(one.kind, one.field)]
            parts += [detail_text(one.title, seen=seen, then=f"ours: {value_words(one.ours)}", do=decision), Text()]
        parts.append(Text("What is taken over may be set back by whoever manages it, for instance a GitOps tool."))
        _ = self.app.push_screen(StoryPage("Fields of other managers", Group(*parts)))

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
        ownership = self.session.answers.ownership
        count = sum(not ownership.skips(item["kind"]) for item in judgement.rendering.objects)
        if not count:
            self.say("Every object is skipped: there is nothing to apply.")
            return
        lines: list[str | Text] = [f"  {title}: {check.change}" for title, check in checks.items()]
        lines += ["", *self._who_gets_pods(judgement)]
        found = contests(self.session.checks)
        not_decided = undecided(found, ownership)
        choices = [Choice("fail", f"Apply {count} objects", danger=True)]
        if found:
            lines += ["", "These fields belong to others:"]
            words = {"fail": "not decided"}
            for one in found:
                decision = ownership.of(one.kind, one.field)
                lines.append(f"  {words.get(decision, decision)}: {one.title} {one.field}  {one.owner}")
        if not_decided:
            choices = [
                Choice("leave", f"Apply, leave {len(not_decided)} fields to them", danger=True),
                Choice("take", f"Apply, take {len(not_decided)} fields over", danger=True),
            ]
        rows = tuple(object_title(item) for item in judgement.rendering.objects if not ownership.skips(item["kind"]))
        work = partial(self._apply, judgement)
        self.ask_to(f"Apply {count} objects", lines, choices, work, rows=rows, stops_softly=False)

    def _who_gets_pods(self, judgement: Judgement) -> list[str]:
        labelled = sum(verdict.node.labelled for verdict in judgement.verdicts)
        if judgement.to_label:
            return [f"{labelled} nodes carry the label now; the others get a pod when they are labelled (Nodes)."]
        return [f"{len(judgement.expected)} nodes will get a pod at once."]

    def _apply(self, judgement: Judgement, answer: str) -> Work:
        ownership = self.session.answers.ownership
        if answer in ("take", "leave"):
            ownership = replace(ownership, default=cast('Literal["take", "leave"]', answer))
            self.change(lambda session: session.choose(replace(session.answers, ownership=ownership)))
        objects = judgement.rendering.objects
        walk = self.walk

        async def work(engine: Engine, operation: Operation) -> None:
            outcome = await engine.apply(objects, operation.take, ownership=ownership)
            walk.session.applied = outcome
            if not outcome.failed:
                walk.applied_objects = objects

        return work
