"""The answers file: the user's choices as YAML, read strictly and written without defaults.

Every key is optional. An unknown key, or a value of the wrong type, is an error with its line.
"""

from __future__ import annotations

import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from wizard.choices.answers import (
    Answers,
    Decision,
    ManifestChoice,
    NodesChoice,
    OwnershipChoice,
    PolicyChoice,
    TemplateChoice,
)
from wizard.coder.credentials import base_url
from wizard.errors import InputError, UsageError
from wizard.files import read_snapshot
from wizard.manifest.ownership import check_decision
from wizard.quantities import seconds_of

LIMIT = 1_000_000
"""The largest answers file that is read, in bytes."""

DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
"""A number that has the same value for every reader: YAML 1.1 reads 0110 as 72, and 1:30 as 90."""


DURATIONS = ("rollout.timeout",)
"""The keys that take seconds, or a text such as ``5m``."""

STDIN = "stdin"
"""The name of the standard input in messages."""


def read_answers(path: Path) -> Answers:
    """Reads the choices of an answers file, ``-`` for stdin. Raises InputError with file, line and column.

    Paths in the file count from its folder, on stdin from the current one; ``~/`` is the home folder. An empty stdin
    is refused: it is rather a pipe that failed than the wish to use every default.
    """
    if str(path) == "-":
        content = sys.stdin.buffer.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise InputError(f"The answers file is larger than {LIMIT} bytes.", "Check what is piped.", file=STDIN)
        if not content.strip():
            raise InputError("The answers file is empty.", "For every default, pipe {}.", file=STDIN)
        return _located(parse_answers(content, STDIN), Path())
    content = read_snapshot(path, limit=LIMIT).content or b""
    return _located(parse_answers(content, str(path)), path.parent)


def _located(answers: Answers, folder: Path) -> Answers:
    """Returns the choices with their paths counted from a folder."""

    def located(text: str | None) -> str | None:
        return str(folder / Path(text).expanduser()) if text else text

    def with_files(choice: _Files) -> _Files:
        return replace(choice, file=located(choice.file), output=located(choice.output))

    return replace(
        answers,
        cluster=replace(answers.cluster, kubeconfig=located(answers.cluster.kubeconfig)),
        policy=with_files(answers.policy) if answers.policy else None,
        template=with_files(answers.template) if answers.template else None,
    )


_Files = TypeVar("_Files", PolicyChoice, TemplateChoice)


