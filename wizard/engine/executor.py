"""The one executor: carries out a plan that was shown and agreed to, and then reads the cluster again.

Screens, plain mode, ``run``, and every command that changes something use it. An action is tried only while the
cluster is what the plan was made from; if an object changed, nothing is done to it and PlanChanged is raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wizard.coder.credentials import CoderCredentials, NoCredentials
from wizard.coder.steps import IsV2
from wizard.engine.coder import CoderAction, EnableTemplates, InCoder, UploadPolicy, changes_made
from wizard.engine.coder_v2 import PromoteTemplate, PushTemplate, execute_promote, execute_push
from wizard.engine.events import ActionEnded, ActionStarted, Listener, Note, ObjectResult
from wizard.engine.labels import LabelResult, set_labels
from wizard.engine.podman_check import Proof, all_well, settings_of, verify_nodes
from wizard.engine.rollout import nudge, wait_for_rollout
from wizard.errors import ConflictError, WizardError
from wizard.facts.changes import Change
from wizard.facts.cluster import KubernetesObject
from wizard.facts.objects import ObjectRef
from wizard.facts.rollout import NO_LONGER_EXISTS, RolloutResult, Shortfall
from wizard.files import read_snapshot, write_file
from wizard.findings.verification import PodSettings
from wizard.journal import journal as journals
from wizard.manifest.forecast import Comparison, compare
from wizard.manifest.ownership import contests, decision_words
from wizard.nodes.verdicts import vanished_words
from wizard.plan.actions import (
    Action,
    ApplyObject,
    SetLabels,
    VerifyPodman,
    WaitForRollout,
    WakeController,
    WriteFile,
    WritePolicy,
    WriteTemplate,
)
from wizard.plan.derive import Plan
from wizard.plan.gates import Door, GateKind, require_open
from wizard.text.counting import counted

if TYPE_CHECKING:
    from wizard.coder.v2.client import TemplatesClient
    from wizard.coder.v2.pushing import Pushed
    from wizard.engine.engine import Engine

Result = Literal["done", "failed", "stopped", "skipped"]

PHASES: Mapping[type[Action], str] = {ApplyObject: "apply", WakeController: "apply"}
"""Actions that are one piece of work for whoever watches: objects are applied together."""


@dataclass(frozen=True)
class Outcome:
    """What became of one action; ``changes`` are what it changed, ``todo`` is the fix if it failed."""

    action: Action
    result: Result
    message: str = ""
    todo: str = ""
    changes: tuple[Change, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the outcome as commands print it."""
        return {
            "id": self.action.id,
            "title": self.action.title,
            "result": self.result,
            "message": self.message,
            "todo": self.todo,
            "changes": [change.to_json() for change in self.changes],
        }


@dataclass(frozen=True)
class RunOutcome:
    """What became of a plan: action by action, and the results that later steps show."""

    outcomes: tuple[Outcome, ...] = ()
    labelled: LabelResult | None = None
    rollout: RolloutResult | None = None
    missed: tuple[str, ...] = ()
    """Nodes that were selected by name and no longer exist."""
    comparison: tuple[Comparison, ...] = ()
    proofs: tuple[Proof, ...] = ()
    policy: Path | None = None
    backup: Path | None = None
    template: Path | None = None
    pushed: Pushed | None = None
    coder: InCoder = field(default_factory=InCoder)
    replaced_steps: tuple[str, ...] = ()
    """The manual steps in Coder that are done."""
    is_v2: bool = False

    @property
    def changed(self) -> bool:
        """Tells whether anything was changed."""
        return bool(self.labelled and self.labelled.done) or any(
            one.result == "done"
            and (bool(one.changes) if isinstance(one.action, CoderAction) else one.action.changed)
            and not isinstance(one.action, WaitForRollout)
            for one in self.outcomes
        )

    @property
    def complete(self) -> bool:
        """Tells whether every action was done, every node is ready, and every test passed."""
        rollout = self.rollout is None or self.rollout.ready >= self.rollout.desired
        tested = not self.proofs or all_well(self.proofs)
        return all(one.result == "done" for one in self.outcomes) and rollout and tested and not self.missed

    def of(self, kind: type[Action]) -> tuple[Outcome, ...]:
        """Returns the outcomes of one kind of action."""
        return tuple(one for one in self.outcomes if isinstance(one.action, kind))

    @property
    def unlabels(self) -> bool:
        """Tells whether the label was removed, not set."""
        return any(isinstance(one.action, SetLabels) and one.action.value is None for one in self.outcomes)

    @property
    def applied(self) -> tuple[str, ...]:
        """The titles of the objects that were applied."""
        return tuple(ref.title for ref, one in self.objects if one.result == "done")

    @property
    def objects(self) -> tuple[tuple[ObjectRef, Outcome], ...]:
        """What became of each object."""
        return tuple((one.action.ref, one) for one in self.outcomes if isinstance(one.action, ApplyObject))

    @property
    def failing(self) -> tuple[Shortfall, ...]:
        """What failed: objects, then nodes, each once."""
        objects = [
            Shortfall(ref.title, f"{one.message} {one.todo}".strip(), todo=one.todo)
            for ref, one in self.objects
            if one.result == "failed"
        ]
        labels = self.labelled.failed if self.labelled else ()
        nodes = self.rollout.failing if self.rollout else ()
        missed = [Shortfall(name, NO_LONGER_EXISTS) for name in self.missed]
        named = {item.name for item in (*objects, *labels)}
        return (*objects, *labels, *missed, *(item for item in nodes if item.name not in named))


