"""A local Hub server that accepts datasets, with the endpoints that `HfApi` uses.

It implements the protocol of huggingface_hub 2.4 without Xet: ``repos/create``, ``preupload``, the
LFS batch API with one PUT per object and a verification, commits as JSON lines, branches, pull
requests, and ``validate-yaml``. Large files are those that end in .parquet or .png, as the Hub's
.gitattributes say.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

import yaml

from tests.loopback import Loopback

TOKEN = "hf_" + "x" * 34
READ_ONLY = "hf_" + "r" * 34
LARGE = (".parquet", ".png")
Files = dict[str, bytes]


@dataclass
class Repository:
    """What a repository holds: files of each branch, and how many commits there were."""

    private: bool
    branches: dict[str, Files] = field(default_factory=lambda: {"main": {}})
    commits: list[dict[str, Any]] = field(default_factory=list)

    def sha(self, branch: str) -> str:
        """A commit id that changes with the files."""
        return hashlib.sha1(repr(sorted(self.branches[branch].items())).encode()).hexdigest()


class UploadServer(Loopback):
    """Takes uploads.

    Attributes:
        repositories: by ``org/name``.
        members: organisations that the token may write to.
        stored: large objects by SHA-256.
        asked: (method, path) of the requests that came.
        put: bytes of large objects that came.
        refusals: path pattern -> (status, message) with which a request is answered.
        room: bytes of large objects that are taken before ``refused_put`` answers.
        refused_put: status of a PUT for which there is no room.
        stall: whether PUTs but the first are left waiting; `stalled` is set by the first that is.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.members = {"us"}
        self.stored: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.put = 0
        self.refusals: dict[str, tuple[int, str]] = {}
        self.room: float = float("inf")
        self.refused_put = 410  # which the client does not try again
        self.stall = False
        self.stalled = threading.Event()
        super().__init__(_Handler, hub=self)


