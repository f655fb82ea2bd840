"""The hand-over: the whole plan as files, for someone who has the rights that the reader lacks.

It needs no right on the cluster: what may not be listed is said with a selector.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from wizard.answers import Answers
from wizard.errors import InputError
from wizard.escaping import printable
from wizard.facts import ClusterFacts, Right
from wizard.files import write_file
from wizard.findings import Outcome
from wizard.manifest import Rendering, render
from wizard.names import FIELD_MANAGER, NAMESPACE, NODE_LABEL, NODE_LABEL_VALUE
from wizard.nodes import NodeVerdict, choose
from wizard.plan import MANIFEST_FILE, WritePolicy, label_commands, left_to_do, selects_every_node
from wizard.prerequisites import judge_prerequisites
from wizard.security_modules import judge_security_modules
from wizard.state import why
from wizard.unattended import plan_policy

POLICY_FILE = "template-policy.yaml"
ROLE_FILE = "missing-rights.yaml"
ROLE_NAME = "podman-wizard"


def write_handover(
    facts: ClusterFacts, answers: Answers, folder: Path, *, pods_in: Iterable[str] = ()
) -> tuple[Path, ...]:
    """Writes manifest, kustomization, commands, policy, README, and the role of the missing rights.

    ``pods_in`` are namespaces where short pods may be wanted, beside those of the answers. Gives the files in the
    order to read them. Raises InputError where the folder cannot be written.
    """
    chosen = choose(facts, answers.nodes) if facts.nodes is not None else ()
    rendering = render(facts, chosen, answers.manifest)
    policy = plan_policy(answers.policy)
    missing = facts.missing_rights({*answers.pods_in(), *pods_in})
    contents = {
        "README.md": _readme(facts, answers, chosen, rendering, policy, missing),
        MANIFEST_FILE: rendering.yaml(),
        "kustomization.yaml": yaml.safe_dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [MANIFEST_FILE],
            },
            sort_keys=False,
        ),
        "commands.sh": _commands(answers, chosen, rendering, facts),
        POLICY_FILE: policy.content.decode("utf-8"),
    }
    if missing:
        contents[ROLE_FILE] = role_of(missing, facts.identity.user)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be made: {why(error)}.", "Choose another folder.", file=folder
        ) from None
    for name, text in contents.items():
        write_file(folder / name, text.encode("utf-8"), mode=0o755 if name.endswith(".sh") else 0o644)
    return tuple(folder / name for name in contents)


def role_of(rights: Iterable[Right], user: str) -> str:
    """A ClusterRole of exactly these rights, and its binding to the user, as YAML."""
    ordered = sorted(rights, key=lambda right: (right.group, _resource(right), right.verb))
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": sorted({right.verb for right in same})}
        for (group, resource), same in groupby(ordered, key=lambda right: (right.group, _resource(right)))
    ]
    api = "rbac.authorization.k8s.io"
    documents: list[dict[str, Any]] = [
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": ROLE_NAME}, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ROLE_NAME},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": ROLE_NAME},
            "subjects": [{"apiGroup": api, "kind": "User", "name": user or "REPLACE-ME"}],
        },
    ]
    return yaml.safe_dump_all(documents, sort_keys=False)


def _resource(right: Right) -> str:
    return f"{right.resource}/{right.subresource}" if right.subresource else right.resource


def _commands(answers: Answers, chosen: Sequence[NodeVerdict], rendering: Rendering, facts: ClusterFacts) -> str:
    identity = facts.identity
    lines = [
        "#!/bin/sh",
        "# What podman-wizard would do on the cluster, line by line. Read it, then run it.",
        printable(
            f"# It was made for {identity.server}, context {identity.context}; kubectl's current context counts."
        ),
        "set -eu",
        'cd "$(dirname "$0")"',
    ]
    if identity.uid:
        lines += [
            "uid=$(kubectl get namespace kube-system -o 'jsonpath={.metadata.uid}')",
            f'if [ "$uid" != {shlex.quote(identity.uid)} ]; then',
            '  echo "This is another cluster than the one that the plan was made for; nothing was changed." >&2',
            "  exit 1",
            "fi",
        ]
    lines.append(f"kubectl apply --server-side --field-manager={FIELD_MANAGER} -f {MANIFEST_FILE}")
    if not selects_every_node(rendering):
        lines += _label_lines(answers, chosen, facts.nodes is not None)
    lines.append(f"kubectl -n {NAMESPACE} rollout status daemonset/{NAMESPACE} --timeout={answers.rollout.timeout}s")
    return "\n".join(lines) + "\n"


def _label_lines(answers: Answers, chosen: Sequence[NodeVerdict], listed: bool) -> Sequence[str]:
    if listed:
        return label_commands([verdict.node.name for verdict in chosen])
    if answers.nodes.names:
        return label_commands(answers.nodes.names)
    selector = answers.nodes.selector or "kubernetes.io/os=linux,!node-role.kubernetes.io/control-plane"
    label = f"{NODE_LABEL}={NODE_LABEL_VALUE} --overwrite"
    return (
        "# The nodes could not be listed; this selector stands for those that qualify. Look at it first:",
        f"kubectl get nodes -l {shlex.quote(selector)}",
        f"kubectl label nodes -l {shlex.quote(selector)} {label}",
    )


def _warnings(facts: ClusterFacts, answers: Answers) -> Sequence[str]:
    """What the reader has to know first; the rights have a chapter of their own."""
    findings = (*judge_prerequisites(facts, answers), *judge_security_modules(facts, ()))
    found = [
        finding
        for finding in findings
        if finding.outcome in (Outcome.BLOCKER, Outcome.WARNING) and not finding.id.startswith("rbac.")
    ]
    if not found:
        return ()
    lines = ["## What to know before", ""]
    for finding in found:
        lines.append(printable(f"- {finding.outcome}: {finding.title}. {finding.detail}".strip()))
        for remedy in finding.remedies[:1]:
            lines.append(printable(f"  First remedy: {remedy.text} ({remedy.who})"))
    return (*lines, "")


def _readme(
    facts: ClusterFacts,
    answers: Answers,
    chosen: Sequence[NodeVerdict],
    rendering: Rendering,
    policy: WritePolicy,
    missing: Sequence[Right],
) -> str:
    identity = facts.identity
    nodes = (
        f"{len(chosen)} of {len(facts.nodes)}" if facts.nodes is not None else "those of the selector in commands.sh"
    )
    lines = [
        "# Rootless Podman in Coder workspaces: the plan",
        "",
        f"Made by podman-wizard from what it read at {facts.read_at}.",
        "",
        printable(f"- Cluster: {identity.server}, context {identity.context}, {identity.version}"),
        f"- Nodes that get FUSE: {nodes}",
        "",
        "## What to do, in order",
        "",
        f"1. Read `{MANIFEST_FILE}`: four objects that run smarter-device-manager, which offers /dev/fuse to pods.",
        "2. Read and run `commands.sh` as someone who may change the cluster. In place of `kubectl apply`, a",
        "   GitOps repository can take the folder as it is (`kustomization.yaml`).",
        f"3. In Coder, upload `{POLICY_FILE}` as the template policy:",
        "",
        *(f"   - {step.replace(str(policy.path), POLICY_FILE)}" for step in left_to_do(answers, policy)),
        "",
        *_warnings(facts, answers),
        "## Where the manifest departs from the guide, and why",
        "",
        *(f"- {switch.id}: {printable(switch.why)}" for switch in rendering.switches if switch.on),
        "",
        "## To take it back",
        "",
        f"    kubectl delete -f {MANIFEST_FILE}",
        f"    kubectl label nodes -l {NODE_LABEL}={NODE_LABEL_VALUE} {NODE_LABEL}-",
    ]
    if missing:
        lines += [
            "",
            "## Rights that were missing",
            "",
            f"`{ROLE_FILE}` grants exactly these to {printable(identity.user) or 'a user'}:",
            "",
            *(f"- {right}" for right in missing),
        ]
    return "\n".join(lines) + "\n"
