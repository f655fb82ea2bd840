"""Reviews: who the user is, and what the user is allowed to do."""

from __future__ import annotations

from aiohttp import web

from wizard.sandbox import protobuf, refusals
from wizard.sandbox.access import Attributes, User
from wizard.sandbox.clock import Clock
from wizard.sandbox.documents import read_json, unreadable
from wizard.sandbox.field_ownership import Manager, updated
from wizard.sandbox.requests import manager_name
from wizard.sandbox.responses import Answer, answer
from wizard.sandbox.schema import types
from wizard.sandbox.store import Object


class Reviews:
    """Answers the reviews of one cluster."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def answer_to(self, request: web.BaseRequest, user: User, name: str) -> Answer:
        """Answers a review of the kind ``name`` about the user."""
        body = await _body_of(request)
        spec = body.get("spec") or {}
        result: Object = {"kind": name, "apiVersion": body.get("apiVersion"), "metadata": {}}
        if name == "SelfSubjectReview":
            info = {"username": user.name, "groups": list(user.groups)}
            result["metadata"] = {"creationTimestamp": self._clock.now()}
            return answer({**result, "status": {"userInfo": info}}, 201)
        if name == "SelfSubjectRulesReview":
            rules = [rule for rule in user.rules if not rule.namespaces or spec.get("namespace") in rule.namespaces]
            status = {
                "resourceRules": [rule.body() for rule in rules if not rule.paths],
                "nonResourceRules": [rule.body() for rule in rules if rule.paths],
                "incomplete": False,
            }
            return answer({**result, "spec": {}, "status": status}, 201)
        given = {
            part: {key: value for key, value in attributes.items() if value}
            for part, attributes in spec.items()
            if attributes
        }
        if ("resourceAttributes" in given) == ("nonResourceAttributes" in given):
            cause = refusals.field_invalid(
                "spec.resourceAttributes",
                "null",
                "exactly one of nonResourceAttributes or resourceAttributes must be specified",
            )
            raise refusals.invalid(refusals.Resource("", "authorization.k8s.io", name), "", [cause])
        allowed = self._allows(user, given)
        manager = Manager(manager_name(request), "Update", str(body.get("apiVersion")))
        schema = types()[name]
        entries = updated(
            {"metadata": {}, "spec": {}}, {"metadata": {}, "spec": given}, schema, manager, self._clock.now()
        )
        if entries:
            result["metadata"]["managedFields"] = entries
        return answer({**result, "spec": given, "status": {"allowed": allowed}}, 201)

    def _allows(self, user: User, spec: Object) -> bool:
        if "nonResourceAttributes" in spec:
            asked = spec["nonResourceAttributes"]
            return user.may_get(asked.get("path", ""), asked.get("verb", "get"))
        asked = spec["resourceAttributes"]
        resource = refusals.Resource(asked.get("resource", ""), asked.get("group", ""))
        where = (asked.get("namespace", ""), asked.get("name", ""), asked.get("subresource", ""))
        return user.may(Attributes(asked.get("verb", ""), resource, *where))


async def _body_of(request: web.BaseRequest) -> Object:
    if request.content_type != protobuf.MEDIA_TYPE:
        body: Object = read_json(await request.text() or "{}")
        return body
    try:
        return protobuf.read_review(await request.read())
    except (ValueError, IndexError) as error:
        raise unreadable(str(error)) from error
