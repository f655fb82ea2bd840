"""Pods that look for themselves, one on a node of each kind: the probe of security modules, the check with Podman."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wizard.answers import VerifyChoice
from wizard.cluster import ApiRefusal
from wizard.cluster.concurrency import together
from wizard.counting import counted
from wizard.engine import Engine
from wizard.events import ActionEnded, ActionProgress, ActionStarted, Listener, ObjectResult, Shortfall
from wizard.facts import ClusterFacts, KubernetesObject
from wizard.findings import Remedy
from wizard.nodes import NodeGroup, groups, judge
from wizard.pods import run_pod
from wizard.security_modules import PROBE_DEADLINE, Probe, parse_probe, probe_pod, security_groups
from wizard.verification import VERIFY_DEADLINE, diagnose, verify_pod


@dataclass(frozen=True)
class Proof:
    """What Podman said on one kind of node. ``ok`` is None where nothing was run (a dry run)."""

    title: str
    node: str
    nodes: int
    ok: bool | None
    text: str
    excerpt: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()

    @property
    def word(self) -> str:
        """The word of state."""
        return {True: "ok", False: "failed", None: "waiting"}[self.ok]

    def to_json(self) -> dict[str, Any]:
        """The proof as ``verify -o json`` prints it."""
        return {
            "group": self.title,
            "node": self.node,
            "nodes": self.nodes,
            "ok": self.ok,
            "text": self.text,
            "excerpt": list(self.excerpt),
            "remedies": [{"text": remedy.text, "command": remedy.command} for remedy in self.remedies],
        }


def subjects(facts: ClusterFacts) -> tuple[NodeGroup, ...]:
    """The kinds of nodes that a workspace could run on: those that advertise FUSE devices."""
    return groups(judge(node) for node in facts.nodes or () if node.fuse_devices)


async def verify_nodes(
    engine: Engine, facts: ClusterFacts, choice: VerifyChoice, listener: Listener, *, dry_run: bool = False
) -> tuple[Proof, ...]:
    """Runs Podman on one node of each kind at the same time, and tells each result as it comes.

    Raises ConflictError where another wizard is at work on the cluster.
    """
    kinds = subjects(facts)
    if kinds and not dry_run:
        engine.claim()
    listener(
        ActionStarted("verify", f"Run Podman on {counted(len(kinds), 'kind of node', 'kinds of nodes')}", len(kinds))
    )
    loop = asyncio.get_running_loop()
    began, done = loop.time(), 0

    async def prove(group: NodeGroup) -> Proof:
        nonlocal done
        proof = await _prove(engine, group, choice, dry_run=dry_run)
        done += 1
        if not dry_run:
            listener(ObjectResult("verify", proof.title, "proved" if proof.ok else "failed", message=proof.text))
        listener(ActionProgress("verify", done, len(kinds), loop.time() - began, waiting=len(kinds) - done))
        return proof

    proofs = await together(prove(group) for group in kinds)
    failed = tuple(Shortfall(proof.title, proof.text) for proof in proofs if proof.ok is False)
    good = sum(proof.ok is True for proof in proofs)
    said = f"Podman ran on {good} of {len(kinds)} kinds"
    if dry_run:
        said = f"the server would take the pods of {len(kinds)} kinds; nothing was run"
    listener(ActionEnded("verify", "failed" if failed else "done", said, failed))
    return proofs


async def _prove(engine: Engine, group: NodeGroup, choice: VerifyChoice, *, dry_run: bool) -> Proof:
    node = group.to_try
    pod = pod_for(group, choice)
    if dry_run:
        await engine.gateway.create(pod, dry_run=True)
        return Proof(group.title, node, group.count, None, "the server takes the pod; nothing was run")
    try:
        result = await run_pod(engine.gateway, pod, timeout=VERIFY_DEADLINE + 30)
    except ApiRefusal as refusal:
        if refusal.status == 404 or "cannot create resource" in refusal.message:
            raise  # no such namespace, or no right: it would be so on every node
        diagnosis = diagnose("", refusal.message)
    else:
        diagnosis = diagnose(result.log, "\n".join([result.reason, result.message, *result.events]))
    text = f"{diagnosis.symptom}: {diagnosis.cause}" if diagnosis.cause else diagnosis.symptom
    return Proof(group.title, node, group.count, diagnosis.ok, text, diagnosis.excerpt, diagnosis.remedies)


def pod_for(group: NodeGroup, choice: VerifyChoice) -> KubernetesObject:
    """The pod that proves it on one node of a kind."""
    return verify_pod(group.to_try, choice.image, choice.namespace)


async def probe_nodes(engine: Engine, facts: ClusterFacts, listener: Listener) -> tuple[Probe, ...]:
    """Sends a short unprivileged pod to one node of each kind; gives what the pods saw.

    A kind whose pod did not run has no probe in the result, and is told as a shortfall. Raises ConflictError
    where another wizard is at work on the cluster.
    """
    engine.claim()
    kinds = security_groups(facts)
    listener(ActionStarted("probe", f"Probe {counted(len(kinds), 'kind of node', 'kinds of nodes')}", len(kinds)))
    loop = asyncio.get_running_loop()
    began, done = loop.time(), 0

    async def probe(group: NodeGroup) -> Probe | Shortfall:
        nonlocal done
        result = await _probe(engine, group)
        done += 1
        listener(ActionProgress("probe", done, len(kinds), loop.time() - began, waiting=len(kinds) - done))
        return result

    results = await together(probe(group) for group in kinds)
    probes = tuple(result for result in results if isinstance(result, Probe))
    missed = tuple(result for result in results if isinstance(result, Shortfall))
    detail = f"{len(probes)} of {len(kinds)} kinds of nodes probed"
    listener(ActionEnded("probe", "failed" if missed else "done", detail, missed))
    return probes


async def _probe(engine: Engine, group: NodeGroup) -> Probe | Shortfall:
    try:
        result = await run_pod(engine.gateway, probe_pod(group), timeout=PROBE_DEADLINE + 30)
    except ApiRefusal as refusal:
        return Shortfall(group.title, refusal.message)
    try:
        return parse_probe(result.log)
    except ValueError:
        return Shortfall(group.title, result.message or result.reason or "the probe pod printed nothing")


def all_well(proofs: Sequence[Proof]) -> bool:
    """Whether Podman ran on every kind of node, and there was one."""
    return bool(proofs) and all(proof.ok for proof in proofs)
