"""What recordings hold, told by digests: their names do not tell that a file was replaced.

A file is read once. As long as its size and both of its times are what they were then, it is taken
to hold the same; no program can set the second of these times (ctime).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gensr_pref.errors import Problem, SourceError
from gensr_pref.identity import file_digest

_AT_ONCE = 8  # files that are read at the same time; hashing leaves Python's lock


@dataclass(frozen=True)
class Content:
    """What a file holds, and how it looked when that was found.

    Attributes:
        size: bytes.
        time: of its last change, in ns since 1970.
        changed: when its content, name or rights changed last (ctime), likewise.
        digest: of its content.
    """

    size: int
    time: int
    changed: int
    digest: str

    def looks_like(self, path: Path) -> bool:
        """Whether a file looks as this one did.

        Raises:
            OSError: it is not there, or cannot be looked at.
        """
        return (self.size, self.time, self.changed) == _look(path)


def contents(files: Mapping[str, Path], known: Mapping[str, Content]) -> dict[str, Content]:
    """What files hold; only those that are new or look otherwise are read.

    Args:
        files: by a name of choice.
        known: what was found before, by the same names.

    Raises:
        SourceError: one cannot be read.
    """
    found, unsure = {}, []
    for name, path in files.items():
        last = known.get(name)
        if last is not None and _looks_like(last, path):
            found[name] = last
        else:
            unsure.append(name)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        made = threads.map(content, [files[name] for name in unsure])
        found.update(zip(unsure, made, strict=True))
    return found


def content(path: Path) -> Content:
    """What a file holds.

    Raises:
        SourceError: it cannot be read, or changes while it is.
    """
    try:
        before = _look(path)
        made = Content(*before, file_digest(path))
        same = made.looks_like(path)
    except OSError as error:
        raise SourceError(
            f"cannot be read: {error.strerror or error}", path=path, problem=Problem.UNREADABLE
        ) from error
    if not same:
        raise SourceError(
            "is being written. Wait until it is done, and run this again",
            path=path,
            problem=Problem.BUSY,
        )
    return made


def require_same(files: Iterable[tuple[Path, Content]]) -> None:
    """Refuse files that hold something else than when a build began.

    Raises:
        SourceError: one does, or cannot be read any more.
    """
    for path, known in files:
        if not _looks_like(known, path) and content(path).digest != known.digest:
            raise changed_meanwhile(str(path))


def changed_meanwhile(name: str) -> SourceError:
    """What to say of a recording that was replaced while a build worked on it."""
    return SourceError(
        "was replaced while the build was running. What was made from it before is kept: "
        "restore it and run the same build again, or choose another folder",
        path=name,
        problem=Problem.CHANGED,
    )


def _looks_like(known: Content, path: Path) -> bool:
    try:
        return known.looks_like(path)
    except OSError:
        return False


def _look(path: Path) -> tuple[int, int, int]:
    seen = path.stat()
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
