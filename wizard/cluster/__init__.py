"""The gateway to Kubernetes.

This import is fast: the Kubernetes client itself, which takes a second, is imported by the first request, on a
thread.
"""

from wizard.cluster.contents import Contents, read_contents
from wizard.cluster.gateway import ApplyResult, Gateway, Seen, Slice, path_of
from wizard.cluster.kubeconfig import ContextName, contexts
from wizard.cluster.refusals import ApiRefusal, ApplyConflict, Cause, FieldConflict
from wizard.cluster.transport import Answer, Retry

__all__ = [
    "Answer",
    "ApiRefusal",
    "ApplyConflict",
    "ApplyResult",
    "Cause",
    "Contents",
    "ContextName",
    "FieldConflict",
    "Gateway",
    "Retry",
    "Seen",
    "Slice",
    "contexts",
    "path_of",
    "read_contents",
]
