"""The engine: reads facts, checks a manifest, and executes actions, telling what happens as it happens.

It lives on one event loop (wizard.bridge for the screens, ``asyncio.run`` for commands). Every change is
written to the journal before it is tried and after it ended, so that it can be undone and resumed.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wizard import journal as journals
from wizard import unfinished
from wizard.answers import UNDECIDED, Answers, OwnershipChoice
from wizard.answers_file import write_answers
from wizard.counting import counted
from wizard.errors import ClusterError, ConflictError, InputError, WizardError
from wizard.events import ActionEnded, ActionStarted, Listener, ObjectResult, Shortfall
from wizard.facts import ClusterFacts, ClusterIdentity, KubernetesObject, NodeFacts
from wizard.files import read_snapshot, write_file
from wizard.names import PROBE_NAMESPACE
from wizard.ownership import contests, decision_words, require_decided, require_known_fields
from wizard.state import ClusterLock, cluster_folder, deployment_folder, private_folder, state_folder
from wizard.target import Target

if TYPE_CHECKING:
    from wizard.cluster import ApplyResult, Gateway, ObjectCheck
    from wizard.coder.actions import CoderAction
    from wizard.coder.client import CoderClient
    from wizard.coder.credentials import CoderCredentials
    from wizard.coder.steps import Prepared
    from wizard.credentials import Interactive
    from wizard.labels import LabelResult
    from wizard.plan import Action, WritePolicy
    from wizard.rollout import RolloutResult
    from wizard.sandbox import Sandbox
    from wizard.sandbox.coder import SandboxCoder

APPLY_TRIES = 5
"""How often an apply that takes fields of others is looked at anew, where the object changed in between."""


@dataclass(frozen=True)
class ApplyOutcome:
    """What an apply did: the objects by title, those that failed with the reason, and those that were skipped.

    ``decided`` says, object by object, what became of the fields that others own; ``left`` are the objects whose
    result had not come when the apply was stopped.
    """

    applied: tuple[str, ...] = ()
    failed: tuple[Shortfall, ...] = ()
    warnings: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    decided: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass
class Engine:
    """The work on one cluster, or on a Coder deployment alone; ``close`` it at the end.

    ``open`` connects to the cluster, whose folder holds the journal of all that is done, in Coder too. A policy
    belongs to a deployment and not to a cluster: ``at_coder`` does without one, and then the journal is the
    deployment's, where ``undo --coder-url`` finds it.
    """

    target: Target
    sandbox_speed: float = 1.0
    interactive: Interactive | None = None
    """Gives a credential plugin the terminal, where screens have it; None: it is there for the taking."""
    _gateway: Gateway | None = None
    _sandbox: Sandbox | None = None
    _sandbox_folder: Path | None = None
    _coder: SandboxCoder | None = None
    _identity: ClusterIdentity | None = None
    _journal: journals.Journal | None = None
    _lock: ClusterLock | None = None
    _answers: Answers = field(default_factory=Answers)
    _resumed: journals.Run | None = None
    """The run that the next change goes on with."""
    _deployment: str = ""

    @property
    def gateway(self) -> Gateway:
        """The connection; raises ClusterError where there is none."""
        if self._gateway is None:
            raise ClusterError("There is no connection to a cluster.", "Read the cluster again.")
        return self._gateway

    @property
    def identity(self) -> ClusterIdentity:
        """Which cluster this is; known once ``open`` has returned."""
        if self._identity is None:
            raise ClusterError("There is no connection to a cluster.", "Read the cluster again.")
        return self._identity

    @property
    def has_cluster(self) -> bool:
        """Whether a cluster is connected."""
        return self._gateway is not None and self._identity is not None

    @property
    def has_changed(self) -> bool:
        """Whether something was changed, or was about to be: its journal has begun."""
        return self._journal is not None

    @property
    def folder(self) -> Path:
        """Where journal and lock are: the cluster's folder, or without one the Coder deployment's."""
        if self._identity is None and self._deployment:
            return deployment_folder(self._deployment)
        return cluster_folder(self.identity)

    def at_coder(self, url: str) -> None:
        """From here on, and until a cluster is opened, the work is on this Coder deployment alone."""
        if self._identity is None and self._deployment != url:
            self._end_journal()
            self._deployment = url

    async def open(self) -> ClusterIdentity:
        """Connects, and asks the cluster who it is. Raises InputError or ClusterError.

        A journal ends with that, but for a deployment's where still no cluster answers: its work goes on.
        """
        from wizard.cluster import Gateway

        if self._identity is not None:
            self._end_journal()
        await self._disconnect()
        kubeconfig, context = self.target.kubeconfig, self.target.context
        if self.target.sandbox is not None:
            from wizard.sandbox import Sandbox

            self._sandbox = await Sandbox.start(self.target.sandbox, speed=self.sandbox_speed)
            self._sandbox_folder = _folder_for(self._sandbox)
            path = self._sandbox_folder / "kubeconfig"
            self._sandbox.write_kubeconfig(path)
            kubeconfig, context = str(path), None
        scenario = self.target.sandbox or ""
        self._gateway = await Gateway.connect(kubeconfig, context, sandbox=scenario, interactive=self.interactive)
        identity = await self._gateway.identity()
        self._end_journal()
        self._deployment, self._identity = "", identity
        return identity

    async def close(self, *, interrupted: bool = False) -> None:
        """Ends the connection, the journal and the sandbox; a second call does nothing.

        A run that is closed as interrupted is offered again at the next start.
        """
        self._end_journal(interrupted=interrupted)
        await self._disconnect()
        self._deployment = ""

    async def _disconnect(self) -> None:
        if self._gateway is not None:
            gateway, self._gateway = self._gateway, None
            await gateway.close()
        if self._coder is not None:
            coder, self._coder = self._coder, None
            await coder.stop()
            if self._deployment:
                shutil.rmtree(deployment_folder(self._deployment), ignore_errors=True)
        if self._sandbox is not None:
            sandbox, self._sandbox = self._sandbox, None
            await sandbox.stop()
            # A sandbox never comes back, so neither do its kubeconfig and its journals.
            folders = [self._sandbox_folder, cluster_folder(self._identity) if self._identity else None]
            for folder in filter(None, folders):
                shutil.rmtree(folder, ignore_errors=True)

    def _end_journal(self, *, interrupted: bool = False) -> None:
        if self._journal is not None:
            if interrupted:
                self._journal.abandon()
            else:
                self._journal.close()
            self._journal = None
        if self._resumed is not None and not interrupted:
            self.settle_run(self._resumed)
        self._resumed = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def sandbox_url(self) -> str:
        """Where the sandbox listens; "" where the cluster is a real one."""
        return self._sandbox.url if self._sandbox else ""

    async def read_facts(
        self,
        on_nodes: Callable[[tuple[NodeFacts, ...], int | None], None] | None = None,
        *,
        verify_in: str = PROBE_NAMESPACE,
    ) -> ClusterFacts:
        """Reads the cluster; ``on_nodes`` is told of slices of nodes, and of how many there are if known.

        ``verify_in`` is the namespace of the verification, whose rights are reviewed too.
        """
        from wizard.collect import collect

        return await collect(self.gateway, on_nodes=on_nodes, pods_in=dict.fromkeys((PROBE_NAMESPACE, verify_in)))

    async def read_nodes(self) -> ClusterFacts:
        """Reads the nodes and nothing else, for commands that are about nodes only."""
        from wizard.collect import collect_nodes

        return await collect_nodes(self.gateway, self.identity)

    def other_wizard(self) -> str:
        """Which other process holds this cluster's lock; "" where it is ours now."""
        if self._lock is None:
            lock = ClusterLock(self.folder)
            if not lock.take():
                return lock.holder
            self._lock = lock
        return ""

    async def dry_run(
        self, objects: Sequence[KubernetesObject], ownership: OwnershipChoice = UNDECIDED
    ) -> tuple[ObjectCheck, ...]:
        """Has the server check every object, object by object, whether or not the namespace is there yet.

        Each is checked as it would be applied with these decisions about fields of others.
        """
        return await self.gateway.dry_run_all(list(objects), ownership)

    def note_answers(self, answers: Answers, *, repeat: bool = False) -> None:
        """The choices that the journal of this run keeps; they count from its first change on.

        ``repeat``: where the last run was cut off, and had the same choices, this one goes on with it.
        """
        self._answers = answers
        if repeat and self._journal is None:
            run = self.interrupted_run()
            if run is not None and run.answers == write_answers(answers):
                self._resumed = run

    def is_new_here(self) -> bool:
        """Whether the wizard has never changed anything on this cluster, as far as this machine knows."""
        return self.target.sandbox is None and not journals.runs(cluster_folder(self.identity))

    def interrupted_run(self) -> journals.Run | None:
        """The last run on this cluster, where it stopped in the middle of its work and was not taken up since."""
        for run in journals.runs(cluster_folder(self.identity)):
            if run.changes and (self._journal is None or run.path != self._journal.path):
                return run if run.interrupted else None
        return None

    def resume(self, run: journals.Run) -> None:
        """Goes on with an interrupted run: what is changed from now on belongs to the same piece of work.

        Until something is, it stays on offer: this run may be cut off too.
        """
        self._resumed = run

    def settle_run(self, run: journals.Run) -> None:
        """Notes that an interrupted run is not to be offered again: it was taken up, or let go of."""
        journals.mark(run, "ended")

    def _folder_of_unfinished(self) -> Path | None:
        """None where nothing is kept: a sandbox never comes back, and another wizard at work keeps its own."""
        if self.target.sandbox is not None:
            return None
        if self._identity is None:
            return unfinished.folder_without_cluster()
        return cluster_folder(self._identity) if not self.other_wizard() else None

    def unfinished_session(self) -> unfinished.Unfinished | None:
        """What a session on this cluster had chosen when its line dropped. Raises InputError."""
        folder = self._folder_of_unfinished()
        return unfinished.find(folder) if folder else None

    def keep_session(self, session: unfinished.Unfinished | None) -> None:
        """Keeps what this session had chosen for the next one; None lets go of what is kept. Raises InputError."""
        folder = self._folder_of_unfinished()
        if folder is None:
            return
        if session is None:
            unfinished.forget(folder)
        else:
            unfinished.keep(folder, session)

    def claim(self) -> None:
        """Takes the cluster's lock. Raises ConflictError where another wizard holds it."""
        holder = self.other_wizard()
        if holder:
            raise ConflictError(
                f"Another podman-wizard ({holder}) is at work on this {'cluster' if self.has_cluster else 'Coder'}.",
                "Let it finish, or end it; then repeat the step.",
            )

    def _writing(self) -> journals.Journal:
        if self._journal is None:
            self.claim()
            resumes = self._resumed.path.name if self._resumed else ""
            self._journal = journals.Journal(self.folder, write_answers(self._answers), resumes=resumes)
        return self._journal

    @asynccontextmanager
    async def _change(
        self, kind: journals.Kind, title: str, before: Mapping[str, Any]
    ) -> AsyncIterator[_JournaledChange]:
        journal = self._writing()
        number = journal.begin(kind, title, before)
        if self._resumed is not None:
            run, self._resumed = self._resumed, None
            self.settle_run(run)
        change = _JournaledChange(journal, number, kind, title)
        try:
            yield change
        except asyncio.CancelledError:
            journal.end(number, "interrupted", change.after)
            raise
        except BaseException:
            journal.end(number, "failed", change.after)
            raise
        try:
            journal.end(number, change.result, change.after)
        except InputError as error:
            raise InputError(f"{title} was done, but its end could not be noted. {error.what}", error.todo) from None

    async def execute(self, action: Action, listener: Listener, *, ownership: OwnershipChoice = UNDECIDED) -> Any:
        """Executes one action of a plan; gives what the method for its kind gives."""
        from wizard.plan import ApplyObjects, LabelNodes, WaitForRollout, WritePolicy

        match action:
            case ApplyObjects():
                return await self.apply(action.objects, listener, ownership=ownership)
            case LabelNodes():
                return await self.label(action.nodes, listener)
            case WaitForRollout():
                return await self.wait(action.nodes, listener, timeout=action.timeout)
            case WritePolicy():
                return await self.write_policy(action, listener)
            case _:
                raise TypeError(f"no way to execute {type(action).__name__}")

    async def apply(
        self, objects: Sequence[KubernetesObject], listener: Listener, *, ownership: OwnershipChoice = UNDECIDED
    ) -> ApplyOutcome:
        """Applies the objects in order, after a dry run of all of them.

        ``ownership`` decides on fields that other managers own, one by one; where nothing is decided about one,
        ConflictError is raised before anything is changed. An object that the server refuses ends the apply:
        what comes after it depends on it.
        """
        total = sum(not ownership.skips(item["kind"]) for item in objects)
        listener(ActionStarted("apply", f"Apply {counted(total, 'object')}", total))
        try:
            checks = await self._settle_ownership(objects, ownership)
            self._writing()  # where no journal can be kept, or another wizard is at work, nothing is tried
        except WizardError as error:
            listener(ActionEnded("apply", "failed", error.what))
            raise
        from wizard.rollout import nudge

        outcome = ApplyOutcome()
        changed: dict[str, str] = {}
        for check in checks:
            title = check.title
            if check.change == "skipped":
                outcome = replace(outcome, skipped=(*outcome.skipped, title))
                listener(ObjectResult("apply", title, "skipped", message="left as it is, as you decided"))
                continue
            try:
                result = await self._apply_one(check, ownership)
            except WizardError as error:
                said = f"{error.what} {error.todo}".strip()
                listener(ObjectResult("apply", title, "failed", message=said))
                failed = (Shortfall(title, said, todo=error.todo),)
                detail = f"{len(outcome.applied)} of {total} objects applied; {title}: {error.what}"
                listener(ActionEnded("apply", "failed", detail, failed))
                return replace(outcome, failed=failed)
            except asyncio.CancelledError:
                listener(ActionEnded("apply", "interrupted", f"{len(outcome.applied)} of {total} objects applied"))
                raise
            decided = decision_words(contests([check]), ownership)
            changed[title.partition(" ")[0]] = result.change
            outcome = replace(
                outcome,
                applied=(*outcome.applied, title),
                warnings=(*outcome.warnings, *result.warnings),
                decided=(*outcome.decided, *([f"{title}: {decided}"] if decided else [])),
            )
            listener(ObjectResult("apply", title, result.change, message=decided, warnings=result.warnings))
        mended = "configure" in (changed.get("Namespace"), changed.get("ResourceQuota"))
        if mended and changed.get("DaemonSet") == "unchanged":
            # A raised quota or a mended Pod Security level does not wake the daemon set's controller.
            await nudge(self.gateway)
        detail = f"{len(outcome.applied)} of {total} objects applied"
        if outcome.skipped:
            detail += f", {len(outcome.skipped)} skipped"
        listener(ActionEnded("apply", "done", detail))
        return outcome

    async def _apply_one(self, check: ObjectCheck, ownership: OwnershipChoice) -> ApplyResult:
        assert check.wanted is not None
        metadata = check.wanted["metadata"]
        before = await self.gateway.get(check.wanted["kind"], metadata["name"], metadata.get("namespace", ""))
        async with self._change("apply", check.title, _noted(before, check.after)) as change:
            result = await self._send(check, ownership, change)
            change.after = {"object": journals.without_noise(result.object), "uid": result.object["metadata"]["uid"]}
        return result

    async def _send(self, check: ObjectCheck, ownership: OwnershipChoice, change: _JournaledChange) -> ApplyResult:
        """The apply that was checked. Force takes only what was seen: the object must not have changed since."""
        from wizard.cluster import ApiRefusal

        assert check.wanted is not None
        for _ in range(APPLY_TRIES):
            assert check.sent is not None
            if not check.forced or check.before is None:
                return await self.gateway.apply(check.sent)
            version = check.before["metadata"]["resourceVersion"]
            sent = {**check.sent, "metadata": {**check.sent["metadata"], "resourceVersion": version}}
            try:
                return await self.gateway.apply(sent, force=True)
            except ApiRefusal as refusal:
                if refusal.status != 409:
                    raise
            # Somebody wrote to it, if only its status; a conflict that is new is not decided yet.
            (check,) = await self._settle_ownership([check.wanted], ownership)
            change.begin_anew(_noted(check.before, check.after))
        raise ConflictError(f"{check.title} changes all the time.", "Try again when it has come to rest.")

    async def _settle_ownership(
        self, objects: Sequence[KubernetesObject], ownership: OwnershipChoice
    ) -> tuple[ObjectCheck, ...]:
        require_known_fields(objects, ownership)
        checks = await self.dry_run(objects, ownership)
        refused = [check for check in checks if check.change == "failed"]
        if refused:
            raise ClusterError(
                f"{refused[0].title} would be refused: {refused[0].message}",
                "Nothing was changed. Mend it and repeat; podman-wizard plan --to DIR is for someone with more rights.",
            )
        require_decided(contests(checks), ownership, answers=False)
        return checks

    async def label(
        self,
        names: Sequence[str],
        listener: Listener,
        *,
        remove: bool = False,
        stop: asyncio.Event | None = None,
    ) -> LabelResult:
        """Sets, or removes, the guide's label on these nodes, many at a time."""
        from wizard.labels import set_labels
        from wizard.names import NODE_LABEL_VALUE

        word, value = ("Unlabel", None) if remove else ("Label", NODE_LABEL_VALUE)
        kind: Literal["label", "unlabel"] = "unlabel" if remove else "label"
        title = f"{word} {counted(len(names), 'node')}"
        listener(ActionStarted(kind, title, len(names)))
        async with self._change("label", title, {"nodes": list(names), "value": value}) as change:

            def note(before: Mapping[str, str | None]) -> None:
                change.after = {**change.after, **before}
                change.journal.batch(change.number, dict(before))

            result = await set_labels(
                self.gateway, names, value=value, on_event=listener, action=kind, stop=stop, on_batch=note
            )
            if result.cancelled:
                change.result = "interrupted"
            elif result.failed:
                change.result = "failed"
        stopped = bool(result.cancelled)
        detail = f"{len(result.done)} of {len(names)} nodes {'unlabelled' if remove else 'labelled'}"
        if result.unchanged:
            detail += f", {len(result.unchanged)} were already"
        if stopped:
            detail += f", {len(result.cancelled)} not tried: stopped"
        listener(
            ActionEnded(
                kind, "interrupted" if stopped else "failed" if result.failed else "done", detail, result.failed
            )
        )
        return result

    async def wait(
        self, names: Sequence[str], listener: Listener, *, timeout: float, stop: asyncio.Event | None = None
    ) -> RolloutResult:
        """Waits until each of these nodes has a ready pod and advertises FUSE, ``timeout`` seconds at most."""
        from wizard.rollout import wait_for_rollout

        listener(ActionStarted("rollout", f"Wait for {counted(len(names), 'node')}", len(names)))
        result = await wait_for_rollout(
            self.gateway, names, timeout=timeout, on_event=listener, action="rollout", stop=stop
        )
        stopped = stop is not None and stop.is_set()
        detail = f"{result.ready} of {result.desired} nodes ready after {result.seconds:.0f} s"
        word: Literal["done", "interrupted", "failed"] = (
            "done" if result.complete else "interrupted" if stopped else "failed"
        )
        listener(ActionEnded("rollout", word, detail, result.failing))
        return result

    @asynccontextmanager
    async def coder(
        self, url: str | None = None, credentials: CoderCredentials | None = None
    ) -> AsyncIterator[CoderClient]:
        """A connection to Coder: the one that the url or the environment means, in the sandbox the sandbox's own.

        Raises NoCredentials (wizard.coder.credentials) where it is not known where Coder is, or there is no token.
        """
        from wizard.coder.connection import connected_coder, start_sandbox

        if self.target.sandbox is not None and self._coder is None:
            self._coder = await start_sandbox(self.target.sandbox)
        async with connected_coder(url, credentials=credentials, sandbox=self._coder) as client:
            yield client

    async def execute_in_coder(
        self, action: CoderAction, client: CoderClient, listener: Listener, prepared: Prepared | None = None
    ) -> Any:
        """Executes one action in Coder; ``prepared`` is the policy's impact where a person has seen it already."""
        from wizard.coder.actions import execute

        return await execute(action, client, listener, partial(self._change, "coder"), prepared)

    async def write_policy(self, action: WritePolicy, listener: Listener) -> Path | None:
        """Writes the policy atomically, with a backup; gives the backup's path.

        Raises ConflictError where the file changed since it was read, InputError where it cannot be written.
        """
        listener(ActionStarted("policy", action.title, 1))
        current = read_snapshot(action.path, missing_ok=True)
        before = {
            "path": str(action.path.absolute()),
            "existed": current.content is not None,
            "digest": journals.digest(current.content or b""),
            "meant": journals.digest(action.content),
        }
        try:
            async with self._change("policy", action.title, before) as change:
                backup = write_file(action.path, action.content, read=action.read)
                change.after = {
                    "digest": journals.digest(action.content),
                    "backup": str(backup.absolute()) if backup else None,
                }
        except WizardError as error:
            listener(ActionEnded("policy", "failed", error.what))
            raise
        detail = f"{action.path} written" + (f", what it held is in {backup.name}" if backup else "")
        if current.content == action.content:
            detail = f"{action.path}: as it was"
        listener(ActionEnded("policy", "done", detail))
        return backup


@dataclass
class _JournaledChange:
    journal: journals.Journal
    number: int
    kind: journals.Kind
    title: str
    after: dict[str, Any] = field(default_factory=dict)
    result: journals.Result = "done"

    def begin_anew(self, before: Mapping[str, Any]) -> None:
        """The state before is another one than was noted, and the change not yet tried on it."""
        self.journal.begin_anew(self.number, self.kind, self.title, before)


def _noted(before: KubernetesObject | None, meant: KubernetesObject | None) -> dict[str, Any]:
    """What the journal notes of an object before an apply: as it is, who owns it, and as the server says it will be."""
    owners = before["metadata"].get("managedFields", ()) if before else ()
    states = {"object": journals.without_noise(before), "meant": journals.without_noise(meant)}
    return {**states, "owners": list(owners)} if before else states


def _folder_for(sandbox: Sandbox) -> Path:
    """Where the sandbox's kubeconfig goes; a home that cannot be written to does not keep anyone from looking."""
    try:
        return private_folder(state_folder() / "sandbox" / sandbox.identity)
    except InputError:
        return Path(tempfile.mkdtemp(prefix="podman-wizard-sandbox-"))
