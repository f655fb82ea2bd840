"""The names that the guide and the wizard use in a cluster."""

from typing import Final

FIELD_MANAGER: Final = "podman-wizard"
"""The field manager of every write; by it, the wizard finds what it owns."""

NAMESPACE: Final = "smarter-device-manager"
"""The guide's namespace; its ResourceQuota, ConfigMap, and DaemonSet have the same name."""

NODE_LABEL: Final = "smarter-device-manager"
NODE_LABEL_VALUE: Final = "enabled"
"""The guide's node label; the DaemonSet's node selector requires it."""

PROBE_NAMESPACE: Final = "default"
"""The namespace of the probe pods: every cluster has it, and the pods are deleted."""

FUSE_RESOURCE: Final = "smarter-devices/fuse"
"""The extended resource that a workspace requests; nodes advertise it when the device manager runs."""

OTHER_FUSE_RESOURCES: Final = ("github.com/fuse", "squat.ai/fuse")
"""The same device, offered by other device plugins."""

NUDGE_ANNOTATION: Final = "podman-wizard/nudged"
"""The annotation that triggers the DaemonSet controller; it has no other meaning."""

TAKEN_OVER_ANNOTATION: Final = "podman-wizard/taken-over"
"""The annotation of an object that ``kubectl apply`` had created: without a journal, nothing else tells that it is not
the wizard's to delete."""

ENFORCE_LABEL: Final = "pod-security.kubernetes.io/enforce"
"""The namespace's label for the Pod Security level that the server enforces."""

BORROWED_NAMESPACE: Final = "default"
"""The namespace in which objects are checked while their own does not exist."""
