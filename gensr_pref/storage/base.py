"""The interface of files on a disk and in an object store, and what a listing shows of a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gensr_pref.errors import Problem, UnwrittenError

LARGEST_TEXT = 2**28  # bytes of a text that is read whole; the audit of 90 000 clips has far less


@dataclass(frozen=True)
class Entry:
    """A file or object as a listing shows it.

    Attributes:
        size: bytes.
        time: time of the last change, in ns since 1970; 0 where the store reports none.
        tag: ETag, which changes with the content; empty where there is none.
        changed: time of the last change of content, name or permissions, in ns since 1970 (ctime).
            Unlike `time` it cannot be set by a program, so it differs even in a copy that keeps
            times; 0 in a store.
    """

    size: int
    time: int
    tag: str = ""
    changed: int = 0

    def is_same(self, other: Entry) -> bool:
        """Return whether nothing was written in between: by the tag, else by both times."""
        if self.tag or other.tag:
            return (self.size, self.tag) == (other.size, other.tag)
        return (self.size, self.time, self.changed) == (other.size, other.time, other.changed)


class Files(ABC):
    """Files of one kind of location.

    `gensr_pref.storage.files` and `gensr_pref.storage.jsonl` have a function for each method, which
    chooses by path and documents the method.

    Attributes:
        reads_at_once: number of files that are worth reading at the same time.
    """

    reads_at_once: ClassVar[int]

    @abstractmethod
    def exists(self, path: Path) -> bool:
        """Return whether a file exists."""

    @abstractmethod
    def is_folder(self, path: Path) -> bool:
        """Return whether a folder, or anything else of that name, exists."""

    @abstractmethod
    def stat_file(self, path: Path) -> Entry | None:
        """Return the entry of a file; None where there is none."""

    @abstractmethod
    def list_files(self, folder: Path) -> dict[str, Entry]:
        """Return the entries of a folder's files, by name, in order."""

    @abstractmethod
    def make_folder(self, folder: Path) -> None:
        """Create a folder inside an existing one."""

    @abstractmethod
    def remove_file(self, path: Path) -> None:
        """Remove a file if it exists."""

    @abstractmethod
    def remove_unfinished(self, folder: Path) -> None:
        """Remove the remains of interrupted writes from a folder."""

    @abstractmethod
    def read_text(self, path: Path) -> str:
        """Return the content of a small text file."""

    @abstractmethod
    def digest_file(self, path: Path) -> str:
        """Return the `identity.file_digest` of a file."""

    @abstractmethod
    def parquet_source(self, path: Path, size: int | None) -> Any:
        """Return what pyarrow reads the file from."""

    @abstractmethod
    def write_text(self, path: Path, text: str) -> None:
        """Write a small text file, atomically."""

    @abstractmethod
    def create_file(self, path: Path, text: str) -> bool:
        """Write a small text file if there is none; return whether this call wrote it."""

    @abstractmethod
    def write_atomically(self, path: Path) -> AbstractContextManager[Path]:
        """Yield a temporary file that becomes `path` if the block succeeds."""

    @abstractmethod
    def append_line(self, path: Path, line: str, durable: bool) -> None:
        """Append a line, which ends with a line feed, to a file of lines."""

    @abstractmethod
    def read_lines(self, path: Path) -> list[str]:
        """Return the texts that a file of lines consists of, in order."""

    @abstractmethod
    def read_last_lines(self, path: Path) -> list[str]:
        """Return texts that end with the last line of a file of lines."""

    @abstractmethod
    def list_names(self, folder: Path) -> list[str]:
        """Return names in a folder, among them those of all its files of lines, in any order."""


def storage_error(path: Path, error: OSError) -> UnwrittenError:
    """Return the error to raise where a file cannot be written."""
    return UnwrittenError(
        f"cannot be written: {error.strerror or error}. Make room or choose another "
        "folder; finished work is kept, and the same command resumes it.",
        path=path,
        problem=Problem.UNWRITABLE,
    )
