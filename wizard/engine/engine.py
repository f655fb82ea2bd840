"""The engine: reads facts, checks a manifest, and executes actions, with an event for each step.

It belongs to one event loop (wizard.engine.bridge for the screens, ``asyncio.run`` for commands). Every change is
recorded in the journal before it is tried and after it ended, so that it can be undone and resumed.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.choices.answers import Answers
from wizard.choices.target import Target
from wizard.errors import ClusterError, ConflictError, InputError
from wizard.facts.cluster import ClusterFacts, ClusterIdentity, NodeFacts
from wizard.journal import journal as journals
from wizard.journal import unfinished
from wizard.journal.state import ClusterLock, cluster_folder, deployment_folder, private_folder, state_folder
from wizard.names import BORROWED_NAMESPACE, NAMESPACE, PROBE_NAMESPACE

if TYPE_CHECKING:
    from wizard.cluster import Gateway
    from wizard.cluster.credentials import Interactive
    from wizard.coder.client import CoderClient
    from wizard.coder.connection import SimulatedCoder
    from wizard.coder.credentials import CoderCredentials
    from wizard.coder.steps import Enabled, Prepared, Uploaded
    from wizard.coder.v2.client import TemplatesClient
    from wizard.engine.coder import CoderAction
    from wizard.engine.events import Listener
    from wizard.manifest.asking import ObjectCheck
    from wizard.plan.judgement import Judgement
    from wizard.sandbox import Sandbox


@dataclass
class Engine:
    """The work on one cluster, or on a Coder deployment without a cluster; ``close`` it at the end.

    ``open`` connects to the cluster; its folder has the journal of all changes, including those in Coder. A policy
    belongs to a deployment and not to a cluster: ``at_coder`` needs no cluster, and then the journal is in the
    deployment's folder, where ``undo --coder-url`` finds it.
    """

    target: Target
    sandbox_speed: float = 1.0
    interactive: Interactive | None = None
    """Gives a credential plugin the terminal if screens use it; None: the terminal is free."""
    _gateway: Gateway | None = None
    _sandbox: Sandbox | None = None
    _sandbox_folder: Path | None = None
    simulated_coder: SimulatedCoder | None = None
    """The Coder of a sandbox, once something asked for it."""
    _identity: ClusterIdentity | None = None
    _journal: journals.Journal | None = None
    _lock: ClusterLock | None = None
    _answers: Answers = field(default_factory=Answers)
    _resumed: journals.Run | None = None
    """The run that the next change resumes."""
    _deployment: str = ""

    @property
    def gateway(self) -> Gateway:
        """The connection; raises ClusterError if there is none."""
        if self._gateway is None:
            raise ClusterError("No cluster is connected.", "Refresh to connect again.")
        return self._gateway

    @property
    def identity(self) -> ClusterIdentity:
        """The identity of the cluster; known when ``open`` has returned."""
        if self._identity is None:
            raise ClusterError("No cluster is connected.", "Refresh to connect again.")
        return self._identity

    @property
    def has_cluster(self) -> bool:
        """Whether a cluster is connected."""
        return self._gateway is not None and self._identity is not None

    @property
    def sandbox_folder(self) -> Path | None:
        """The folder of the sandbox, which is deleted with it; None on a real cluster."""
        return self._sandbox_folder if self._sandbox is not None else None

    @property
    def has_changed(self) -> bool:
        """Whether this session has a journal, which begins before the first change."""
        return self._journal is not None

    @property
    def folder(self) -> Path:
        """The folder of the journal and the lock: the cluster's, else the Coder deployment's, else a common one."""
        if self._identity is None:
            return deployment_folder(self._deployment) if self._deployment else unfinished.folder_without_cluster()
        return cluster_folder(self.identity)

    def at_coder(self, url: str) -> None:
        """Works on this Coder deployment only, until a cluster is opened."""
        if self._identity is None and self._deployment != url:
            self._end_journal()
            self._deployment = url

    async def open(self) -> ClusterIdentity:
        """Connects and reads the identity of the cluster. Raises InputError or ClusterError.

        This ends the journal, except for a deployment's if no cluster answers: its work continues.
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

        A run that is closed as interrupted can be resumed at the next start.
        """
        self._end_journal(interrupted=interrupted)
        await self._disconnect()
        self._deployment = ""

    async def _disconnect(self) -> None:
        if self._gateway is not None:
            gateway, self._gateway = self._gateway, None
            await gateway.close()
        if self.simulated_coder is not None:
            coder, self.simulated_coder = self.simulated_coder, None
            await coder.stop()
            if self._deployment:
                shutil.rmtree(deployment_folder(self._deployment), ignore_errors=True)
        if self._sandbox is not None:
            sandbox, self._sandbox = self._sandbox, None
            await sandbox.stop()
            # A sandbox is never reused, so its kubeconfig and its journals are useless.
            folders = [self._sandbox_folder, cluster_folder(self._identity) if self._identity else None]
            for folder in filter(None, folders):
                shutil.rmtree(folder, ignore_errors=True)

    def end_run(self) -> journals.Run | None:
        """Ends the run in the journal and gives up the lock; what is changed later belongs to another run.

        Returns the run, or None if nothing was changed since the last one ended.
        """
        path = self._journal.path if self._journal is not None else None
        self._end_journal()
        return journals.read_run(path) if path is not None else None

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

    async def read_facts(
        self,
        on_nodes: Callable[[tuple[NodeFacts, ...], int | None], None] | None = None,
        *,
        verify_in: str = PROBE_NAMESPACE,
    ) -> ClusterFacts:
        """Reads the cluster; ``on_nodes`` gets slices of nodes, and their total if known.

        ``verify_in`` is the namespace of the Podman test, whose permissions are checked too.
        """
        from wizard.engine.collect import collect

        places = dict.fromkeys((PROBE_NAMESPACE, verify_in))
        facts = await collect(self.gateway, on_nodes=on_nodes, pods_in=places)
        return replace(facts, labelled_by_run=await asyncio.to_thread(self._labels_set))

    def _labels_set(self) -> Mapping[str, str]:
        """Returns which run set the label of a node; nothing if the journals cannot be read."""
        with contextlib.suppress(InputError):
            return journals.labels_set(journals.runs(self.folder))
        return {}

    async def read_nodes(self) -> ClusterFacts:
        """Reads only the nodes, for commands about nodes."""
        from wizard.engine.collect import collect_nodes

        return await collect_nodes(self.gateway, self.identity)

    async def with_full_nodes(self, facts: ClusterFacts) -> ClusterFacts:
        """Adds the full nodes to the facts of ``read_nodes``."""
        from wizard.engine.collect import with_full_nodes

        return await with_full_nodes(self.gateway, facts)

    def other_wizard(self) -> str:
        """Takes the lock; returns which other process holds it, "" if this one has it now."""
        if self._lock is None:
            lock = ClusterLock(self.folder)
            if not lock.take():
                return lock.holder
            self._lock = lock
        return ""

    async def ask(self, judgement: Judgement) -> tuple[ObjectCheck, ...]:
        """Has the server check every object of the manifest, as it would be applied with the decisions made."""
        from wizard.engine.planned_pod import with_pod
        from wizard.manifest.asking import check_objects

        checks = await check_objects(self.gateway, judgement.rendering.objects, judgement.answers.ownership)
        where = NAMESPACE if "Namespace" in judgement.facts.objects else BORROWED_NAMESPACE
        return tuple([await with_pod(self.gateway, check, where) for check in checks])

    def note_answers(self, answers: Answers, *, repeat: bool = False) -> None:
        """Sets the choices that the journal of this run records at its first change.

        ``repeat``: if the last run was interrupted and had the same choices, this run resumes it.
        """
        self._answers = answers
        if repeat and self._journal is None:
            run = self.interrupted_run()
            if run is not None and run.answers == _written(answers):
                self._resumed = run

    def is_new_here(self) -> bool:
        """Returns whether no journal on this machine has a change to this cluster."""
        return self.target.sandbox is None and not journals.runs(cluster_folder(self.identity))

    def interrupted_run(self) -> journals.Run | None:
        """Returns the last run on this cluster if it was interrupted and not resumed since."""
        for run in journals.runs(self.folder):
            if run.changes and (self._journal is None or run.path != self._journal.path):
                return run if run.interrupted else None
        return None

    def resume(self, run: journals.Run) -> None:
        """Resumes an interrupted run: changes from now on belong to the same piece of work.

        Until the first change, the run can still be resumed later, because this run can be interrupted too.
        """
        self._resumed = run

    def settle_run(self, run: journals.Run) -> None:
        """Records that an interrupted run was resumed or discarded, and is not offered again."""
        journals.mark(run, "ended")

    def _folder_of_unfinished(self) -> Path | None:
        """Returns None if none is kept: for a sandbox, which is never reused, and if another wizard keeps its own."""
        if self.target.sandbox is not None:
            return None
        if self._identity is None:
            return unfinished.folder_without_cluster()
        return cluster_folder(self._identity) if not self.other_wizard() else None

    def unfinished_session(self) -> unfinished.Unfinished | None:
        """Returns the choices of a session on this cluster that lost its connection. Raises InputError."""
        folder = self._folder_of_unfinished()
        return unfinished.find(folder) if folder else None

    def keep_session(self, session: unfinished.Unfinished | None) -> None:
        """Saves the choices of this session for the next one; None discards saved ones. Raises InputError."""
        folder = self._folder_of_unfinished()
        if folder is None:
            return
        if session is None:
            unfinished.forget(folder)
        else:
            unfinished.keep(folder, session)

    def claim(self) -> None:
        """Takes the cluster's lock. Raises ConflictError if another wizard holds it."""
        holder = self.other_wizard()
        if holder:
            raise ConflictError(
                f"Another podman-wizard ({holder}) is changing this "
                f"{'cluster' if self.has_cluster else 'Coder deployment'}.",
                "Wait for it to finish, or quit it. Then repeat the step.",
            )

    def begin(self) -> journals.Journal:
        """Opens the journal of this run, if it is not open yet. Raises InputError, or ConflictError as ``claim``."""
        if self._journal is None:
            self.claim()
            resumes = self._resumed.path.name if self._resumed else ""
            self._journal = journals.Journal(self.folder, _written(self._answers), resumes=resumes)
        return self._journal

    @asynccontextmanager
    async def change(self, kind: journals.Kind, title: str) -> AsyncIterator[JournaledChange]:
        """Notes a change in the journal: ``begin`` before it is tried, and at the end of the context what it became."""
        journal = self.begin()
        change = JournaledChange(journal, kind, title, self._settle_resumed)
        try:
            yield change
        except asyncio.CancelledError:
            change.end("stopped")
            raise
        except BaseException:
            change.end("failed")
            raise
        try:
            change.end(change.result)
        except InputError as error:
            raise InputError(f"{title}: done, but the result could not be recorded. {error.what}", error.todo) from None

    @asynccontextmanager
    async def journaled(
        self, kind: journals.Kind, title: str, before: Mapping[str, Any]
    ) -> AsyncIterator[JournaledChange]:
        """Does the same for a change whose state before is known already."""
        async with self.change(kind, title) as change:
            change.begin(before)
            yield change

    async def execute_in_coder(
        self, action: CoderAction, client: CoderClient, listener: Listener, prepared: Prepared | None = None
    ) -> Enabled | Uploaded:
        """Executes one action in Coder; ``prepared`` is the policy's impact if the user has seen it already."""
        from wizard.engine.coder import execute

        return await execute(action, client, listener, partial(self.journaled, "coder"), prepared)

    def _settle_resumed(self) -> None:
        """The run that this one resumes is not offered again once something was changed."""
        if self._resumed is not None:
            run, self._resumed = self._resumed, None
            self.settle_run(run)

    @asynccontextmanager
    async def coder(
        self, url: str | None = None, credentials: CoderCredentials | None = None
    ) -> AsyncIterator[CoderClient]:
        """Opens a connection to Coder: by the URL or the environment, or to the sandbox's own Coder.

        Raises NoCredentials (wizard.coder.credentials) without a URL or a token.
        """
        from wizard.coder.connection import connected_coder

        async with connected_coder(url, credentials=credentials, sandbox=await self._started_coder()) as client:
            yield client

    async def _started_coder(self) -> SimulatedCoder | None:
        """Returns the Coder of the sandbox, which lives as long as the engine; None if this is no sandbox."""
        from wizard.coder.connection import start_sandbox

        if self.target.sandbox is not None and self.simulated_coder is None:
            self.simulated_coder = await start_sandbox(self.target.sandbox)
        return self.simulated_coder

    @asynccontextmanager
    async def templates(
        self, url: str | None = None, credentials: CoderCredentials | None = None
    ) -> AsyncIterator[TemplatesClient]:
        """Opens a connection to Coder v2. Raises NoCredentials without a URL or a token."""
        from wizard.coder.connection import connected_templates

        simulated = await self._started_coder()
        async with connected_templates(url, credentials=credentials, sandbox=simulated) as client:
            yield client


