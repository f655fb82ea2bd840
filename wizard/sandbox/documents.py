"""Reads the bodies of requests: JSON, or YAML for server-side apply."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from wizard.sandbox.refusals import Refusal, bad_request


class _Loader(yaml.SafeLoader):
    """Reads YAML 1.1 as Go does: a date is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(text: str) -> Any:
    """Reads an apply configuration. Raises the server's 400."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        problem = str(getattr(error, "problem", None) or error)
        mark = getattr(error, "problem_mark", None)
        problem = re.sub(r"^expected (.*), but got .*$", r"did not find expected \1", problem, flags=re.S)
        line = f"line {mark.line + 1}: " if mark else ""
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: yaml: {line}{problem}") from error


def read_json(text: str) -> Any:
    """Raises the server's 400."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise unreadable(str(error)) from error


def unreadable(why: str) -> Refusal:
    """Returns the server's 400 for a body that is not an object."""
    return bad_request(f"the object provided is unrecognized (must be of type Object): {why}")
