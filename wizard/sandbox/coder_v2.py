"""The sandbox's Coder v2: a deployment on a loopback port, in the process, with templates, versions, and jobs.

It answers in the shapes of Coder's API reference (coder/coder, docs/reference/api, 2026-08), and knows the requests
that a client of templates makes. An import is judged by ``wizard.sandbox.terraform``. Each of the ``faults`` simulates
a failure that users can encounter.
"""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web

from wizard.resources import asset
from wizard.sandbox.terraform import judge

Fault = Literal[
    "html",  # a proxy's login page instead of every response
    "is-down",  # never answers
    "no-role",  # the user is not a template admin
    "scope",  # the role is sufficient, but the token's scope does not include uploads
    "name-taken",  # another version has the name by now
    "no-provisioner",  # nobody can take the job
    "import-fails",  # the import fails for a reason that is not in the files
    "moved",  # someone else promotes a version during the import
    "down",  # stops responding after the import
    "breaks-off",  # promotes, and closes the connection without a response
    "gone",  # closes the connection at the promotion, and never answers usefully again
]

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
"""Only for the sandbox; it gives no access to anything else."""
VERSION = "v2.34.0"
ORGANIZATIONS = {"org-1": "coder"}
TAGS = {"owner": "", "cluster": "west"}
"""The provisioner takes only jobs with these tags."""
FIRST_NAMES = ("calm_cat", "dull_duck", "eager_eel")
SCENARIO = "coder-v2"

_PAGE = "<!DOCTYPE html><html><body>Sign in</body></html>"


