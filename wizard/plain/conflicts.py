"""The questions about fields that other managers own, and about objects that a GitOps tool keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from wizard.choices.answers import Decision
from wizard.handover import write_overlay
from wizard.manifest.ownership import Contest, Departure, undecided, value_words
from wizard.plain.asking import ask
from wizard.plain.desk import Desk
from wizard.printing.lines import out
from wizard.text.counting import counted

DECISIONS: Final[Mapping[str, Decision]] = {"take": "take", "leave": "leave", "skip": "skip"}
OVERLAY_FOLDER: Final = "podman-wizard-overlay"


class Conflicts:
    """The decisions about conflicts in one walk; overlays are written with all objects left to a repository so far."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._overlaid: dict[str, Departure] = {}
        """The changes written for a repository instead of being applied, by kind."""

    async def decide(self) -> bool:
        """Asks about every undecided conflict, and about objects of GitOps tools; returns False if the user stops."""
        if not await self.decide_fields():
            return False
        await self._decide_departures()
        return True

    async def decide_fields(self) -> bool:
        """Asks about every undecided conflict; returns whether the user decided them all, and did not stop.

        Each decision changes what the server is asked, so it is asked again until nothing is left to decide.
        """
        while True:
            await self._desk.ask_server()
            judgement = self._desk.judgement
            found, choice = judgement.conflicts, judgement.answers.ownership
            if not undecided(found, choice):
                return True
            out(f"{counted(len(found), 'conflict')} with other field managers.")
            for contest in found:
                if not await self._decide(contest):
                    return False

    async def _decide(self, contest: Contest) -> bool:
        choice = self._desk.session.answers.ownership
        out(f"{contest.title} {contest.field}")
        out(f"  set by {contest.owner}{f' at {contest.time}' * bool(contest.time)}")
        out(f"  on the cluster: {value_words(contest.theirs)}")
        out(f"  in the manifest: {value_words(contest.ours)}")
        if choice.of(contest.kind, contest.field) != "fail":
            out(f"  decision: {choice.of(contest.kind, contest.field)}")
            return True
        question, options = "Take over the field, leave it, skip the whole object, or stop?", [*DECISIONS, "stop"]
        departure = next((one for one in self._desk.judgement.departures if one.kind == contest.kind), None)
        if departure is not None:
            out(f"  {departure.tool} reverts fields that you take over.")
            out("  Enter overlay to write the change for its repository.")
            options.insert(0, "overlay")
        answer = await ask(question, options, default="stop")
        if answer == "stop":
            return False
        if answer == "overlay" and departure is not None:
            await self._write_overlay(departure)
        else:
            self._desk.session.decide(contest.kind if answer == "skip" else contest.key, DECISIONS[answer])
        return True

    async def _decide_departures(self) -> None:
        """Asks about changes to objects of a GitOps tool that no conflict shows."""
        for departure in self._desk.judgement.departures:
            choice = self._desk.session.answers.ownership
            if any(what.partition(" ")[0] == departure.kind for what in choice.decided):
                continue
            out(f"{departure.tool} manages {departure.title} and may revert what you apply.")
            question = "Write an overlay for its repository, or apply the object anyway?"
            if await ask(question, ("overlay", "apply"), default="overlay") == "overlay":
                await self._write_overlay(departure)
        await self._desk.ask_server()

    async def _write_overlay(self, departure: Departure) -> None:
        """Writes the overlay for the repository of a GitOps tool, with all objects skipped for that reason so far."""
        folder = Path(await ask("Overlay folder", default=OVERLAY_FOLDER))
        self._overlaid[departure.kind] = departure
        for path in write_overlay(self._desk.judgement.facts, tuple(self._overlaid.values()), folder):
            out(f"  {path}")
        self._desk.session.leave_to_repository((departure,))
        self._desk.done.append(f"{departure.kind} skipped, overlay for the repository of {departure.tool} in {folder}")
