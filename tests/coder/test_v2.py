"""The parts for Coder v2, put together into a template of the usual form, are balanced and in their places."""

from __future__ import annotations

import pytest

from wizard.coder.v2 import PLUGINS, plugin_of, template_parts, template_text
from wizard.errors import UsageError
from wizard.names import FUSE_RESOURCE


@pytest.mark.parametrize("resource", ["smarter-devices/fuse", "github.com/fuse"])
def test_parts(resource: str) -> None:
    annotation, security, resources = template_parts(resource, "workspace")
    assert '"container.apparmor.security.beta.kubernetes.io/workspace" = "unconfined"' in annotation.text
    assert "run_as_user = 1000" in security.text
    assert resources.text.count(f'"{resource}" = "1"') == 2
    assert "metadata" in annotation.place
    assert "spec" in security.place
    assert "container" in resources.place
    for part in (annotation, security, resources):
        assert part.text.count("{") == part.text.count("}")
        assert "$" not in part.text


def test_the_text_says_what_it_is_and_what_is_doubtful() -> None:
    text = template_text("github.com/fuse")
    assert "not a template by itself" in text
    assert "never tried on a live deployment" in text
    assert "A node offers 5 devices" in text
    assert "the manifest has no node selector" in text


def test_both_plugins_are_known() -> None:
    assert [plugin.resource for plugin in PLUGINS] == [FUSE_RESOURCE, "github.com/fuse"]
    with pytest.raises(UsageError, match="is not a FUSE resource"):
        plugin_of("squat.ai/fuse")
