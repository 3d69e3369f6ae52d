"""A small Hub: as much of its HTTP API as huggingface_hub needs to make and fill a repository."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.runtime.http_server import answering

TOKEN = "hf_good"


class Hub:
    """What the server holds, and how it behaves."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.commits: list[str] = []
        self.requests: list[str] = []
        self.away = 0
        """How many requests still get a 503."""
        self.may_write = True
        self.large: dict[str, bytes] = {}
        self.url = ""

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        parts = [part for part in path.split("/") if part]
        self.requests.append(f"{method} {path}")
        if self.away:
            self.away -= 1
            return 503, {"error": "The Hub is away"}
        if parts[0] == "lfs":
            self.large[parts[1]] = body
            return 200, {}
        if token != f"Bearer {TOKEN}":
            return 401, {"error": "Invalid credentials in Authorization header"}
        if path == "/api/whoami-v2":
            return 200, {"name": "owner", "type": "user"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if method != "GET" and not self.may_write:
            return 403, {"error": "You don't have the rights to write to owner"}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path.endswith(".git/info/lfs/objects/batch"):
            return 200, self._batch(json.loads(body))
        repo, action = "/".join(parts[2:4]), "".join(parts[4:5])
        if repo not in self.repos:
            return 404, {"error": "Repository not found"}
        if action == "preupload":
            return 200, {"files": [self._plan(repo, f["path"]) for f in json.loads(body)["files"]]}
        if action == "commit":
            return 200, self._commit(repo, body)
        return 200, {"id": repo, "sha": self.commits[-1], "siblings": []}  # GET …/revision/main

    def _create(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        repo = f"{wanted['organization']}/{wanted['name']}"
        url = f"{self.url}/{repo}"
        if repo in self.repos:
            return 409, {"error": "You already created this model repo", "url": url}
        self.repos[repo] = {}
        self.private[repo] = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        return 200, {"url": url, "id": repo}

    def _plan(self, repo: str, path: str) -> dict[str, Any]:
        is_large = path.endswith(".safetensors")
        content, oid = self.repos[repo].get(path), None
        if content is not None:
            blob = b"blob %d\0" % len(content) + content
            oid = _sha256(content) if is_large else hashlib.sha1(blob).hexdigest()
        mode = "lfs" if is_large else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _batch(self, wanted: dict[str, Any]) -> dict[str, Any]:
        objects = [
            {**o, "actions": {"upload": {"href": f"{self.url}/lfs/{o['oid']}"}}}
            for o in wanted["objects"]
        ]
        return {"transfer": "basic", "objects": objects}

    def _commit(self, repo: str, body: bytes) -> dict[str, Any]:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                self.repos[repo][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                content = self.large[value["oid"]]
                assert _sha256(content) == value["oid"]
                self.repos[repo][value["path"]] = content
        self.commits.append(hashlib.sha1(body).hexdigest())
        url = f"{self.url}/{repo}/commit/{self.commits[-1]}"
        return {"success": True, "commitOid": self.commits[-1], "commitUrl": url}


@contextmanager
def serving() -> Iterator[Hub]:
    """Yields a Hub that answers at its `url`."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "")
            status, answer = hub.answer(self.command, urlsplit(self.path).path, token, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status == 401:
                self.send_header("X-Error-Message", answer["error"])
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = respond  # noqa: N815

    with answering(Handler) as server:
        hub.url = server.url
        yield hub


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
