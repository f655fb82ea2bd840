"""Asks admission about the pod that a changed DaemonSet would have."""

from __future__ import annotations

from dataclasses import replace

from wizard.cluster import ApiRefusal, Gateway
from wizard.engine.collect import dry_run_pod
from wizard.manifest.asking import ObjectCheck


async def with_pod(gateway: Gateway, check: ObjectCheck, namespace: str) -> ObjectCheck:
    """Returns the check of a changed DaemonSet with what a dry run of its pod says; any other check as it is.

    Without permission for it, what is known of the pod that is there stays. Raises ClusterError without an answer.
    """
    if check.ref.kind != "DaemonSet" or check.after is None or check.change not in ("create", "configure"):
        return check
    try:
        return replace(check, pod_refusal=await dry_run_pod(gateway, namespace, check.after))
    except ApiRefusal as refusal:
        if refusal.status == 401:
            raise
        return check