class _Handler(BaseHTTPRequestHandler):
    hub: UploadServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.hub.asked.append((self.command, path))
        self._body = self._received()
        for pattern, (status, message) in self.hub.refusals.items():
            if re.search(pattern, path):
                self._error(status, message)
                return
        for pattern, method in _ROUTES.items():
            if found := re.fullmatch(pattern, f"{self.command} {path}"):
                method(self, *found.groups())
                return
        self._error(404, "no such address")

    def _received(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    @property
    def _token(self) -> str | None:
        sent = self.headers.get("Authorization", "")
        return sent.removeprefix("Bearer ") or None

    def _known(self) -> bool:
        if self._token in (None, TOKEN, READ_ONLY):
            return True
        self._error(401, "Invalid credentials in Authorization header")
        return False

    def _may_write(self, organisation: str) -> bool:
        if not self._known():
            return False
        if self._token is None:
            self._error(401, "Unauthorized")
        elif self._token == READ_ONLY or organisation not in self.hub.members:
            self._error(403, "You don't have the rights to write under this namespace")
        else:
            return True
        return False

    def _repository(self, name: str) -> Repository | None:
        found = self.hub.repositories.get(name)
        if not self._known():
            return None
        if found is None or (found.private and self._token is None):
            self._error(404, "Repository not found", "RepoNotFound")
            return None
        return found

    def create(self) -> None:
        asked = json.loads(self._body)
        name = f"{asked['organization']}/{asked['name']}"
        if not self._may_write(asked["organization"]):
            return
        url = {"url": f"{self.hub.url}/datasets/{name}", "id": name}
        if name in self.hub.repositories:
            self._json({**url, "error": "You already created this dataset repo"}, 409)
            return
        assert asked["type"] == "dataset"
        self.hub.repositories[name] = Repository(asked.get("visibility") == "private")
        self._json(url)

    def info(self, name: str, revision: str = "main") -> None:
        found = self._repository(name)
        if found is not None:
            files = [{"rfilename": path} for path in found.branches[revision]]
            told = {"id": name, "sha": found.sha(revision), "private": found.private}
            self._json({**told, "siblings": files, "tags": [], "downloads": 0, "likes": 0})

    def tree(self, name: str, revision: str) -> None:
        found = self._repository(name)
        if found is None:
            return
        if revision not in found.branches:
            self._error(404, "Invalid rev id", "RevisionNotFound")
            return
        self._json([_entry(path, body) for path, body in found.branches[revision].items()])

    def commits(self, name: str, revision: str) -> None:
        found = self._repository(name)
        if found is not None:
            told = [one for one in found.commits if one["revision"] in (revision, "main")]
            self._json([_commit(number, one["title"]) for number, one in enumerate(told)])

    def branch(self, name: str, branch: str) -> None:
        found = self._repository(name)
        if found is None or not self._may_write(name.partition("/")[0]):
            return
        if branch in found.branches:
            self._json({"error": "Reference already exists"}, 409)
            return
        found.branches[branch] = dict(found.branches["main"])
        self._json({})

    def validate(self) -> None:
        """What the Hub looks at in a card: YAML between ---, a licence and sizes that it knows."""
        content = json.loads(self._body)["content"]
        found = re.match(r"---\n(.*?)\n---\n", content, re.DOTALL)
        head = yaml.safe_load(found[1]) if found else {}
        errors = [] if head.get("license") else [{"message": '"license" is required'}]
        self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def preupload(self, name: str, revision: str) -> None:
        found = self._repository(name)
        if found is None or not self._may_write(name.partition("/")[0]):
            return
        there = found.branches[revision]
        self._json(
            {"files": [_mode(one["path"], there) for one in json.loads(self._body)["files"]]}
        )

    def batch(self, name: str) -> None:
        if self._repository(name) is None or not self._may_write(name.partition("/")[0]):
            return
        objects = []
        for one in json.loads(self._body)["objects"]:
            told = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.stored:
                told["actions"] = {
                    "upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"},
                    "verify": {"href": f"{self.hub.url}/lfs/verify"},
                }
            objects.append(told)
        self._json({"transfer": "basic", "objects": objects})

    def store(self, oid: str) -> None:
        while self.hub.stall and self.hub.stored:
            self.hub.stalled.set()
            time.sleep(0.01)
        if self.hub.put + len(self._body) > self.hub.room:
            self._error(self.hub.refused_put, "gone")
            return
        assert hashlib.sha256(self._body).hexdigest() == oid
        self.hub.put += len(self._body)
        self.hub.stored[oid] = self._body
        self._json({})

    def verify(self) -> None:
        asked = json.loads(self._body)
        same = len(self.hub.stored.get(asked["oid"], b"")) == asked["size"]
        self._json({}, 200 if same else 404)

    def commit(self, name: str, revision: str) -> None:
        found = self._repository(name)
        if found is None or not self._may_write(name.partition("/")[0]):
            return
        number = None
        if "create_pr=1" in self.path:
            number = len([one for one in found.branches if one.startswith("refs/pr/")]) + 1
            found.branches[f"refs/pr/{number}"] = dict(found.branches[revision])
            revision = f"refs/pr/{number}"
        lines = [json.loads(line) for line in self._body.splitlines()]
        for line in lines[1:]:
            self._apply(found.branches[revision], line["key"], line["value"])
        keys, title = [line["key"] for line in lines], lines[0]["value"]["summary"]
        found.commits.append({"revision": revision, "lines": keys, "title": title})
        url = f"{self.hub.url}/datasets/{name}"
        self._json({
            "commitUrl": f"{url}/commit/{found.sha(revision)}",
            "commitOid": found.sha(revision),
            "pullRequestUrl": f"{url}/discussions/{number}" if number else None,
        })  # fmt: skip

    def _apply(self, files: Files, key: str, value: dict[str, Any]) -> None:
        if key == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif key == "lfsFile":
            files[value["path"]] = self.hub.stored[value["oid"]]
        else:
            del files[value["path"]]

    def _json(self, value: object, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, message: str, code: str = "") -> None:
        headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
        self._send(status, json.dumps({"error": message}).encode(), headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        with contextlib.suppress(OSError):  # the other side has gone
            self._sent(status, body, headers)

    def _sent(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


_NAME = r"([^/]+/[^/]+)"
_ROUTES = {
    "POST /api/repos/create": _Handler.create,
    "POST /api/validate-yaml": _Handler.validate,
    f"GET /api/datasets/{_NAME}": _Handler.info,
    f"GET /api/datasets/{_NAME}/revision/(.+)": _Handler.info,
    f"GET /api/datasets/{_NAME}/tree/([^/]+|refs/pr/\\d+)": _Handler.tree,
    f"GET /api/datasets/{_NAME}/commits/(.+)": _Handler.commits,
    f"POST /api/datasets/{_NAME}/branch/(.+)": _Handler.branch,
    f"POST /api/datasets/{_NAME}/preupload/(.+)": _Handler.preupload,
    f"POST /api/datasets/{_NAME}/commit/(.+)": _Handler.commit,
    f"POST /datasets/{_NAME}.git/info/lfs/objects/batch": _Handler.batch,
    "PUT /lfs/([0-9a-f]{64})": _Handler.store,
    "POST /lfs/verify": _Handler.verify,
}


def _commit(number: int, title: str) -> dict[str, Any]:
    told = {"id": f"{number:040d}", "title": title, "message": "", "authors": []}
    return {**told, "date": "2026-01-01T00:00:00.000Z"}


def _mode(path: str, there: Files) -> dict[str, Any]:
    mode = "lfs" if path.endswith(LARGE) else "regular"
    told = {"path": path, "uploadMode": mode, "shouldIgnore": False}
    return {**told, "oid": _oid(path, there[path])} if path in there else told


def _entry(path: str, body: bytes) -> dict[str, Any]:
    told = {"type": "file", "path": path, "size": len(body), "oid": _git(body)}
    if path.endswith(LARGE):
        told["lfs"] = {"oid": _oid(path, body), "size": len(body), "pointerSize": 130}
    return told


def _oid(path: str, body: bytes) -> str:
    return hashlib.sha256(body).hexdigest() if path.endswith(LARGE) else _git(body)


def _git(body: bytes) -> str:
    """The name of a blob in git."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
