"""Coder's messages at the lines that they concern."""

from __future__ import annotations

import pytest

from wizard.coder.refusals import PolicyRefused, TemplateRefused, line_of
from wizard.errors import ExitCode
from wizard.policy import PolicyDocument

TEXT = """\
version: "0.2"
workspace:
  dev-urls:
    policy: write
  specs:
    docker:
      image:
        policy: write
    kubernetes:
      image:
        policy: write
      resource-requests:
        policy: write
        value:
          smarter-devices/fuse: "1"
      cpus:
        policy: sometimes
"""
DOCUMENT = PolicyDocument.parse(TEXT.encode(), "policy.yaml")


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("workspace.specs.kubernetes.cpus: unknown field", 16),
        ("specs.kubernetes.image must be imported", 10),
        ("kubernetes.cpus.policy: not one of read, write, append", 17),
        ("policy.yaml.workspace.specs.docker.image is wrong", 7),
        ('field "cpus" is unknown', 16),
        ("dev-urls needs a list", 3),
        ("smarter-devices/fuse is no resource", 15),
        ("yaml: line 12: mapping values are not allowed", 12),
        ("yaml: line 900: nothing", 0),
        ("workspace.specs.kubernetes.disk is missing", 9),
        ("the image is wrong", 0),
        ("image: which one?", 0),
        ("something is wrong", 0),
        ("", 0),
    ],
)
def test_lines(message: str, line: int) -> None:
    assert line_of(DOCUMENT, message) == line


def test_a_refused_policy() -> None:
    refused = TemplateRefused(("it is bad", "kubernetes.cpus: unknown field", "line 3: no"), "validation", status=400)
    error = PolicyRefused(DOCUMENT, refused)
    assert str(error) == (
        "policy.yaml:3: Coder rejected the policy (validation). Nothing was changed.\n"
        "  line 3: line 3: no\n"
        "  line 16: kubernetes.cpus: unknown field\n"
        "  it is bad\n"
        "Correct the file. To check it without Coder, run podman-wizard policy check."
    )
    assert error.exit_code == ExitCode.INPUT
