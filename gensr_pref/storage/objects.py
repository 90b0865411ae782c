"""Objects at a URL, through fsspec: list, read (whole or in part), write (whole) and remove them.

An object store has no rename and no append, but an object is complete or absent, which is all that
a run directory needs. Listings are not cached, because other processes write too.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from gensr_pref.errors import GensrPrefError, InputError, Problem, StorageError
from gensr_pref.storage.base import Entry

SMALL_BYTES = 2**20  # an object of at most this size is fetched at once
_TAGS = ("ETag", "etag", "md5Hash", "checksum")  # names in the file systems of fsspec
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")
_RESUME = "Finished work is kept, and the same command resumes it once the store can be reached."


def list_objects(folder: Path) -> dict[str, Entry]:
    """Return the entries of a folder's objects, by name; one request for every 1000 objects.

    Raises:
        StorageError: the store cannot be reached.
    """
    listing = _list_folder(folder)
    return {name: _entry(info) for name, info in listing.items() if info["type"] == "file"}


def list_folders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder.

    Raises:
        StorageError: the store cannot be reached.
    """
    return [name for name, info in _list_folder(folder).items() if info["type"] == "directory"]


def stat_object(path: Path) -> Entry | None:
    """Return the entry of an object; None where there is none.

    Raises:
        StorageError: the store cannot be reached.
    """
    with _name_failure(path, "looked at"):
        try:
            info = _system(path).info(_key(path))
        except FileNotFoundError:
            return None
        return _entry(info) if info["type"] == "file" else None


def read_object(path: Path, start: int = 0, end: int | None = None) -> bytes:
    """Return the bytes of an object from `start` to before `end`.

    Raises:
        FileNotFoundError: the object does not exist.
        StorageError: the store cannot be reached.
    """
    with _name_failure(path, "read"):
        return bytes(_system(path).cat_file(_key(path), start=start, end=end))


def write_object(path: Path, content: bytes) -> None:
    """Write an object, atomically.

    Raises:
        StorageError: the object cannot be written.
    """
    with _name_failure(path, "written"):
        _system(path).pipe_file(_key(path), content)


def upload_object(path: Path, local: Path) -> None:
    """Write an object with the content of a local file, atomically.

    Raises:
        StorageError: the object cannot be written.
    """
    with _name_failure(path, "written"):
        _system(path).put_file(str(local), _key(path))


def create_object(path: Path, content: bytes) -> bool:
    """Write an object if there is none; return whether this process wrote it.

    The store decides (``If-None-Match: *``), so of several processes that try this, one succeeds.

    Args:
        path: the object.
        content: its bytes, which no other process writes.

    Raises:
        StorageError: the store cannot be reached, or does not support conditional writes.
    """
    with _name_failure(path, "written"):
        try:
            _system(path).pipe_file(_key(path), content, mode="create")
        except OSError:
            # Stores report a refusal by different errors, and report one also if the client repeats
            # a request whose answer was lost.
            if stat_object(path) is None:
                raise
        return read_object(path) == content


def remove_object(path: Path) -> None:
    """Remove an object if it exists.

    Raises:
        StorageError: the object cannot be removed.
    """
    with _name_failure(path, "removed"):
        try:
            _system(path).rm_file(_key(path))
        except FileNotFoundError:
            return


class ObjectReader(io.RawIOBase):
    """A readable file of an object's content: each read is one request for just these bytes.

    A small object is fetched at once. The end of an object, which Parquet reads first, is kept.

    Args:
        path: the object.
        size: its size in bytes; None = request it.

    Raises:
        FileNotFoundError: the object does not exist.
        StorageError: from every method that reads: the store cannot be reached.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        self._path = path
        self._size = _size_of(path) if size is None else size
        self._position = 0
        self._end = read_object(path) if 0 < self._size <= SMALL_BYTES else b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position of the next read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of the next read and return it."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the position on, up to the end of the object; return the length."""
        content = self._read_span(self._position, min(self._size, self._position + len(buffer)))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def _read_span(self, start: int, end: int) -> bytes:
        kept_from = self._size - len(self._end)
        if start >= end:
            return b""
        if start >= kept_from:
            return self._end[start - kept_from : end - kept_from]
        content = read_object(self._path, start, end)
        if end == self._size:
            self._end = content
        return content


def _list_folder(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return what fsspec reports about everything in a folder, by name."""
    with _name_failure(folder, "listed"):
        try:
            listing = _system(folder).ls(_key(folder), detail=True, refresh=True)
        except FileNotFoundError as error:
            if _code(error) == "NoSuchBucket":
                raise
            return {}
    prefix = f"{_key(folder).rstrip('/')}/"  # the listing of an object is that object itself
    by_name = {info["name"].rstrip("/"): info for info in listing}
    return {
        name.removeprefix(prefix): info
        for name, info in sorted(by_name.items())
        if name.startswith(prefix)
    }


def _size_of(path: Path) -> int:
    entry = stat_object(path)
    if entry is None:
        raise FileNotFoundError("the object does not exist")
    return entry.size


def _system(path: Any) -> Any:
    """Return the file system of fsspec for a URL, without a cache of listings."""
    import fsspec

    options = {**path.storage_options, "use_listings_cache": False}
    return fsspec.filesystem(path.protocol, **options)


def _key(path: Any) -> str:
    return str(path.path)


def _entry(info: Mapping[str, Any]) -> Entry:
    time = next((info[key] for key in _TIMES if info.get(key)), 0)
    seconds = time.timestamp() if isinstance(time, datetime) else time
    tag = next((str(info[key]) for key in _TAGS if info.get(key)), "")
    is_number = isinstance(seconds, int | float)
    return Entry(int(info["size"]), round(seconds * 1e9) if is_number else 0, tag)


@contextmanager
def _name_failure(path: Path, action: str) -> Iterator[None]:
    """Turn any error of a store's library into one that names the URL; they share no base class.

    Args:
        path: the URL.
        action: participle for the message, such as "read".
    """
    try:
        yield
    except GensrPrefError:
        raise
    except FileNotFoundError as error:
        if _code(error) == "NoSuchBucket":  # reported for the first file of the user's folder
            raise InputError(
                f"{_error_text(error)}. Create the bucket, or choose another.",
                path=path.parent,
                problem=Problem.MISSING,
            ) from error
        if action == "read":
            raise
        raise _storage_error(path, action, error, _RESUME) from error
    except PermissionError as error:
        advice = (
            "Check that the credentials (of the environment or ~/.aws) are correct and allow to "
            "list, read, write and delete there."
        )
        raise _storage_error(path, action, error, advice) from error
    except Exception as error:
        raise _storage_error(path, action, error, _RESUME) from error


def _storage_error(path: Path, action: str, error: Exception, advice: str) -> StorageError:
    return StorageError(
        f"cannot be {action}: {_error_text(error)}. {advice}",
        path=path,
        value=type(error).__name__,
        problem=Problem.UNREADABLE
        if action in ("read", "listed", "looked at")
        else Problem.UNWRITABLE,
    )


def _error_text(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def _code(error: BaseException) -> str:
    """Return the code of an S3 server's error; empty for any other error."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
