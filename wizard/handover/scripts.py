"""``commands.sh`` and ``undo.sh``: the templates in ``assets/export``, filled with what the plan does.

``#@name`` in a template stands for lines that are made here, ``#[name`` to ``#]`` for a part that a plan can lack.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wizard.facts.cluster import KubernetesObject
from wizard.handover.files import BEFORE_FOLDER, NODES_FILE
from wizard.handover.objects import ExportedObject
from wizard.manifest import selects_every_node
from wizard.names import (
    ENFORCE_LABEL,
    FIELD_MANAGER,
    NAMESPACE,
    NODE_LABEL,
    NODE_LABEL_VALUE,
    NUDGE_ANNOTATION,
    TAKEN_OVER_ANNOTATION,
)
from wizard.plan.actions import SetLabels, WakeController
from wizard.plan.derive import Plan
from wizard.resources import asset_text
from wizard.text.escaping import printable

UNLISTED_NODES = "kubernetes.io/os=linux,!node-role.kubernetes.io/control-plane"
"""The selector of the nodes that probably qualify, if they cannot be listed."""


@dataclass(frozen=True)
class Scripts:
    """Both scripts of a plan; ``labels`` says how the nodes are found: "names", "selector", or "" for none."""

    plan: Plan
    objects: Sequence[ExportedObject]

    @property
    def labels(self) -> str:
        """How the nodes that get the label are found."""
        if any(isinstance(action, SetLabels) for action in self.plan.actions):
            return "names"
        return "selector" if self.selector else ""

    @property
    def selector(self) -> str:
        """The selector of the nodes that get the label, if they could not be listed; else ""."""
        judgement = self.plan.judgement
        nodes = judgement.answers.nodes
        if judgement.facts.nodes is not None or nodes.names or not nodes.label:
            return ""
        if selects_every_node(judgement.objects):
            return ""
        return f"{nodes.selector or UNLISTED_NODES},{NODE_LABEL}!={NODE_LABEL_VALUE}"

    @property
    def needed(self) -> bool:
        """Tells whether there is anything for kubectl to do."""
        return bool(self.objects or self.labels or self._wakes)

    @property
    def _wakes(self) -> bool:
        return any(isinstance(action, WakeController) for action in self.plan.actions)

    @property
    def disruption(self) -> tuple[str, ...]:
        """What the plan disrupts, in sentences, if nobody has agreed to that."""
        if self.plan.judgement.answers.allow_disruption:
            return ()
        return tuple(gate.words for gate in self.plan.gates if gate.kind == "disruption" and not gate.alone)

    def _parts(self) -> Mapping[str, bool]:
        kinds = {item.ref.kind for item in self.objects}
        runs = any(item["kind"] == "DaemonSet" for item in self.plan.judgement.objects)
        return {
            "cluster": bool(self.plan.judgement.facts.identity.uid),
            "disruption": bool(self.disruption),
            "takes-over": any(item.takes_over for item in self.objects),
            "can": bool(self.labels) or bool(kinds - {"Namespace"}),
            "objects": bool(self.objects),
            "namespace": "Namespace" in kinds,
            "labels": bool(self.labels),
            "labels-by-name": self.labels == "names",
            "wake": self._wakes,
            "rollout": runs,
        }

    def commands(self) -> str:
        """Returns the text of ``commands.sh``."""
        return _filled(asset_text("export", "commands.sh"), self._parts(), self._lines())

    def undo(self) -> str:
        """Returns the text of ``undo.sh``."""
        return _filled(asset_text("export", "undo.sh"), self._parts(), self._lines())

    def _lines(self) -> Mapping[str, Sequence[str]]:
        identity = self.plan.judgement.facts.identity
        content = asset_text("export", "content.sh").splitlines()
        annotate = f"kubectl -n {NAMESPACE} annotate daemonset/{NAMESPACE}"
        timeout = self.plan.judgement.answers.rollout.timeout
        return {
            "made-for": [
                printable(f"# Made for {identity.server}, context {identity.context}. kubectl uses your context.")
            ],
            "cluster": [f"uid={shlex.quote(identity.uid)}"],
            "disruption": [f"  echo {shlex.quote(printable(text))} >&2" for text in self.disruption],
            "content": [*content, ""],
            "planned": [line for item in self.objects for line in self._planned(item)],
            "checks": self._checks(),
            "keeps": self._keeps(),
            "labels-planned": [
                f"{name} {before}"
                for action in self.plan.actions
                if isinstance(action, SetLabels)
                for name, before in action.nodes
                if before is not None
            ],
            "applies": [line for item in self.objects for line in _apply(item)],
            "wake": [f'{annotate} --overwrite "{NUDGE_ANNOTATION}=$(date -u +%Y-%m-%dT%H:%M:%SZ)"'],
            "unwake": [f"{annotate} {NUDGE_ANNOTATION}- || :"],
            "rollout": [f"kubectl -n {NAMESPACE} rollout status daemonset/{NAMESPACE} --timeout={timeout}s"],
            "compares": [f"compare {item.name} {_named(item)}" for item in self.objects],
            "restores": [_restore(item) for item in reversed(self.objects)],
        }

    def _planned(self, item: ExportedObject) -> Sequence[str]:
        """Returns the lines that compare an object with the one that the plan was made from, if that could be read."""
        facts, kind = self.plan.judgement.facts, item.ref.kind
        live = facts.objects.get(kind)
        if live is not None:
            return (f"  as_planned {_named(item)} <<'END'", _essence(live), "END")
        unread = any(one.what == f"{kind} {item.ref.name}" for one in facts.unread)
        return () if unread else (f"  still_absent {_named(item)}",)

    def _checks(self) -> Sequence[str]:
        free = [item for item in self.objects if not item.ref.namespace]
        within = [item for item in self.objects if item.ref.namespace]
        lines = [_dry_run(item) for item in free]
        if within:
            lines += [
                f'if [ -n "$(kubectl get namespace {within[0].ref.namespace} --ignore-not-found -o name)" ]; then',
                *(f"  {_dry_run(item)}" for item in within),
                "else",
                "  # In a namespace that does not exist yet, only the permissions can be checked.",
                *(
                    f"  can {verb} {item.resource} -n {item.ref.namespace}"
                    for item in within
                    for verb in ("create", "patch")
                ),
                "fi",
            ]
        return [*lines, *(["can patch nodes"] if self.labels else [])]

    def _keeps(self) -> Sequence[str]:
        lines = [f"  keep {item.name} {_named(item)}" for item in self.objects]
        if self.labels == "names":
            lines.append(f"  cp {NODES_FILE} {BEFORE_FOLDER}.new/nodes")
        elif self.labels:
            lines += [
                "  # The nodes could not be listed for the plan. This selector should match those that qualify.",
                f"  kubectl get nodes -l {shlex.quote(self.selector)} -o \\",
                "    'jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{end}' >before.new/nodes",
                "  echo 'Nodes that get the label:'",
                "  cat before.new/nodes",
            ]
        return lines


def _named(item: ExportedObject) -> str:
    """Returns the object as ``kubectl get`` names it."""
    place = f" -n {item.ref.namespace}" if item.ref.namespace else ""
    return f"{item.ref.kind.lower()} {item.ref.name}{place}"


def _essence(live: KubernetesObject) -> str:
    """Returns what the scripts compare of an object, and what kubectl needs to print it, as one line of JSON."""
    labels = {key: value for key, value in (live["metadata"].get("labels") or {}).items() if key == ENFORCE_LABEL}
    metadata = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
    essence = {key: live[key] for key in ("apiVersion", "kind", "spec", "data") if key in live}
    return json.dumps({**essence, "metadata": {**metadata, "labels": labels}})


def _dry_run(item: ExportedObject) -> str:
    return f"dry_run -f {item.file}{' --force-conflicts' * item.forced}"


def _apply(item: ExportedObject) -> tuple[str, ...]:
    lines = (f"apply {item.name}{' --force-conflicts' * item.forced}", f"note {item.name} {_named(item)}")
    if not item.takes_over:
        return lines
    # The wizard's own undo finds by it that the object was there before, if it has no journal.
    note = f"--overwrite --field-manager={FIELD_MANAGER} {TAKEN_OVER_ANNOTATION}=true"
    kind, name, *place = _named(item).split()
    return (" ".join(["kubectl annotate", kind, name, *place, note]), *lines)


def _restore(item: ExportedObject) -> str:
    if item.ref.kind == "Namespace":
        return f"delete_namespace {item.name} {item.ref.name}"
    return f"restore {item.name} {item.path} {_named(item)}"


def _filled(template: str, parts: Mapping[str, bool], lines: Mapping[str, Sequence[str]]) -> str:
    """Returns a template with its lines, without the parts that the plan lacks and without doubled empty lines."""
    result: list[str] = []
    shown = True
    for line in template.splitlines():
        if line.startswith("#["):
            shown = parts[line.removeprefix("#[")]
        elif line == "#]":
            shown = True
        elif shown and line.startswith("#@"):
            result += lines[line.removeprefix("#@")]
        elif shown:
            result.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(result)) + "\n"
