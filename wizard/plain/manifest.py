"""The manifest in plain mode: its adjustments, what it changes field by field, and the apply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from wizard.choices.answers import ManifestChoice
from wizard.files import read_target, write_file
from wizard.manifest import Rendering, Switch, check_choice
from wizard.manifest.asking import PlanChanged
from wizard.manifest.guide import against_guide
from wizard.manifest.ownership import decided_lines, require_known_fields
from wizard.manifest.values import RECOMMENDED
from wizard.plain.asking import ask, or_say, path_of
from wizard.plain.conflicts import Conflicts
from wizard.plain.desk import Desk
from wizard.plain.telling import here_words, plan_lines, switch_line
from wizard.plan.actions import MANIFEST_FILE
from wizard.plan.derive import NO_CLUSTER
from wizard.plan.judgement import Judgement, Reading
from wizard.printing.lines import out
from wizard.text.counting import counted

QUESTION = "Enter apply, yaml, diff, save, next, the ID of an adjustment to turn on or off, or ID=VALUE"


class ManifestStep:
    """The step Manifest. Without a cluster it only makes the file."""

    def __init__(self, desk: Desk, conflicts: Conflicts) -> None:
        self._desk = desk
        self._conflicts = conflicts
        self._shown = ""
        """The state of the step as it was last printed."""

    @property
    def _rendering(self) -> Rendering:
        session = self._desk.session
        judgement = session.judgement or Judgement(Reading.of(NO_CLUSTER), session.answers)
        return judgement.rendering

    async def run(self) -> None:
        """Shows the manifest and the plan until the user goes on."""
        self._shown = ""
        actions: Mapping[str, Callable[[], Awaitable[None]]] = {
            "yaml": self._show_yaml,
            "diff": self._show_differences,
            "save": self._save,
            "apply": self._apply,
            "repeat": self._repeat,
        }
        while True:
            await self._show()
            answer = await ask(QUESTION, default="next")
            if answer == "next":
                return
            work = actions.get(answer) or self._change_of(answer)
            if work is None:
                out(f"No action or adjustment is named {answer!r}.")
            else:
                await or_say(work)

    async def _show(self) -> None:
        """Prints the adjustments and the plan, unless they are the same as last time."""
        await self._desk.ask_server()
        lines = [switch_line(one) for one in self._rendering.switches]
        if self._desk.session.plan is not None:
            lines += plan_lines(self._desk.session.plan)
        text = "\n".join(lines)
        if text != self._shown:
            self._shown = text
            out(text, lines=True)

    async def _repeat(self) -> None:
        self._shown = ""
        await self._desk.look()

    def _change_of(self, answer: str) -> Callable[[], Awaitable[None]] | None:
        """Returns what an answer about an adjustment does; None if it names none."""
        word, _, rest = answer.partition(" ")
        if word in ("values", "v"):
            return partial(self._choose_value, rest.strip())
        name, sign, value = answer.partition("=")
        switch = self._switch(name.strip())
        if switch is None:
            return None
        return partial(self._set, switch.id, True, value.strip()) if sign else partial(self._turn, switch)

    def _switch(self, name: str) -> Switch | None:
        return next((one for one in self._rendering.switches if one.id == name), None)

    async def _turn(self, switch: Switch) -> None:
        await self._set(switch.id, not switch.on, None)

    async def _set(self, adjustment: str, on: bool, value: str | None) -> None:
        if value is not None:
            check_choice(ManifestChoice(set={adjustment: value}))
        self._desk.session.switch(adjustment, on, value)

    async def _choose_value(self, name: str) -> None:
        """Offers the values of an adjustment: the guide's, the one that is recommended, and the one here."""
        name = name or await ask("ID of the adjustment")
        switch = self._switch(name)
        if switch is None:
            out(f"No adjustment is named {name!r}.")
            return
        out(f"{switch.id}: {switch.title}")
        out("  guide: as in the guide; turns the adjustment off")
        recommended = switch.recommended
        word = "on" if recommended is True else str(recommended)
        out(f"  {RECOMMENDED}: {'off, not needed here' if recommended is None else word}")
        options = ["guide", RECOMMENDED]
        if switch.live is not None:
            options.append("here")
            out(f"  here: {here_words(switch)}")
        kind = "" if switch.value_kind == "switch" else ", or another value"
        answer = await ask(f"Enter {', '.join(options)}{kind}, or next", default="next")
        if answer == "next":
            return
        if answer == "guide":
            await self._set(switch.id, False, None)
        elif answer == "here" and switch.live is None:
            out(f"The cluster has no value of {switch.id} that was set by podman-wizard.")
        elif answer == "here":
            self._desk.session.keep_here(switch)
        else:
            await self._set(switch.id, True, answer)

    async def _show_yaml(self) -> None:
        out(self._rendering.yaml(), lines=True)

    async def _save(self) -> None:
        path = path_of(await ask("File path (an existing file is backed up)", default=MANIFEST_FILE))
        write_file(path, self._rendering.yaml().encode(), read=read_target(path))
        out(f"Wrote {path}.")

    async def _show_differences(self) -> None:
        out("Changes to the guide's manifest:")
        out(against_guide(self._rendering.objects) or "  none", lines=True)
        if self._desk.session.plan is not None:
            out("\n".join(plan_lines(self._desk.session.plan, whole=True)), lines=True)

    async def _apply(self) -> None:
        """Asks about conflicts, shows the plan, asks about it, and applies it; asks again if the cluster changed."""
        session = self._desk.session
        while True:
            _ = self._desk.judgement
            if self._desk.refuses(session.may_act()) or not await self._conflicts.decide():
                return
            await self._show()
            plan = self._desk.plan
            choice = session.answers.ownership
            require_known_fields(plan.rendering.objects, choice)
            if plan.stage != "asked":
                out("The server has not checked the manifest, so it cannot be applied.")
                return
            if self._desk.refuses("\n".join(gate.words for gate in plan.gates if gate.kind == "rejected")):
                return
            for line in decided_lines(plan.judgement.conflicts, choice):
                out(line)
            count = len(plan.ids("apply"))
            if not count:
                skipped = [choice.skips(item["kind"]) for item in plan.rendering.objects]
                some = "No other object would change" if any(skipped) else "Nothing would change"
                out(f"{'Every object is skipped' if all(skipped) else some}, so there is nothing to apply.")
                return
            try:
                await self._desk.act(plan, ("apply", "wake"), f"Apply {counted(count, 'object')}?")
            except PlanChanged as changed:
                out(f"{changed.what} The plan is now:")
                self._shown = ""
                continue
            return
