"""Fingerprints of files, which show that a recording was replaced under the same name.

A file is read once. As long as its size and its two times are unchanged, its content is assumed to
be unchanged; no program can set the second of these times (ctime).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gensr_pref.errors import Problem, SourceError
from gensr_pref.identity import file_digest

_AT_ONCE = 8  # files that are read at the same time; hashing releases Python's lock


@dataclass(frozen=True)
class Fingerprint:
    """The digest of a file's content, with the size and times of the file when it was taken.

    Attributes:
        size: bytes.
        time: time of the last modification (mtime), in ns since 1970.
        changed: time of the last change of content, name or permissions (ctime), in ns since 1970.
        digest: digest of the content.
    """

    size: int
    time: int
    changed: int
    digest: str

    def matches(self, path: Path) -> bool:
        """Return whether a file has this size and these times.

        Raises:
            OSError: the file does not exist or its status cannot be read.
        """
        return (self.size, self.time, self.changed) == _status(path)


def read_fingerprints(
    files: Mapping[str, Path], known: Mapping[str, Fingerprint]
) -> dict[str, Fingerprint]:
    """Return the fingerprints of files; reads only files that are new or have changed.

    Args:
        files: paths by name.
        known: earlier fingerprints by the same names.

    Raises:
        SourceError: a file cannot be read.
    """
    current, unsure = {}, []
    for name, path in files.items():
        last = known.get(name)
        if last is not None and _matches(last, path):
            current[name] = last
        else:
            unsure.append(name)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        new = threads.map(read_fingerprint, [files[name] for name in unsure])
        current.update(zip(unsure, new, strict=True))
    return current


def read_fingerprint(path: Path) -> Fingerprint:
    """Return the fingerprint of a file.

    Raises:
        SourceError: the file cannot be read, or changes meanwhile.
    """
    try:
        before = _status(path)
        made = Fingerprint(*before, file_digest(path))
        same = made.matches(path)
    except OSError as error:
        raise SourceError(
            f"cannot be read: {error.strerror or error}", path=path, problem=Problem.UNREADABLE
        ) from error
    if not same:
        raise SourceError(
            "is being written. Wait until this is done, and run the command again",
            path=path,
            problem=Problem.BUSY,
        )
    return made


def require_unchanged(files: Iterable[tuple[Path, Fingerprint]]) -> None:
    """Refuse files whose content has changed since the build began.

    Raises:
        SourceError: a file has changed, or cannot be read any more.
    """
    for path, known in files:
        if not _matches(known, path) and read_fingerprint(path).digest != known.digest:
            raise changed_error(str(path))


def changed_error(name: str) -> SourceError:
    """Return the error for a recording that was replaced during a build."""
    return SourceError(
        "was replaced while the build was running. The results from the old file are kept. "
        "Restore it and run the same build again, or choose another folder",
        path=name,
        problem=Problem.CHANGED,
    )


def _matches(known: Fingerprint, path: Path) -> bool:
    try:
        return known.matches(path)
    except OSError:
        return False


def _status(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
