"""Authorization: users with tokens, and rules as RBAC has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wizard.sandbox.refusals import Refusal, Resource, forbidden


@dataclass(frozen=True)
class Rule:
    """Verbs on resources. Empty ``namespaces`` means everywhere, including cluster-scoped objects."""

    verbs: tuple[str, ...]
    resources: tuple[str, ...] = ()
    """``nodes``, ``pods/log``, ``*``."""
    groups: tuple[str, ...] = ("",)
    names: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    """Non-resource URLs; ``*`` at the end includes all below."""

    def body(self) -> dict[str, Any]:
        """Returns the rule as a SelfSubjectRulesReview shows it."""
        if self.paths:
            return {"verbs": list(self.verbs), "nonResourceURLs": list(self.paths)}
        rule = {"verbs": list(self.verbs), "apiGroups": list(self.groups), "resources": list(self.resources)}
        return rule | ({"resourceNames": list(self.names)} if self.names else {})


EVERYBODY = (
    Rule(("create",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews"), ("authorization.k8s.io",)),
    Rule(("create",), ("selfsubjectreviews",), ("authentication.k8s.io",)),
    Rule(("get",), paths=("/healthz", "/livez", "/readyz", "/version", "/version/")),
    Rule(("get",), paths=("/.well-known", "/.well-known/*")),
    Rule(
        ("get",),
        paths=(
            "/api",
            "/api/*",
            "/apis",
            "/apis/*",
            "/healthz",
            "/livez",
            "/openapi",
            "/openapi/*",
            "/readyz",
            "/version",
            "/version/",
        ),
    ),
)
"""The permissions of every authenticated user on any cluster."""
NOBODY = (EVERYBODY[2],)
"""The permissions of a request without credentials."""
ALL = (Rule(("*",), ("*",), ("*",)), Rule(("*",), paths=("*",)))


@dataclass(frozen=True)
class Attributes:
    """The attributes of a request, as the authorizer sees it."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def path(self) -> str:
        return self.resource.plural + (f"/{self.subresource}" if self.subresource else "")


@dataclass(frozen=True)
class User:
    """A user of the server."""

    name: str
    groups: tuple[str, ...] = ("system:authenticated",)
    rules: tuple[Rule, ...] = EVERYBODY

    def may(self, asked: Attributes) -> bool:
        return any(_allows(rule, asked) for rule in self.rules)

    def may_get(self, path: str, verb: str = "get") -> bool:
        """Whether this user can get a path that is not a resource."""
        return any(
            (verb in rule.verbs or "*" in rule.verbs) and any(_covers(pattern, path) for pattern in rule.paths)
            for rule in self.rules
        )

    def check(self, asked: Attributes) -> None:
        """Raises the server's 403."""
        if not self.may(asked):
            raise refusal(self, asked)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",), NOBODY)


def _covers(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _has(values: Iterable[str], value: str) -> bool:
    return any(one in ("*", value) for one in values)


def _allows(rule: Rule, asked: Attributes) -> bool:
    return (
        _has(rule.verbs, asked.verb)
        and _has(rule.resources, asked.path)
        and _has(rule.groups, asked.resource.group)
        and (not rule.names or asked.name in rule.names)
        and (not rule.namespaces or asked.namespace in rule.namespaces)
    )


def refusal(user: User, asked: Attributes) -> Refusal:
    """Returns the server's 403 for a resource."""
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    return forbidden(
        asked.resource,
        asked.name,
        f'User "{user.name}" cannot {asked.verb} resource "{asked.path}" in API group "{asked.resource.group}" {where}',
    )


def path_refusal(user: User, path: str, verb: str) -> Refusal:
    """Returns the server's 403 for a path that is not a resource."""
    return Refusal(403, "Forbidden", f'forbidden: User "{user.name}" cannot {verb} path "{path}"', {})
