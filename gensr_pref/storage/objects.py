"""Objects under a URL, through fsspec: listed, read whole or in part, and written whole.

An object store has no rename and no append, but an object appears whole or not at all, which is all
that a run directory needs. Nothing is remembered of a listing, as others write too.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gensr_pref.errors import GensrPrefError, InputError, Problem, StorageError

SMALL_BYTES = 2**20  # an object that is fetched at once, whatever is asked of it
_TAGS = ("ETag", "etag", "md5Hash", "checksum")  # as the file systems of fsspec call it
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")
_CUT_OFF = "What is finished is kept, and the same command continues once it can be reached."


@dataclass(frozen=True)
class Entry:
    """A file or object as a listing shows it.

    Attributes:
        size: bytes.
        time: of its last change, in ns since 1970; 0 where the store does not tell.
        tag: that changes with its content (ETag); empty where there is none.
        changed: when its content, name or rights changed last, in ns since 1970 (ctime). Unlike
            `time` no program sets it, so a copy that keeps times differs; 0 in a store.
    """

    size: int
    time: int
    tag: str = ""
    changed: int = 0

    def is_same(self, other: Entry) -> bool:
        """Whether nothing was written since: by the tag, or else by both times."""
        if self.tag or other.tag:
            return (self.size, self.tag) == (other.size, other.tag)
        return (self.size, self.time, self.changed) == (other.size, other.time, other.changed)


def listed(folder: Path) -> dict[str, Entry]:
    """The objects of a folder, by name; one request for every 1000 of them.

    Raises:
        StorageError: the store cannot be asked.
    """
    found = _listed(folder)
    return {name: _entry(one) for name, one in found.items() if one["type"] == "file"}


def folders(folder: Path) -> list[str]:
    """The names of the folders in a folder.

    Raises:
        StorageError: the store cannot be asked.
    """
    return [name for name, one in _listed(folder).items() if one["type"] == "directory"]


def entry(path: Path) -> Entry | None:
    """An object; None where there is none.

    Raises:
        StorageError: the store cannot be asked.
    """
    with _asked(path, "looked at"):
        try:
            found = _system(path).info(_key(path))
        except FileNotFoundError:
            return None
        return _entry(found) if found["type"] == "file" else None


def get(path: Path, start: int = 0, end: int | None = None) -> bytes:
    """The bytes of an object from `start` on, before `end`.

    Raises:
        FileNotFoundError: there is none.
        StorageError: the store cannot be asked.
    """
    with _asked(path, "read"):
        return bytes(_system(path).cat_file(_key(path), start=start, end=end))


def put(path: Path, content: bytes) -> None:
    """Write an object, whole or not at all.

    Raises:
        StorageError: it cannot be.
    """
    with _asked(path, "written"):
        _system(path).pipe_file(_key(path), content)


def put_file(path: Path, local: Path) -> None:
    """Make an object of a file, whole or not at all.

    Raises:
        StorageError: it cannot be.
    """
    with _asked(path, "written"):
        _system(path).put_file(str(local), _key(path))


def create(path: Path, content: bytes) -> bool:
    """Write an object only where there is none; whether it is ours.

    The store decides (``If-None-Match: *``), so of several that try one succeeds.

    Args:
        content: that nobody else would write.

    Raises:
        StorageError: it cannot be asked, or does not know conditional writes.
    """
    with _asked(path, "written"):
        try:
            _system(path).pipe_file(_key(path), content, mode="create")
        except OSError:
            # A refusal has several names, and comes too where an answer was lost and asked again.
            there = entry(path)
            if there is None:
                raise
        return get(path) == content


def remove(path: Path) -> None:
    """Remove an object, if it is there.

    Raises:
        StorageError: it cannot be.
    """
    with _asked(path, "removed"):
        try:
            _system(path).rm_file(_key(path))
        except FileNotFoundError:
            return


class Ranges(io.RawIOBase):
    """An object as a file to read from: every read is one request for just these bytes.

    What is small is fetched at once, and the end of the object, which Parquet reads first, is kept.

    Args:
        size: bytes, where it is known; else it is asked for.

    Raises:
        FileNotFoundError: there is none.
        StorageError: from every method that reads: the store cannot be asked.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        self._path = path
        self._size = _size_of(path) if size is None else size
        self._at = 0
        self._end = get(path) if 0 < self._size <= SMALL_BYTES else b""

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def seekable(self) -> bool:
        """Whether a place in it can be chosen: always."""
        return True

    def tell(self) -> int:
        """The place that is read next."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Choose the place that is read next."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as the object goes."""
        found = self._span(self._at, min(self._size, self._at + len(buffer)))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _span(self, start: int, end: int) -> bytes:
        kept = self._size - len(self._end)
        if start >= end:
            return b""
        if start >= kept:
            return self._end[start - kept : end - kept]
        found = get(self._path, start, end)
        if end == self._size:
            self._end = found
        return found


