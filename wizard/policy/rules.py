"""What Kubernetes rejects in values of the right shape: names, amounts, tolerations.

The rules are those of the API server (``pkg/apis/core/validation/validation.go`` and ``helper/helpers.go``, 1.34). A
workspace whose pod breaks one of them does not start, and the policy is where the reason can still be seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wizard.names import FUSE_RESOURCE
from wizard.policy.document import show_path
from wizard.policy.entries import KUBERNETES, PODMAN_FIELDS, fuse_like, own_or_inherited, quantity, value_of
from wizard.policy.near import distance, near, normalized
from wizard.policy.readings import data_of
from wizard.policy.schema import Field
from wizard.policy.shapes import Wrong, is_quantity, shown, wrong_shapes
from wizard.policy.tree import Mapping, Node, Scalar, Sequence, resolved
from wizard.policy.writing import node_of
from wizard.text.escaping import printable, visible

TYPE_CHECKING = False  # typing itself would be the largest import of all
if TYPE_CHECKING:
    from decimal import Decimal

Keys = tuple[str | int, ...]

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9]+(?:[.-]+[A-Za-z0-9]+)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::[\w][\w.-]{{0,127}})?(?:@[\w+.-]+:[0-9a-fA-F]{{32,}})?", re.A
)
"""An image as the distribution project's reference grammar has it."""
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_LONGEST_NAME = 63
_LONGEST_DOMAIN = 253
_LARGEST_ID = 2**31 - 1
_ALLOWED = "Use letters, digits, dashes, underscores, and dots, with a letter or digit at both ends."

_OF_CONTAINERS = ("cpu", "memory", "ephemeral-storage")
_PAGES = "hugepages-"
_BYTES = ("memory", "ephemeral-storage")
_FEWEST_BYTES = 1024 * 1024
_MANY_CORES = 1000
_KNOWN_RESOURCES = (*_OF_CONTAINERS, "hugepages-2Mi", "hugepages-1Gi", "nvidia.com/gpu", "amd.com/gpu", FUSE_RESOURCE)


def wrong_parts(field: Field, value: Node) -> Iterator[Wrong]:
    """Yields each part of a value that does not have the field's shape, or that Kubernetes rejects."""
    found = list(wrong_shapes(field, value))
    yield from found
    rule = _RULES.get(field.path)
    if rule is not None and all(wrong.keys for wrong in found):
        # one fault is told once: what has the wrong shape is not held against a rule too
        parts = {wrong.keys[0] for wrong in found}
        yield from (wrong for wrong in rule(value) if not wrong.keys or wrong.keys[0] not in parts)


def sentence_about(field: Field, data: Any, start: Keys = (), *, item: bool = False) -> str:
    """Returns what is wrong with a value (plain data) that a user typed, and what to do; "" if nothing is.

    The sentence starts with the path below ``start``; with ``item``, the data is a list of the one item that it is
    about, whose number is not shown.
    """
    wrong = next((one for one in wrong_parts(field, node_of(data)) if one.severity != "warning"), None)
    if wrong is None:
        return ""
    path = (*start, *wrong.keys[1:]) if item else (*start, *wrong.keys)
    return f"{show_path(path) or 'The entry'} {wrong.what}. {wrong.todo}"


# --- names ---


