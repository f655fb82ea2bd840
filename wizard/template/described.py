"""The pod that a template describes, as far as its text tells: for a test pod that is like a workspace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wizard.errors import InputError
from wizard.names import FUSE_RESOURCE
from wizard.template.reading import apparmor_annotation, resource_maps, security_contexts
from wizard.template.tree import Attribute, Block, Body, Expression
from wizard.template.workload import Workload

_NUMBERS: Final = {"run_as_user": "runAsUser", "run_as_group": "runAsGroup", "fs_group": "fsGroup"}
_FLAGS: Final = {
    "run_as_non_root": "runAsNonRoot",
    "privileged": "privileged",
    "allow_privilege_escalation": "allowPrivilegeEscalation",
    "read_only_root_filesystem": "readOnlyRootFilesystem",
}
_BLOCKS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "seccomp_profile": ("seccompProfile", {"type": "type", "localhost_profile": "localhostProfile"}),
    "se_linux_options": (
        "seLinuxOptions",
        {"type": "type", "level": "level", "role": "role", "user": "user"},
    ),
}


@dataclass(frozen=True)
class Described:
    """What is known of the pod; "" and {} for what is not set. ``unknown`` names what only Terraform knows."""

    image: str
    namespace: str
    service_account: str
    apparmor: str
    pod: Mapping[str, Any]
    """The pod's security context, as Kubernetes has it."""
    container: Mapping[str, Any]
    """The container's security context."""
    has_device: bool
    unknown: tuple[tuple[str, str], ...]
    """Each with the expression that Terraform evaluates."""


def described(workload: Workload) -> Described:
    """Returns the pod of a template. Raises InputError if a part of it is not certain."""
    return _Reader(workload).read()


class _Reader:
    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._unknown: list[tuple[str, str]] = []

    def read(self) -> Described:
        workload = self._workload
        pod, container = security_contexts(workload)
        _, limits, _ = resource_maps(workload, FUSE_RESOURCE)
        return Described(
            image=self._text("image", workload.container.body.attribute("image")),
            namespace=self._namespace(),
            service_account=self._text("service account", workload.spec.body.attribute("service_account_name")),
            apparmor=self._apparmor(),
            pod=self._context("", pod),
            container=self._context("container's ", container),
            has_device=limits.is_decided,
            unknown=tuple(self._unknown),
        )

    def _value(self, what: str, value: Expression) -> str:
        found = self._workload.module.text_of(value, self._workload.document)
        if found is None:
            text = self._workload.document.text[value.start : value.end]
            self._unknown.append((what, " ".join(text.split())))
        return found or ""

    def _text(self, what: str, attribute: Attribute | None) -> str:
        return self._value(what, attribute.value) if attribute is not None else ""

    def _namespace(self) -> str:
        for body in (self._workload.pod, self._workload.resource.body):
            for metadata in body.blocks("metadata"):
                if (found := metadata.body.attribute("namespace")) is not None:
                    return self._value("namespace", found.value)
        return ""

    def _apparmor(self) -> str:
        try:
            _, there = apparmor_annotation(self._workload)
        except InputError as error:
            self._unknown.append(("AppArmor annotation", error.what))
            return ""
        return self._value("AppArmor profile", there.item.value) if there.item is not None else ""

    def _context(self, whose: str, block: Block | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in self._set(whose, block):
            if name in _NUMBERS and value.isdecimal():
                found[_NUMBERS[name]] = int(value)
            elif name in _FLAGS and value in ("true", "false"):
                found[_FLAGS[name]] = value == "true"
        body = block.body if block is not None else Body(0)
        for type, (name, keys) in _BLOCKS.items():
            for inner in body.blocks(type):
                values = {keys[key]: value for key, value in self._set(f"{whose}{type} ", inner) if key in keys}
                if values:
                    found[name] = values
        for inner in body.blocks("capabilities"):
            found["capabilities"] = {
                name: [self._value(f"{whose}capability", one).upper() for one in attribute.value.elements]
                for name in ("add", "drop")
                if (attribute := inner.body.attribute(name)) is not None
            }
        return found

    def _set(self, whose: str, block: Block | None) -> Iterator[tuple[str, str]]:
        for member in block.body.members if block is not None else ():
            if isinstance(member, Attribute):
                yield member.name, self._value(f"{whose}{member.name}", member.value)
