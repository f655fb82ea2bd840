"""The error responses of the server: Status bodies with code, reason, details, and causes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cause:
    """One reason among several; ``field`` is the path of the field that it is about."""

    reason: str
    message: str
    field: str = ""

    def body(self) -> dict[str, str]:
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class Resource:
    """The name of a kind in messages: its plural and group, and in some its kind."""

    plural: str
    group: str = ""
    kind: str = ""

    @property
    def qualified(self) -> str:
        """``daemonsets.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass
class Refusal(Exception):
    """A request that the server answers with a Status of failure."""

    code: int
    reason: str
    message: str
    details: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }
        return {name: value for name, value in status.items() if value not in (None, "")}

    def __str__(self) -> str:
        return self.message


def _details(resource: Resource, name: str, *, use_kind: bool = False) -> dict[str, Any]:
    kind = resource.kind if use_kind else resource.plural
    return {key: value for key, value in (("name", name), ("group", resource.group), ("kind", kind)) if value}


def unauthorized() -> Refusal:
    """Returns 401: the credentials are unknown."""
    return Refusal(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, name: str, why: str, causes: Iterable[Cause] = ()) -> Refusal:
    """Returns 403: ``why`` completes the sentence that something is forbidden."""
    quoted = f' "{name}"' if name else ""
    details = _details(resource, name)
    if listed := [cause.body() for cause in causes]:
        details["causes"] = listed
    return Refusal(403, "Forbidden", f"{resource.qualified}{quoted} is forbidden: {why}", details)


def not_found(resource: Resource, name: str) -> Refusal:
    """Returns 404: the object does not exist."""
    return Refusal(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def no_such_path() -> Refusal:
    """Returns 404: a path in a known group that is not a resource."""
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


def not_allowed() -> Refusal:
    """Returns 405: the resource does not have the verb."""
    return Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def already_exists(resource: Resource, name: str) -> Refusal:
    """Returns 409: the name exists already."""
    return Refusal(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _details(resource, name))


def conflict(resource: Resource, name: str, why: str = "") -> Refusal:
    """Returns 409: the object changed in the meantime, or a precondition is not met."""
    reason = why or "the object has been modified; please apply your changes to the latest version and try again"
    return Refusal(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": {reason}',
        _details(resource, name),
    )


def apply_conflict(text: str, causes: Iterable[Cause]) -> Refusal:
    """Returns 409: conflicts with other managers."""
    return Refusal(409, "Conflict", text, {"causes": [cause.body() for cause in causes]})


def invalid(resource: Resource, name: str, causes: list[Cause], code: int = 422) -> Refusal:
    """Returns 422: invalid fields; the message names each once."""
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    said = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details = _details(resource, name, use_kind=True)
    details["causes"] = [cause.body() for cause in causes]
    return Refusal(code, "Invalid", f'{kind} "{name}" is invalid: {said}', details)


def bad_request(message: str) -> Refusal:
    """Returns 400: the request cannot be read."""
    return Refusal(400, "BadRequest", message)


def internal(message: str) -> Refusal:
    """Returns a failure without a reason, as the server does for unexpected errors."""
    return Refusal(500, "", message)


def expired(message: str, continue_token: str = "") -> Refusal:
    """Returns 410: the version is no longer kept."""
    return Refusal(410, "Expired", message, metadata={"continue": continue_token} if continue_token else {})


def unsupported_media_type() -> Refusal:
    """Returns 415: a patch in an unknown format."""
    return Refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def not_acceptable(accepted: Iterable[str]) -> Refusal:
    """Returns 406: the requested form of the response does not exist."""
    types = ", ".join(accepted)
    return Refusal(406, "NotAcceptable", f"only the following media types are accepted: {types}", {})


def no_such_shape(asked: str) -> Refusal:
    """Returns 406: an object is requested as a list, or a list as an object."""
    return Refusal(406, "NotAcceptable", f"you requested {asked}", {})


def too_many_requests(seconds: int) -> Refusal:
    """Returns 429, with the time to wait."""
    return Refusal(
        429,
        "TooManyRequests",
        "the server has received too many requests and has asked us to try again later",
        {"retryAfterSeconds": seconds},
        headers={"Retry-After": str(seconds)},
    )


def field_required(path: str, why: str = "") -> Cause:
    """A missing field."""
    return Cause("FieldValueRequired", f"Required value{': ' + why if why else ''}", path)


def field_invalid(path: str, shown: str, why: str) -> Cause:
    """``shown`` is the value as JSON."""
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", path)


def field_forbidden(path: str, why: str) -> Cause:
    """A field with a forbidden value."""
    return Cause("FieldValueForbidden", f"Forbidden: {why}", path)


def field_not_found(path: str, shown: str) -> Cause:
    """A reference to something that does not exist."""
    return Cause("FieldValueNotFound", f"Not found: {shown}", path)


def field_unsupported(path: str, shown: str, supported: Iterable[str]) -> Cause:
    """A value that is not one of the allowed ones."""
    choices = ", ".join(f'"{one}"' for one in supported)
    return Cause("FieldValueNotSupported", f"Unsupported value: {shown}: supported values: {choices}", path)
