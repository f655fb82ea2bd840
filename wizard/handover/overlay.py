"""The overlay: changes to objects of GitOps tools, for their repository, as a Kustomize component with a README."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from wizard.facts.cluster import ClusterFacts
from wizard.handover.files import KUSTOMIZATION_FILE, write_files
from wizard.manifest.ownership import Departure, value_words
from wizard.text.escaping import printable


def write_overlay(facts: ClusterFacts, departures: Sequence[Departure], folder: Path) -> tuple[Path, ...]:
    """Writes the changes to objects of GitOps tools for their repository: a Kustomize component with a README.

    A component needs no path to the manifests that it changes: their kustomization names it. Returns the files in the
    order to read them. Raises InputError if the folder cannot be written.
    """
    return write_files(folder, _overlay(facts, departures, folder.name))


def overlay_files(departures: Sequence[Departure]) -> tuple[str, ...]:
    """Returns the names of the files of an overlay, in the order to read them."""
    return ("README.md", KUSTOMIZATION_FILE, *(_patch_file(one) for one in departures))


def _patch_file(departure: Departure) -> str:
    return f"{departure.kind.lower()}.yaml"


def _overlay(facts: ClusterFacts, departures: Sequence[Departure], name: str) -> dict[str, str]:
    live = facts.objects
    component = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "patches": [
            # A target instead of the names in the patch, because the tool can set the namespace at the very end.
            {"path": _patch_file(one), "target": {"kind": one.kind, "name": live[one.kind]["metadata"]["name"]}}
            for one in departures
        ],
    }
    patches = {}
    for one in departures:
        there = live[one.kind]
        head = {"apiVersion": there["apiVersion"], "kind": one.kind, "metadata": {"name": there["metadata"]["name"]}}
        metadata = {**head["metadata"], **one.patch.get("metadata", {})}
        patches[_patch_file(one)] = yaml.safe_dump({**head, **one.patch, "metadata": metadata}, sort_keys=False)
    texts = [
        _overlay_readme(facts, departures, name),
        f"# Component: list it under components: in the kustomization.yaml that has these objects (see README.md).\n"
        f"{yaml.safe_dump(component, sort_keys=False)}",
        *patches.values(),
    ]
    return dict(zip(overlay_files(departures), texts, strict=True))


def _overlay_readme(facts: ClusterFacts, departures: Sequence[Departure], name: str) -> str:
    identity = facts.identity
    tools = " and ".join(dict.fromkeys(one.tool for one in departures))
    lines = [
        "# FUSE for Coder workspaces: changes for your GitOps repository",
        "",
        printable(f"On {identity.server} (context {identity.context}), {tools} manages these objects and reverts"),
        "changes made outside its repository at its next sync. This folder contains only the changes to these objects,",
        f"compared with the cluster as podman-wizard read it at {facts.read_at}.",
        "",
        "## Changes",
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
        "1. Copy this folder into the repository, next to the kustomization.yaml that has these objects, and list it",
        "   there:",
        "",
        "       components:",
        f"         - {name}",
        "",
        "   If the manifests have no kustomization.yaml, add one that lists them. Argo CD and Flux then build it",
        "   automatically:",
        "",
        "       resources:",
        "         - the-file-of-these-objects.yaml",
        "       components:",
        f"         - {name}",
        "",
        "   If a Helm chart creates these objects, set the values from the list above in the chart instead.",
        "2. Check the result with `kubectl kustomize .`, then commit it.",
        f"3. When {tools} has applied it, `podman-wizard manifest diff` shows no more changes to these objects.",
        "   Continue with `podman-wizard nodes label --all --wait`.",
    ]
    return "\n".join(lines) + "\n"
