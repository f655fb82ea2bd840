"""What the user is allowed to do, as the server says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from wizard.cluster import shapes
from wizard.cluster.concurrency import together
from wizard.cluster.gateway import Gateway
from wizard.cluster.refusals import ApiRefusal
from wizard.facts.cluster import Right
from wizard.text.escaping import printable


async def review_permissions(gateway: Gateway, rights: Iterable[Right]) -> tuple[Right, ...]:
    """Checks each permission with the server; ``allowed`` is None if it is unknown, ``reason`` has why."""
    return await together(_review(gateway, right) for right in rights)


async def _review(gateway: Gateway, right: Right) -> Right:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "namespace": right.namespace,
    }
    try:
        answer = await gateway.request(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
            },
            idempotent=True,
            shape=shapes.ACCESS_REVIEW,
        )
    except ApiRefusal as refusal:
        if refusal.status == 401:
            raise
        return replace(right, allowed=None, reason=refusal.message)
    status = answer.body.get("status", {})
    reason = status.get("reason") or status.get("evaluationError") or ""
    # Without an answer to the question, the permission is unknown, not denied.
    return replace(right, allowed=status.get("allowed"), reason=printable(reason))
