"""What in a template prevents rootless Podman, or is good to know about it. Nothing is edited here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from wizard.errors import InputError
from wizard.names import FUSE_RESOURCE
from wizard.template.by_hand import APPARMOR_KEY
from wizard.template.document import Document
from wizard.template.merge import merge_template
from wizard.template.module import Module
from wizard.template.reading import OTHER_PLUGINS, image_of, is_envbox, is_envbuilder, resource_maps
from wizard.template.tree import Attribute, Block, Body, Expression
from wizard.template.workload import Workload, find_workload

Severity = Literal["problem", "warning", "info"]


@dataclass(frozen=True)
class Problem:
    """One row of a check: where, what, and what to do."""

    severity: Severity
    id: str
    file: str
    line: int
    column: int
    message: str
    hint: str = ""


_MERGE: Final = "Run podman-wizard template merge to add it."


def check_template(
    module: Module, parts: Collection[str] = (), *, resource: str = "", container: str = ""
) -> tuple[Problem, ...]:
    """Returns what a template has or lacks for rootless Podman; ``parts`` are the ones that this cluster needs.

    Raises InputError if there is no certain pod.
    """
    workload = find_workload(module, resource, container)
    check = _Check(workload)
    found = [
        *check.device(),
        *check.annotations(),
        *check.contexts(),
        *check.container(),
        *check.resource(),
        *_missing_parts(module, workload, parts, resource, container),
    ]
    return tuple(sorted(found, key=lambda one: (one.line, one.column)))


def _missing_parts(
    module: Module, workload: Workload, parts: Collection[str], resource: str, container: str
) -> Iterator[Problem]:
    wanted = [part for part in parts if part != "device"]
    if not wanted:
        return
    result = merge_template(module, wanted, resource=resource, container=container, on_conflict="keep")
    lacking = [
        *[(one.part, workload.document.line(workload.container.start), one.path) for one in result.changes],
        *[(one.part, one.line, f"{one.path} is {one.found}, not {one.wanted}") for one in result.conflicts],
    ]
    for part, line, path in lacking:
        text = f"{path}: this cluster's nodes need it."
        yield Problem("problem", f"{part}-missing", workload.document.name, line, 0, text, _MERGE)
    for refusal in result.refusals:
        error, part = refusal.error, refusal.part
        if isinstance(error, InputError):
            yield Problem("problem", f"{part}-missing", error.file, error.line, error.column, error.what, error.todo)


class _Check:
    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.document: Document = workload.document

    def _problem(self, severity: Severity, id: str, at: int, message: str, hint: str = "") -> Problem:
        line, column = self.document.lines.place(at)
        return Problem(severity, id, self.document.name, line, column, message, hint)

    # The device -------------------------------------------------------------------------------------------------

    def device(self) -> Iterator[Problem]:
        """Yields what is wrong with the request for the FUSE device."""
        container = self.workload.container
        if is_envbox(self.workload):
            yield self._problem(
                "warning",
                "envbox",
                image_of(self.workload)[1],
                "The container is envbox: the workspace is an inner container with Docker, not rootless Podman.",
                "The inner container gets FUSE by the environment variable CODER_ADD_FUSE=true.",
            )
            return
        try:
            block, limits, requests = resource_maps(self.workload, FUSE_RESOURCE)
        except InputError as error:
            yield Problem("problem", "cannot-edit", error.file, error.line, error.column, error.what, error.todo)
            return
        maps = [one for one in (limits, requests) if one.target is not None]
        for one in maps:
            for item in one.others:
                name = str(item.key.key)
                plugin = OTHER_PLUGINS.get(name)
                severity: Severity = "warning" if plugin else "problem"
                yield self._problem(
                    severity,
                    "device-other-plugin" if plugin else "device-misspelled",
                    item.key.start,
                    f"{one.name}: {name} is offered by {plugin}, not by smarter-device-manager."
                    if plugin
                    else f"{one.name}: no device plugin offers {name}. Did you mean {FUSE_RESOURCE}?",
                    "Use template merge --on-conflict replace, or both.",
                )
            if one.device is not None and not one.is_decided:
                message = f"{one.name}: {FUSE_RESOURCE} is not 1 or more."
                yield self._problem("problem", "device-count", one.device.value.start, message, 'Write "1".')
            elif one.device is not None and one.count is None:
                message = f"{one.name}: how many {FUSE_RESOURCE} are requested has to be evaluated."
                yield self._problem("info", "device-count-unknown", one.device.value.start, message)
        if any(one.others for one in maps):
            return
        if limits.device is None:
            at = block.start if block is not None else container.start
            where = "requests, but not in limits" if requests.device is not None else "neither requests nor limits"
            yield self._problem("problem", "device-missing", at, f"{FUSE_RESOURCE} is in {where}.", _MERGE)
        elif requests.target is not None and requests.device is None:
            message = f"{FUSE_RESOURCE} is in limits, but not in requests, so every plan shows a difference."
            yield self._problem("warning", "device-not-in-requests", requests.target.start, message, _MERGE)
        elif None not in (limits.count, requests.count) and limits.count != requests.count:
            assert requests.device is not None
            message = f"requests is {requests.count}, but limits is {limits.count}; Kubernetes needs them equal."
            yield self._problem("problem", "device-counts-differ", requests.device.value.start, message)

    # Annotations ------------------------------------------------------------------------------------------------

    def annotations(self) -> Iterator[Problem]:
        """Yields AppArmor annotations without effect, and those that make Kubernetes reject the pod."""
        names = [
            name.value.key if (name := one.body.attribute("name")) is not None else None
            for one in (*self.workload.containers, *self.workload.spec.body.blocks("init_container"))
        ]
        for key, at in self._apparmor_keys(self.workload.pod):
            if None not in names and key not in names:
                yield self._problem(
                    "problem",
                    "annotation-container",
                    at,
                    f"The AppArmor annotation names the container {key}, which the pod does not have.",
                    "Kubernetes rejects such a pod. Use the name of the workspace container.",
                )
        if self.workload.resource.body is not self.workload.pod:
            for _, at in self._apparmor_keys(self.workload.resource.body):
                yield self._problem(
                    "warning",
                    "annotation-place",
                    at,
                    "This AppArmor annotation has no effect: it is not in the metadata of the pod (template).",
                )

    def _apparmor_keys(self, body: Body) -> Iterator[tuple[str, int]]:
        for metadata in body.blocks("metadata"):
            attribute = metadata.body.attribute("annotations")
            for item in attribute.value.items if attribute is not None else ():
                if item.key.key is not None and item.key.key.startswith(APPARMOR_KEY):
                    yield item.key.key.removeprefix(APPARMOR_KEY), item.key.start

    # Security contexts ------------------------------------------------------------------------------------------

    def contexts(self) -> Iterator[Problem]:
        """Yields the settings with which rootless Podman cannot work, or is not rootless."""
        for block in (*self._contexts(self.workload.spec), *self._contexts(self.workload.container)):
            yield from self._flags(block)
            yield from self._capabilities(block)
            user = block.body.attribute("run_as_user")
            if user is not None and user.value.literal == "0" and not is_envbuilder(self.workload):
                yield self._problem(
                    "warning", "run-as-root", user.start, "The workspace runs as root, so Podman is not rootless."
                )

    def _contexts(self, block: Block) -> list[Block]:
        return block.body.blocks("security_context")

    def _flags(self, block: Block) -> Iterator[Problem]:
        for name, bad, id, why in (
            (
                "allow_privilege_escalation",
                "false",
                "privilege-escalation",
                "newuidmap cannot gain the capabilities for mapping users",
            ),
            ("read_only_root_filesystem", "true", "read-only-root", "Podman cannot write its files outside a volume"),
            ("privileged", "true", "privileged", "the container already has every permission on its node"),
        ):
            attribute = block.body.attribute(name)
            if attribute is None:
                continue
            value = attribute.value.literal
            if value == bad:
                severity: Severity = "warning" if name == "privileged" else "problem"
                yield self._problem(severity, id, attribute.start, f"{name} is {bad}: {why}.")
            elif value not in ("true", "false"):
                text = " ".join(self.document.text[attribute.value.start : attribute.value.end].split())
                message = f"{name} is {text}, so it cannot be determined here. It must not be {bad}."
                yield self._problem("warning", f"{id}-unknown", attribute.start, message)

    def _capabilities(self, block: Block) -> Iterator[Problem]:
        for capabilities in block.body.blocks("capabilities"):
            drop = capabilities.body.attribute("drop")
            if drop is None:
                continue
            dropped, added = self._words(drop), self._words(capabilities.body.attribute("add"))
            for name in ("SETUID", "SETGID"):
                if {"ALL", name} & dropped and name not in added:
                    yield self._problem(
                        "problem",
                        "capabilities-dropped",
                        drop.start,
                        f"The capability {name} is dropped, so newuidmap and newgidmap cannot map users.",
                        'Add it: add = ["SETUID", "SETGID"].',
                    )
                    return

    def _words(self, attribute: Attribute | None) -> set[str]:
        elements: list[Expression] = attribute.value.elements if attribute is not None else []
        return {(one.literal or "").upper().removeprefix("CAP_") for one in elements}

    # Container and resource -------------------------------------------------------------------------------------

    def container(self) -> Iterator[Problem]:
        """Yields what is known of the image and the home folder."""
        container = self.workload.container
        image, at = image_of(self.workload)
        if is_envbuilder(self.workload):
            message = "envbuilder must run as root and privileged, so Podman in it is not rootless."
            yield self._problem("warning", "envbuilder", at, message)
        elif "codercom/enterprise-" in image:
            message = "The images codercom/enterprise-* have Docker, not Podman."
            hint = "Use an image with Podman, for example codercom/example-podman:ubuntu."
            yield self._problem("warning", "image-without-podman", at, message, hint)
        mounts = [one.body.attribute("mount_path") for one in container.body.blocks("volume_mount")]
        evaluated = any(one is not None and one.value.literal is None for one in mounts)
        paths = [one.value.literal or "" for one in mounts if one is not None]
        if not evaluated and not is_envbox(self.workload) and not any(path.startswith("/home") for path in paths):
            yield self._problem(
                "info",
                "home-not-mounted",
                container.start,
                "No volume is mounted at the home folder, so Podman stores images on the container's own filesystem.",
                "Without a volume there, Podman needs the FUSE device, and images are lost at every stop.",
            )

    def resource(self) -> Iterator[Problem]:
        """Yields what concerns the whole resource."""
        resource = self.workload.resource
        if self.workload.successor:
            message = f"{resource.labels[0]} is deprecated since version 3 of the Kubernetes provider."
            hint = f"It still works. The new name is {self.workload.successor}."
            yield self._problem("info", "deprecated-name", resource.start, message, hint)
        for lifecycle in resource.body.blocks("lifecycle"):
            ignored = lifecycle.body.attribute("ignore_changes")
            if ignored is None:
                continue
            text = self.document.text[ignored.value.start : ignored.value.end]
            if text == "all" or re.search(r"\b(spec|metadata)\b", text):
                message = "ignore_changes can leave an existing pod without what is added here."
                yield self._problem("warning", "ignore-changes", ignored.start, message)
