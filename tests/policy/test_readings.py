"""The two readings of a scalar, held against the parsers that they stand for."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from wizard.policy.readings import reading_1_1, reading_1_2
from wizard.policy.writing import is_plain

KNOWN = """on On ON off yes Yes no NO y n Y N true True TRUE false tRue null Null NULL ~ nUll 012 0o14 0x1f 0b11 08 09
1:20 190:20:30 1:20.5 1_000 _1 -1 +1 1. .5 -.5 1e3 1e+3 1.0e3 1.0e+3 .inf -.inf .Inf .nan = << 2001-01-01 0.2 1.10
2001-01-01T12:00:00Z 0644 0 00 -0 0.0 1__0 0x 0b 1:60 12e03 -2E+05 read write append Write""".split()  # noqa: SIM905


def by_1_1(text: str) -> Any:
    return yaml.load(text, Loader=yaml.SafeLoader)


def by_1_2(text: str) -> Any:
    parser = YAML(typ="safe", pure=True)
    return parser.load(text)


def agrees(ours: Any, kind: str, theirs: Any) -> bool:
    if kind in ("timestamp", "merge", "value"):
        return True
    return type(ours) is type(theirs) and (ours == theirs or ours != ours)


@pytest.mark.parametrize("text", KNOWN)
def test_lookalikes_read_as_the_parsers_read_them(text: str) -> None:
    reading = reading_1_1(text)
    if reading.kind not in ("merge", "value"):
        try:
            theirs = by_1_1(text)
        except (ValueError, yaml.YAMLError):
            theirs = text
        assert agrees(reading.value, reading.kind, theirs), (reading, theirs)
    reading = reading_1_2(text)
    if reading.kind not in ("merge", "value"):
        try:
            theirs = by_1_2(text)
        except Exception:  # ruamel.yaml fails in its own ways on what its own pattern lets through
            return
        assert agrees(reading.value, reading.kind, theirs), (reading, theirs)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.text(alphabet="0123456789abox_.:+-eEnyNOtrufalsi~", min_size=1, max_size=6))
def test_what_we_write_plain_is_the_same_text_to_both(text: str) -> None:
    if is_plain(text):
        assert by_1_1(text) == text
        assert by_1_2(text) == text
