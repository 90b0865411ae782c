"""One file over HTTPS into a part file that survives being cut off.

Beside ``FILE.part`` lies ``FILE.part.tag``, the validator (ETag or date) under which the server
gave it. The rest is asked for with ``Range`` and ``If-Range`` (RFC 9110, 13.1.5 and 14.2): if the
file has changed meanwhile, or the server knows no ranges, it begins anew. Without a validator the
pieces may be of two files: it goes on only where the whole will be compared with a digest.

Proxies, NO_PROXY and SSL_CERT_FILE are taken from the environment, as `urllib` does.
"""

from __future__ import annotations

import base64
import errno
import http.client
import ipaddress
import re
import shutil
import ssl
import time
import urllib.error
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    Request,
    build_opener,
    getproxies,
    proxy_bypass,
)

from gensr_pref.errors import FetchError, InputError, Problem, StorageError, quantity

TIMEOUT_S = 30.0  # without a byte
TRIES = 4  # in a row that bring nothing new
WAIT_S = 0.5  # before the next try; doubles with every one that brings nothing new
_CHUNK = 1 << 16
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers worth another try
_LOGIN = ". Is a login, a proxy or a mirror (GENSR_PREF_MIRROR) needed here?"
_GONE = ". Copy the file into the cache by hand, or set GENSR_PREF_MIRROR."
_HINTS = {401: _LOGIN, 403: _LOGIN, 407: _LOGIN, 404: _GONE, 410: _GONE}


class _Interrupted(Exception):
    """What another try may mend."""


def download(url: str, part: Path, size: int | None, title: str, hashed: bool = False) -> None:
    """Make `part` the whole file at `url`, keeping what is there if the server confirms it.

    Args:
        url: https, or http on this machine; a user name and password in it are sent as such.
        part: the file to fill.
        size: in bytes, which the file must have; None = what the server says.
        title: of the progress bar.
        hashed: whether the caller will compare a digest; then it goes on without a validator, too.

    Raises:
        InputError: the address is not one that may be used.
        FetchError: refused, not found, cut off `TRIES` times in a row, or of another size.
        StorageError: the disk is full or cannot be written.
    """
    require_safe(url)
    furthest, fruitless = _length(part), 0
    while True:
        try:
            return _attempt(url, part, size, title, hashed)
        except _Interrupted as error:
            reached = _length(part)
            fruitless = 0 if reached > furthest else fruitless + 1
            furthest = max(furthest, reached)
            if fruitless >= TRIES:
                told = f"{error}; {TRIES} tries brought nothing new."
                if kept := _kept(part, hashed):
                    told += f" The same command goes on after {quantity(kept, 'byte')}."
                raise FetchError(
                    told, path=shown(url), value=furthest, problem=Problem.OFFLINE
                ) from error
            time.sleep(WAIT_S * 2**fruitless)


def require_safe(url: str) -> None:
    """Refuse an address that is neither https nor on this machine.

    Raises:
        InputError: the message shows the address without its secrets.
    """
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0  # raises for what is no number
    except ValueError:
        whole = False
    if not whole or not re.fullmatch(r"[\x21-\x7e]+", url):
        raise InputError(
            "the address of a download is malformed; it should read https://HOST/PATH",
            problem=Problem.INVALID,
        )
    if parts.scheme != "https" and not _on_this_machine(parts):
        raise InputError(
            "only https is used, or http on this machine, or a folder",
            path=shown(url),
            problem=Problem.UNSAFE,
        )


