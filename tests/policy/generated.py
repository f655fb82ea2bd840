"""Policies as people write them: any style, indentation, comments, line ends. Written by none of our own code."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SCALARS = [
    "true", "no", "012", "1.10", "0644", "On", "~", "", "plain text", "a: b".replace(": ", ":"), "http://x/#top",
    "'single ''quoted'' # no comment'", '"double \\"quoted\\" # no comment"', "4711", "1:20", "Größe", "🦭 seal",
    "2001-01-01", "-1", "x=y", '"\\u2028"',
]  # fmt: skip
FIELDS = ["cpu", "memory", "env", "labels", "image", "gpu-count", "x-own", "privileged", "disk"]


class Writer:
    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.lines: list[str] = []
        self.number = 0

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def chance(self, one_in: int) -> bool:
        return bool(self.draw(st.integers(0, one_in - 1)) == 0)

    def comment(self) -> str:
        self.number += 1
        return f"# c{self.number}" + self.pick("", ": key: value", " 'quote", " {")

    def at_end(self) -> str:
        return self.pick("", "", "", " ", "   ") + ("" if not self.chance(4) else f"  {self.comment()}")

    def between(self, column: int) -> None:
        """Comment and blank lines that may stand between keys of a mapping at this column."""
        while self.chance(4):
            if self.chance(3):
                self.lines.append(self.pick("", "   "))
            else:
                indent = max(column + self.pick(0, 0, 0, 2, 4, -2, -4), 0)
                self.lines.append(" " * indent + self.comment())

    def scalar(self) -> str:
        return str(self.pick(*SCALARS))

    def flow(self, depth: int) -> str:
        kind = self.pick("scalar", "scalar", "map", "list") if depth < 2 else "scalar"
        if kind == "scalar":
            return str(self.pick("a", "'b, c'", '"d: e"', "1", "yes", "~"))
        items = [self.flow(depth + 1) for _ in range(self.pick(0, 1, 2))]
        if kind == "list":
            return f"[{', '.join(items)}]"
        return "{" + ", ".join(f"k{number}: {item}" for number, item in enumerate(items)) + "}"

    def value(self, key: str, column: int, depth: int) -> None:
        """A key at a column with any value."""
        kind = self.pick("scalar", "scalar", "flow", "literal", "list", "map", "folded")
        start = f"{' ' * column}{key}:"
        if kind == "map" and depth < 3:
            self.lines.append(start + self.at_end())
            self.mapping([f"n{number}" for number in range(self.pick(1, 2))], column + self.pick(1, 2, 4), depth + 1)
        elif kind == "list":
            self.lines.append(start + self.at_end())
            dash = column + self.pick(0, 2)
            for _ in range(self.pick(1, 2)):
                self.lines.append(f"{' ' * dash}- {self.flow(1)}" + self.at_end())
        elif kind in ("literal", "folded"):
            header = ("|" if kind == "literal" else ">") + self.pick("", "-", "+")
            self.lines.append(f"{start} {header}" + self.pick("", f" {self.comment()}"))
            indent = " " * (column + self.pick(1, 2, 3))
            self.lines += [indent + "text # not a comment", self.pick("", indent + "  deeper"), indent + "last"]
            # blanks that are deeper than the text belong to it
            self.lines += [self.pick("", "", indent + "   ")] * self.pick(0, 0, 1, 2)
        else:
            self.lines.append(f"{start} {self.scalar() if kind == 'scalar' else self.flow(0)}".rstrip() + self.at_end())

    def mapping(self, keys: list[str], column: int, depth: int) -> None:
        for key in keys:
            self.between(column)
            self.value(key, column, depth)
        self.between(column)

    def field(self, name: str, column: int, resources: dict[str, str] | None = None) -> None:
        word = self.pick("read", "write", "append", "'read'", '"write"')
        if self.chance(3):
            values = f", value: {self.resources_in_flow(resources)}" if resources is not None and resources else ""
            self.lines.append(f"{' ' * column}{name}: {{policy: {word}{values}}}" + self.at_end())
            return
        self.lines.append(f"{' ' * column}{name}:" + self.at_end())
        inner = column + self.pick(1, 2, 4)
        self.between(inner)
        self.lines.append(f"{' ' * inner}policy: {word}" + self.at_end())
        if resources is None:
            if self.chance(2):
                self.value("value", inner, 2)
        elif self.chance(3):
            self.lines.append(f"{' ' * inner}value: {self.resources_in_flow(resources)}" + self.at_end())
        elif resources:
            self.lines.append(f"{' ' * inner}value:" + self.at_end())
            deeper = inner + self.pick(2, 3)
            for resource, count in resources.items():
                self.between(deeper)
                quote = self.pick("'", '"')
                self.lines.append(f"{' ' * deeper}{resource}: {quote}{count}{quote}" + self.at_end())
            self.between(deeper)

    def resources_in_flow(self, resources: dict[str, str]) -> str:
        return "{" + ", ".join(f'{name}: "{count}"' for name, count in resources.items()) + "}"

    def group(self, name: str, column: int) -> int | None:
        """A key that holds what follows, at the column given back; None where it holds nothing."""
        if self.chance(8):
            self.lines.append(f"{' ' * column}{name}:{self.pick('', ' ~', ' {}', ' null')}" + self.at_end())
            return None
        self.lines.append(f"{' ' * column}{name}:" + self.at_end())
        return int(column + self.pick(1, 2, 2, 4))

    def policy(self) -> None:
        while self.chance(2):
            self.lines.append(self.comment() if self.chance(2) else "")
        if self.chance(4):
            self.lines.append("---" + self.at_end())
        if not self.chance(3):
            key = self.pick("version", '"version"')
            self.lines.append(f"{key}: " + self.pick("0.2", "'0.2'", '"0.2"') + self.at_end())
        self.between(0)
        workspace = self.group("workspace", 0)
        if workspace is not None:
            self.between(workspace)
            if self.chance(2):
                self.field("dev-urls", workspace)
            specs = self.group("specs", workspace)
            if specs is not None:
                self.between(specs)
                kubernetes = self.group("kubernetes", specs)
                if kubernetes is not None:
                    self.fields(kubernetes)
                if self.chance(2):
                    self.between(specs)
                    self.value("x-other", specs, 1)
        if self.chance(3):
            self.between(0)
            self.value("x-last", 0, 1)
        self.between(0)
        if self.chance(6):
            self.lines += ["...", self.comment()]

    def fields(self, column: int) -> None:
        names = self.draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4, unique=True))
        for name in names:
            self.between(column)
            self.field(name, column)
        for name in ("resource-requests", "resource-limits"):
            if self.chance(2):
                self.between(column)
                own = self.pick({}, {"intel.com/sriov": "1"}, {"smarter-devices/fuse": "1"}, {"a.b/c": "2", "d": "3"})
                self.field(name, column, own)
        self.between(column)


@st.composite
def policies(draw: Any) -> bytes:
    """The bytes of a policy that both PyYAML and people can read."""
    writer = Writer(draw)
    writer.policy()
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "mixed"]))
    text = ""
    for line in writer.lines:
        text += line + (draw(st.sampled_from(["\n", "\r\n"])) if end == "mixed" else end)
    if draw(st.integers(0, 3)) == 0:
        text = text.rstrip("\r\n")
    mark = b"\xef\xbb\xbf" if draw(st.integers(0, 7)) == 0 else b""
    return mark + text.encode()


class Braces(Writer):
    """Policies in flow style: on one line or many, with comments, trailing commas, JSON's quotes."""

    def braces(self, pairs: list[tuple[str, str]], indent: int, json: bool) -> str:
        pairs = [(f'"{key}"' if json else key, value) for key, value in pairs]
        if not pairs:
            return str(self.pick("{}", "{ }", "{\n" + " " * indent + "}"))
        last_comma = "" if json else self.pick("", "", ",")
        if self.chance(2):
            around = self.pick("", " ")
            return "{" + around + ", ".join(f"{key}: {value}" for key, value in pairs) + last_comma + around + "}"
        lines = ["{" + ("" if json or self.chance(2) else f"  {self.comment()}")]
        for number, (key, value) in enumerate(pairs):
            if not json and self.chance(4):
                lines.append(" " * (indent + self.pick(0, 2, 4)) + self.comment())
            comma = "," if number + 1 < len(pairs) else last_comma
            comment = "" if json or self.chance(2) else f"  {self.comment()}"
            lines.append(" " * (indent + 2) + f"{key}: {value}{comma}{comment}")
        if not json and self.chance(4):
            lines.append(" " * (indent + self.pick(0, 2, 4)) + self.comment())
        return "\n".join(lines) + "\n" + " " * indent + "}"

    def in_braces(self, json: bool) -> str:
        def text(value: str) -> str:
            return f'"{value}"' if json else value

        names = self.draw(st.lists(st.sampled_from(FIELDS), max_size=3, unique=True))
        fields = [(name, self.braces([("policy", text("read"))], 6, json)) for name in names]
        for name in ("resource-requests", "resource-limits"):
            if self.chance(3):
                value = self.braces([("intel.com/sriov", '"1"')] * self.pick(0, 1), 8, json)
                fields.append((name, self.braces([("policy", text("append")), ("value", value)], 6, json)))
        kubernetes = self.braces(fields, 4, json)
        specs = self.braces([("kubernetes", kubernetes), ("docker", "{}")][: self.pick(1, 2)], 2, json)
        workspace = self.braces([("specs", specs)], 0, json)
        if json or self.chance(2):
            root = [("version", '"0.2"')] * self.pick(0, 1) + [("workspace", workspace)]
            return self.braces(root, 0, json)
        return f"workspace: {workspace}" + self.at_end()


@st.composite
def policies_in_braces(draw: Any) -> bytes:
    """The bytes of a policy in flow style."""
    writer = Braces(draw)
    text = writer.in_braces(json=bool(writer.chance(3))) + str(writer.pick("\n", "", "\n\n"))
    return text.replace("\n", str(writer.pick("\n", "\r\n"))).encode()
