"""Carries out an undo that was shown: step by step, and only while the cluster is what the plan was made from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wizard.coder.steps import enable_templates
from wizard.engine.events import ActionEnded, ActionProgress, ActionStarted, Listener, ObjectResult
from wizard.engine.labels import set_labels
from wizard.engine.undo import read_inside
from wizard.errors import ClusterError, ConflictError, ExitCode, WizardError
from wizard.facts.rollout import Shortfall
from wizard.files import remove_file, write_file
from wizard.journal import journal as journals
from wizard.names import NODE_LABEL
from wizard.plan.history import claim_words
from wizard.plan.undo import UndoPlan, UndoStep, What, leaving_what_is_needed
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.cluster import Gateway
    from wizard.engine.engine import Engine
    from wizard.facts.cluster import KubernetesObject

DELETION_SECONDS: Final = 120.0
"""How long to wait until a deleted object is gone: pods have 30 seconds to end."""

POLL_SECONDS: Final = 0.5

_OBJECT_STEPS: Final = (What.DELETE, What.RESTORE, What.RETURN_FIELDS)


@dataclass(frozen=True)
class UndoOutcome:
    """What became of an undo: each step as it ended, and what failed."""

    steps: tuple[UndoStep, ...] = ()
    done: tuple[UndoStep, ...] = ()
    failed: tuple[Shortfall, ...] = ()

    @property
    def left(self) -> tuple[UndoStep, ...]:
        """The steps whose thing is not as it was before."""
        return tuple(step for step in self.steps if step.stays)

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends: everything is as before, something was left, or the cluster rejected something."""
        if any(step.rejected for step in self.left):
            return ExitCode.CLUSTER
        return ExitCode.PROBLEMS if self.left else ExitCode.DONE


async def try_step(gateway: Gateway, step: UndoStep) -> str:
    """Returns why the server would reject a step, "" if it accepts it; changes nothing.

    Raises ApiRefusal if the credentials are rejected.
    """
    from wizard.cluster import ApiRefusal
    from wizard.cluster.content_patch import content_patch, owners_patch

    live, history = step.live, step.history
    try:
        if step.nodes:
            first = step.nodes[0]
            await gateway.patch("Node", first.name, {"metadata": {"labels": {NODE_LABEL: first.before}}}, dry_run=True)
        elif live is None or history is None:
            return ""
        elif step.what is What.DELETE:
            ref = history.ref
            await gateway.delete(ref.kind, ref.name, ref.namespace, uid=live["metadata"]["uid"], dry_run=True)
        elif step.what is What.RESTORE:
            await gateway.json_patch(history.ref, content_patch(history.target(live), live), dry_run=True)
        elif step.what is What.RETURN_FIELDS:
            owners = owners_patch(history.owners_to_return(live), live)
            await gateway.json_patch(history.ref, owners, dry_run=True)
    except ApiRefusal as refusal:
        if refusal.status == 401:
            raise
        if refusal.status not in (404, 409):  # it changed in the meantime; the undo itself looks again
            return refusal.what
    return ""


async def execute_undo(engine: Engine, plan: UndoPlan, listener: Listener) -> UndoOutcome:
    """Carries out the undo. Runs of which nothing is left are marked as undone.

    A step that fails leaves what its object needs. Raises ConflictError if another wizard is changing this cluster,
    InputError without a lock.
    """
    if plan.todo or plan.runs:
        engine.claim()
    work = _Undoing(engine, plan, listener)
    outcome = await work.run()
    if not any(step.stays and not step.hopeless for step in outcome.steps):
        for run in plan.runs:
            journals.mark(run, "undone")
    return outcome