def shown(url: str) -> str:
    """An address without user name, password, query and fragment, which may hold secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def unwritable(path: Path, error: OSError) -> StorageError:
    """The error for a cache that has no room or may not be written."""
    return StorageError(
        f"cannot be written: {error.strerror or error}. Make room, or set "
        "GENSR_PREF_CACHE to another folder; the same command goes on.",
        path=path,
        problem=Problem.UNWRITABLE,
    )


def forget(part: Path) -> None:
    """Remove a part file and its tag."""
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, size: int | None, title: str, hashed: bool) -> None:
    tag, start = _tag(part), _kept(part, hashed)
    try:
        answer = _open(_request(url, start, tag))
    except urllib.error.HTTPError as error:  # of the range: it is all here, or another file
        if error.headers.get("Content-Range") == f"bytes */{start}" and size in (None, start):
            return
        forget(part)
        raise _Interrupted("what was here is not what the server has") from error
    with answer:
        start, whole = _offered(answer, part, start, tag)
        if whole is not None and size not in (None, whole):
            raise FetchError(
                f"has {whole} bytes, and the published file {size}",
                path=shown(url),
                value=whole,
                problem=Problem.DAMAGED,
            )
        if answer.headers.get_content_type() == "text/html":
            raise FetchError(
                "is a web page, not weights. Does it ask for a login?",
                path=shown(url),
                problem=Problem.REFUSED,
            )
        if start == 0:
            _begin(part, _validator(answer))
        _save(answer, part, start, size if whole is None else whole, title)


def _request(url: str, start: int, tag: str) -> Request:
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = Request(bare)
    request.add_header("User-Agent", "gensr-pref")
    request.add_header("Accept-Encoding", "identity")  # bytes as they are counted and hashed
    if start:
        request.add_header("Range", f"bytes={start}-")
        if tag:
            request.add_header("If-Range", tag)
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        secret = base64.b64encode(login.encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")  # not for other hosts
    return request


class _Redirects(HTTPRedirectHandler):
    """Follows a redirect to https only, or from this machine to itself."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        there = urlsplit(newurl)
        inside = _on_this_machine(urlsplit(req.full_url)) and _on_this_machine(there)
        if there.scheme != "https" and not inside:
            fp.close()
            raise FetchError(
                f"leads to {shown(newurl)}, which is not https",
                path=shown(req.full_url),
                value=shown(newurl),
                problem=Problem.UNSAFE,
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: Request) -> http.client.HTTPResponse:
    """The server's answer; raises HTTPError for a range it does not have."""
    where = shown(request.full_url)
    try:
        opener = build_opener(_Redirects)
        opened: http.client.HTTPResponse = opener.open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        told = f"the server answers {error.code} {error.reason}"
        if error.code in _PASSING:
            raise _Interrupted(told) from error
        raise FetchError(
            f"{told}{_HINTS.get(error.code, '')}",
            path=where,
            value=error.code,
            problem=Problem.REFUSED,
        ) from error
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise FetchError(
                f"its certificate is not trusted ({cause.verify_message}). Behind a proxy "
                "with a certificate of its own, name that in SSL_CERT_FILE.",
                path=where,
                problem=Problem.UNSAFE,
            ) from error
        if proxy := _socks(request):
            raise FetchError(
                f"{proxy} names a SOCKS proxy, which downloads do not speak. Set it to an "
                "HTTP proxy, name the server in NO_PROXY, or copy the file into the cache by hand",
                path=where,
                value=proxy,
                problem=Problem.UNSUPPORTED,
            ) from error
        raise _Interrupted(_told(cause)) from error
    return opened


def _socks(request: Request) -> str | None:
    """The variable that sends a request through a SOCKS proxy; None where none does."""
    scheme, host = request.type, urlsplit(request.full_url).hostname or ""
    proxy = getproxies().get(scheme, "")
    named = proxy.lower().startswith("socks") and not proxy_bypass(host)
    return f"{scheme.upper()}_PROXY" if named else None


def _offered(
    answer: http.client.HTTPResponse, part: Path, start: int, tag: str
) -> tuple[int, int | None]:
    """Where the bytes that come begin, and how many the whole file has, if the server says."""
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        same = not tag or _validator(answer) in (None, tag)
        if not start or not span or int(span[1]) != start or not same:
            forget(part)
            raise _Interrupted("the server sent another piece than was asked for")
        return start, None if span[2] == "*" else int(span[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _save(
    answer: http.client.HTTPResponse, part: Path, start: int, whole: int | None, title: str
) -> None:
    """Append what comes, up to `whole` bytes, with a bar on a terminal."""
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
            raise unwritable(part, error) from error
    if whole is not None and reached > whole:
        forget(part)
        raise FetchError(
            f"the server sends more than the {whole} bytes of the file",
            path=title,
            value=whole,
            problem=Problem.DAMAGED,
        )
    if whole is not None and reached < whole:
        raise _Interrupted(f"cut off after {reached} of {whole} bytes")


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body; a fault of the network is never an OSError, which would be the disk's."""
    while True:
        try:
            chunk = answer.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(_told(error)) from error
        if not chunk:
            return
        yield chunk


def _begin(part: Path, tag: str | None) -> None:
    """An empty part file, and the tag under which it may be continued, if there is one."""
    try:
        part.write_bytes(b"")
        _tag_file(part).write_text(tag or "", encoding="latin-1")
    except OSError as error:
        raise unwritable(part, error) from error


def _require_room(part: Path, more: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if more > free:
        lack = OSError(errno.ENOSPC, f"{more} bytes are needed and {free} are free")
        raise unwritable(part, lack)


def _validator(answer: http.client.HTTPResponse) -> str | None:
    """What If-Range may hold: a strong ETag or a date."""
    etag = answer.headers.get("ETag", "")
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified")


def _kept(part: Path, hashed: bool) -> int:
    """How many bytes that are here need not be fetched again."""
    return _length(part) if hashed or _tag(part) else 0


def _tag(part: Path) -> str:
    file = _tag_file(part)
    return file.read_text(encoding="latin-1") if file.is_file() else ""


def _tag_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.tag")


def _length(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _on_this_machine(parts: SplitResult) -> bool:
    """Whether an address is http on the loopback."""
    host = parts.hostname or ""
    try:
        near = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    return parts.scheme == "http" and near


def _told(cause: BaseException | str) -> str:
    """A fault of the network in words; never its address, which may hold secrets."""
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(cause, http.client.IncompleteRead):
        return "cut off"
    text = getattr(cause, "strerror", None) or str(cause)
    return f"{type(cause).__name__}: {text}" if isinstance(cause, BaseException) else text