@dataclass
class JournaledChange:
    """A change while it is made; ``after`` is what the journal keeps of its end."""

    journal: journals.Journal
    kind: journals.Kind
    title: str
    on_begin: Callable[[], None]
    after: dict[str, Any] = field(default_factory=dict)
    result: journals.Result = "done"
    number: int | None = None

    def begin(self, before: Mapping[str, Any]) -> None:
        """Notes the state before, and that the change is tried now."""
        if self.number is None:
            self.number = self.journal.begin(self.kind, self.title, before)
            self.on_begin()
        else:
            self.journal.begin_anew(self.number, self.kind, self.title, before)

    def batch(self, after: Mapping[str, Any]) -> None:
        """Notes a part of it that is tried next."""
        assert self.number is not None
        self.after = {**self.after, **after}
        self.journal.batch(self.number, dict(after))

    def end(self, result: journals.Result) -> None:
        """Notes how it ended; a change that was never tried leaves no trace."""
        if self.number is not None:
            self.journal.end(self.number, result, self.after)


def _written(answers: Answers) -> str:
    """Returns the choices as an answers file."""
    from wizard.answers_file import write_answers  # imports the manifest, which is not needed to read nodes

    return write_answers(answers)


def _folder_for(sandbox: Sandbox) -> Path:
    """Returns the folder for the sandbox's kubeconfig; a temporary one if the home folder is read-only."""
    try:
        return private_folder(state_folder() / "sandbox" / sandbox.identity)
    except InputError:
        return Path(tempfile.mkdtemp(prefix="podman-wizard-sandbox-"))
