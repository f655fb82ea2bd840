"""The sandbox's Coder: a v1 deployment on a loopback port, in the process, with five workspaces.

It answers as the source of the Coder CLI expects a deployment to answer; the wording of its messages is invented.
Two of its workspaces conflict with any policy except the default one. Each of the ``behaviours`` simulates a failure
that users can encounter.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

import yaml
from aiohttp import web

Behaviour = Literal[
    "unauthorized",  # 401 for everything that requires a token
    "wrong-role",  # a site manager, to whom it denies permission
    "old",  # 1.26.2, which has no resource requests
    "no-version",  # does not report its version
    "v2",  # Coder v2
    "login-page",  # a proxy's login page instead of every response
    "login-redirect",  # a redirect to a login page
    "not-coder",  # another service: 404 to everything
    "refuses",  # rejects every policy
    "precondition",  # the upload has an unmet precondition
    "goes-away",  # answers the dry run, then stops responding
    "setting-goes-away",  # stores the setting, then stops responding
    "breaks-off",  # stores the upload and closes the connection without a response
    "huge",  # 50 MB instead of the response to the dry run
    "hangs",  # never answers the dry run
    "hangs-upload",  # answers the dry run, stores the upload, and never responds
    "other-shape",  # JSON of another shape
    "keeps-setting",  # accepts the setting but keeps the old one
    "no-schema",  # does not serve its JSON Schema
    "strict-schema",  # its JSON Schema has no resource requests
]

TOKEN = "sandbox-session-token"
"""Only for the sandbox; it gives no access to anything else."""
VERSION = "1.44.1"
OLD_VERSION = "1.26.2"
V2_VERSION = "v2.24.1+a1b2c3d"

USERS = {"u-ada": "ada", "u-ben": "ben", "u-mia": "mia"}
WORKSPACES = {
    "w-1": ("api-server", "u-ada"),
    "w-2": ("frontend", "u-ben"),
    "w-3": ("gpu-training", "u-mia"),
    "w-4": ("notebooks", "u-mia"),
    "w-5": ("docs", "u-ada"),
}
CONFLICTS = [
    {
        "workspace_id": "w-3",
        "current_template_warnings": None,
        "current_template_errors": {"messages": ["specs.kubernetes.resource-limits: not allowed by the policy"]},
        "latest_template_warnings": None,
        "latest_template_errors": {"messages": ["specs.kubernetes.resource-limits: not allowed by the policy"]},
        "current_template_is_latest": True,
        "message": "",
    },
    {
        "workspace_id": "w-4",
        "current_template_warnings": [],
        "current_template_errors": None,
        "latest_template_warnings": ["specs.kubernetes.labels: the value is replaced by the policy's"],
        "latest_template_errors": None,
        "current_template_is_latest": False,
        "message": "",
    },
]
"""As in Go, an empty list can be null."""

_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Company login</form></body></html>"
_LARGEST_BODY = 8 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """A request as it came, for tests of what the client sends."""

    method: str
    path: str
    """With the query."""
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class _Error(Exception):
    def __init__(self, status: int, message: str, code: str = "", details: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"msg": message, "code": code, "details": details}}


class SandboxCoder:
    """A running deployment; an asynchronous context. ``prefix`` is a path before the API's, such as ``/coder``."""

    def __init__(self, *behaviours: Behaviour, prefix: str = "") -> None:
        self.behaviours = set(behaviours)
        """Can be changed while it runs."""
        self.prefix = prefix
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        """Set after the first request."""
        self.settings: dict[str, Any] = {
            "gpu_vendor": "nvidia",
            "enable_container_vms": True,
            "enable_workspaces_as_code": False,
            "a_field_of_a_later_version": {"kept": [1, 2]},
        }
        self.policy: bytes | None = None
        """The site's policy; None for Coder's default."""
        self.token = TOKEN
        self.role = "site-admin"
        """The user's role, besides site-member."""
        self.url = ""
        self._templates: dict[str, bytes] = {}
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._stopping = asyncio.Event()

    @classmethod
    async def start(cls, *behaviours: Behaviour, prefix: str = "") -> SandboxCoder:
        """Starts a deployment on a free loopback port."""
        made = cls(*behaviours, prefix=prefix)
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", made._answer)
        made._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await made._runner.setup()
        made._site = web.TCPSite(made._runner, "127.0.0.1", 0)
        await made._site.start()
        host, port = made._runner.addresses[0][:2]
        made.url = f"http://{host}:{port}{prefix}"
        return made

    async def stop(self) -> None:
        """Stops it; a second call does nothing."""
        self._stopping.set()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def __aenter__(self) -> SandboxCoder:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._site is None and request.transport is not None:
            request.transport.close()
            return web.Response()
        body = await request.read()
        self.requests.append(Request(request.method, request.path_qs, dict(request.headers), body))
        self.asked.set()
        if "login-page" in self.behaviours:
            return web.Response(text=_PAGE, content_type="text/html")
        if "login-redirect" in self.behaviours:
            return web.Response(status=302, headers={"Location": "https://login.example.org/sso?back=coder"})
        path = request.path.removeprefix(self.prefix) if request.path.startswith(self.prefix + "/") else ""
        try:
            handler, needs_token = self._route(request.method, path)
            if needs_token and (
                "unauthorized" in self.behaviours or request.headers.get("Session-Token") != self.token
            ):
                raise _Error(401, "Session token is invalid or expired.", "unauthenticated")
            if needs_token and "other-shape" in self.behaviours:
                return web.json_response(["something", "else"])
            return await handler(request, body)
        except _Error as error:
            return web.json_response(error.body, status=error.status)

    def _route(
        self, method: str, path: str
    ) -> tuple[Callable[[web.Request, bytes], Awaitable[web.StreamResponse]], bool]:
        if "v2" in self.behaviours:
            if (method, path) == ("GET", "/api/v2/buildinfo"):
                return self._build_info, False
            raise _Error(404, "")
        if "not-coder" in self.behaviours:
            raise _Error(404, "")
        if method == "GET" and path.startswith("/api/v0/workspaces/w-"):
            return self._workspace, True
        if method == "GET" and path.startswith("/api/v0/users/u-"):
            return self._user, True
        routes = {
            ("GET", "/api"): (self._version, False),
            ("GET", "/api/v0/users/me"): (self._me, True),
            ("GET", "/api/v0/workspaces/config"): (self._settings, True),
            ("PUT", "/api/v0/workspaces/config"): (self._set_settings, True),
            ("POST", "/api/private/workspaces/template/parse"): (self._parse, True),
            ("POST", "/api/private/workspaces/template/policy"): (self._set_policy, True),
            ("GET", "/api/private/template/schemas/wac.schema.json"): (self._schema, False),
        }
        if (method, path) not in routes:
            raise _Error(404, "Not found.", "not_found")
        return routes[method, path]

    # ------------------------------------------------------------------------------------------- answers

    async def _version(self, request: web.Request, body: bytes) -> web.StreamResponse:
        version = OLD_VERSION if "old" in self.behaviours else VERSION
        headers = {} if "no-version" in self.behaviours else {"coder-version": version}
        return web.Response(text="Coder", headers=headers)

    async def _build_info(self, request: web.Request, body: bytes) -> web.StreamResponse:
        return web.json_response({"external_url": "https://github.com/coder/coder", "version": V2_VERSION})

    async def _me(self, request: web.Request, body: bytes) -> web.StreamResponse:
        role = "site-manager" if "wrong-role" in self.behaviours else self.role
        return web.json_response(
            {
                "id": "u-ada",
                "email": "ada@example.org",
                "username": "ada",
                "name": "Ada",
                "roles": ["site-member", role],
                "temporary_password": False,
                "login_type": "built-in",
            }
        )

    async def _user(self, request: web.Request, body: bytes) -> web.StreamResponse:
        id = request.path.rpartition("/")[2]
        if id not in USERS:
            raise _Error(404, "User not found.", "not_found")
        return web.json_response({"id": id, "username": USERS[id], "roles": ["site-member"]})

    async def _workspace(self, request: web.Request, body: bytes) -> web.StreamResponse:
        id = request.path.rpartition("/")[2]
        if id not in WORKSPACES:
            raise _Error(404, "Workspace not found.", "not_found")
        name, owner = WORKSPACES[id]
        return web.json_response(
            {
                "id": id,
                "name": name,
                "user_id": owner,
                "organization_id": "default",
                "latest_stat": {"container_status": "ON"},
                "rebuild_messages": [],
            }
        )

    async def _settings(self, request: web.Request, body: bytes) -> web.StreamResponse:
        self._require_admin()
        return web.json_response(self.settings)

    async def _set_settings(self, request: web.Request, body: bytes) -> web.StreamResponse:
        self._require_admin()
        if "keeps-setting" not in self.behaviours:
            self.settings = json.loads(body)
        response = web.Response(status=200)
        if "setting-goes-away" in self.behaviours:
            await self._go_away(response)
        return response

    async def _parse(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.headers.get("Content-Type") != "application/octet-stream" or "org-id" not in request.query:
            raise _Error(400, "The template must be sent as application/octet-stream.", "bad_request")
        messages = ["resource-limits is not a field of this deployment"] if "refuses" in self.behaviours else []
        messages += complaints(body)
        if messages:
            details = {"error_type": "validation", "messages": messages}
            raise _Error(400, "The template is not valid.", "wac_template", details)
        digest = hashlib.sha256(body).hexdigest()
        self._templates[f"t-{digest[:8]}"] = body
        return web.json_response(
            {
                "id": f"v-{digest[:8]}",
                "template_id": f"t-{digest[:8]}",
                "file_hash": digest,
                "commit": "",
                "commit_message": "",
                "created_at": "2024-05-01T10:00:00Z",
            }
        )

    async def _set_policy(self, request: web.Request, body: bytes) -> web.StreamResponse:
        self._require_admin()
        dry_run = request.query.get("dry-run") == "true"
        wanted = json.loads(body)
        if wanted.get("type") != "site" or wanted.get("template_id") not in ("", *self._templates):
            raise _Error(400, "Unknown template or scope.", "bad_request")
        if "hangs" in self.behaviours:
            await self._stopping.wait()
        if "huge" in self.behaviours:
            return await self._huge(request)
        if "precondition" in self.behaviours and not dry_run:
            raise _Error(
                412,
                "Precondition failed.",
                "precondition",
                {
                    "error": "locked",
                    "message": "Another admin is editing the policy.",
                    "solution": "Wait until they are done.",
                },
            )
        if not dry_run:
            self.policy = self._templates.get(wanted["template_id"])
            if "hangs-upload" in self.behaviours:
                await self._stopping.wait()
            if "breaks-off" in self.behaviours:
                return self._break_off(request)
        response = web.json_response({"merge_conflicts": CONFLICTS if wanted["template_id"] else None})
        if "goes-away" in self.behaviours:
            await self._go_away(response)
        return response

    async def _go_away(self, response: web.Response) -> None:
        """Sends one more response, and accepts no connection after it."""
        response.force_close()
        if self._site is not None:
            site, self._site = self._site, None
            await site.stop()

    async def _schema(self, request: web.Request, body: bytes) -> web.StreamResponse:
        from wizard.policy.schema import schema

        if "no-schema" in self.behaviours:
            raise _Error(404, "Not found.", "not_found")
        root: dict[str, Any] = {"type": "object", "properties": {"version": {"type": "string"}}}
        for path in schema().fields:
            if "strict-schema" in self.behaviours and path[-1].startswith("resource-"):
                continue
            here = root
            for name in path:
                here = here.setdefault("properties", {}).setdefault(name, {"type": "object"})
        return web.json_response(root)

    def _require_admin(self) -> None:
        if "wrong-role" in self.behaviours:
            raise _Error(403, "This requires the site-admin role.", "forbidden")

    def _break_off(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def _huge(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # the client does not read it to the end
            for _ in range(50):
                await response.write(b" " * 1024 * 1024)
        return response


def complaints(content: bytes) -> list[str]:
    """Returns the errors of a template; the sentences are not those of a real Coder."""
    from wizard.policy.schema import schema

    try:
        data = yaml.load(content, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        return [f"yaml: line {mark.line + 1 if mark else 1}: {getattr(error, 'problem', 'not YAML')}"]
    if not isinstance(data, dict):
        return ["the template is empty"]
    found = [] if str(data.get("version")) == "0.2" else ['version: only "0.2" is supported']
    known = schema()
    waiting: list[tuple[tuple[str, ...], Any]] = [
        ((str(key),), value) for key, value in data.items() if key != "version"
    ]
    while waiting:
        path, value = waiting.pop(0)
        if path in known.groups:
            waiting += [((*path, str(key)), inner) for key, inner in (value or {}).items()]
        elif path not in known.fields:
            found.append(f"{'.'.join(path)}: unknown field")
        elif not isinstance(value, dict) or value.get("policy", "read") not in ("read", "write", "append"):
            found.append(f"{'.'.join(path)}: policy must be one of read, write, append")
    return found
