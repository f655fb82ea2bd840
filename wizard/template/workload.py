"""Which pod and which container a template's agent runs in.

The pod is the only one, or the one whose resource refers to an agent's ``init_script`` or ``token``; the container is
the only one, or the one that refers to the ``init_script``. Everything else is for a person to decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from wizard.errors import InputError, UsageError
from wizard.template.by_hand import manifest_lines, yaml_lines
from wizard.template.document import Document
from wizard.template.module import Module
from wizard.template.tree import Block, Body
from wizard.text.counting import counted

_TEMPLATE = ("spec", "template")
_NEW_NAMES: Final = {
    "kubernetes_pod": "kubernetes_pod_v1",
    "kubernetes_deployment": "kubernetes_deployment_v1",
    "kubernetes_stateful_set": "kubernetes_stateful_set_v1",
    "kubernetes_daemonset": "kubernetes_daemon_set_v1",
    "kubernetes_job": "kubernetes_job_v1",
    "kubernetes_replication_controller": "kubernetes_replication_controller_v1",
    "kubernetes_cron_job": "kubernetes_cron_job_v1",
}
"""The names that version 3 of the Kubernetes provider deprecates, and their successors."""


def _path(type: str) -> tuple[str, ...]:
    base = type.removesuffix("_v1")
    if base == "kubernetes_pod":
        return ()
    return ("spec", "job_template", "spec", "template") if base == "kubernetes_cron_job" else _TEMPLATE


WORKLOADS: Final = {
    **{name: _path(name) for name in _NEW_NAMES},
    **{name: _path(name) for name in _NEW_NAMES.values()},
    "kubernetes_daemon_set": _TEMPLATE,
}
"""The resources that have a pod, each with the blocks in which it is."""

_MANIFESTS = ("kubernetes_manifest", "kubectl_manifest", "kubectl_file_documents", "k8s_manifest")


@dataclass(frozen=True, eq=False)
class Workload:
    """The pod of a template and its workspace container, in the file that has them."""

    module: Module
    document: Document
    resource: Block
    pod: Body
    """The body that has ``metadata`` and ``spec``."""
    pod_block: Block
    spec: Block
    container: Block

    @property
    def successor(self) -> str:
        """The resource's name in newer providers, "" if it has it."""
        return _NEW_NAMES.get(self.resource.labels[0], "")

    @property
    def container_name(self) -> str | None:
        """The container's name; None if it has to be evaluated, "" if it is missing."""
        name = self.container.body.attribute("name")
        return "" if name is None else name.value.value if name.value.kind == "text" else None

    @property
    def containers(self) -> list[Block]:
        """All containers of the pod but those that run before it."""
        return self.spec.body.blocks("container")

    @property
    def namespace(self) -> str | None:
        """The namespace, if it is a literal, or a variable or local value that is one."""
        for body in (self.pod, self.resource.body):
            for metadata in body.blocks("metadata"):
                if (found := metadata.body.attribute("namespace")) is not None:
                    return self.module.text_of(found.value, self.document)
        return None


@dataclass(frozen=True, eq=False)
class _Candidate:
    module: Module
    document: Document
    resource: Block

    @property
    def is_manifest(self) -> bool:
        return self.resource.labels[0] in _MANIFESTS

    @property
    def refers(self) -> bool:
        return bool(self.module.agent_uses(self.document, self.resource.start, self.resource.end))


def find_workload(root: Module, resource: str = "", container: str = "") -> Workload:
    """Returns the pod and the container. ``resource`` (TYPE.NAME) and ``container`` decide where several could be.

    Raises InputError, which names the option that decides or what to add by hand, if there is no certain answer.
    """
    candidate = _named(root, resource) if resource else _only(root)
    if candidate.is_manifest:
        _refuse_manifest(candidate)
    _refuse_overridden(candidate)
    return _in_pod(candidate, container)


def _candidates(root: Module) -> Iterator[_Candidate]:
    for module in root.modules():
        for document in module.files.values():
            for block in document.root.blocks("resource"):
                if len(block.labels) == 2 and block.labels[0] in (*WORKLOADS, *_MANIFESTS):
                    yield _Candidate(module, document, block)


def _named(root: Module, resource: str) -> _Candidate:
    found = [one for one in _candidates(root) if one.resource.title == resource]
    if not found:
        known = ", ".join(sorted({one.resource.title for one in _candidates(root) if not one.is_manifest}))
        raise UsageError(
            f"The template has no pod in a resource {resource}.",
            f"Use --resource with one of: {known}." if known else "It has no Kubernetes pod at all.",
        )
    if len(found) > 1:
        places = ", ".join(one.document.where(one.resource.start) for one in found)
        raise found[1].document.refusal(
            found[1].resource.start,
            f"{resource} is defined more than once: {places}.",
            "Nothing was written. Use the file that has it, instead of the folder.",
        )
    return found[0]


def _only(root: Module) -> _Candidate:
    every = list(_candidates(root))
    pods = [one for one in every if not one.is_manifest]
    agents = [one for one in every if one.refers]
    if len(agents) == 1:
        return agents[0]
    if not agents:
        _refuse_elsewhere(root)
        if len(pods) == 1:
            return pods[0]
        if not pods and every:
            return every[0]
    if not pods:
        raise InputError(
            "The template has no Kubernetes pod: no resource such as kubernetes_pod_v1 or kubernetes_deployment_v1.",
            "Nothing was written. Podman needs a workspace that is a pod. Use the file that defines it.",
            file=next((one.name for one in root.documents()), ""),
        )
    several = agents or pods
    titles = ", ".join(f"{one.resource.title} ({one.document.where(one.resource.start)})" for one in several)
    how = "each with an agent" if agents else "none of them with a visible agent"
    raise several[0].document.refusal(
        several[0].resource.start,
        f"The template has {counted(len(several), 'pod')}, {how}: {titles}.",
        f"Nothing was written. Select one with --resource, for example --resource {several[0].resource.title}.",
    )