def name_fault(name: str) -> tuple[str, str]:
    """Returns why Kubernetes does not accept a qualified name (``NAME`` or ``DOMAIN/NAME``), and what to do.

    Returns two empty texts if it accepts it.
    """
    domain, slash, last = name.rpartition("/")
    if not name:
        return "it is empty", "Write a name."
    if name != name.strip() and not name_fault(name.strip())[0]:
        return "it begins or ends with a space", f"Did you mean {printable(name.strip())}?"
    if "/" in domain:
        return "it has more than one slash", "Write NAME, or DOMAIN/NAME."
    if slash and not domain:
        return "nothing is before the slash", f"Write a domain before it, such as example.com{printable(name)}."
    if slash and (not _SUBDOMAIN.fullmatch(domain) or len(domain) > _LONGEST_DOMAIN):
        lower = domain.lower()
        todo = "Use lower-case letters, digits, dashes, and dots before the slash."
        return f"{visible(domain)} is not a domain", (
            f"Did you mean {lower}/{printable(last)}?" if _SUBDOMAIN.fullmatch(lower) else todo
        )
    if not last:
        return "nothing is after the slash", f"Write a name after it, such as {printable(name)}gpu."
    if len(last) > _LONGEST_NAME:
        return f"it has {len(last)} characters, of which {_LONGEST_NAME} are allowed", "Shorten it."
    return (_odd_character(last), _ALLOWED) if not _NAME.fullmatch(last) else ("", "")


def _odd_character(text: str) -> str:
    """Returns which character of a text that does not match ``_NAME`` is the reason."""
    odd = re.search(r"[^-A-Za-z0-9_.]", text)
    if odd is None:
        return "it begins or ends with a character that is neither a letter nor a digit"
    return "it contains a space" if odd[0] == " " else f"it contains {printable(odd[0])}"


def value_fault(value: str) -> tuple[str, str]:
    """Returns why Kubernetes does not accept a text as the value of a label, and what to do; like ``name_fault``."""
    if len(value) > _LONGEST_NAME:
        return f"it has {len(value)} characters, of which {_LONGEST_NAME} are allowed", "Shorten it."
    if not value or _NAME.fullmatch(value):
        return "", ""
    if value != value.strip() and _NAME.fullmatch(value.strip()):
        return "it begins or ends with a space", f"Did you mean {value.strip()}?"
    return _odd_character(value), _ALLOWED


@dataclass(frozen=True)
class _Pair:
    """A name and a value: an entry of a mapping, or the ``key`` and ``value`` of an item."""

    name: str
    name_at: Node
    name_keys: Keys
    value: str | None
    value_at: Node
    value_keys: Keys

    def wrong_name(self, noun: str, fault: tuple[str, str], severity: str = "problem") -> Iterator[Wrong]:
        why, todo = fault
        is_item = len(self.name_keys) > 1
        what = f"is {visible(self.name)}, not a valid {noun}" if is_item else f"is not a valid {noun}"
        if why:
            yield Wrong(self.name_at, self.name_keys, f"{what}: {why}", todo, "wrong-name", severity)

    def wrong_value(self, noun: str) -> Iterator[Wrong]:
        why, todo = value_fault(self.value or "")
        if why:
            what = f"is {shown(self.value_at, with_kind=False)}, not a valid {noun}: {why}"
            yield Wrong(self.value_at, self.value_keys, what, todo, "wrong-name", "problem")


def _pairs(value: Node) -> Iterator[_Pair]:
    target = resolved(value)
    if isinstance(target, Mapping):
        for name, (key, node) in own_or_inherited(target).items():
            if name:  # an empty name was said with the shape
                yield _Pair(name, key, (name,), _text(node), node, (name,))
    elif isinstance(target, Sequence):
        for number, item in enumerate(target.children):
            mapping = resolved(item)
            own = own_or_inherited(mapping) if isinstance(mapping, Mapping) else {}
            name_at, value_at = own.get("key"), own.get("value")
            text = _text(name_at[1]) if name_at is not None else None
            if name_at is not None and text is not None:
                node = value_at[1] if value_at is not None else item
                found = _text(value_at[1]) if value_at is not None else None
                yield _Pair(text, name_at[1], (number, "key"), found, node, (number, "value"))


def _text(node: Node) -> str | None:
    target = resolved(node)
    return target.value if isinstance(target, Scalar) and not target.is_null else None


def _again(value: Node) -> Iterator[Wrong]:
    """Yields the items of a list whose name an earlier item has."""
    first: dict[str, int] = {}
    for pair in _pairs(value):
        number = pair.name_keys[0]
        if isinstance(number, int) and first.setdefault(pair.name, number) != number:
            what = f"is {visible(pair.name)}, as in item [{first[pair.name]}]"
            todo = "Remove one of the two. Coder's documentation does not say which one is used."
            yield Wrong(pair.name_at, pair.name_keys, what, todo, "duplicate-item", "warning")