def _done(outcome: RunOutcome) -> tuple[Outcome, ...]:
    return tuple(one for one in outcome.outcomes if one.result == "done")


class Executor:
    """Carries out one plan. ``outcome`` grows while it works, and stands after an error or a stop too."""

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        listener: Listener,
        *,
        stop: asyncio.Event | None = None,
        before: RunOutcome | None = None,
        coder: CoderCredentials | None = None,
    ) -> None:
        """``before`` is what was done before the plan had to be made again, ``coder`` what was entered for Coder."""
        self.outcome = RunOutcome() if before is None else replace(before, outcomes=_done(before))
        self._engine = engine
        self._plan = plan
        self._credentials = coder
        self._listener = listener
        self._stop = stop or asyncio.Event()
        self._failed: set[str] = set()
        self._gone: set[str] = set(self.outcome.missed)
        self._by_name = bool(plan.judgement.answers.nodes.names)

    async def execute(
        self, *, agreed: str, door: Door, only: Collection[str] | None = None, allow: Collection[GateKind] = ()
    ) -> RunOutcome:
        """Carries out the actions with these ids (all by default), in order.

        ``agreed`` is the digest of the plan that was shown. ``allow`` are the gates that were opened by a consent of
        their own. Raises the error of a closed gate, and PlanChanged; then nothing of that action was done.
        """
        actions = [action for action in self._plan.actions if only is None or action.id in only]
        self._require(agreed, door, actions, allow)
        if any(action.changed for action in actions):
            self._engine.begin()  # if no journal can be kept, or another wizard is working, nothing is tried
        for phase, group in groupby(actions, key=lambda action: PHASES.get(type(action), action.kind)):
            work = list(group)
            if phase == "apply":
                await self._apply(work)
            else:
                for action in work:
                    await self._execute(action)
        return self.outcome

    def _require(self, agreed: str, door: Door, actions: Sequence[Action], allow: Collection[GateKind]) -> None:
        kinds = {action.kind for action in actions}
        require_open(self._plan.gates, door, actions=kinds, allow=allow)
        if agreed != self._plan.digest:
            raise ConflictError("The plan changed after it was shown. Nothing was changed.", "Review it again.")
        if "apply" in kinds and self._plan.stage != "asked":
            raise ConflictError("The server has not checked the objects yet. Nothing was changed.", "Refresh.")

    def _note(self, outcome: Outcome) -> None:
        self.outcome = replace(self.outcome, outcomes=(*self.outcome.outcomes, outcome))
        if outcome.result not in ("done",):
            self._failed.add(outcome.action.id)

    def _blocked(self, action: Action) -> bool:
        """Tells whether an action that it depends on was not done; then it is noted as skipped."""
        if not self._failed & {one for one in action.after if one.startswith("apply")}:
            return False
        self._note(Outcome(action, "skipped", "an object before it was not applied"))
        return True

    async def _execute(self, action: Action) -> None:
        if self._blocked(action):
            return
        if self._stop.is_set():
            self._note(Outcome(action, "skipped", "stopped before it"))
            return
        match action:
            case SetLabels():
                await self._label(action)
            case WaitForRollout():
                await self._wait(action)
            case WriteFile():
                await self._write(action)
            case VerifyPodman():
                await self._verify(action)
            case PushTemplate() | PromoteTemplate():
                await self._push(action)
            case CoderAction():
                await self._coder(action)
            case _:
                raise TypeError(f"no way to execute {type(action).__name__}")

    # Objects --------------------------------------------------------------------------------------------------

    async def _apply(self, actions: Sequence[Action]) -> None:
        applying = [action for action in actions if isinstance(action, ApplyObject)]
        skipped = self._plan.judgement.answers.ownership
        total = len(applying)
        self._listener(ActionStarted("apply", f"Apply {counted(total, 'object')}", total))
        for item in self._plan.rendering.objects:
            if skipped.skips(item["kind"]):
                title = f"{item['kind']} {item['metadata']['name']}"
                self._listener(ObjectResult("apply", title, "skipped", message="left as it is, as you decided"))
        done = 0
        for action in actions:
            if self._blocked(action):
                continue
            try:
                if isinstance(action, ApplyObject):
                    await self._apply_one(action)
                    done += 1
                else:
                    await nudge(self._engine.gateway)
                    self._note(Outcome(action, "done"))
            except WizardError as error:
                self._note(Outcome(action, "failed", error.what, error.todo))
                said = f"{error.what} {error.todo}".strip()
                title = action.ref.title if isinstance(action, ApplyObject) else action.title
                self._listener(ObjectResult("apply", title, "failed", message=said))
                failed = (Shortfall(title, said, todo=error.todo),)
                detail = f"{done} of {counted(total, 'object')} applied; {title}: {error.what}"
                self._listener(ActionEnded("apply", "failed", detail, failed))
                for left in actions[actions.index(action) + 1 :]:
                    self._note(Outcome(left, "skipped", f"{title} was not applied"))
                if isinstance(error, ConflictError):
                    raise
                return
            except asyncio.CancelledError:
                self._note(Outcome(action, "stopped"))
                for left in actions[actions.index(action) + 1 :]:
                    self._note(Outcome(left, "skipped", "stopped before it"))
                self._listener(ActionEnded("apply", "stopped", f"{done} of {counted(total, 'object')} applied"))
                raise
        self._listener(ActionEnded("apply", "done", f"{done} of {counted(total, 'object')} applied"))

    async def _apply_one(self, action: ApplyObject) -> None:
        from wizard.manifest.asking import apply_checked

        check = action.check
        assert check is not None
        title = action.ref.title
        async with self._engine.change("apply", title) as change:
            result = await apply_checked(
                self._engine.gateway, check, lambda before: change.begin(_noted(before, check.after))
            )
            change.after = {"object": journals.without_noise(result.object), "uid": result.object["metadata"]["uid"]}
        decided = decision_words(contests([check]), self._plan.judgement.answers.ownership)
        self._note(Outcome(action, "done", decided, changes=action.changes))
        self._listener(
            ObjectResult(
                "apply", title, result.change, message=decided, warnings=result.warnings, changes=action.changes
            )
        )

    # Nodes ----------------------------------------------------------------------------------------------------

    async def _label(self, action: SetLabels) -> None:
        remove = action.value is None
        kind: Literal["label", "unlabel"] = "unlabel" if remove else "label"
        self._listener(ActionStarted(kind, action.title, len(action.nodes)))
        async with self._engine.change("label", action.title) as change:
            change.begin({"nodes": list(action.names), "value": action.value})
            result = await set_labels(
                self._engine.gateway,
                action.names,
                value=action.value,
                on_event=self._listener,
                action=kind,
                stop=self._stop,
                on_batch=change.batch,
            )
            change.result = "stopped" if result.cancelled else "failed" if result.failed else "done"
        self.outcome = replace(self.outcome, labelled=result)
        word: Result = "stopped" if result.cancelled else "failed" if result.failed else "done"
        detail = f"{len(result.done)} of {counted(len(action.nodes), 'node')} {'unlabeled' if remove else 'labeled'}"
        if result.unchanged:
            detail += f", {len(result.unchanged)} unchanged"
        if result.gone:
            detail += f", {len(result.gone)} no longer {'exists' if len(result.gone) == 1 else 'exist'}"
            if not remove:
                self.miss(result.gone, by_name=self._by_name)
        self._note(Outcome(action, word, detail, changes=action.changes_of(result.done)))
        self._listener(ActionEnded(kind, word, detail, result.failed))

    async def _wait(self, action: WaitForRollout) -> None:
        names = action.nodes
        self._listener(ActionStarted("rollout", action.title, len(names)))
        result = await wait_for_rollout(
            self._engine.gateway,
            names,
            timeout=action.timeout,
            on_event=self._listener,
            action="rollout",
            devices=action.devices,
            stop=self._stop,
        )
        detail = f"{result.ready} of {counted(result.desired, 'node')} ready after {result.seconds:.0f} s"
        word: Literal["done", "stopped", "failed"] = (
            "done" if result.complete else "stopped" if self._stop.is_set() else "failed"
        )
        if word == "failed":
            detail += f", gave up after {action.timeout} s without another" if result.ready else ", gave up"
        self.miss(result.gone, by_name=self._by_name)
        comparison = compare(self._plan.forecast, result.nodes, result)
        self.outcome = replace(self.outcome, rollout=result, comparison=comparison)
        self._note(Outcome(action, word, detail))
        self._listener(ActionEnded("rollout", word, detail, result.failing))

    def miss(self, gone: Sequence[str], *, by_name: bool) -> None:
        """Says which nodes no longer exist; those that were selected by name are missing in the result."""
        new = [name for name in gone if name not in self._gone]
        if new:
            self._gone.update(new)
            self._listener(Note(vanished_words(new, "node")))
            if by_name:
                self.outcome = replace(self.outcome, missed=(*self.outcome.missed, *new))

    async def _verify(self, action: VerifyPodman) -> None:
        # Read again: the devices are those that the rollout brought.
        facts = await self._engine.read_facts()
        policies = [one.content for one in self._plan.actions if isinstance(one, WritePolicy)]
        settings = settings_of(*policies)
        for one in self._plan.actions:
            if isinstance(one, WriteTemplate) and one.pod is not None:
                settings = PodSettings(apparmor=one.pod.apparmor, pod=one.pod.pod, container=one.pod.container)
        proofs = await verify_nodes(self._engine, facts, action.choice, self._listener, settings=settings)
        self.outcome = replace(self.outcome, proofs=proofs)
        self._note(Outcome(action, "done" if all_well(proofs) else "failed"))

    # Files and Coder ------------------------------------------------------------------------------------------

    async def _write(self, action: WriteFile) -> None:
        self._listener(ActionStarted(action.kind, action.title, 1))
        if not action.changed:
            self._written(action, None)
            self._note(Outcome(action, "done", f"{action.path} unchanged"))
            self._listener(ActionEnded(action.kind, "done", f"{action.path} unchanged"))
            return
        try:
            backup = await self._write_file(action)
        except WizardError as error:
            self._note(Outcome(action, "failed", error.what, error.todo))
            self._listener(ActionEnded(action.kind, "failed", error.what))
            raise
        detail = f"{action.path} written" + (f", the earlier content is in {backup.name}" if backup else "")
        self._written(action, backup)
        self._note(Outcome(action, "done", detail, changes=(Change(None, "", after=action.diff),)))
        self._listener(ActionEnded(action.kind, "done", detail))

    def _written(self, action: WriteFile, backup: Path | None) -> None:
        if isinstance(action, WriteTemplate):
            self.outcome = replace(self.outcome, template=action.path)
        else:
            self.outcome = replace(self.outcome, policy=action.path, backup=backup)

    async def _write_file(self, action: WriteFile) -> Path | None:
        current = read_snapshot(action.path, missing_ok=True)
        async with self._engine.change("policy", action.title) as change:
            change.begin(
                {
                    "path": str(action.path.absolute()),
                    "existed": current.content is not None,
                    "digest": journals.digest(current.content or b""),
                    "meant": journals.digest(action.content),
                }
            )
            backup = write_file(action.path, action.content, read=action.read)
            change.after = {
                "digest": journals.digest(action.content),
                "backup": str(backup.absolute()) if backup else None,
            }
        return backup

    async def _coder(self, action: CoderAction) -> None:
        """What cannot be done in Coder is left to a person, as steps by hand; it stops nothing else."""
        answers, rollout = self._plan.judgement.answers, self.outcome.rollout
        if why := self._why_no_upload(action, rollout):
            upload = isinstance(action, UploadPolicy)
            text = f"{'The policy was not uploaded' if upload else 'Workspace templates were not enabled'}: {why}"
            self._listener(Note(text))
            self._note(Outcome(action, "failed", text))
            return
        try:
            async with self._engine.coder(answers.coder.url) as client:
                result = await self._engine.execute_in_coder(action, client, self._listener)
        except IsV2 as error:
            self._listener(Note(f"{action.title}: not possible. {error}"))
            self.outcome = replace(self.outcome, is_v2=True)
            self._note(Outcome(action, "failed", error.what, error.todo))
        except NoCredentials as error:
            self._listener(Note(f"{action.title}: left to do. {error}"))
            self._note(Outcome(action, "skipped", error.what, error.todo))
        except WizardError as error:
            self._listener(Note(f"{action.title}: left to do. {error}"))
            self._note(Outcome(action, "failed", error.what, error.todo))
        else:
            coder = self.outcome.coder.with_result(client.url, result, action)
            steps = (*self.outcome.replaced_steps, action.replaces)
            self.outcome = replace(self.outcome, coder=coder, replaced_steps=steps)
            content = action.content if isinstance(action, UploadPolicy) else b""
            self._note(Outcome(action, "done", changes=changes_made(client.url, result, content)))

    async def _push(self, action: PushTemplate | PromoteTemplate) -> None:
        """Pushes a template or makes it active; what is not possible is left to a person, and stops nothing else.

        A version that stays inactive harms no workspace, whatever the nodes offer.
        """
        self._listener(ActionStarted(action.kind, action.title, 1))
        inactive = isinstance(action, PushTemplate) and not action.promoting
        if why := "" if inactive else self._why_no_upload(action, self.outcome.rollout):
            what = "pushed" if isinstance(action, PushTemplate) else "made active"
            text = f"The template was not {what}: {why}"
            self._listener(Note(text))
            self._note(Outcome(action, "failed", text, "Apply the manifest and label the nodes, then try again."))
            self._listener(ActionEnded(action.kind, "failed", text))
            return
        try:
            url = self._plan.judgement.answers.coder.url
            async with self._engine.templates(url, credentials=self._credentials) as client:
                pushed, changes = await self._pushed(action, client)
        except asyncio.CancelledError:
            self._listener(ActionEnded(action.kind, "stopped", "see the journal for how far it got"))
            raise
        except WizardError as error:
            self._listener(ActionEnded(action.kind, "failed", " ".join(error.what.split())))
            self._listener(Note(f"{action.title}: left to do. {error}"))
            self._note(Outcome(action, "failed", error.what, error.todo))
            return
        self.outcome = replace(self.outcome, pushed=pushed)
        said = "the active version already has it"
        if pushed is not None:
            said = f"version {pushed.version.name} is {'active' if pushed.promoted else 'imported and stays inactive'}"
        self._note(Outcome(action, "done", said, changes=changes))
        self._listener(ActionEnded(action.kind, "done", said))

    async def _pushed(
        self, action: PushTemplate | PromoteTemplate, client: TemplatesClient
    ) -> tuple[Pushed | None, tuple[Change, ...]]:
        if isinstance(action, PromoteTemplate):
            return await execute_promote(action, client, self._engine)
        return await execute_push(action, client, self._listener, self._engine)

    def _why_no_upload(self, action: CoderAction, rollout: RolloutResult | None) -> str:
        """Returns why a policy is not uploaded, nor templates enabled for it; "" if it can be."""
        if isinstance(action, EnableTemplates) and action.upload is None:
            return ""
        return why_not_for_workspaces(offers_fuse=self._offers_fuse(rollout), proofs=self.outcome.proofs)

    def _offers_fuse(self, rollout: RolloutResult | None) -> bool:
        if rollout is None and not self._engine.has_cluster:
            return True  # nobody looked, and the policy is all that was asked for
        return bool(rollout.ready) if rollout is not None else bool(self._plan.judgement.reading.offering)


def why_not_for_workspaces(*, offers_fuse: bool, proofs: Sequence[Proof]) -> str:
    """Returns why workspaces must not get a policy or a template now that requests FUSE; "" if they can."""
    if not offers_fuse:
        return "every workspace would request FUSE, and no node advertises it."
    if proofs and not all_well(proofs):
        return "the Podman test failed, so new workspaces could not run Podman."
    return ""


def _noted(before: KubernetesObject | None, meant: KubernetesObject | None) -> dict[str, Any]:
    """Returns what the journal keeps of an object before an apply.

    It has the object as it is with who owns it, the annotation of ``kubectl apply``, and as the server says it will
    be.
    """
    states = {"object": journals.without_noise(before), "meant": journals.without_noise(meant)}
    if before is None:
        return states
    metadata = before["metadata"]
    last_applied = (metadata.get("annotations") or {}).get(journals.LAST_APPLIED)
    return {
        **states,
        "owners": list(metadata.get("managedFields", ())),
        **({"last_applied": last_applied} if last_applied else {}),
    }
