"""The documents of ``-o json``: each has a kind, whose schema ``podman-wizard schema KIND`` prints, and a version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wizard.errors import WizardError

SCHEMA_VERSION: Final = 1
"""The version of every document. A new key keeps it; a key that goes, or means something else, changes it."""


def versioned(kind: str, content: Mapping[str, Any], error: WizardError | None = None) -> dict[str, Any]:
    """Returns the document of a command, with the error that it ends with.

    Every document passes through here, which is where the tests validate it. An error that a document has is not
    printed again as a document of its own.
    """
    made = {"schema_version": SCHEMA_VERSION, "document": kind, **content}
    if error is not None:
        made["error"] = error.to_json()
        error.documented = True
    return made
