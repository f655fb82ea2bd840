"""The one gateway to Kubernetes.

Importing this costs little: the Kubernetes client itself, which takes a second, is imported by the first request,
on a thread.
"""

from wizard.cluster.contents import Contents, names_of, read_contents
from wizard.cluster.gateway import ApplyResult, Gateway, ObjectCheck, Seen, Slice, path_of
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
    "ObjectCheck",
    "Retry",
    "Seen",
    "Slice",
    "contexts",
    "names_of",
    "path_of",
    "read_contents",
]
