"""Files of a run directory, on a disk or at a URL: list, read, write and remove them.

Every write is atomic: the file is complete or absent. `LocalFiles` and `ObjectFiles` do the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from gensr_pref.storage.base import Entry, Files
from gensr_pref.storage.local_files import LocalFiles
from gensr_pref.storage.location import is_remote
from gensr_pref.storage.object_files import ObjectFiles

_LOCAL, _OBJECTS = LocalFiles(), ObjectFiles()
T = TypeVar("T")
R = TypeVar("R")


def files_at(path: Path) -> Files:
    """Return the implementation of files for a location."""
    return _OBJECTS if is_remote(path) else _LOCAL


def exists(path: Path) -> bool:
    """Return whether a file exists.

    Raises:
        StorageError: the store cannot be reached.
    """
    return files_at(path).exists(path)


def is_folder(path: Path) -> bool:
    """Return whether a folder, or anything else of that name, exists; in a store, with files in it.

    Raises:
        StorageError: the store cannot be reached.
    """
    return files_at(path).is_folder(path)


def stat_file(path: Path) -> Entry | None:
    """Return the current entry of a file; None where there is none.

    Raises:
        StorageError: the store cannot be reached.
    """
    return files_at(path).stat_file(path)


def list_files(folder: Path) -> dict[str, Entry]:
    """Return the entries of a folder's files, by name, in order; none where there is no folder.

    Raises:
        StorageError: the store cannot be reached.
    """
    return files_at(folder).list_files(folder)


def make_folder(folder: Path) -> None:
    """Create a folder inside an existing one; a store needs none.

    Raises:
        OSError: the folder cannot be created.
    """
    files_at(folder).make_folder(folder)


def remove_file(path: Path) -> None:
    """Remove a file if it exists.

    Raises:
        StorageError: the store cannot be reached.
    """
    files_at(path).remove_file(path)


def remove_unfinished(folders: Iterable[Path]) -> None:
    """Remove the remains of interrupted writes from folders; a store never has any."""
    for folder in folders:
        files_at(folder).remove_unfinished(folder)


def read_text(path: Path) -> str:
    """Return the content of a small text file.

    Raises:
        OSError: the file does not exist, cannot be read, is not a regular file, or is larger than
            `base.LARGEST_TEXT`.
        UnicodeDecodeError: the file is not UTF-8.
        StorageError: the store cannot be reached.
    """
    return files_at(path).read_text(path)


def digest_file(path: Path) -> str:
    """Return the `identity.file_digest` of a file.

    Raises:
        OSError: the file cannot be read.
        StorageError: the store cannot be reached.
    """
    return files_at(path).digest_file(path)


def parquet_source(path: Path, size: int | None = None) -> Any:
    """Return what pyarrow reads a file from; from a store only the bytes that it needs are fetched.

    Args:
        path: the file.
        size: its size in bytes, if it is known, which saves a request.

    Raises:
        FileNotFoundError: the store has no such object.
        StorageError: the store cannot be reached.
    """
    return files_at(path).parquet_source(path, size)


def write_text(path: Path, text: str) -> None:
    """Write a small text file, atomically.

    Raises:
        StorageError: the disk is full, or the file cannot be written. Nothing is left behind.
    """
    files_at(path).write_text(path, text)


def create_file(path: Path, text: str) -> bool:
    """Write a small text file if there is none; return whether this call wrote it.

    Of several processes that try this at once, on one machine or on several, one succeeds.

    Args:
        path: the file.
        text: its content, which no other process writes.

    Raises:
        StorageError: the file cannot be written.
    """
    return files_at(path).create_file(path, text)


def write_atomically(path: Path) -> AbstractContextManager[Path]:
    """Yield a temporary file that becomes `path` if the block succeeds.

    Raises:
        StorageError: the disk is full, or the file cannot be written. Nothing is left behind.
    """
    return files_at(path).write_atomically(path)


def map_files(folder: Path, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Apply `work` to each item and return the results, in order; in a store, several at once.

    Args:
        folder: the folder whose files `work` reads.
        work: reads one file.
        items: what `work` is called with, such as paths or names.
    """
    at_once = files_at(folder).reads_at_once
    if at_once == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(at_once) as threads:
        return list(threads.map(work, items))
