"""Resumable download of one file over HTTPS into a part file.

Beside ``FILE.part`` is ``FILE.part.tag``, the validator (ETag or date) that the server sent with
it. The rest is requested with ``Range`` and ``If-Range`` (RFC 9110, 13.1.5 and 14.2): if the file
has changed, or the server does not support ranges, the download restarts. Without a validator the
pieces may belong to two files, so the download resumes only if the whole file is verified by a
digest.

Proxies, NO_PROXY and SSL_CERT_FILE are taken from the environment by `urllib`.
"""

from __future__ import annotations

import base64
import errno
import http.client
import re
import shutil
import ssl
import time
import urllib.error
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    Request,
    build_opener,
    getproxies,
    proxy_bypass,
)

from gensr_pref.errors import FetchError, Problem, StorageError, quantity
from gensr_pref.weights.addresses import is_on_this_machine, require_safe, without_credentials

TIMEOUT_S = 30.0  # without a received byte
TRIES = 4  # in a row without progress
WAIT_S = 0.5  # before the next attempt; doubles with every attempt without progress
_CHUNK = 1 << 16
# Status codes for which another attempt may succeed.
_RETRYABLE = frozenset((408, 425, 429, 500, 502, 503, 504))
_LOGIN = ". Is a login, a proxy or a mirror (GENSR_PREF_MIRROR) needed here?"
_GONE = ". Copy the file into the cache by hand, or set GENSR_PREF_MIRROR."
_HINTS = {401: _LOGIN, 403: _LOGIN, 407: _LOGIN, 404: _GONE, 410: _GONE}


class _RetryableError(Exception):
    """A failure after which another attempt may succeed."""


def download(url: str, part: Path, size: int | None, title: str, hashed: bool = False) -> None:
    """Download the whole file at `url` into `part`; resume it if the server confirms its bytes.

    Args:
        url: https, or http on this machine; a user name and password in it are sent as a login.
        part: path of the part file.
        size: required size in bytes; None: the size that the server states.
        title: title of the progress bar.
        hashed: whether the caller verifies a digest; then a part without a validator is resumed.

    Raises:
        InputError: the address is malformed or not allowed.
        FetchError: the server refuses, has no such file or another size, or the download was cut
            off `TRIES` times in a row.
        StorageError: the disk is full or cannot be written.
    """
    require_safe(url)
    furthest, fruitless = _length(part), 0
    while True:
        try:
            return _attempt(url, part, size, title, hashed)
        except _RetryableError as error:
            reached = _length(part)
            fruitless = 0 if reached > furthest else fruitless + 1
            furthest = max(furthest, reached)
            if fruitless >= TRIES:
                message = f"{error}; {TRIES} attempts made no progress."
                if reusable := _reusable_bytes(part, hashed):
                    message += f" The same command resumes after {quantity(reusable, 'byte')}."
                raise FetchError(
                    message, path=without_credentials(url), value=furthest, problem=Problem.OFFLINE
                ) from error
            time.sleep(WAIT_S * 2**fruitless)


def cache_error(path: Path, error: OSError) -> StorageError:
    """Return the error for a cache that is full or cannot be written."""
    return StorageError(
        f"cannot be written: {error.strerror or error}. Make room, or set "
        "GENSR_PREF_CACHE to another folder; the same command resumes.",
        path=path,
        problem=Problem.UNWRITABLE,
    )


def remove_part(part: Path) -> None:
    """Remove a part file and its tag."""
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, size: int | None, title: str, hashed: bool) -> None:
    tag, start = _tag(part), _reusable_bytes(part, hashed)
    try:
        answer = _open(_request(url, start, tag))
    except urllib.error.HTTPError as error:  # the part is complete, or of another file
        if error.headers.get("Content-Range") == f"bytes */{start}" and size in (None, start):
            return
        remove_part(part)
        raise _RetryableError("the partial file does not match the server's file") from error
    with answer:
        start, whole = _offered_range(answer, part, start, tag)
        if whole is not None and size not in (None, whole):
            raise FetchError(
                f"has {whole} bytes, but the published file has {size}",
                path=without_credentials(url),
                value=whole,
                problem=Problem.DAMAGED,
            )
        if answer.headers.get_content_type() == "text/html":
            raise FetchError(
                "is a web page, not a file of weights. Does the server require a login?",
                path=without_credentials(url),
                problem=Problem.REFUSED,
            )
        if start == 0:
            _begin_part(part, _validator(answer))
        _save(answer, part, start, size if whole is None else whole, title)


def _request(url: str, start: int, tag: str) -> Request:
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = Request(bare)
    request.add_header("User-Agent", "gensr-pref")
    request.add_header("Accept-Encoding", "identity")  # plain bytes, which are counted and hashed
    if start:
        request.add_header("Range", f"bytes={start}-")
        if tag:
            request.add_header("If-Range", tag)
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        secret = base64.b64encode(login.encode()).decode()
        # An unredirected header is not sent to other hosts.
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return request