def parse_answers(content: bytes, name: str) -> Answers:
    """Reads the choices from the text of an answers file; ``name`` is the file's name in messages."""
    try:
        node = yaml.compose(content.decode("utf-8"), Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        raise InputError("The answers file is not UTF-8.", f"Save it as UTF-8 ({error.reason}).", file=name) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InputError(
            f"The answers file is not valid YAML: {error.problem}.",
            "Fix that line.",
            file=name,
            line=mark.line + 1 if mark else 0,
            column=mark.column + 1 if mark else 0,
        ) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError("The answers file is not valid YAML.", str(error), file=name) from None
    if node is None:
        return Answers()
    reader = _Reader(name)
    answers = reader.read(Answers, node, "")
    assert isinstance(answers, Answers)
    reader.check(answers)
    return answers


class _Reader:
    """Turns YAML nodes into the dataclasses of wizard.choices.answers, strictly."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._constructor = yaml.constructor.SafeConstructor()
        self._read: dict[str, yaml.Node] = {}
        """The nodes that were read, by path."""

    def check(self, answers: Answers) -> None:
        """Rejects values of the right type that are still not valid, at their place."""
        # Imported here, because every command that changes something writes answers, and few read them.
        from wizard.findings.verification import check_image, check_namespace, check_service_account
        from wizard.manifest import check_choice
        from wizard.nodes.verdicts import parse_selector

        nodes = answers.nodes
        if (nodes.all, bool(nodes.names), nodes.selector is not None).count(True) > 1:
            self._refuse(
                self._read["nodes"], "nodes: all, names, and selector cannot be combined.", "Keep one of them."
            )
        self._check_template(answers)
        devices = answers.policy.devices if answers.policy else 1
        for path, number in (("rollout.timeout", answers.rollout.timeout), ("policy.devices", devices)):
            if number < 1:
                self._refuse(self._read[path], f"{path} must be above 0.", "Correct that number.")
        if nodes.selector is not None:
            with self._refusing("nodes.selector"):
                parse_selector(nodes.selector)
        if answers.coder.url:
            # A URL can contain a password: this error does not show it, and later code never gets to.
            with self._refusing("coder.url"):
                base_url(answers.coder.url)
        for path, text, check in (
            ("verify.image", answers.verify.image, check_image),
            ("verify.namespace", answers.verify.namespace, check_namespace),
            ("verify.service-account", answers.verify.service_account, check_service_account),
        ):
            if path in self._read:
                with self._refusing(path):
                    check(text)
        choice = answers.manifest
        for name, value in choice.set.items():
            with self._refusing(f"manifest.set.{name}"):
                check_choice(ManifestChoice(set={name: value}))
        for name in choice.without:
            with self._refusing(f"manifest.without.{name}"):
                check_choice(replace(choice, without=(name,)))

    def _check_template(self, answers: Answers) -> None:
        from wizard.template.words import PARTS

        choice = answers.template
        if choice is None:
            return
        if choice.file is None and choice.push is None:
            self._refuse(self._read["template"], "template needs file or push.", "Name a file, or a template in Coder.")
        if choice.output is not None and choice.file is None:
            self._refuse(self._read["template.output"], "template.output needs template.file.", "Name the file.")
        for name, parts in (("with", choice.with_), ("without", choice.without)):
            for part in parts:
                if part not in PARTS:
                    self._refuse(
                        self._read[f"template.{name}.{part}"],
                        f"template.{name}: {part} is not a part.",
                        f"Valid parts: {', '.join(PARTS)}.",
                    )

    @contextmanager
    def _refusing(self, path: str) -> Iterator[None]:
        """Turns a rejected value into an error at the place of ``path``."""
        try:
            yield
        except UsageError as error:
            self._refuse(self._read[path], f"{path}: {error.what}", error.todo)

    def _refuse(self, node: yaml.Node, what: str, todo: str = "") -> typing.NoReturn:
        mark = node.start_mark
        raise InputError(what, todo, file=self._name, line=mark.line + 1, column=mark.column + 1)

    def read(self, kind: Any, node: yaml.Node, path: str) -> Any:
        self._read[path] = node
        if kind is OwnershipChoice:
            return self._read_ownership(node, path)
        optional = [one for one in typing.get_args(kind) if is_dataclass(one)]
        if optional:
            return None if _is_null(node) else self._read_choice(typing.cast(type, optional[0]), node, path)
        if is_dataclass(kind) and isinstance(kind, type):
            return self._read_choice(kind, node, path)
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is tuple:
            if not isinstance(node, yaml.SequenceNode):
                self._refuse(node, f"{path} must be a list.", "Example: [a, b].")
            return tuple(self._read_item(arguments[0], item, path) for item in node.value)
        if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
            if not isinstance(node, yaml.MappingNode):
                self._refuse(node, f"{path} must be a mapping.")
            return self._read_mapping(arguments[1], node, path)
        return self._read_scalar(kind, node, path)

    def _read_item(self, kind: Any, node: yaml.Node, path: str) -> Any:
        value = self._read_scalar(kind, node, path)
        self._read[f"{path}.{value}"] = node
        return value

    def _read_mapping(self, kind: Any, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            name = self._read_scalar(str, key, path)
            where = f"{path}.{name}"
            if name in values:
                self._refuse(key, f"{where} appears twice.", "Keep one of them.")
            values[name] = self.read(kind, value, where)
        return values

    def _read_choice(self, kind: type, node: yaml.Node, path: str) -> Any:
        if _is_null(node):
            return kind()
        if not isinstance(node, yaml.MappingNode):
            self._refuse(node, f"{path or 'The answers file'} must be a mapping.")
        hints = typing.get_type_hints(kind)
        names = {_key(item.name): item.name for item in fields(kind)}
        values: dict[str, Any] = {}
        for key, value in node.value:
            where = f"{path}.{key.value}" if path else str(key.value)
            if not isinstance(key, yaml.ScalarNode) or key.value not in names:
                meant = get_close_matches(str(key.value), list(names), n=1)
                todo = f"Did you mean {meant[0]}?" if meant else f"Valid keys: {', '.join(names)}."
                self._refuse(key, f"{where} is not a key of the answers file.", todo)
            if names[key.value] in values:
                self._refuse(key, f"{where} appears twice.", "Keep one of them.")
            values[names[key.value]] = self.read(hints[names[key.value]], value, where)
        if kind is NodesChoice and ("names" in values or values.get("selector") is not None):
            values.setdefault("all", False)
        return kind(**values)

    def _read_ownership(self, node: yaml.Node, path: str) -> OwnershipChoice:
        """Reads one word for all, or a mapping: ``default``, and the decisions about objects and fields."""
        words = typing.get_type_hints(OwnershipChoice)["default"]
        if _is_null(node):
            return OwnershipChoice()
        if not isinstance(node, yaml.MappingNode):
            return OwnershipChoice(default=self._read_scalar(words, node, path))
        default: Any = "fail"
        decided: dict[str, Decision] = {}
        seen: set[str] = set()
        for key, value in node.value:
            what = key.value if isinstance(key, yaml.ScalarNode) else ""
            where = f"{path}.{what}"
            if what in seen:
                self._refuse(key, f"{where} appears twice.", "Keep one of them.")
            seen.add(what)
            if what == "default":
                default = self._read_scalar(words, value, where)
                continue
            decision = self._read_scalar(Decision, value, where)
            try:
                check_decision(what, decision)
            except UsageError as error:
                self._refuse(key, f"{path}: {error.what}", error.todo)
            decided[what] = decision
        return OwnershipChoice(default, decided)

    def _read_scalar(self, kind: Any, node: yaml.Node, path: str) -> Any:
        # A Literal combined with None is a Union of typing's.
        is_union = typing.get_origin(kind) in (types.UnionType, typing.Union)
        options = typing.get_args(kind) if is_union else (kind,)
        value = self._constructor.construct_object(node) if isinstance(node, yaml.ScalarNode) else node
        if path in DURATIONS and isinstance(value, str):
            try:
                return seconds_of(value)
            except ValueError as error:
                self._refuse(node, f"{path}: {error}.")
        for option in options:
            if typing.get_origin(option) is Literal:
                if value in typing.get_args(option):
                    return value
            elif option is type(None):
                if value is None:
                    return None
            elif type(value) is option:
                if option is int and not DECIMAL.fullmatch(node.value):
                    self._refuse(node, f"{path}: {node.value} is not a decimal number.", f"YAML reads it as {value}.")
                return value
        self._refuse(node, f"{path} must be {_words_for(options)}.")


def _key(name: str) -> str:
    """Returns the key of a field; a word of Python, such as ``with``, has an underscore at its end."""
    return name.rstrip("_").replace("_", "-")


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _words_for(options: tuple[Any, ...]) -> str:
    words = {str: "text", int: "a whole number", bool: "true or false"}
    said = []
    for option in options:
        if typing.get_origin(option) is Literal:
            said.append("one of " + ", ".join(typing.get_args(option)))
        elif option is not type(None):
            said.append(words[option])
    return " or ".join(said)


def write_answers(answers: Answers) -> str:
    """Returns the text of the answers file for these choices: only what differs from the defaults."""
    return _text(_values(answers, complete=False))


def complete_answers(answers: Answers) -> str:
    """Returns the text of the answers file for these choices, with the defaults too.

    It stays the same if a default changes. Left out is what is not chosen at all, and Coder if nothing is done there.
    """
    content = _values(answers, complete=True)
    if answers.coder == Answers().coder:
        del content["coder"]
    if not answers.nodes.all and not answers.nodes.names and answers.nodes.selector is None:
        content["nodes"]["names"] = []
    if not answers.nodes.all:
        del content["nodes"]["all"]
    return _text({key: value for key, value in content.items() if value != {}})


def _text(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _values(choice: Any, *, complete: bool) -> dict[str, Any]:
    """Returns the keys of a choice: those that differ from their defaults, or all that are chosen."""
    result: dict[str, Any] = {}
    for item in fields(choice):
        value = getattr(choice, item.name)
        default = item.default if item.default is not MISSING else typing.cast(Any, item.default_factory)()
        if value is None or value in ((), {}) if complete else value == default:
            continue
        if isinstance(value, OwnershipChoice):
            value = _ownership(value)
        elif is_dataclass(value):
            value = _values(value, complete=complete)
        elif isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        result[_key(item.name)] = value
    return result


def _ownership(choice: OwnershipChoice) -> str | dict[str, str]:
    if not choice.decided:
        return choice.default
    default = {} if choice.default == "fail" else {"default": str(choice.default)}
    return {**default, **choice.decided}
