"""A template as Terraform reads it: the files of a folder, the files that override them, and its local modules."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from wizard.errors import InputError
from wizard.files import Snapshot, read_snapshot
from wizard.template.document import LARGEST, Document
from wizard.template.tree import Attribute, Block, Expression

MOST_FILES = 200
"""Files of a template that are read, those of its local modules included."""
_DEEPEST_MODULE = 8
_AGENT = ("init_script", "token")
_NOT_INPUTS = ("source", "version", "count", "for_each", "providers", "depends_on")


@dataclass(eq=False)
class Module:
    """One folder, or one file with the files around it.

    ``files`` can be edited; ``overrides`` and ``beside`` are only looked at. ``inputs`` are the variables through
    which a calling module passes what an agent needs.
    """

    files: dict[str, Document] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    overrides: list[Document] = field(default_factory=list)
    beside: list[Document] = field(default_factory=list)
    json_files: list[tuple[str, str]] = field(default_factory=list)
    """Name and text of each file in Terraform's JSON syntax."""
    calls: list[tuple[Document, Block, str]] = field(default_factory=list)
    """The module blocks that are not followed, each with its source."""
    children: list[Module] = field(default_factory=list)
    inputs: dict[str, set[str]] = field(default_factory=dict)
    twins: set[str] = field(default_factory=set)
    """Files that exist both as .tf and as .tofu."""

    def documents(self) -> Iterator[Document]:
        """Yields every file of the folder that is HCL."""
        yield from self.files.values()
        yield from self.overrides
        yield from self.beside

    def modules(self) -> Iterator[Module]:
        """Yields this module and, below it, the local ones."""
        yield self
        for child in self.children:
            yield from child.modules()

    def local(self, name: str) -> tuple[Document, Attribute] | None:
        """Returns where a local value is set."""
        for document in self.documents():
            for block in document.root.blocks("locals"):
                if (found := block.body.attribute(name)) is not None:
                    return document, found
        return None

    def default(self, name: str) -> str | None:
        """Returns the default of a variable if it is a literal."""
        for document in self.documents():
            for block in document.root.blocks("variable"):
                if block.labels == (name,) and (found := block.body.attribute("default")) is not None:
                    return found.value.literal
        return None

    def text_of(self, expression: Expression, document: Document) -> str | None:
        """Returns the text of a literal, or of a variable or local value that is one; None if it is not known."""
        if expression.literal is not None:
            return expression.literal
        words = document.text[expression.start : expression.end].split(".")
        if expression.kind == "reference" and len(words) == 2:
            if words[0] == "var":
                return self.default(words[1])
            found = self.local(words[1]) if words[0] == "local" else None
            return found[1].value.literal if found is not None else None
        return None

    def agent_uses(self, document: Document, start: int, end: int) -> set[str]:
        """Returns what a part of a file refers to of an agent: ``init_script``, ``token``."""
        if not self._agent_locals_known:
            self._find_agent_locals()
        return self._uses(document, start, end)

    _agent_locals_known: bool = False
    _agent_locals: dict[str, set[str]] = field(default_factory=dict)

    def _uses(self, document: Document, start: int, end: int) -> set[str]:
        found: set[str] = set()
        for reference in document.references:
            if not start <= reference.start < end:
                continue
            names = reference.names
            if names[0] == "coder_agent" and len(names) > 2 and names[2] in _AGENT:
                found.add(names[2])
            elif names[0] == "local":
                found |= self._agent_locals.get(names[1], set())
            elif names[0] == "var":
                found |= self.inputs.get(names[1], set())
        return found

    def _find_agent_locals(self) -> None:
        values = [
            (document, member)
            for document in self.documents()
            for block in document.root.blocks("locals")
            for member in block.body.members
            if isinstance(member, Attribute)
        ]
        for _ in range(4):  # a local value can refer to another one
            for document, member in values:
                uses = self._uses(document, member.value.start, member.value.end)
                self._agent_locals.setdefault(member.name, set()).update(uses)
        self._agent_locals_known = True


def is_override(name: str) -> bool:
    """Tells whether Terraform merges a file into the resources of the others."""
    base = Path(name).name
    stem = base.partition(".")[0] if base.endswith(".json") else base.rpartition(".")[0]
    return stem == "override" or stem.endswith("_override")


def read_stdin(content: bytes) -> Module:
    """Returns a template of one file, read from standard input. Raises InputError."""
    name = "standard input"
    if not content.strip():
        raise InputError("Standard input is empty.", "Nothing was written. Check the command before the pipe.")
    return Module(files={name: Document.parse(content, name)})


class Disk:
    """Files and folders as they are on disk."""

    def names(self, folder: Path) -> list[str]:
        """Returns the names in a folder; none if it cannot be read."""
        try:
            return [one.name for one in folder.iterdir()]
        except OSError:
            return []

    def read(self, path: Path) -> Snapshot:
        """Reads a file. Raises InputError."""
        return read_snapshot(path, limit=LARGEST)

    def place(self, folder: Path) -> Path:
        """Returns the one path of a folder that has several."""
        return folder.resolve()