def _labels(value: Node) -> Iterator[Wrong]:
    for pair in _pairs(value):
        yield from pair.wrong_name("label key", name_fault(pair.name))
        yield from pair.wrong_value("label value")
    yield from _again(value)


def _annotations(value: Node) -> Iterator[Wrong]:
    for pair in _pairs(value):
        if name_fault(pair.name.lower())[0]:
            yield from pair.wrong_name("annotation key", name_fault(pair.name))
    yield from _again(value)


def _variables(value: Node) -> Iterator[Wrong]:
    for pair in _pairs(value):
        noun, name = "name of an environment variable", pair.name
        if not name or "=" in name:
            why = "it contains =" if name else "it is empty"
            yield from pair.wrong_name(noun, (why, "Write a name, such as HTTP_PROXY."))
        elif not _VARIABLE.fullmatch(name):
            fault = "Kubernetes before 1.32 rejects it", "Use letters, digits, and underscores, with no digit first."
            if name != name.strip() and _VARIABLE.fullmatch(name.strip()):
                fault = "it begins or ends with a space", f"Did you mean {name.strip()}?"
            yield from pair.wrong_name(noun, fault, "warning")
    yield from _again(value)


# --- resources ---


def is_native(name: str) -> bool:
    """Whether a resource is one of Kubernetes' own; all others are extended resources."""
    return "/" not in name or "kubernetes.io/" in name


def _resources(value: Node) -> Iterator[Wrong]:
    target = resolved(value)
    like = fuse_like(target) if isinstance(target, Mapping) else None
    for pair in _pairs(value):
        if pair.name == FUSE_RESOURCE or (like is not None and pair.name == like[1]):
            continue  # the check says more about it
        why, todo = resource_fault(pair.name)
        if why:
            yield Wrong(pair.name_at, pair.name_keys, why, todo, "wrong-resource", "problem")
            continue
        yield from _amount(pair)
        short = normalized(pair.name)
        meant = [known for known in _KNOWN_RESOURCES if "/" in known and distance(short, normalized(known), 1) == 1]
        if meant and "/" in pair.name:
            what, todo = f"is nearly {meant[0]}", f"Did you mean {meant[0]}?"
            yield Wrong(pair.name_at, pair.name_keys, what, todo, "nearly-known-resource", "warning")


def resource_fault(name: str) -> tuple[str, str]:
    """Returns why a container cannot request a resource of this name, and what to do; two empty texts if it can."""
    why, todo = name_fault(name)
    if why:
        return f"is not a valid resource name: {why}", (name == name.strip() and _meant_resource(name)) or todo
    if name.startswith("requests."):
        return "is a name that only quotas use", f"Did you mean {name.removeprefix('requests.')}?"
    if name.startswith(_PAGES):
        size = name.removeprefix(_PAGES)
        if is_quantity(size) and (value_of(size) or 0) > 0:
            return "", ""
        return f"has the page size {visible(size)}, which is not a quantity", _meant_resource(name)
    if "/" in name or name in _OF_CONTAINERS:
        return "", ""
    todo = f"Use {', '.join(_OF_CONTAINERS)}, {_PAGES}2Mi, or DOMAIN/NAME, such as nvidia.com/gpu."
    return "is not a resource that a container can request", _meant_resource(name) or todo


def _meant_resource(name: str) -> str:
    """Returns the question whether a well-known resource was meant; "" if none is near."""
    same = [known for known in _KNOWN_RESOURCES if known.rpartition("/")[2] == name.strip(" /")]
    meant = near(name, _KNOWN_RESOURCES if "/" in name else _KNOWN_RESOURCES[:5])
    return f"Did you mean {' or '.join(same or [meant])}?" if same or meant else ""


