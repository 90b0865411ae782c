"""A local Hub server with the endpoints that `huggingface_hub.snapshot_download` uses."""

from __future__ import annotations

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler

from tests.loopback import Loopback


class HubServer(Loopback):
    """Serves repositories.

    Attributes:
        files: of each repository, by commit and name.
        refs: of each repository, branches and tags by commit.
        asked: (method, path) of the requests that came.
        broken: answer everything with 503.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, dict[str, bytes]]] = {}
        self.refs: dict[str, dict[str, str]] = {}
        self.asked: list[tuple[str, str]] = []
        self.broken = False
        super().__init__(_Handler, hub=self)

    def push(self, repository: str, files: dict[str, bytes], *names: str) -> str:
        """A new commit, to which `names` (branches, tags) then point."""
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.files.setdefault(repository, {})[commit] = files
        self.refs.setdefault(repository, {}).update(dict.fromkeys(names or ["main"], commit))
        return commit


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.asked.append((self.command, self.path))
        path = self.path.partition("?")[0]
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/]+)", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        repository = (api or file or [None, ""])[1]
        if self.hub.broken:
            self._send(503, b"")
        elif repository not in self.hub.files:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        else:
            commit = (api[3] if api else file[2]) if api or file else ""
            commit = self.hub.refs[repository].get(commit, commit)
            files = self.hub.files[repository].get(commit)
            if files is None:
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            elif api:
                self._send(200, json.dumps(self._described(api, commit, files)).encode())
            else:
                self._send_file(commit, files.get(file[3]))

    def _described(self, api: re.Match[str], commit: str, files: dict[str, bytes]) -> object:
        if api[2] == "revision":
            siblings = [{"rfilename": name} for name in files]
            return {"id": api[1], "modelId": api[1], "sha": commit, "siblings": siblings}
        return [
            {"type": "file", "path": name, "size": len(body), "oid": _oid(body)}
            for name, body in files.items()
        ]

    def _send_file(self, commit: str, body: bytes | None) -> None:
        if body is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        else:
            self._send(200, body, {"ETag": f'"{_oid(body)}"', "X-Repo-Commit": commit})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def _oid(body: bytes) -> str:
    """The name of a blob in git."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
