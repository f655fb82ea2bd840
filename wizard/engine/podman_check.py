"""Pods on one node of each type: probe pods for security modules, and test pods for Podman."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wizard.choices.answers import VerifyChoice
from wizard.cluster import ApiRefusal
from wizard.cluster.concurrency import together
from wizard.engine.engine import Engine
from wizard.engine.events import ActionEnded, ActionProgress, ActionStarted, Listener, ObjectResult
from wizard.engine.pods import run_pod
from wizard.facts.cluster import ClusterFacts, KubernetesObject
from wizard.facts.rollout import Shortfall
from wizard.finding import Outcome, Remedy
from wizard.findings.needs_fuse import Measured, NeedsFuse
from wizard.findings.security_modules import (
    PROBE_DEADLINE,
    Probe,
    judge_security_modules,
    parse_probe,
    probe_pod,
    security_groups,
)
from wizard.findings.verification import (
    NO_SETTINGS,
    VERIFY_DEADLINE,
    Check,
    Diagnosis,
    PodSettings,
    diagnose,
    lines_of,
    remedy_json,
    verify_pod,
)
from wizard.nodes.verdicts import NodeGroup, groups, judge
from wizard.text.counting import counted


@dataclass(frozen=True)
class Proof:
    """The test result of one node type. ``ok`` is None if nothing was run (a dry run)."""

    title: str
    node: str
    nodes: int
    ok: bool | None
    text: str
    excerpt: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    id: str = ""
    checks: tuple[Check, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    needs_fuse: NeedsFuse = "unknown"
    means: str = ""

    @property
    def word(self) -> str:
        """The state as a word."""
        return {True: "ok", False: "failed", None: "waiting"}[self.ok]

    @property
    def lines(self) -> list[str]:
        """The checks as lines of text, or else the output that led to the result."""
        return lines_of(self.checks) or list(self.excerpt)

    def to_json(self) -> dict[str, Any]:
        """Returns the test result as ``verify -o json`` prints it."""
        return {
            "group": self.title,
            "node": self.node,
            "nodes": self.nodes,
            "ok": self.ok,
            "id": self.id,
            "text": self.text,
            "needs_fuse": self.needs_fuse,
            "means": self.means,
            "checks": [check.to_json() for check in self.checks],
            "facts": dict(self.facts),
            "excerpt": list(self.excerpt),
            "remedies": [remedy_json(remedy) for remedy in self.remedies],
        }


def measured_by(proofs: Iterable[Proof]) -> tuple[Measured, ...]:
    """Returns what these tests measured about the need for FUSE."""
    return tuple(Measured(proof.node, proof.needs_fuse) for proof in proofs)


def subjects(facts: ClusterFacts) -> tuple[NodeGroup, ...]:
    """Returns the node types on which a workspace can run: those that advertise FUSE devices."""
    return groups(judge(node) for node in facts.nodes or () if node.fuse_devices)


def without_fuse(facts: ClusterFacts) -> tuple[NodeGroup, ...]:
    """Returns the node types on which FUSE can work, for a cluster where no node advertises it yet."""
    verdicts = [verdict for node in facts.nodes or () if (verdict := judge(node)).possible]
    return groups([verdict for verdict in verdicts if verdict.eligible] or verdicts)


async def verify_nodes(
    engine: Engine,
    facts: ClusterFacts,
    choice: VerifyChoice,
    listener: Listener,
    *,
    dry_run: bool = False,
    native: bool = False,
    settings: PodSettings = NO_SETTINGS,
) -> tuple[Proof, ...]:
    """Runs Podman on one node of each type at the same time, and reports each result as it comes.

    With ``native``, it tests native overlay on the nodes where FUSE can work, and requests no FUSE device. The test
    pods get the ``settings`` of workspaces. Raises ConflictError if another wizard is changing the cluster.
    """
    kinds = without_fuse(facts) if native else subjects(facts)
    if not kinds:
        why = "FUSE cannot work on any node" if native else "no node advertises FUSE"
        listener(ActionEnded("verify", "failed", f"no node type to test: {why}"))
        return ()
    if not dry_run:
        engine.claim()
    listener(ActionStarted("verify", f"Test Podman on {counted(len(kinds), 'node type')}", len(kinds)))
    loop = asyncio.get_running_loop()
    began, done = loop.time(), 0

    async def prove(group: NodeGroup) -> Proof:
        nonlocal done
        proof = await _prove(engine, group, choice, dry_run=dry_run, fuse=not native, settings=settings)
        done += 1
        if not dry_run:
            listener(ObjectResult("verify", proof.title, "proved" if proof.ok else "failed", message=proof.text))
        listener(ActionProgress("verify", done, len(kinds), loop.time() - began, waiting=len(kinds) - done))
        return proof

    proofs = await together(prove(group) for group in kinds)
    failed = tuple(Shortfall(proof.title, proof.text) for proof in proofs if proof.ok is False)
    good = sum(proof.ok is True for proof in proofs)
    said = f"Podman ran on {good} of {counted(len(kinds), 'node type')}"
    if dry_run:
        said = f"the server accepts the test pods for {counted(len(kinds), 'node type')}; nothing was run"
    listener(ActionEnded("verify", "failed" if failed else "done", said, failed))
    return proofs


async def _prove(
    engine: Engine, group: NodeGroup, choice: VerifyChoice, *, dry_run: bool, fuse: bool, settings: PodSettings
) -> Proof:
    node = group.to_try
    pod = pod_for(group, choice, fuse=fuse, settings=settings)
    if dry_run:
        await engine.gateway.create(pod, dry_run=True)
        return Proof(group.title, node, group.count, None, "the server accepts the test pod; nothing was run")
    if not any(verdict.node.ready for verdict in group.verdicts):
        # No pod starts there: the answer is known without waiting for it.
        reason = f"NodeNotReady\n{node}: none of {counted(group.count, 'node')} of this type is ready"
        return _proof(group, diagnose("", reason, fuse=fuse))
    try:
        result = await run_pod(engine.gateway, pod, timeout=VERIFY_DEADLINE + 30)
    except ApiRefusal as refusal:
        if refusal.status == 404 or "cannot create resource" in refusal.message:
            raise  # a missing namespace or permission would fail on every node
        diagnosis = diagnose("", refusal.message, fuse=fuse)
    else:
        unread = f"Its events cannot be read: {result.unread}" if result.unread else ""
        reasons = "\n".join([result.reason, result.message, *result.events, unread])
        diagnosis = diagnose(result.log, reasons, fuse=fuse)
    return _proof(group, diagnosis)


def _proof(group: NodeGroup, told: Diagnosis) -> Proof:
    remedies = (_of_the_node(group, told.facts) if told.by_node else ()) or told.remedies
    text = f"{told.symptom}: {told.cause}" if told.cause else told.symptom
    return Proof(
        group.title,
        group.to_try,
        group.count,
        told.ok,
        f"{told.ways}. {text}" if told.ways else text,
        told.excerpt,
        tuple(replace(one, command=one.command.replace("NODE", group.to_try)) for one in remedies),
        told.id,
        told.checks,
        told.facts,
        told.needs_fuse,
        " ".join(line for line in (told.means, _old_cgroups(told.facts), _cordoned(group)) if line),
    )


def _old_cgroups(facts: Mapping[str, str]) -> str:
    if facts.get("cgroup") == "v1":
        return "These nodes use cgroups v1, which Podman 6 no longer supports: workspaces need Podman 5 there."
    return ""


def _cordoned(group: NodeGroup) -> str:
    if all(verdict.node.unschedulable for verdict in group.verdicts):
        return "The test pod was placed by name: these nodes are cordoned, so no workspace is scheduled there."
    return ""


def _of_the_node(group: NodeGroup, seen: Mapping[str, str]) -> tuple[Remedy, ...]:
    """Returns the fixes of Security modules for this node type, judged from what the test pod itself read."""
    for kind in security_groups(group.verdicts):
        line = {
            "group": kind.key,
            "current": seen.get("confinement", ""),
            "seccomp": seen.get("seccomp", ""),
            "no_new_privs": seen.get("no-new-privs", ""),
            "cap_bnd": seen.get("bounding-set", ""),
            "restrict_userns": seen.get("restrict-userns", ""),
            "max_user_namespaces": seen.get("max-user-namespaces", ""),
            "userns_clone": seen.get("userns-clone", ""),
            "selinux_enforce": "",
            "fuse": True,
            "kernel": seen.get("kernel", ""),
        }
        for finding in judge_security_modules(group.verdicts, [parse_probe(json.dumps(line))]):
            if finding.outcome is Outcome.WARNING:
                return finding.remedies
    return ()


def settings_of(*policies: bytes) -> PodSettings:
    """Returns what the first of these template policies sets for workspaces; nothing if there is none."""
    from wizard.policy import PolicyDocument

    return PodSettings.of_policy(PolicyDocument.parse(policies[0]).data) if policies else NO_SETTINGS


def pod_for(
    group: NodeGroup, choice: VerifyChoice, *, fuse: bool = True, settings: PodSettings = NO_SETTINGS
) -> KubernetesObject:
    """Returns the test pod for one node of a type."""
    account = choice.service_account if choice.service_account != "default" else ""
    return verify_pod(
        group.to_try, choice.image, choice.namespace, service_account=account, fuse=fuse, settings=settings
    )


async def probe_nodes(engine: Engine, facts: ClusterFacts, listener: Listener) -> tuple[Probe, ...]:
    """Runs an unprivileged probe pod on one node of each type; returns what the pods read.

    A node type whose pod did not run has no probe in the result, and is reported as a shortfall. Raises ConflictError
    if another wizard is changing the cluster.
    """
    engine.claim()
    kinds = security_groups(judge(node) for node in facts.nodes or ())
    listener(ActionStarted("probe", f"Probe {counted(len(kinds), 'node type')}", len(kinds)))
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
    detail = f"{len(probes)} of {counted(len(kinds), 'node type')} probed"
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
    """Whether there are node types to test, and Podman ran on each of them."""
    return bool(proofs) and all(proof.ok for proof in proofs)
