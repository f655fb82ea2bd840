"""What a pod's template says about Podman's needs: maps of resources, annotations, and security contexts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from difflib import get_close_matches

from wizard.names import OTHER_FUSE_RESOURCES
from wizard.quantities import whole
from wizard.template.by_hand import APPARMOR_KEY, annotation_line, item_line, manifest_lines
from wizard.template.document import Document
from wizard.template.tree import Attribute, Block, Body, Expression, Item
from wizard.template.workload import Workload

OTHER_PLUGINS = dict(zip(OTHER_FUSE_RESOURCES, ("fuse-device-plugin", "generic-device-plugin"), strict=True))
"""The resources with which other device plugins offer /dev/fuse."""

_NOTHING_WRITTEN = "Nothing was written."


@dataclass(eq=False)
class ResourceMap:
    """``limits`` or ``requests``: the literal object, and its items that are about FUSE.

    ``target`` is None if the map is not written. ``others`` have another resource for FUSE.
    """

    name: str
    target: Expression | None
    device: Item | None = None
    others: list[Item] = field(default_factory=list)

    @property
    def count(self) -> int | None:
        """How many devices it requests; None if it has none or that has to be evaluated."""
        text = self.device.value.literal if self.device is not None else None
        return None if text is None else (whole(text) or 0)

    @property
    def is_decided(self) -> bool:
        """Whether it requests the device: at least one, or a number that only Terraform knows."""
        return self.device is not None and (self.count is None or self.count > 0)


def one_block(document: Document, body: Body, name: str, by_hand: str = "") -> Block | None:
    """Returns the only block of a type; None if there is none.

    Raises InputError if there are several, if a dynamic block makes it, or if it is an argument.
    """
    todo = f"{_NOTHING_WRITTEN} Write it as one ordinary block, or add this by hand:\n{by_hand}" if by_hand else ""
    if dynamic := body.dynamic(name):
        raise document.refusal(
            dynamic.start, f'A dynamic "{name}" makes this block, so there can be none or several.', todo
        )
    if attribute := body.attribute(name):
        raise document.refusal(
            attribute.start, f"{name} must be a block ({name} {{ ... }}), but is an argument here.", todo
        )
    found = body.blocks(name)
    if len(found) > 1:
        first = document.line(found[0].start)
        raise document.refusal(
            found[1].start,
            f"This is a second block {name} (the first one is on line {first}); the Kubernetes provider rejects it.",
            f"{_NOTHING_WRITTEN} Make one of the two.",
        )
    return found[0] if found else None


def literal_map(workload: Workload, block: Block, name: str, by_hand: str) -> Expression | None:
    """Returns an argument's literal object; None if it is not set.

    Raises InputError, with what to add by hand, for everything else.
    """
    document, body = workload.document, block.body
    add = f"{_NOTHING_WRITTEN} Add this to the map by hand:\n{by_hand}"
    if old := body.blocks(name):
        raise document.refusal(
            old[0].start,
            f"{name} is a block here, which only version 1 of the Kubernetes provider accepts; later it is a map.",
            f"{_NOTHING_WRITTEN} Write {name} = {{ ... }} with the device in it:\n{by_hand}",
        )
    if dynamic := body.dynamic(name):
        raise document.refusal(dynamic.start, f'{name} is made by a dynamic "{name}".', add)
    attribute = body.attribute(name)
    if attribute is None:
        return None
    if attribute.value.kind != "object":
        raise document.refusal(attribute.value.start, _not_literal(workload, attribute), add)
    return attribute.value


def _not_literal(workload: Workload, attribute: Attribute) -> str:
    document, value = workload.document, attribute.value
    text = " ".join(document.text[value.start : value.end].split())
    what = f"{attribute.name} is the expression {text if len(text) <= 60 else text[:57] + '...'}, not a literal map"
    names = re.fullmatch(r"local\.([\w-]+)", text)
    found = workload.module.local(names[1]) if names else None
    if found is not None:
        return f"{what}; {text} is set in {found[0].where(found[1].start)}."
    return f"{what}."


def find_key(
    document: Document, target: Expression, key: str, by_hand: str, *, evaluated_ok: bool = False
) -> Item | None:
    """Returns the item of a key. Raises InputError if there are two, or if another key could turn out to be it."""
    found: Item | None = None
    for item in target.items:
        if item.key.key is None and item.key.could_be(key) and not evaluated_ok:
            raise document.refusal(
                item.key.start,
                f"This key has to be evaluated, and could be {key}.",
                f"{_NOTHING_WRITTEN} Write the key as a text, or add this by hand:\n{by_hand}",
            )
        if item.key.key != key:
            continue
        if found is not None:
            first, second = document.line(found.key.start), document.line(item.key.start)
            raise document.refusal(
                item.key.start,
                f"{key} is set on line {first} and again on line {second}; Terraform uses the last one.",
                f"{_NOTHING_WRITTEN} Remove one of the two.",
            )
        found = item
    return found


def resource_maps(workload: Workload, resource: str) -> tuple[Block | None, ResourceMap, ResourceMap]:
    """Returns the container's ``resources`` (None if it has none), its limits, and its requests.

    Raises InputError if any of them is not certain.
    """
    document = workload.document
    block = one_block(document, workload.container.body, "resources", manifest_lines("block", resource))
    if block is None:
        return None, ResourceMap("limits", None), ResourceMap("requests", None)
    maps = []
    for name in ("limits", "requests"):
        target = literal_map(workload, block, name, item_line(resource))
        found = ResourceMap(name, target)
        if target is not None:
            found.device = find_key(document, target, resource, item_line(resource))
            found.others = [one for one in target.items if is_other(one.key.key, resource)]
        maps.append(found)
    return block, maps[0], maps[1]


def is_other(key: str | None, resource: str) -> bool:
    """Tells whether a resource is another one for FUSE: of another device plugin, or a misspelled one."""
    return key is not None and key != resource and (key in OTHER_PLUGINS or is_near_miss(key, resource))


def is_near_miss(key: str, resource: str) -> bool:
    """Tells whether a key is nearly the resource: in case, plural, separator, or by a typing error."""
    if key == resource or key in OTHER_PLUGINS:
        return False
    plain = re.sub(r"[^a-z0-9]", "", key.lower())
    return bool(get_close_matches(plain, [re.sub(r"[^a-z0-9]", "", resource)], cutoff=0.88))


@dataclass(eq=False)
class Annotation:
    """The pod's AppArmor annotation: where it goes, and what is there."""

    metadata: Block | None
    target: Expression | None
    item: Item | None