class _Redirects(HTTPRedirectHandler):
    """A handler that follows redirects to https only, or from this machine to itself."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        target = urlsplit(newurl)
        inside = is_on_this_machine(urlsplit(req.full_url)) and is_on_this_machine(target)
        if target.scheme != "https" and not inside:
            fp.close()
            raise FetchError(
                f"redirects to {without_credentials(newurl)}, which is not https",
                path=without_credentials(req.full_url),
                value=without_credentials(newurl),
                problem=Problem.UNSAFE,
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: Request) -> http.client.HTTPResponse:
    """Return the server's response; raise HTTPError for a range that the file does not have."""
    where = without_credentials(request.full_url)
    try:
        opener = build_opener(_Redirects)
        response: http.client.HTTPResponse = opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        message = f"the server answers {error.code} {error.reason}"
        if error.code in _RETRYABLE:
            raise _RetryableError(message) from error
        raise FetchError(
            f"{message}{_HINTS.get(error.code, '')}",
            path=where,
            value=error.code,
            problem=Problem.REFUSED,
        ) from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise FetchError(
                f"its certificate is not trusted ({cause.verify_message}). If a proxy has its own "
                "certificate, set SSL_CERT_FILE to that file.",
                path=where,
                problem=Problem.UNSAFE,
            ) from error
        if proxy := _socks(request):
            raise FetchError(
                f"{proxy} names a SOCKS proxy, which downloads do not support. Set it to an "
                "HTTP proxy, name the server in NO_PROXY, or copy the file into the cache by hand",
                path=where,
                value=proxy,
                problem=Problem.UNSUPPORTED,
            ) from error
        raise _RetryableError(_describe_cause(cause)) from error
    return response


def _socks(request: Request) -> str | None:
    """Return the variable that sends a request through a SOCKS proxy; None if there is none."""
    scheme, host = request.type, urlsplit(request.full_url).hostname or ""
    proxy = getproxies().get(scheme, "")
    used = proxy.lower().startswith("socks") and not proxy_bypass(host)
    return f"{scheme.upper()}_PROXY" if used else None


def _offered_range(
    answer: http.client.HTTPResponse, part: Path, start: int, tag: str
) -> tuple[int, int | None]:
    """Return the start of the response's bytes in the file, and the file's size if it is stated."""
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        same = not tag or _validator(answer) in (None, tag)
        if not start or not span or int(span[1]) != start or not same:
            remove_part(part)
            raise _RetryableError("the server sent another range than requested")
        return start, None if span[2] == "*" else int(span[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _save(
    answer: http.client.HTTPResponse, part: Path, start: int, whole: int | None, title: str
) -> None:
    """Append the response's bytes, up to `whole` bytes; show a progress bar on a terminal."""
    from tqdm import tqdm

    _require_room(part, 0 if whole is None else whole - start)
    with tqdm(
        total=whole, initial=start, desc=title, unit="B", unit_scale=True, disable=None
    ) as bar:
        reached = start
        try:
            with part.open("ab") as file:
                for chunk in _chunks(answer):
                    file.write(chunk)
                    reached += len(chunk)
                    bar.update(len(chunk))
                    if whole is not None and reached > whole:
                        break
        except OSError as error:
            raise cache_error(part, error) from error
    if whole is not None and reached > whole:
        remove_part(part)
        raise FetchError(
            f"the server sends more than {whole} bytes, the size of the file",
            path=title,
            value=whole,
            problem=Problem.DAMAGED,
        )
    if whole is not None and reached < whole:
        raise _RetryableError(f"cut off after {reached} of {whole} bytes")


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the body; a network failure is no OSError, so that an OSError is always the disk's."""
    while True:
        try:
            chunk = answer.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _RetryableError(_describe_cause(error)) from error
        if not chunk:
            return
        yield chunk


def _begin_part(part: Path, tag: str | None) -> None:
    """Create an empty part file and the file with its validator, if there is one."""
    try:
        part.write_bytes(b"")
        _tag_file(part).write_text(tag or "", encoding="latin-1")
    except OSError as error:
        raise cache_error(part, error) from error


def _require_room(part: Path, more: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if more > free:
        lack = OSError(errno.ENOSPC, f"{more} bytes are needed and {free} are free")
        raise cache_error(part, lack)


def _validator(answer: http.client.HTTPResponse) -> str | None:
    """Return the validator for If-Range: a strong ETag or a date."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified")


def _reusable_bytes(part: Path, hashed: bool) -> int:
    """Return the number of bytes that need not be downloaded again."""
    return _length(part) if hashed or _tag(part) else 0


def _tag(part: Path) -> str:
    file = _tag_file(part)
    return file.read_text(encoding="latin-1") if file.is_file() else ""


def _tag_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.tag")


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _describe_cause(cause: BaseException | str) -> str:
    """Describe a network failure, without its address, which may be secret."""
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(cause, http.client.IncompleteRead):
        return "cut off"
    text = getattr(cause, "strerror", None) or str(cause)
    return f"{type(cause).__name__}: {text}" if isinstance(cause, BaseException) else text
