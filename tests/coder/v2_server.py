"""The simulated Coder v2 for tests: with one template of the files that a test gives, and a record of all requests."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from wizard.sandbox.coder_v2 import TOKEN, SandboxTemplates, tar

__all__ = ["ORG", "TEMPLATE", "TOKEN", "Coder", "tar"]

ORG, TEMPLATE = "org-1", "tpl-1"


class Coder(SandboxTemplates):
    """A deployment with the template ``kubernetes``."""

    def __init__(self, templates: Mapping[str, Mapping[str, str]], *faults: str) -> None:
        super().__init__(templates, *faults)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        """Method, path with the query, headers, and body."""

    @classmethod
    async def with_files(cls, files: Mapping[str, str], *faults: str) -> Coder:
        """Starts it."""
        return await cls.start({"kubernetes": files}, *faults)

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs, dict(request.headers), body))
        return await super().answer(request, body)

    @property
    def sent(self) -> list[str]:
        """The requests that can change something."""
        return [f"{m} {p}" for m, p, _, _ in self.requests if m != "GET" and not p.endswith("/authcheck")]

    @property
    def active(self) -> str:
        """The id of the active version."""
        return self._templates[TEMPLATE].active

    @active.setter
    def active(self, id: str) -> None:
        self._templates[TEMPLATE].active = id