def _amount(pair: _Pair) -> Iterator[Wrong]:
    text = quantity(pair.value_at)
    amount = value_of(text)
    if text is None or amount is None:
        return  # one that is no quantity was said with the shape

    def wrong(what: str, todo: str, id: str = "not-whole", severity: str = "problem") -> Wrong:
        is_what = f"is {shown(pair.value_at, with_kind=False)}, {what}"
        return Wrong(pair.value_at, pair.value_keys, is_what, todo, id, severity)

    page = value_of(pair.name.removeprefix(_PAGES)) if pair.name.startswith(_PAGES) else None
    if amount < 0:
        yield wrong("not an amount of at least 0", "Write an amount of at least 0.", "negative")
    elif not is_native(pair.name) and amount != int(amount):
        yield wrong("not a whole number", "Write a whole number.")
    elif page is not None and amount % page:
        size = pair.name.removeprefix(_PAGES)
        yield wrong(f"not a multiple of the page size {size}", f"Write a multiple of {size}.")
    elif pair.name == "cpu" and amount >= _MANY_CORES:
        todo = f"Did you mean {re.sub('[^0-9.]+$', '', text)}m?"
        yield wrong(f"which is {_plain(amount)} cores", todo, "many-cores", "warning")
    elif pair.name in _BYTES and 0 < amount < _FEWEST_BYTES:
        bytes_ = "less than 1 byte" if amount < 1 else f"only {_plain(amount)} bytes"
        todo = f"Did you mean {re.sub('[^0-9.]+$', '', text)}{'Mi' if amount < 1 else 'Gi'}?"
        yield wrong(bytes_, todo, "few-bytes", "warning")


def _plain(amount: Decimal) -> str:
    return f"{int(amount):,}" if amount == int(amount) else f"{amount.normalize():f}"


# --- tolerations ---


def _tolerations(value: Node) -> Iterator[Wrong]:
    target = resolved(value)
    for number, item in enumerate(target.children if isinstance(target, Sequence) else ()):
        mapping = resolved(item)
        if isinstance(mapping, Mapping):
            own = {name: node for name, (_, node) in own_or_inherited(mapping).items()}
            yield from _toleration(number, item, own)


def _toleration(number: int, item: Node, own: dict[str, Node]) -> Iterator[Wrong]:
    def wrong(name: str, what: str, todo: str) -> Wrong:
        at = own.get(name)
        keys = (number, name) if at is not None else (number,)
        return Wrong(at if at is not None else item, keys, what, todo, "toleration", "problem")

    numbers = {name for name in _PARTS if name in own and not isinstance(data_of(own[name]), str)}
    for name in sorted(numbers):
        yield wrong(name, f"is {shown(own[name])}, not text", f'Write "{printable(_text(own[name]) or "")}".')
    key, operator, text, effect = (_text(own[name]) or "" if name in own else "" for name in _PARTS)
    if key:
        why, todo = name_fault(key) if "key" not in numbers else ("", "")
        if why:
            yield wrong("key", f"is {visible(key)}, not a valid taint key: {why}", todo)
    elif operator != "Exists":
        what = "is empty, and operator is not Exists" if "key" in own else "has no key, and operator is not Exists"
        todo = "Add the key of the taint, or write operator: Exists, which tolerates all taints."
        yield wrong("key", what, todo)
    if operator == "Exists" and text:
        yield wrong("value", f"is {visible(text)}, though operator is Exists", "Remove the value, or write Equal.")
    elif "value" not in numbers and value_fault(text)[0]:
        why, todo = value_fault(text)
        yield wrong("value", f"is {visible(text)}, not a valid taint value: {why}", todo)
    if "tolerationSeconds" in own and effect != "NoExecute":
        what = f"is set, though effect is {effect}" if effect else "is set, though there is no effect"
        yield wrong("tolerationSeconds", what, "Remove it, or write effect: NoExecute.")


_PARTS = ("key", "operator", "value", "effect")