def _refuse_elsewhere(root: Module) -> None:
    """Raises InputError if the agent's pod is where it cannot be edited: in JSON, or in another module."""
    for module in root.modules():
        for name, text in module.json_files:
            if any(f'"{type}"' in text for type in (*WORKLOADS, *_MANIFESTS)):
                raise InputError(
                    "This file is in Terraform's JSON syntax, which podman-wizard does not edit.",
                    "Nothing was written. Add this to the container:\n" + manifest_lines("json"),
                    file=name,
                )
        for document, block, source in module.calls:
            if module.agent_uses(document, block.start, block.end):
                raise document.refusal(
                    block.start,
                    f"The pod is in another module ({source or 'source unknown'}), which is not edited from here.",
                    "Nothing was written. Use the folder of a local module, or change the remote one at its source.",
                )


def _refuse_manifest(candidate: _Candidate) -> NoReturn:
    manifest = candidate.resource.body.attribute("manifest") or candidate.resource.body.attribute("yaml_body")
    at = manifest.value.start if manifest is not None else candidate.resource.start
    text = candidate.document.text[candidate.resource.start : candidate.resource.end]
    literal = manifest is not None and manifest.value.kind == "object" and "yamldecode(" not in text
    where = "spec.template.spec.containers" if "template" in text else "spec.containers"
    raise candidate.document.refusal(
        at,
        f"{candidate.resource.title} has the pod as {'an object' if literal else 'YAML'}, which is not edited here.",
        f"Nothing was written. Add this to the workspace container in {where}:\n"
        + (manifest_lines("hcl") if literal else yaml_lines()),
    )


def _refuse_overridden(candidate: _Candidate) -> None:
    labels = candidate.resource.labels
    for document in candidate.module.overrides:
        for block in document.root.blocks("resource"):
            if block.labels == labels:
                raise document.refusal(
                    block.start,
                    f"This file overrides parts of {candidate.resource.title}, "
                    f"which {candidate.document.where(candidate.resource.start)} defines.",
                    "Nothing was written. Merge the override into that resource first, or add Podman by hand in both.",
                )
    for name, text in candidate.module.json_files:
        if f'"{labels[0]}"' in text and f'"{labels[1]}"' in text:
            raise InputError(
                f"This file also has {candidate.resource.title}, so the result of a merge is not certain.",
                "Nothing was written. Move it into the other file, or add Podman by hand.",
                file=name,
            )
    if candidate.document.name in candidate.module.twins:
        raise InputError(
            "There is a .tf and a .tofu file of this name; OpenTofu uses the second one, Terraform the first one.",
            "Nothing was written. Name the file to edit instead of the folder.",
            file=candidate.document.name,
        )


def _in_pod(candidate: _Candidate, container: str) -> Workload:
    document, block = candidate.document, candidate.resource
    for name in WORKLOADS[block.labels[0]]:
        block = _one(document, block, name)
    spec = _one(document, block, "spec")
    found = _container(candidate, spec, container)
    return Workload(candidate.module, document, candidate.resource, block.body, block, spec, found)


def _one(document: Document, block: Block, name: str) -> Block:
    found = block.body.blocks(name)
    if dynamic := block.body.dynamic(name):
        raise document.refusal(
            dynamic.start,
            f'The block {name} is a dynamic "{name}" here, so there can be none or several.',
            "Nothing was written. Write it as an ordinary block, or add Podman in its content by hand.",
        )
    if not found:
        raise document.refusal(block.start, f"{block.title} has no block {name}.", "Nothing was written.")
    if len(found) > 1:
        raise document.refusal(
            found[1].start,
            f"{block.title} has a second block {name}, which the Kubernetes provider rejects.",
            "Nothing was written. Make one of the two.",
        )
    return found[0]


def _container(candidate: _Candidate, spec: Block, wanted: str) -> Block:
    document = candidate.document
    containers = spec.body.blocks("container")
    names = {one: name.value.literal for one in containers if (name := one.body.attribute("name")) is not None}
    if wanted:
        found = [one for one in containers if names.get(one) == wanted]
        if len(found) == 1:
            return found[0]
        known = ", ".join(name for name in names.values() if name) or "none with a literal name"
        raise UsageError(
            f"{candidate.resource.title} has {'no' if not found else 'more than one'} container {wanted}.",
            f"Its containers: {known}.",
        )

    def using(what: str, blocks: list[Block]) -> list[Block]:
        return [one for one in blocks if what in candidate.module.agent_uses(document, one.start, one.end)]

    dynamic = spec.body.dynamic("container")
    agents = using("init_script", containers) or using("token", containers)
    if dynamic is not None and (len(agents) != 1 or using("init_script", [dynamic])):
        raise document.refusal(
            dynamic.start,
            'The containers are made by a dynamic "container", so there can be none or several.',
            "Nothing was written. Write the workspace container as an ordinary block, "
            "or add this to the container in content by hand:\n" + manifest_lines("block"),
        )
    if len(agents) == 1:
        return agents[0]
    if len(containers) == 1:
        return containers[0]
    if not containers:
        raise document.refusal(spec.start, f"{candidate.resource.title} has no container.", "Nothing was written.")
    shown = ", ".join(f"{names.get(one) or 'unnamed'} (line {document.line(one.start)})" for one in containers)
    which = "several of which have an agent" if agents else "none of which has a visible agent"
    raise document.refusal(
        spec.start,
        f"{candidate.resource.title} has {counted(len(containers), 'container')}, {which}: {shown}.",
        "Nothing was written. Select the workspace container with --container NAME.",
    )
