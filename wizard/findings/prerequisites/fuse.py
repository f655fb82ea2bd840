"""The rule about whether workspaces need FUSE at all, and what else would do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from wizard.finding import Outcome, Remedy
from wizard.findings.needs_fuse import ON_A_VOLUME, NeedsFuse, Workspace, needs_fuse
from wizard.findings.prerequisites.situation import Judged, Situation
from wizard.nodes.systems import version_in
from wizard.nodes.verdicts import NodeVerdict, groups, runtime_of
from wizard.text.counting import counted

MEASURED: Final = "measured by the Podman test"

WORDS: Final[Mapping[NeedsFuse, str]] = {
    "yes": "every workspace needs FUSE",
    "own-file-system": "only storage in the container needs FUSE",
    "no": "no workspace needs FUSE",
    "unknown": "not known whether workspaces need FUSE",
}


def need(situation: Situation) -> Judged:
    """Tells which workspaces need FUSE: as the Podman test measured, else from kernels and runtimes."""
    nodes = [one for one in (situation.chosen or situation.verdicts) if one.possible]
    if not nodes:
        return Judged(Outcome.SKIPPED, "No node for workspaces that need FUSE", "No node qualifies.")
    found: list[tuple[NeedsFuse, str, NodeVerdict]] = []
    measured = {one.node: one.needs for one in situation.measured if one.needs != "unknown"}
    for group in groups(nodes):
        told = next((measured[one.node.name] for one in group.verdicts if one.node.name in measured), None)
        found += [(told, MEASURED, one) if told else (*_from_the_node(one), one) for one in group.verdicts]
    needs = Counter(answer for answer, _, _ in found)
    by_test = sum(reason == MEASURED for _, reason, _ in found)
    evidence = Counter(
        f"{WORDS[answer]}: {reason} ({verdict.system}, {runtime_of(verdict.node)})" for answer, reason, verdict in found
    )
    return Judged(
        Outcome.UNKNOWN if set(needs) == {"unknown"} else Outcome.INFO,
        _title(needs),
        _detail(needs, nodes),
        tuple(f"{counted(number, 'node')}: {text}" for text, number in evidence.most_common(6)),
        () if by_test == len(found) else (_MEASURE,),
        nodes=needs["yes"],
        confidence="high" if by_test == len(found) else "low" if needs["unknown"] else "medium",
    )


_MEASURE = Remedy("Measure it with the Podman test.", "podman-wizard verify", who="you", touches="nothing")


def _from_the_node(verdict: NodeVerdict) -> tuple[NeedsFuse, str]:
    """Returns which workspaces need FUSE by kernel and SELinux; storage in the container's own file system always."""
    module = verdict.security_module
    selinux = None if not module else module == "SELinux enforcing"
    return _on_a_home_volume(verdict.node.kernel, verdict.node.container_runtime, selinux)


@lru_cache(maxsize=1024)
def _on_a_home_volume(kernel: str, runtime: str, selinux: bool | None) -> tuple[NeedsFuse, str]:
    volume = needs_fuse(Workspace(kernel, runtime, selinux, home_volume="/home/podman"))
    answers: Mapping[str, NeedsFuse] = {"yes": "yes", "no": "own-file-system", "unknown": "unknown"}
    return answers[volume.answer], volume.reason


def _title(needs: Counter[NeedsFuse]) -> str:
    if len(needs) == 1:
        words = WORDS[next(iter(needs))]
        return words[:1].upper() + words[1:]
    if needs["yes"]:
        every = counted(needs.total(), "node")
        return f"Every workspace needs FUSE on {needs['yes']} of {every}"
    return "Which workspaces need FUSE differs by node"


def _detail(needs: Counter[NeedsFuse], nodes: Sequence[NodeVerdict]) -> str:
    parts = ["FUSE on the nodes, the guide's way, serves all workspaces."]
    if needs["own-file-system"] or needs["no"]:
        parts.append(f"To do without it, {ON_A_VOLUME}: there, Podman uses native overlay.")
    if any(_has_own_users(verdict) for verdict in nodes):
        parts.append("Pods with hostUsers: false work with and without FUSE; Coder v1 cannot set it.")
    if any(verdict.node.container_runtime.startswith("cri-o://") for verdict in nodes):
        parts.append(
            'On CRI-O, the pod annotation io.kubernetes.cri-o.Devices: "/dev/fuse" gives the device without a device '
            "plugin, if CRI-O's configuration allows it."
        )
    parts.append("What a security module denies, it denies in both ways.")
    return " ".join(parts)


def _has_own_users(verdict: NodeVerdict) -> bool:
    """Tells whether a node's kubelet (1.33 or later by default) and runtime have pods with hostUsers: false."""
    name, _, version = verdict.node.container_runtime.partition("://")
    runtime = (name == "containerd" and version_in(version) >= (2,)) or name == "cri-o"
    return runtime and version_in(verdict.node.kubelet_version)[:2] >= (1, 33)
