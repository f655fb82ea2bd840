"""The gateway to Kubernetes.

This import is fast: the Kubernetes client itself, which takes a second, is imported by the first request, on a
thread.
"""

from wizard.cluster.contents import Contents, read_contents
from wizard.cluster.gateway import ApplyResult, Gateway
from wizard.cluster.kubeconfig import ContextName, contexts
from wizard.cluster.lists import ListSlice
from wizard.cluster.paths import path_of
from wizard.cluster.refusals import ApiRefusal, ApplyConflict, Cause, FieldConflict
from wizard.cluster.transport import Answer, Retry
from wizard.cluster.watches import WatchEvent

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
    "ListSlice",
    "Retry",
    "WatchEvent",
    "contexts",
    "path_of",
    "read_contents",
]