def _listed(folder: Path) -> dict[str, Mapping[str, Any]]:
    """What fsspec says of everything in a folder, by name."""
    with _asked(folder, "listed"):
        try:
            found = _system(folder).ls(_key(folder), detail=True, refresh=True)
        except FileNotFoundError as error:
            if _code(error) == "NoSuchBucket":
                raise
            return {}
    inside = f"{_key(folder).rstrip('/')}/"  # listing an object tells that object itself
    named = {one["name"].rstrip("/"): one for one in found}
    return {
        name.removeprefix(inside): one
        for name, one in sorted(named.items())
        if name.startswith(inside)
    }


def _size_of(path: Path) -> int:
    there = entry(path)
    if there is None:
        raise FileNotFoundError("is not there")
    return there.size


def _system(path: Any) -> Any:
    """The file system of fsspec that reaches a URL; it keeps no listings."""
    import fsspec

    options = {**path.storage_options, "use_listings_cache": False}
    return fsspec.filesystem(path.protocol, **options)


def _key(path: Any) -> str:
    return str(path.path)


def _entry(found: Mapping[str, Any]) -> Entry:
    time = next((found[key] for key in _TIMES if found.get(key)), 0)
    seconds = time.timestamp() if isinstance(time, datetime) else time
    tag = next((str(found[key]) for key in _TAGS if found.get(key)), "")
    known = isinstance(seconds, int | float)
    return Entry(int(found["size"]), round(seconds * 1e9) if known else 0, tag)


@contextmanager
def _asked(path: Path, done: str) -> Iterator[None]:
    """Say which URL could not be reached, whatever its library raises: they have no common type."""
    try:
        yield
    except GensrPrefError:
        raise
    except FileNotFoundError as error:
        if _code(error) == "NoSuchBucket":  # met at the first file of the folder that was named
            said = f"{_said(error)}. Make the bucket, or name another."
            raise InputError(f"{said}", path=path.parent, problem=Problem.MISSING) from error
        if done == "read":
            raise
        raise _storage_error(path, done, error, _CUT_OFF) from error
    except PermissionError as error:
        advice = (
            "See that the credentials (of the environment or ~/.aws) are right and may list, read, "
            "write and delete there."
        )
        raise _storage_error(path, done, error, advice) from error
    except Exception as error:
        raise _storage_error(path, done, error, _CUT_OFF) from error


def _storage_error(path: Path, done: str, error: Exception, advice: str) -> StorageError:
    return StorageError(
        f"cannot be {done}: {_said(error)}. {advice}",
        path=path,
        value=type(error).__name__,
        problem=Problem.UNREADABLE
        if done in ("read", "listed", "looked at")
        else Problem.UNWRITABLE,
    )


def _said(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _code(error: BaseException) -> str:
    """What an S3 server called an error; empty where it is none of its."""
    answer = getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))
