"""A local web server that serves one file and can be made to fail in several ways."""

from __future__ import annotations

import re
import time
from http.server import BaseHTTPRequestHandler

from tests.loopback import Loopback


class FileServer(Loopback):
    """Serves `body` under every path.

    Attributes:
        etag, modified: the validators it sends; None = none.
        ranges: whether it knows Range; `if_range`: whether it knows If-Range.
        cuts: how many bytes of the body each next answer sends before the line is cut.
        answers: status codes that each next request is answered with instead of the file.
        redirects: path -> address.
        kind: what Content-Type says.
        length: what Content-Length says of a whole file, instead of the truth; 0 = nothing.
        pause: seconds to wait after each 64 KiB.
        asked: the requests that came: (path, headers).
    """

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.etag: str | None = '"one"'
        self.modified: str | None = None
        self.ranges = self.if_range = True
        self.cuts: list[int] = []
        self.answers: list[int] = []
        self.redirects: dict[str, str] = {}
        self.kind = "application/octet-stream"
        self.length: int | None = None
        self.pause = 0.0
        self.asked: list[tuple[str, dict[str, str]]] = []
        super().__init__(_Handler, served=self)

    @property
    def spans(self) -> list[str | None]:
        """The Range of each request."""
        return [headers.get("Range") for _, headers in self.asked]


class _Handler(BaseHTTPRequestHandler):
    served: FileServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.served
        server.asked.append((self.path, dict(self.headers)))
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.end_headers()
        elif server.answers:
            self.send_response(server.answers.pop(0))
            self.end_headers()
        else:
            self._send(self._start())

    def _start(self) -> int:
        """The first byte to send; 0 for the whole file."""
        server = self.served
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        known = (server.etag, server.modified)
        same = not server.if_range or self.headers.get("If-Range") in (None, *known)
        return int(span[1]) if span and server.ranges and same else 0

    def _send(self, start: int) -> None:
        server, whole = self.served, len(self.served.body)
        if start >= whole:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{whole}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        length = whole - start if start or server.length is None else server.length
        for name, value in (
            ("Content-Type", server.kind),
            ("ETag", server.etag),
            ("Last-Modified", server.modified),
            ("Content-Length", str(length) if length else None),
        ):
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        end = start + server.cuts.pop(0) if server.cuts else whole
        self._write(server.body[start:end])

    def _write(self, body: bytes) -> None:
        try:
            for at in range(0, len(body), 1 << 16):
                self.wfile.write(body[at : at + (1 << 16)])
                time.sleep(self.served.pause)
        except OSError:  # the other side has gone
            pass