# --- single values ---


def _user(value: Node) -> Iterator[Wrong]:
    number = data_of(value)
    if isinstance(number, int) and number > _LARGEST_ID:
        what = f"is {number}, more than the largest ID, {_LARGEST_ID}"
        yield Wrong(value, (), what, "Write a smaller number.", "wrong-shape", "problem")


def _image(value: Node) -> Iterator[Wrong]:
    text = data_of(value)
    if isinstance(text, str) and not _IMAGE.fullmatch(text):
        why = "it contains a space" if re.search(r"\s", text) else "its form is not NAME:TAG" if text else "it is empty"
        todo = "Write an image, such as docker.io/library/ubuntu:24.04."
        if _IMAGE.fullmatch(text.strip()):
            todo = f"Did you mean {text.strip()}?"
        elif _IMAGE.fullmatch(text.lower()):
            why, todo = "its name has upper-case letters", f"Did you mean {text.lower()}?"
        yield Wrong(value, (), f"is {shown(value, with_kind=False)}, not an image: {why}", todo, severity="problem")


def _runtime_class(value: Node) -> Iterator[Wrong]:
    name = data_of(value)
    if isinstance(name, str) and (not _SUBDOMAIN.fullmatch(name) or len(name) > _LONGEST_DOMAIN):
        meant = name.strip().lower()
        todo = (
            f"Did you mean {meant}?"
            if _SUBDOMAIN.fullmatch(meant)
            else "Use lower-case letters, digits, dashes, and dots."
        )
        what = f"is {shown(value, with_kind=False)}, not a valid name of a RuntimeClass"
        yield Wrong(value, (), what, todo, "wrong-name", "problem")


def _profile(value: Node) -> Iterator[Wrong]:
    path = data_of(value)
    if isinstance(path, str) and (not path or path.startswith("/") or ".." in path.split("/")):
        what = f"is {shown(value, with_kind=False)}, not a path below the kubelet's folder of seccomp profiles"
        yield Wrong(
            value, (), what, "Write a path without a slash at its start and without .. in it.", severity="problem"
        )


def _start(value: Node) -> Iterator[Wrong]:
    for number, item in enumerate(_items(value)):
        node = item.get("command")
        if node is not None and not str(data_of(node)).strip():
            todo = "Write a command, or remove the item."
            yield Wrong(node, (number, "command"), "is empty", todo, "empty-value", "warning")


def _items(value: Node) -> list[Mapping]:
    """Returns the mappings of a list; an empty one stands for every other item."""
    target = resolved(value)
    items = target.children if isinstance(target, Sequence) else ()
    return [one if isinstance(one := resolved(item), Mapping) else Mapping([]) for item in items]


def _dev_urls(value: Node) -> Iterator[Wrong]:
    for number, item in enumerate(_items(value)):
        node = item.get("port")
        port = data_of(node) if node is not None else None
        if node is not None and isinstance(port, int) and not 1 <= port <= 65535:
            todo = "Write a port from 1 to 65535."
            yield Wrong(node, (number, "port"), f"is {port}, not a port", todo, severity="problem")


_RULES: dict[tuple[str, ...], Callable[[Node], Iterator[Wrong]]] = {
    ("workspace", "configure", "start"): _start,
    ("workspace", "dev-urls"): _dev_urls,
    (*KUBERNETES, "annotations"): _annotations,
    (*KUBERNETES, "env"): _variables,
    (*KUBERNETES, "image"): _image,
    (*KUBERNETES, "labels"): _labels,
    (*KUBERNETES, "node-selector"): _labels,
    (*KUBERNETES, "run-as-group"): _user,
    (*KUBERNETES, "run-as-user"): _user,
    (*KUBERNETES, "runtime-class-name"): _runtime_class,
    (*KUBERNETES, "seccomp-profile-localhost-profile"): _profile,
    (*KUBERNETES, "tolerations"): _tolerations,
    **dict.fromkeys(PODMAN_FIELDS, _resources),
}
