"""Objects of custom resources, whose versions only the server knows."""

from __future__ import annotations

from urllib.parse import quote

from wizard.cluster import shapes
from wizard.cluster.gateway import Gateway
from wizard.cluster.refusals import unless_rejected
from wizard.cluster.transport import LARGEST_LIST
from wizard.facts.cluster import KubernetesObject


async def custom_objects(
    gateway: Gateway, group: str, plural: str, namespace: str = ""
) -> tuple[KubernetesObject, ...]:
    """Returns all objects of a custom resource, in the first version that has it; none if no version has it.

    Raises ApiRefusal.
    """
    described = await unless_rejected(gateway.request("GET", f"/apis/{group}", shape=shapes.GROUP))
    for version in described.body.get("versions", ()) if described else ():
        path = f"/apis/{group}/{quote(version['version'], safe='')}"
        known = await unless_rejected(gateway.request("GET", path, shape=shapes.RESOURCES))
        if known and any(resource["name"] == plural for resource in known.body.get("resources", ())):
            place = f"/namespaces/{namespace}" if namespace else ""
            found = await gateway.request(
                "GET", f"{path}{place}/{plural}", shape=shapes.CUSTOM_LIST, largest=LARGEST_LIST
            )
            return tuple(found.body.get("items", ()))
    return ()
