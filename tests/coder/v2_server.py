"""A Coder v2 for tests of the client and the commands: one organization, one template, and switches for what fails.

It answers in the shapes of the API reference, and knows nothing but the requests that the client makes.
"""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "0123456789-abcdefghijklmnopqrstuv"
ORG, TEMPLATE = "org-1", "tpl-1"
PAGE = "<!DOCTYPE html><html><body>Sign in</body></html>"


def tar(files: dict[str, str]) -> bytes:
    """An archive as Coder's own command line makes it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(text.encode()), 0o644, 1_700_000_000
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


@dataclass
class Coder:
    """The state of the deployment; ``faults`` can change at any time."""

    faults: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    active: str = "ver-1"
    archived: set[str] = field(default_factory=set)
    url: str = ""
    token: str = TOKEN
    _runner: web.AppRunner | None = None
    _polls: dict[str, int] = field(default_factory=dict)

    @classmethod
    async def start(cls, files: dict[str, str], *faults: str) -> Coder:
        made = cls(set(faults))
        made.files["file-1"] = tar(files)
        made.versions["ver-1"] = made._version("ver-1", "calm_cat", "file-1", {"owner": "", "cluster": "west"})
        application = web.Application(client_max_size=8 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", made._answer)
        made._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await made._runner.setup()
        await web.TCPSite(made._runner, "127.0.0.1", 0).start()
        host, port = made._runner.addresses[0][:2]
        made.url = f"http://{host}:{port}"
        return made

    async def stop(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    @property
    def sent(self) -> list[str]:
        """The requests that can change something."""
        return [f"{m} {p}" for m, p, _, _ in self.requests if m != "GET" and not p.endswith("/authcheck")]

    def _version(
        self, id: str, name: str, file: str, tags: dict[str, str], status: str = "succeeded"
    ) -> dict[str, Any]:
        job = {"id": f"job-{id}", "status": status, "file_id": file, "tags": tags, "queue_position": 2, "queue_size": 3}
        count = 0 if "no-provisioner" in self.faults else 1
        return {
            "id": id,
            "name": name,
            "template_id": TEMPLATE,
            "message": "",
            "job": job,
            "archived": False,
            "matched_provisioners": {"count": count, "available": count},
        }

    def _template(self) -> dict[str, Any]:
        return {
            "id": TEMPLATE,
            "name": "kubernetes",
            "organization_id": ORG,
            "organization_name": "coder",
            "active_version_id": self.active,
            "provisioner": "terraform",
            "require_active_version": False,
            "deprecated": False,
        }

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append((request.method, request.path_qs, dict(request.headers), body))
        if "is-down" in self.faults:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if "html" in self.faults:
            return web.Response(text=PAGE, content_type="text/html")
        if request.path == "/api/v2/buildinfo":
            return web.json_response({"version": "v2.34.0", "external_url": "https://example.org"})
        if request.headers.get("Coder-Session-Token") != self.token:
            return web.json_response({"message": "You are signed out."}, status=401)
        found = self._read(request) if request.method == "GET" else await self._write(request, body)
        if isinstance(found, web.StreamResponse):
            return found
        if found is None:
            return web.json_response({"message": "Resource not found or you do not have access."}, status=404)
        return web.json_response(found)

    def _read(self, request: web.Request) -> Any:
        match request.path.removeprefix("/api/v2").strip("/").split("/"):
            case ["users", "me"]:
                return {"id": "u-ada", "username": "ada", "roles": [{"name": "template-admin"}]}
            case ["organizations"]:
                return [{"id": ORG, "name": "coder", "is_default": True}]
            case ["organizations", "coder"]:
                return {"id": ORG, "name": "coder", "is_default": True}
            case ["organizations", org, "templates"] if org == ORG:
                return [self._template()]
            case ["organizations", org, "templates", "kubernetes"] if org == ORG:
                return self._template()
            case ["templates", id] if id == TEMPLATE:
                return self._template()
            case ["templates", id, "versions"] if id == TEMPLATE:
                return [{**one, "archived": one["id"] in self.archived} for one in self.versions.values()]
            case ["templates", id, "versions", name] if id == TEMPLATE:
                return [one for one in self.versions.values() if one["name"] == name] or None
            case ["templateversions", id]:
                return self._polled(id)
            case ["templateversions", id, "logs"]:
                return self._log(id, int(request.query.get("after", "0")))
            case ["files", id]:
                return web.Response(body=self.files[id], content_type="application/x-tar")
            case ["workspaces"]:
                rows = [("api", "ada", "ver-1", "never"), ("gpu", "mia", "ver-0", "always")]
                return {"count": 2, "workspaces": [_workspace(*row) for row in rows]}
        return None

    def _polled(self, id: str) -> Any:
        """A job is pending, then running, then ends."""
        version = self.versions.get(id)
        if version is None:
            return None
        if version["job"]["status"] in ("pending", "running"):
            self._polls[id] = self._polls.get(id, 0) + 1
            if self._polls[id] > 1:
                failed = {"status": "failed", "error": "terraform plan: exit status 1"}
                version["job"] |= failed if "import-fails" in self.faults else {"status": "succeeded"}
                if "down" in self.faults:
                    self.faults.add("is-down")
                if "moved" in self.faults:
                    self.versions["ver-9"] = self._version("ver-9", "other_one", "file-1", {})
                    self.active = "ver-9"
            else:
                version["job"]["status"] = "running"
        return version

    def _log(self, id: str, after: int) -> list[dict[str, Any]]:
        lines = [("info", "Parsing template parameters", ""), ("debug", "Planning", "Terraform 1.9")]
        if self.versions[id]["job"]["status"] == "pending":
            return []
        if "import-fails" in self.faults:
            lines.append(("error", "Planning", "Error: Too many resources blocks"))
            lines.append(("error", "Planning", "  on main.tf line 61"))
        number = range(1, len(lines) + 1)
        return [
            {"id": at, "log_level": level, "stage": stage, "output": text}
            for at, (level, stage, text) in zip(number, lines, strict=True)
            if at > after
        ]

    async def _write(self, request: web.Request, body: bytes) -> Any:
        scoped = web.json_response({"message": "Forbidden.", "detail": "scope"}, status=403)
        match request.path.removeprefix("/api/v2").strip("/").split("/"):
            case ["authcheck"]:
                return dict.fromkeys(json.loads(body)["checks"], "no-role" not in self.faults)
            case ["files"]:
                if "scope" in self.faults:
                    return scoped
                self.files["file-2"] = body
                return web.json_response({"hash": "file-2"}, status=201)
            case ["organizations", org, "templateversions"] if org == ORG:
                wanted = json.loads(body)
                if "name-taken" in self.faults:
                    return web.json_response({"message": "A version with this name already exists."}, status=409)
                id = f"ver-{len(self.versions) + 1}"
                name = wanted.get("name") or f"random_{id}"
                self.versions[id] = self._version(id, name, wanted["file_id"], wanted["tags"], "pending")
                return web.json_response(self.versions[id], status=201)
            case ["templateversions", id, "cancel"]:
                self.versions[id]["job"]["status"] = "canceled"
                return {"message": "Job has been marked as canceled..."}
            case ["templateversions", id, "archive"]:
                self.archived.add(id)
                return {"message": "archived"}
            case ["templates", id, "versions"] if id == TEMPLATE:
                return await self._promote(request, json.loads(body)["id"])
        return None

    async def _promote(self, request: web.Request, id: str) -> Any:
        if "gone" not in self.faults:
            self.active = id
        if self.faults & {"breaks-off", "gone"}:
            assert request.transport is not None
            request.transport.close()
            if "gone" in self.faults:
                self.token = "another"  # nothing answers usefully any more
            await asyncio.sleep(0)
        return {"message": "Updated the active template version!"}


def _workspace(name: str, owner: str, version: str, updates: str) -> dict[str, Any]:
    return {
        "name": name,
        "owner_name": owner,
        "template_id": TEMPLATE,
        "automatic_updates": updates,
        "latest_build": {"template_version_id": version, "status": "running"},
    }