def tar(files: Mapping[str, str]) -> bytes:
    """Returns an archive as Coder's own command line makes it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(text.encode()), 0o644, 1_700_000_000
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def scenario_templates() -> dict[str, dict[str, str]]:
    """Returns the templates of the scenario: the files of each by their names."""
    folder = asset("scenarios", SCENARIO)
    return {
        one.name: {file.name: file.read_text(encoding="utf-8") for file in sorted(one.iterdir(), key=lambda f: f.name)}
        for one in sorted(folder.iterdir(), key=lambda one: one.name)
        if one.is_dir()
    }


@dataclass
class _Template:
    id: str
    name: str
    organization: str
    active: str

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "organization_id": self.organization,
            "organization_name": ORGANIZATIONS[self.organization],
            "active_version_id": self.active,
            "provisioner": "terraform",
            "require_active_version": False,
            "deprecated": False,
        }


@dataclass
class _Job:
    """The state of an import: how often it was asked for, and what its log says by now."""

    polls: int = 0
    log: list[tuple[str, str, str]] = field(default_factory=list)
    """Level, stage, and text of each line."""


@dataclass(frozen=True)
class _Workspace:
    name: str
    owner: str
    template: str
    version: str
    updates: str = "never"


class SandboxTemplates:
    """A running deployment; an asynchronous context. ``faults`` can change while it runs."""

    def __init__(self, templates: Mapping[str, Mapping[str, str]], *faults: str) -> None:
        self.faults = set(faults)
        self.files: dict[str, bytes] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.archived: set[str] = set()
        self.token = TOKEN
        self.url = ""
        self._templates: dict[str, _Template] = {}
        self._jobs: dict[str, _Job] = {}
        self._workspaces: list[_Workspace] = []
        self._runner: web.AppRunner | None = None
        for number, (name, files) in enumerate(templates.items(), 1):
            template = _Template(f"tpl-{number}", name, "org-1", f"ver-{number}")
            self._templates[template.id] = template
            self.files[f"file-{number}"] = tar(files)
            self._add_version(template.id, FIRST_NAMES[number - 1], f"file-{number}", TAGS)
            self._workspaces += [
                _Workspace("api", "ada", template.id, template.active),
                _Workspace("gpu", "mia", template.id, "ver-0", "always"),
            ]

    def active_of(self, name: str) -> str:
        """Returns the name of the active version of a template."""
        template = next(one for one in self._templates.values() if one.name == name)
        return str(self.versions[template.active]["name"])

    @classmethod
    async def start(cls, templates: Mapping[str, Mapping[str, str]], *faults: str) -> Self:
        """Starts a deployment on a free loopback port."""
        made = cls(templates, *faults)
        application = web.Application(client_max_size=8 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", made._handle)
        made._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await made._runner.setup()
        await web.TCPSite(made._runner, "127.0.0.1", 0).start()
        host, port = made._runner.addresses[0][:2]
        made.url = f"http://{host}:{port}"
        return made

    async def stop(self) -> None:
        """Stops it."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        return await self.answer(request, await request.read())

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Answers one request."""
        if "is-down" in self.faults:
            return _cut_off(request)
        if "html" in self.faults:
            return web.Response(text=_PAGE, content_type="text/html")
        if request.path == "/api/v2/buildinfo":
            return web.json_response({"version": VERSION, "external_url": self.url})
        if not request.path.startswith("/api/v2/"):
            return _error(404, "Route not found.")
        if request.headers.get("Coder-Session-Token") != self.token:
            return _error(401, "You are signed out or your session has expired.")
        parts = request.path.removeprefix("/api/v2").strip("/").split("/")
        found = self._read(request, parts) if request.method == "GET" else self._write(request, parts, body)
        if isinstance(found, web.StreamResponse):
            return found
        if found is None:
            return _error(404, "Resource not found or you do not have access to this resource")
        return web.json_response(found)

    def _read(self, request: web.Request, parts: list[str]) -> Any:
        match parts:
            case ["users", "me"]:
                return {"id": "u-ada", "username": "ada", "roles": [{"name": "template-admin"}]}
            case ["organizations"]:
                return [_organization(id) for id in ORGANIZATIONS]
            case ["organizations", name]:
                return next((_organization(id) for id, one in ORGANIZATIONS.items() if name in (id, one)), None)
            case ["organizations", org, "templates"] if org in ORGANIZATIONS:
                return [one.as_json() for one in self._templates.values() if one.organization == org]
            case ["organizations", org, "templates", name] if org in ORGANIZATIONS:
                return next((one.as_json() for one in self._templates.values() if one.name == name), None)
            case ["templates", id, *rest] if id in self._templates:
                return self._read_template(self._templates[id], rest)
            case ["templateversions", id] if id in self.versions:
                return self._polled(id)
            case ["templateversions", id, "logs"] if id in self.versions:
                return self._log(id, int(request.query.get("after", "0")))
            case ["files", id] if id in self.files:
                return web.Response(body=self.files[id], content_type="application/x-tar")
            case ["workspaces"]:
                return self._workspaces_of(request.query.get("q", "").removeprefix("template:"))
        return None

    def _read_template(self, template: _Template, rest: list[str]) -> Any:
        versions = [
            {**one, "archived": one["id"] in self.archived}
            for one in self.versions.values()
            if one["template_id"] == template.id
        ]
        match rest:
            case []:
                return template.as_json()
            case ["versions"]:
                return versions
            case ["versions", name]:
                return [one for one in versions if one["name"] == name] or None
        return None

    def _write(self, request: web.Request, parts: list[str], body: bytes) -> Any:
        match parts:
            case ["authcheck"]:
                return dict.fromkeys(json.loads(body)["checks"], "no-role" not in self.faults)
            case ["files"]:
                return self._upload(body)
            case ["organizations", org, "templateversions"] if org in ORGANIZATIONS:
                return self._create(json.loads(body))
            case ["templateversions", id, "cancel"] if id in self.versions:
                if self.versions[id]["job"]["status"] not in ("pending", "running"):
                    return _error(412, "Job has already completed!")
                self.versions[id]["job"]["status"] = "canceled"
                return {"message": "Job has been marked as canceled..."}
            case ["templateversions", id, "archive"] if id in self.versions:
                self.archived.add(id)
                return {"message": "archived"}
            case ["templates", id, "versions"] if id in self._templates:
                return self._promote(request, self._templates[id], str(json.loads(body)["id"]))
        return None

    # --- versions and their jobs

    def _add_version(
        self, template: str, name: str, file: str, tags: Mapping[str, str], status: str = "succeeded"
    ) -> dict[str, Any]:
        id = f"ver-{len(self.versions) + 1}"
        # A job without the tags of the provisioner waits for ever.
        count = 0 if "no-provisioner" in self.faults or dict(tags) != TAGS else 1
        job = {
            "id": f"job-{id}",
            "status": status,
            "file_id": file,
            "tags": dict(tags),
            "queue_position": 2,
            "queue_size": 3,
        }
        self.versions[id] = {
            "id": id,
            "name": name or f"brisk_fox{len(self.versions) + 1}",
            "template_id": template,
            "message": "",
            "job": job,
            "archived": False,
            "matched_provisioners": {"count": count, "available": count},
        }
        self._jobs[id] = _Job()
        return self.versions[id]

    def _upload(self, body: bytes) -> web.Response:
        if "scope" in self.faults:
            return _error(403, "Forbidden.", "scope")
        same = next((id for id, content in self.files.items() if content == body), None)
        id = same or f"file-{len(self.files) + 1}"
        self.files[id] = body
        return web.json_response({"hash": id}, status=200 if same else 201)

    def _create(self, wanted: Mapping[str, Any]) -> web.Response:
        names = {one["name"] for one in self.versions.values() if one["template_id"] == wanted.get("template_id")}
        if "name-taken" in self.faults or wanted.get("name") in names:
            return _error(409, "A version with this name already exists.")
        if wanted.get("template_id") not in self._templates or wanted.get("file_id") not in self.files:
            return _error(404, "Resource not found or you do not have access to this resource")
        tags = wanted.get("tags") or {}
        made = self._add_version(
            wanted["template_id"], str(wanted.get("name") or ""), wanted["file_id"], tags, "pending"
        )
        return web.json_response(made, status=201)

    def _polled(self, id: str) -> dict[str, Any]:
        """Returns a version; its job is pending, then running, then ends."""
        version, job = self.versions[id], self._jobs[id]
        waiting = version["job"]["status"] in ("pending", "running")
        if not waiting or not version["matched_provisioners"]["count"]:
            return version
        job.polls += 1
        if job.polls == 1:
            version["job"]["status"] = "running"
        else:
            self._end_import(version)
        return version

    def _end_import(self, version: dict[str, Any]) -> None:
        errors = self._import_errors(version)
        version["job"] |= (
            {"status": "failed", "error": "terraform plan: exit status 1"} if errors else {"status": "succeeded"}
        )
        if "down" in self.faults:
            self.faults.add("is-down")
        if "moved" in self.faults:
            template = self._templates[version["template_id"]]
            template.active = self._add_version(template.id, "other_one", "file-1", TAGS)["id"]

    def _import_errors(self, version: dict[str, Any]) -> list[str]:
        """Returns the errors of an import as the lines of its log."""
        if "import-fails" in self.faults:
            return ["Error: Too many resources blocks", "  on main.tf line 61"]
        now = judge(_texts(self.files[version["job"]["file_id"]]))
        # Values of variables are inherited from the active version.
        active = self._templates[version["template_id"]].active
        had = judge(_texts(self.files[self.versions[active]["job"]["file_id"]])).required
        missing = sorted(now.required - had)
        if missing:
            version["job"]["error_code"] = "REQUIRED_TEMPLATE_VARIABLES"
            return [*now.errors, f"required template variables need values: {', '.join(missing)}"]
        return now.errors

    def _log(self, id: str, after: int) -> list[dict[str, Any]]:
        version, job = self.versions[id], self._jobs[id]
        if version["job"]["status"] == "pending":
            return []
        if not job.log:
            job.log = [("info", "Parsing template parameters", ""), ("debug", "Planning", "Terraform 1.9")]
            job.log += [("error", "Planning", text) for text in self._import_errors(version)]
        return [
            {"id": at, "log_level": level, "stage": stage, "output": text}
            for at, (level, stage, text) in enumerate(job.log, 1)
            if at > after
        ]

    def _promote(self, request: web.Request, template: _Template, id: str) -> Any:
        version = self.versions.get(id)
        if version is None:
            return _error(404, "Template version not found.")
        if version["template_id"] != template.id:
            return _error(400, "The provided template version doesn't belong to the specified template.")
        if version["job"]["status"] != "succeeded":
            return _error(403, "Only versions that have been built successfully can be promoted.")
        if "gone" in self.faults:
            self.token = "another"  # nothing answers usefully any more
            return _cut_off(request)
        template.active = id
        if "breaks-off" in self.faults:
            return _cut_off(request)
        return {"message": "Updated the active template version!"}

    def _workspaces_of(self, name: str) -> dict[str, Any]:
        rows = []
        for one in self._workspaces:
            template = self._templates[one.template]
            if template.name == name:
                rows.append(
                    {
                        "name": one.name,
                        "owner_name": one.owner,
                        "template_id": template.id,
                        "automatic_updates": one.updates,
                        "outdated": one.version != template.active,
                        "template_active_version_id": template.active,
                        "latest_build": {"template_version_id": one.version, "status": "running"},
                    }
                )
        return {"count": len(rows), "workspaces": rows}


def _texts(archive: bytes) -> dict[str, str]:
    """Returns the text files of an archive; nothing if it is none."""
    found: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as read:
            for member in read:
                content = read.extractfile(member)
                if content is not None and member.name.endswith(".tf"):
                    found[member.name] = content.read().decode("utf-8", "replace")
    except tarfile.TarError:
        return {}
    return found


def _organization(id: str) -> dict[str, Any]:
    return {"id": id, "name": ORGANIZATIONS[id], "is_default": True}


def _error(status: int, message: str, detail: str = "") -> web.Response:
    return web.json_response({"message": message, **({"detail": detail} if detail else {})}, status=status)


def _cut_off(request: web.Request) -> web.Response:
    """Closes the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def start_templates(faults: tuple[str, ...] = ()) -> SandboxTemplates:
    """Starts the Coder v2 of the scenario."""
    templates = await asyncio.to_thread(scenario_templates)
    return await SandboxTemplates.start(templates, *faults)
