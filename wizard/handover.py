"""The hand-over: the whole plan as files, for someone who has the rights that the reader lacks.

It needs no right on the cluster: what may not be listed is said with a selector. Where a GitOps tool owns objects of
the plan, an overlay holds what changes in them, for the tool's repository; it can be written by itself.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from wizard.answers import Answers
from wizard.coder import UNTRIED
from wizard.coder.actions import undo_command
from wizard.coder.steps import NOT_READABLE
from wizard.errors import InputError
from wizard.escaping import printable
from wizard.facts import ClusterFacts, Right
from wizard.files import write_file
from wizard.findings import Outcome
from wizard.manifest import Rendering, render
from wizard.names import FIELD_MANAGER, NAMESPACE, NODE_LABEL, NODE_LABEL_VALUE
from wizard.nodes import NodeVerdict, choose
from wizard.ownership import Departure, gitops_departures, value_words
from wizard.plan import MANIFEST_FILE, WritePolicy, label_commands, left_to_do, selects_every_node
from wizard.prerequisites import judge_prerequisites
from wizard.security_modules import judge_security_modules
from wizard.state import why
from wizard.unattended import plan_policy

KUSTOMIZATION_FILE = "kustomization.yaml"
OVERLAY_FOLDER = "overlay"
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
    departures = gitops_departures(rendering.objects, facts.objects)
    contents = {
        "README.md": _readme(facts, answers, chosen, rendering, policy, missing, departures),
        MANIFEST_FILE: rendering.yaml(),
        KUSTOMIZATION_FILE: yaml.safe_dump(
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
    written = _write(folder, contents)
    if departures:
        written += write_overlay(facts, departures, folder / OVERLAY_FOLDER)
    return written


def write_overlay(facts: ClusterFacts, departures: Sequence[Departure], folder: Path) -> tuple[Path, ...]:
    """Writes what changes in objects of GitOps tools, for their repository: a Kustomize component, and how to use it.

    A component needs no path to the manifests that it changes: it is named where they are. Gives the files in the
    order to read them. Raises InputError where the folder cannot be written.
    """
    return _write(folder, _overlay(facts, departures, folder.name))


def overlay_files(departures: Sequence[Departure]) -> tuple[str, ...]:
    """The names of the files of an overlay, in the order to read them."""
    return ("README.md", KUSTOMIZATION_FILE, *(_patch_file(one) for one in departures))


def _write(folder: Path, contents: Mapping[str, str]) -> tuple[Path, ...]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be made: {why(error)}.", "Choose another folder.", file=folder
        ) from None
    for name, text in contents.items():
        write_file(folder / name, text.encode("utf-8"), mode=0o755 if name.endswith(".sh") else 0o644)
    return tuple(folder / name for name in contents)


def _patch_file(departure: Departure) -> str:
    return f"{departure.kind.lower()}.yaml"


def _overlay(facts: ClusterFacts, departures: Sequence[Departure], name: str) -> dict[str, str]:
    component = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "patches": [
            # The target in place of the patch's own names: a namespace may be set by the tool, at the very end.
            {"path": _patch_file(one), "target": {"kind": one.kind, "name": one.title.partition(" ")[2]}}
            for one in departures
        ],
    }
    live = facts.objects
    patches = {}
    for one in departures:
        there = live[one.kind]
        head = {"apiVersion": there["apiVersion"], "kind": one.kind, "metadata": {"name": there["metadata"]["name"]}}
        metadata = {**head["metadata"], **one.patch.get("metadata", {})}
        patches[_patch_file(one)] = yaml.safe_dump({**head, **one.patch, "metadata": metadata}, sort_keys=False)
    texts = [
        _overlay_readme(facts, departures, name),
        f"# Component: name it under components: of the kustomization.yaml that has these objects (README.md).\n"
        f"{yaml.safe_dump(component, sort_keys=False)}",
        *patches.values(),
    ]
    return dict(zip(overlay_files(departures), texts, strict=True))


def _overlay_readme(facts: ClusterFacts, departures: Sequence[Departure], name: str) -> str:
    identity = facts.identity
    tools = " and ".join(dict.fromkeys(one.tool for one in departures))
    lines = [
        "# FUSE for Coder workspaces: the change for your repository",
        "",
        printable(f"On {identity.server} (context {identity.context}), {tools} keeps these objects as its repository"),
        "has them: what is applied past it is set back at its next sync. This folder holds nothing but what changes",
        f"in them, read by podman-wizard at {facts.read_at}.",
        "",
        "## What changes",
        "",
    ]
    for one in departures:
        lines += [printable(f"{one.title} ({one.tool}), in `{_patch_file(one)}`:"), ""]
        lines += [
            printable(f"- `{path}`: {value_words(theirs)} -> {value_words(ours) if ours is not None else 'removed'}")
            for path, (theirs, ours) in one.changes.items()
        ]
        lines.append("")
    lines += [
        "## How to use it",
        "",
        "1. Copy this folder into the repository, beside the kustomization.yaml that has these objects, and name it:",
        "",
        "       components:",
        f"         - {name}",
        "",
        "   Where the manifests lie there without a kustomization.yaml, add one that names them; Argo CD and Flux then",
        "   build it by themselves:",
        "",
        "       resources:",
        "         - the-file-of-these-objects.yaml",
        "       components:",
        f"         - {name}",
        "",
        "   Where a Helm chart makes them, set the same values there; the list above has each.",
        "2. `kubectl kustomize .` shows the result. Commit it.",
        f"3. When {tools} has applied it: `podman-wizard manifest diff` shows nothing more of these objects, and",
        "   `podman-wizard nodes label --all --wait` goes on.",
    ]
    return "\n".join(lines) + "\n"


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


def _to_the_repository(departures: Sequence[Departure]) -> Sequence[str]:
    if not departures:
        return ()
    tools = " and ".join(dict.fromkeys(one.tool for one in departures))
    return (
        f"   {tools} owns {', '.join(one.kind for one in departures)} here, and sets back what is applied past it:",
        f"   its repository takes `{OVERLAY_FOLDER}/`, which has nothing but the changes; its README.md says how.",
        f"   Then take them out of `{MANIFEST_FILE}` before `commands.sh` applies it.",
    )


def _in_coder(answers: Answers) -> Sequence[str]:
    """What a Coder admin has to know, and the commands in place of the clicks."""
    url = printable(answers.coder.url or "https://coder.example.org")
    option = f" --coder-url {shlex.quote(url)}"
    return (
        "## For the Coder admin",
        "",
        "It takes the role site-admin, and Coder 1.28 or later. In place of the clicks, with podman-wizard and a",
        f"session token (CODER_URL and CODER_TOKEN, or `coder login {url}`):",
        "",
        f"    podman-wizard coder status{option}",
        f"    podman-wizard policy upload {POLICY_FILE} --dry-run{option}",
        f"    podman-wizard policy upload {POLICY_FILE} --enable-templates{option}",
        "",
        "The second line shows which workspaces the policy touches, and changes nothing.",
        f"{UNTRIED}",
        f"{NOT_READABLE}",
        f"`{POLICY_FILE}` takes the place of the whole policy: if there is one already, merge into its file first",
        "(`podman-wizard policy merge FILE`), and upload that.",
        f"`{undo_command(url)}` shows what can be taken back.",
        "",
        "Coder v2 has no template policy: `podman-wizard coder template` prints what its Terraform templates need.",
        "",
    )


def _readme(
    facts: ClusterFacts,
    answers: Answers,
    chosen: Sequence[NodeVerdict],
    rendering: Rendering,
    policy: WritePolicy,
    missing: Sequence[Right],
    departures: Sequence[Departure],
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
        *_to_the_repository(departures),
        f"3. In Coder, enable workspace templates, and upload `{POLICY_FILE}` as the template policy; then test it:",
        "",
        *(f"   - {step.replace(str(policy.path), POLICY_FILE)}" for step in left_to_do(answers, policy)),
        "",
        *_in_coder(answers),
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