class _Undoing:
    def __init__(self, engine: Engine, plan: UndoPlan, listener: Listener) -> None:
        self._engine = engine
        self._plan = plan
        self._listener = listener
        self._steps = list(plan.steps)
        self._inside = plan.inside
        self._done: set[int] = set()
        self._failed: list[Shortfall] = []
        self._total = len(plan.todo)
        self._began = time.monotonic()

    async def run(self) -> UndoOutcome:
        self._listener(ActionStarted("undo", f"Undo {counted(self._total, 'change')}", self._total))
        try:
            for number in range(len(self._steps)):
                await self._step(number)
        except asyncio.CancelledError:
            self._listener(ActionEnded("undo", "stopped", self._detail(), tuple(self._failed)))
            raise
        self._listener(ActionEnded("undo", "failed" if self._failed else "done", self._detail(), tuple(self._failed)))
        done = tuple(self._steps[number] for number in sorted(self._done))
        return UndoOutcome(tuple(self._steps), done, tuple(self._failed))

    def _detail(self) -> str:
        return f"{len(self._done)} of {counted(self._total, 'change')} undone"

    async def _step(self, number: int) -> None:
        step = self._steps[number]
        if not step.acts:
            return
        try:
            if step.ref is not None and step.ref.kind == "Namespace" and step.what is What.DELETE:
                self._inside = await read_inside(self._engine)
                self._settle()
                if not self._steps[number].acts:
                    return
            await self._execute(step)
        except WizardError as error:
            rejected = error.exit_code is ExitCode.CLUSTER
            self._steps[number] = step.leave(error.what, rejected=rejected)
            self._fail(step.title, error.what)
            self._settle()
            return
        self._done.add(number)
        deletes = step.what in (What.DELETE, What.DELETE_FILE, What.UNLABEL)
        what = f"Label of {counted(len(step.nodes), 'node')}" if step.nodes else step.title
        self._listener(ObjectResult("undo", what, "delete" if deletes else "configure", changes=step.changes))

    def _settle(self) -> None:
        """Leaves what the objects that now stay need, and says so."""
        before = self._steps
        self._steps = list(leaving_what_is_needed(before, self._inside, self._done))
        for was, step in zip(before, self._steps, strict=True):
            if was.acts and not step.acts:
                self._fail(step.title, step.left)

    def _fail(self, title: str, why: str) -> None:
        self._failed.append(Shortfall(title, why))
        self._listener(ObjectResult("undo", title, "failed", message=why))

    async def _execute(self, step: UndoStep) -> None:
        if step.what in _OBJECT_STEPS:
            await self._on_object(step)
        elif step.nodes:
            await self._label(step)
        elif step.what is What.DISABLE_TEMPLATES:
            async with self._engine.coder(step.coder_url) as client:
                await enable_templates(client, enabled=False)
        elif step.pushed is not None and step.present is not None:
            from wizard.coder.v2.undoing import take_back

            async with self._engine.templates(step.pushed.url) as templates:
                await take_back(templates, step.pushed, step.present)
        elif step.path is not None and step.what is What.RESTORE_FILE:
            write_file(step.path, step.content or b"", read=step.read, backup=False)
        elif step.path is not None:
            remove_file(step.path, read=step.read)

    async def _label(self, step: UndoStep) -> None:
        failed: list[Shortfall] = []
        for value in {one.before for one in step.nodes}:
            names = [one.name for one in step.nodes if one.before == value]
            result = await set_labels(self._engine.gateway, names, value=value, on_event=self._listener, action="undo")
            failed += result.failed
        if failed:
            reasons = "; ".join(f"{item.name}: {item.reason}" for item in failed[:3])
            raise ClusterError(f"{len(failed)} of {counted(len(step.nodes), 'node')} failed: {reasons}")

    # Objects --------------------------------------------------------------------------------------------------

    async def _on_object(self, step: UndoStep) -> None:
        """Deletes or restores an object if nobody claimed it since the preview."""
        from wizard.cluster import ApiRefusal
        from wizard.cluster.concurrency import attempts

        async for _ in attempts():
            try:
                if await self._try_object(step):
                    break
            except ApiRefusal as refusal:
                if refusal.status != 409 or refusal.namespace_terminating:
                    raise
        else:
            raise ConflictError(f"{step.title} keeps changing.", "Try again when it is stable.")
        if step.what is What.DELETE and step.ref is not None and step.ref.kind == "Namespace":
            await self._until_gone(step)

    async def _try_object(self, step: UndoStep) -> bool:
        """Makes the next request on an object; returns whether nothing is left to do. Raises ApiRefusal."""
        from wizard.cluster.content_patch import content_patch, owners_patch

        gateway, history, shown = self._engine.gateway, step.history, step.live
        assert history is not None and shown is not None
        ref = history.ref
        live = await gateway.get(ref.kind, ref.name, ref.namespace)
        if live is None and history.before is None:
            return True
        if live is None or live["metadata"]["uid"] != shown["metadata"]["uid"]:
            raise _changed(step, "it is another object now" if live is not None else "it no longer exists")
        if live["metadata"].get("deletionTimestamp"):
            if history.before is None:
                return True
            raise _changed(step, "it is being deleted")
        if history.is_back(live):
            owners = history.owners_to_return(live)
            if owners:
                await gateway.json_patch(ref, owners_patch(owners, live))
            return not owners
        if claims := history.claims(live):
            raise _changed(step, claim_words(claims))
        if history.before is not None:
            await gateway.json_patch(ref, content_patch(history.target(live), live))
            return False
        metadata = live["metadata"]
        await gateway.delete(
            ref.kind, ref.name, ref.namespace, uid=metadata["uid"], version=metadata["resourceVersion"]
        )
        return True

    async def _until_gone(self, step: UndoStep) -> None:
        """Waits until a namespace is gone: until then nothing can be created in it, and a run would fail."""
        assert step.ref is not None
        began = time.monotonic()
        while (live := await self._engine.gateway.get(step.ref.kind, step.ref.name)) is not None:
            why = _why_not_gone(live)
            waited = time.monotonic() - began
            if waited > DELETION_SECONDS:
                raise ConflictError(
                    f"{step.title} is still being deleted after {waited:.0f} s{f': {why}' if why else ''}.",
                    "Wait until it is gone, then repeat undo.",
                )
            shortfall = Shortfall(step.title, f"being deleted{f': {why}' if why else ''}", "deleting")
            self._listener(
                ActionProgress("undo", len(self._done), self._total, time.monotonic() - self._began, (shortfall,), 1)
            )
            await asyncio.sleep(POLL_SECONDS)


def _changed(step: UndoStep, why: str) -> ConflictError:
    return ConflictError(
        f"{step.title} changed after the preview, so it was not touched: {why}.", "Check it, then repeat undo."
    )


def _why_not_gone(live: KubernetesObject) -> str:
    """Returns what the server says about a namespace that is being deleted."""
    waiting: Sequence[str] = [
        str(one.get("message") or "").rstrip(".")
        for one in (live.get("status") or {}).get("conditions") or ()
        if one.get("status") == "True"
    ]
    finalizers = (live["metadata"].get("finalizers") or ()) if not waiting else ()
    return "; ".join(filter(None, waiting)) or (f"finalizers {', '.join(finalizers)}" if finalizers else "")
