"""The few words that commands offer as choices, apart so that a parser can be built without a policy."""

WORDS = ("read", "write", "append")
"""The policy words: a workspace may not change the field, may replace it, may add to it."""

ON_CONFLICT = ("keep", "replace", "fail")
"""What a merge does where another number of FUSE devices is there."""

PRESETS = ("podman", "complete")
"""New policies: the guide's short one with only what Podman needs, and its complete example."""
