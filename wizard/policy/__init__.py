"""Template policies: read, checked, edited, and merged so that nothing else in the file changes.

``wizard.policy.text_editor`` describes the contract of every edit, and where new keys go. The names listed here are
imported on first use, so that ``policy merge`` starts as fast as a small tool.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself would be the largest import of all
if TYPE_CHECKING:
    from wizard.names import FUSE_RESOURCE
    from wizard.policy.checks import check
    from wizard.policy.compare import Proof, prove, unified_diff
    from wizard.policy.document import LARGEST, PolicyDocument, show_path
    from wizard.policy.effective import EffectiveRow, FuseGuarantee, effective_view, fuse_guarantee, outcome_in_words
    from wizard.policy.entries import PODMAN_FIELDS, count_to_add
    from wizard.policy.field_edits import add_field, remove_field, remove_value, set_policy_word, set_value
    from wizard.policy.findings import Problem
    from wizard.policy.merge import Change, Conflict, MergeResult, merge_podman
    from wizard.policy.presets import new_policy
    from wizard.policy.reapply import Reapplied, reapply_edits
    from wizard.policy.schema import Field
    from wizard.policy.session import EditSession
    from wizard.policy.sharing import unshared
    from wizard.policy.views import FieldView, fields, value_from_text, value_problem, value_text
    from wizard.policy.words import ON_CONFLICT, PRESETS, WORDS

__all__ = [
    "FUSE_RESOURCE",
    "LARGEST",
    "ON_CONFLICT",
    "PODMAN_FIELDS",
    "PRESETS",
    "WORDS",
    "Change",
    "Conflict",
    "EditSession",
    "EffectiveRow",
    "Field",
    "FieldView",
    "FuseGuarantee",
    "MergeResult",
    "PolicyDocument",
    "Problem",
    "Proof",
    "Reapplied",
    "add_field",
    "check",
    "count_to_add",
    "effective_view",
    "fields",
    "fuse_guarantee",
    "merge_podman",
    "new_policy",
    "outcome_in_words",
    "prove",
    "reapply_edits",
    "remove_field",
    "remove_value",
    "set_policy_word",
    "set_value",
    "show_path",
    "unified_diff",
    "unshared",
    "value_from_text",
    "value_problem",
    "value_text",
]

_HOMES = {
    "reapply": ("Reapplied", "reapply_edits"),
    "checks": ("check",),
    "compare": ("Proof", "prove", "unified_diff"),
    "document": ("LARGEST", "PolicyDocument", "show_path"),
    "sharing": ("unshared",),
    "field_edits": ("add_field", "remove_field", "remove_value", "set_policy_word", "set_value"),
    "effective": ("EffectiveRow", "FuseGuarantee", "effective_view", "fuse_guarantee", "outcome_in_words"),
    "entries": ("PODMAN_FIELDS", "count_to_add"),
    "findings": ("Problem",),
    "merge": ("Change", "Conflict", "MergeResult", "merge_podman"),
    "near": ("FUSE_RESOURCE",),
    "presets": ("new_policy",),
    "schema": ("Field",),
    "session": ("EditSession",),
    "views": ("FieldView", "fields", "value_from_text", "value_problem", "value_text"),
    "words": ("ON_CONFLICT", "PRESETS", "WORDS"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value
