"""The names that the guide and the wizard go by in a cluster."""

from typing import Final

FIELD_MANAGER: Final = "podman-wizard"
"""The field manager of every write, by which the wizard finds again what it owns."""

NAMESPACE: Final = "smarter-device-manager"
"""The namespace of the guide; the quota, the config map and the daemon set in it have its name too."""

NODE_LABEL: Final = "smarter-device-manager"
NODE_LABEL_VALUE: Final = "enabled"
"""The guide's node label; the daemon set's node selector asks for it."""

PROBE_NAMESPACE: Final = "default"
"""Where the probe's pods run: every cluster has it, and nothing of them stays."""

FUSE_RESOURCE: Final = "smarter-devices/fuse"
"""The extended resource that a workspace requests; nodes advertise it once the device manager runs."""

OTHER_FUSE_RESOURCES: Final = ("github.com/fuse", "squat.ai/fuse")
"""The same device, offered by other device plugins."""

NUDGE_ANNOTATION: Final = "podman-wizard/nudged"
"""The annotation by which the daemon set's controller is woken; it means nothing else."""
