"""The choices of the commands' options, in a module of their own so that building a parser needs no policy."""

WORDS = ("read", "write", "append")
"""The field policies: a workspace cannot change the field, can replace it, can add to it."""

ON_CONFLICT = ("keep", "replace", "fail")
"""What a merge does if the policy requests a different number of FUSE devices."""

PRESETS = ("podman", "complete")
"""New policies: the guide's short one with only what Podman needs, and its complete example."""
