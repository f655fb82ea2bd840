"""The parts for Coder v2, put together into a template of the usual form, are balanced and in their places."""

from __future__ import annotations

import pytest

from wizard.errors import UsageError
from wizard.names import FUSE_RESOURCE
from wizard.template.parts import PLUGINS, outline, plugin_of, template_parts, template_text


@pytest.mark.parametrize("resource", ["smarter-devices/fuse", "github.com/fuse"])
def test_parts(resource: str) -> None:
    annotation, security, resources = template_parts(resource, "workspace")
    assert '"container.apparmor.security.beta.kubernetes.io/workspace" = "unconfined"' in annotation.text
    assert "run_as_user = 1000" in security.text
    assert resources.text.count(f'"{resource}" = "1"') == 2
    assert annotation.place.startswith("metadata {")
    assert security.place.startswith("spec {")
    assert resources.place.startswith("container {")
    for number, part in enumerate((annotation, security, resources), 1):
        assert f"# {number}. {part.title}" in outline("workspace")
        assert part.text.count("{") == part.text.count("}")
        assert "$" not in part.text


def test_the_text_says_what_it_is_and_what_is_doubtful() -> None:
    text = template_text("github.com/fuse")
    assert "not a template by itself" in text
    assert "not been tested on a live deployment" in text
    assert "A node advertises 5 devices" in text
    assert "the manifest has no node selector" in text


def test_both_plugins_are_known() -> None:
    assert [plugin.resource for plugin in PLUGINS] == [FUSE_RESOURCE, "github.com/fuse"]
    with pytest.raises(UsageError, match="is not a known FUSE resource"):
        plugin_of("squat.ai/fuse")


def test_put_into_the_outline_the_parts_are_a_pod_of_the_usual_form() -> None:
    """Each part at its number, in its block: no block is opened or closed twice, and none of them is outside."""
    filled = outline("dev")
    for number, part in enumerate(template_parts("github.com/fuse"), 1):
        filled = "\n".join(part.text.rstrip("\n") if f"# {number}. " in line else line for line in filled.splitlines())
    blocks: list[str] = []
    found: dict[str, list[str]] = {}
    for line in filled.splitlines():
        text = line.partition("#")[0].strip()
        if text.endswith("{"):
            blocks.append(text.split()[0])
            found[blocks[-1]] = blocks[:-1]
        elif text == "}":
            blocks.pop()
    assert blocks == []
    assert found["annotations"] == ["resource", "metadata"]
    assert found["security_context"] == ["resource", "spec"]
    assert found["limits"] == ["resource", "spec", "container", "resources"]


def test_the_text_has_both_plugins_with_their_limits() -> None:
    text = template_text("smarter-devices/fuse")
    assert "smarter-devices/fuse is offered by smarter-device-manager" in text
    assert "github.com/fuse is the alternative" in text
    for plugin in PLUGINS:
        assert all(limit in text for limit in plugin.limits)
