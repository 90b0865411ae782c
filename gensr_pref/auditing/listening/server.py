"""Serves the listening page of one run on this machine, and saves every answer at once.

It listens on 127.0.0.1 only and refuses requests with another Host or Origin, so that no other page
in the same browser can read or write through it. No address is turned into a path: the server only
offers the page, the sounds of the trials (from memory) and the next question.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gensr_pref.auditing.listening import answers
from gensr_pref.auditing.listening.session import RequestError, Session
from gensr_pref.auditing.listening.trials import load_trials, read_sounds
from gensr_pref.config.bounds import require_whole_number
from gensr_pref.errors import InputError, Problem, StorageError, parameter
from gensr_pref.untrusted.text import escape_invisible

HOST = "127.0.0.1"
MAX_BODY = 4096  # largest size of an answer in bytes
_JSON = "application/json"


@contextmanager
def open_server(
    out: Path, pairs: int, listener: str | None = None, port: int = 0
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Open the page's server; yield its address, and a function that serves until interrupted.

    Args:
        out: the run directory.
        pairs: maximum number of pairs to judge; catch trials are additional.
        listener: the listener's name; None lets the page ask.
        port: port of 127.0.0.1; 0 takes a free one.

    Raises:
        InputError: the listener's name or the port cannot be used, `pairs` is below 1, or there is
            no pair.
        StorageError: the run directory cannot be read.
    """
    name = answers.listener_name(listener) if listener else None
    require_whole_number(port, "port", 0, 65535)
    trials = load_trials(out, pairs)
    session = Session(out, trials, read_sounds(out, trials), name)
    try:
        server = _Server(port, session)
    except OSError as error:
        raise InputError(
            f"{port} cannot be used: {error}",
            field=parameter("port"),
            value=port,
            problem=Problem.UNSUPPORTED,
        ) from error
    with server:
        yield f"http://{HOST}:{server.server_port}/", server.serve_forever


class _Server(ThreadingHTTPServer):
    """A server with one thread per connection; no thread outlives the command."""

    daemon_threads = True

    def __init__(self, port: int, session: Session) -> None:
        super().__init__((HOST, port), _Requests)
        self.session = session

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print one line per error; a browser that closes the connection is not an error."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            text = escape_invisible(f"{type(error).__name__}: {error}")
            print(f"listening page: a request failed: {text}", file=sys.stderr)


class _Requests(BaseHTTPRequestHandler):
    """The requests of one connection."""

    server: _Server
    server_version = "gensr-pref"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        self._reply(self._get)

    def do_POST(self) -> None:
        self._reply(self._post)

    def _reply(self, handle: Callable[[], tuple[str, bytes]]) -> None:
        """Send what `handle` returns, a media type and a body, or the reason of a refusal."""
        try:
            require_own_origin(dict(self.headers.items()), self.server.server_port)
            kind, body = handle()
            self._send(HTTPStatus.OK, kind, body)
        except RequestError as refusal:
            self._send_error(refusal.status, refusal)
        except InputError as error:
            self._send_error(HTTPStatus.BAD_REQUEST, error)
        except StorageError as error:
            self._send_error(HTTPStatus.INTERNAL_SERVER_ERROR, error)

    def _get(self) -> tuple[str, bytes]:
        session = self.server.session
        try:
            address = urlsplit(self.path)
        except ValueError as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, "no such page") from error
        steps = address.path.strip("/").split("/")
        listener = parse_qs(address.query).get("listener", [""])[0]
        if steps == [""]:
            return "text/html; charset=utf-8", session.page()
        if steps == ["next"]:
            return _JSON, _json(session.next_question(answers.listener_name(listener)))
        if len(steps) == 3 and steps[0] == "sound":
            return "audio/wav", session.sound(answers.listener_name(listener), steps[1], steps[2])
        raise RequestError(HTTPStatus.NOT_FOUND, "no such page")

    def _post(self) -> tuple[str, bytes]:
        body = self._read_body()
        token = self.headers.get("X-Token", "").encode()
        if not secrets.compare_digest(token, self.server.session.token.encode()):
            raise RequestError(HTTPStatus.FORBIDDEN, "the server was restarted: reload the page")
        if self.path != "/vote":
            raise RequestError(HTTPStatus.NOT_FOUND, "no such page")
        return _JSON, _json(self.server.session.vote(_parse_answer(body)))

    def _read_body(self) -> bytes:
        size = self.headers.get("Content-Length", "")
        if re.fullmatch(r"[0-9]{1,6}", size) is None or int(size) > MAX_BODY:
            self.close_connection = True
            raise RequestError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "an answer has only a few bytes"
            )
        return self.rfile.read(int(size))

    def _send_error(self, status: HTTPStatus, error: Exception) -> None:
        self._send(status, _JSON, _json({"error": str(error)}))

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: a terminal full of requests would hide the address."""


_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; media-src 'self' blob:; "
    "img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'none'",
}


def require_own_origin(headers: dict[str, str], port: int) -> None:
    """Refuse requests that come neither from this server's own page nor from the address bar.

    Another Host is a foreign name that resolves to this machine; another Origin is the page of
    another site.

    Raises:
        RequestError: the request is refused, with status 403.
    """
    given = {name.lower(): value for name, value in headers.items()}
    own = {f"{HOST}:{port}", f"localhost:{port}"}
    if given.get("host") not in own:
        raise RequestError(
            HTTPStatus.FORBIDDEN, "this server only answers requests to its own address"
        )
    origin = given.get("origin")
    if origin is not None and origin not in {f"http://{host}" for host in own}:
        raise RequestError(
            HTTPStatus.FORBIDDEN, "requests from the pages of other sites are refused"
        )
    if given.get("sec-fetch-site") == "cross-site" and given.get("sec-fetch-mode") != "navigate":
        raise RequestError(
            HTTPStatus.FORBIDDEN, "requests from the pages of other sites are refused"
        )


def _parse_answer(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a page sent; its fields are checked where they are read."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, "an answer is a JSON object") from error
    if not isinstance(value, dict):
        raise RequestError(HTTPStatus.BAD_REQUEST, "an answer is a JSON object")
    return value


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False).encode()