def apparmor_annotation(workload: Workload) -> tuple[str, Annotation]:
    """Returns the annotation's key and place. Raises InputError if the container's name or the place is not certain."""
    document = workload.document
    name = workload.container_name
    if not name:
        at = workload.container.body.attribute("name")
        raise document.refusal(
            at.value.start if at is not None else workload.container.start,
            "The container has no name."
            if at is None
            else "The container's name has to be evaluated, "
            "so the AppArmor annotation, whose key has that name, would have to be an expression too.",
            f"{_NOTHING_WRITTEN} Add the annotation to the pod's metadata by hand, or use --without apparmor:\n"
            + annotation_line("${NAME}" if at is not None else "NAME").replace("${NAME}", _name_text(workload)),
        )
    key = APPARMOR_KEY + name
    by_hand = annotation_line(name)
    todo = f"  annotations = {{\n  {by_hand}\n  }}"
    metadata = one_block(document, workload.pod, "metadata", todo)
    if metadata is None:
        return key, Annotation(None, None, None)
    target = literal_map(workload, metadata, "annotations", by_hand)
    item = find_key(document, target, key, by_hand) if target is not None else None
    return key, Annotation(metadata, target, item)


def _name_text(workload: Workload) -> str:
    """Returns a container name that has to be evaluated as it is written inside a string."""
    attribute = workload.container.body.attribute("name")
    assert attribute is not None
    text = workload.document.text[attribute.value.start : attribute.value.end]
    return text[1:-1] if text.startswith('"') else f"${{{text}}}"


def image_of(workload: Workload) -> tuple[str, int]:
    """Returns the container's image as far as it is known, with its expression's text, and its place."""
    image = workload.container.body.attribute("image")
    if image is None:
        return "", workload.container.start
    text = workload.document.text[image.value.start : image.value.end]
    known = workload.module.text_of(image.value, workload.document) or ""
    return f"{known} {text}", image.value.start


def is_envbox(workload: Workload) -> bool:
    """Tells whether the container is envbox, in which the workspace is another container."""
    return "coder/envbox" in image_of(workload)[0]


def is_envbuilder(workload: Workload) -> bool:
    """Tells whether the container builds its image itself with envbuilder, which must be root."""
    image = image_of(workload)[0]
    return "envbuilder" in image or "devcontainer_builder" in image


def security_contexts(workload: Workload) -> tuple[Block | None, Block | None]:
    """Returns the security contexts of the pod and of the container. Raises InputError if they are not certain."""
    document = workload.document
    pod = one_block(document, workload.spec.body, "security_context")
    return pod, one_block(document, workload.container.body, "security_context")
