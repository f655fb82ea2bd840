"""The choices of the commands' options, in a module of their own so that building a parser needs no template."""

PARTS = ("device", "apparmor", "seccomp", "selinux", "user")
"""What rootless Podman can need in a template. Only the device is needed everywhere."""

ON_CONFLICT = ("keep", "replace", "both", "fail")
"""What a merge does if the template has another value, or requests another resource for FUSE."""