class InMemory(Disk):
    """The files of an archive, by their paths in it."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def names(self, folder: Path) -> list[str]:
        inside = self.place(folder)
        return [Path(name).name for name in self._files if self.place(Path(name)).parent == inside]

    def read(self, path: Path) -> Snapshot:
        return Snapshot(path, self._files[str(self.place(path))[1:]])

    def place(self, folder: Path) -> Path:
        return Path(os.path.normpath(f"/{folder}"))


_DISK = Disk()


@dataclass
class _Walk:
    """The files, the template's folder, how many files can still be read, the folders that were read, the depth."""

    files: Disk
    root: Path
    budget: list[int] = field(default_factory=lambda: [MOST_FILES])
    seen: set[Path] = field(default_factory=set)
    depth: int = 0


def read_archive(files: Mapping[str, bytes]) -> Module:
    """Returns the template whose files these are, by their paths. Raises InputError if it is not valid."""
    disk = InMemory(files)
    return _folder(Path(), _Walk(disk, disk.place(Path())), {})


def read_template(path: Path) -> Module:
    """Returns the template of a folder, or of one file in its folder.

    Of a file, only that file is edited; the files around it are looked at for overrides and local values.
    Raises InputError if it cannot be read or is not valid.
    """
    if path.is_dir():
        return _folder(path, _Walk(_DISK, _DISK.place(path)), {})
    if path.name.endswith((".tf.json", ".tofu.json")):
        return Module(json_files=[(str(path), _text(_DISK.read(path)))])
    document, snapshot = Document.read(path)
    if is_override(path.name):
        raise InputError(
            "This file overrides resources of other files, so Podman is not added here.",
            "Nothing was written. Use the file that defines the pod, or the folder.",
            file=str(path),
        )
    module = Module(files={str(path): document}, snapshots={str(path): snapshot})
    _look_beside(module, path)
    return module


def _look_beside(module: Module, path: Path) -> None:
    for other in _template_files(_DISK, path.parent)[:MOST_FILES]:
        if other.name == path.name:
            continue
        name = str(path.parent / other.name)
        if other.name.endswith(".json"):
            if is_override(other.name):
                module.json_files.append((name, _text(_DISK.read(other))))
            continue
        try:
            document = Document.read(other)[0]
        except InputError:
            if is_override(other.name):
                raise
            continue  # it is not edited, and only helps to explain
        (module.overrides if is_override(other.name) else module.beside).append(document)
    _note_calls(module)


def _note_calls(module: Module) -> None:
    for document in module.files.values():
        for block in document.root.blocks("module"):
            source = block.body.attribute("source")
            module.calls.append((document, block, (source and source.value.literal) or ""))


def _folder(path: Path, walk: _Walk, inputs: dict[str, set[str]]) -> Module:
    walk.seen.add(walk.files.place(path))
    module = Module(inputs=inputs)
    files = _template_files(walk.files, path)
    if not files:
        where = "The template" if path == Path() else str(path)
        raise InputError(
            f"{where} has no Terraform files.", "Use the folder of a template, which has main.tf.", file=str(path)
        )
    walk.budget[0] -= len(files)
    if walk.budget[0] < 0:
        raise InputError(
            f"The template has more files than podman-wizard reads ({MOST_FILES}).",
            "Nothing was written. Use the folder of one template, or the file that defines the pod.",
            file=str(path),
        )
    stems = [one.name.removesuffix(".tf").removesuffix(".tofu") for one in files if one.suffix in (".tf", ".tofu")]
    for one in files:
        if one.name.endswith(".json"):
            module.json_files.append((str(one), _text(walk.files.read(one))))
            continue
        snapshot = walk.files.read(one)
        document = Document.parse(snapshot.content or b"", str(one))
        if is_override(one.name):
            module.overrides.append(document)
            continue
        module.files[str(one)] = document
        module.snapshots[str(one)] = snapshot
        if stems.count(one.name.removesuffix(".tf").removesuffix(".tofu")) > 1:
            module.twins.add(str(one))
    for document in module.files.values():
        for block in document.root.blocks("module"):
            _follow(module, document, block, path, walk)
    return module


def _follow(module: Module, document: Document, block: Block, path: Path, walk: _Walk) -> None:
    attribute = block.body.attribute("source")
    source = (attribute and attribute.value.literal) or ""
    folder = path / source
    here = walk.files.place(folder)
    local = source.startswith(("./", "../")) and here.is_relative_to(walk.root)
    if not local or walk.depth >= _DEEPEST_MODULE or not _template_files(walk.files, folder):
        module.calls.append((document, block, source))
        return
    if here in walk.seen:
        return
    inputs = {
        member.name: uses
        for member in block.body.members
        if isinstance(member, Attribute) and member.name not in _NOT_INPUTS
        if (uses := module.agent_uses(document, member.value.start, member.value.end))
    }
    module.children.append(_folder(folder, replace(walk, depth=walk.depth + 1), inputs))


def _template_files(files: Disk, folder: Path) -> list[Path]:
    endings = (".tf", ".tofu", ".tf.json", ".tofu.json")
    names = sorted(files.names(folder))
    return [folder / name for name in names if name.endswith(endings) and not name.startswith(".")]


def _text(snapshot: Snapshot) -> str:
    path, content = snapshot.path, snapshot.content
    assert content is not None
    try:
        text = content.decode("utf-8-sig")
        json.loads(text)
    except UnicodeDecodeError:
        raise InputError("The file is not UTF-8.", "Save it as UTF-8.", file=str(path)) from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"This is not valid JSON: {error.msg}.", "Correct the file.", file=str(path), line=error.lineno
        ) from None
    except RecursionError:
        raise InputError("This JSON is nested too deeply.", "Correct the file.", file=str(path)) from None
    return text
