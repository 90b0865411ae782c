"""A local S3 server (moto) that counts requests and can be paused."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

BUCKET = "runs"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests"}


class S3Server:
    """An S3 server on 127.0.0.1 with one bucket; what it holds outlives a stop.

    Attributes:
        port: of this machine.
        asked: the requests that came: (method, path and query, Range).
        bytes: how many each of them was answered with, in the same order.
        on: called with method and path before a request is answered.
    """

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.port = 0
        self.asked: list[tuple[str, str, str]] = []
        self.bytes: list[int] = []
        self.on: Callable[[str, str], None] | None = None
        self.start()

    @property
    def environment(self) -> dict[str, str]:
        """What a program must be told to find it: the usual variables, and nothing of anyone's."""
        return {
            **KEYS,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> None:
        """Answer from now on, at the same port as before."""
        from werkzeug.serving import make_server

        self._server = make_server("127.0.0.1", self.port, self._answer, threaded=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Refuse every connection from now on."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def counted(self) -> Counter[str]:
        """How often each kind of request came: GET, HEAD, PUT, DELETE, and LIST."""
        return Counter("LIST" if "list-type=2" in path else kind for kind, path, _ in self.asked)

    def forget(self) -> None:
        """Count from here on."""
        self.asked.clear()
        self.bytes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        path = environ["PATH_INFO"] + (f"?{query}" if query else "")
        method = environ["REQUEST_METHOD"]
        if self.on is not None:
            self.on(method, path)
        answer = b"".join(self._moto(environ, start))
        self.asked.append((method, path, environ.get("HTTP_RANGE", "")))
        self.bytes.append(len(answer))
        return [answer]
