"""Digests of the files that a training reads, remembered until a file changes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from gensr_pref.errors import InputError, Problem, StorageError
from gensr_pref.identity import file_digest
from gensr_pref.storage import files
from gensr_pref.untrusted import documents

_MEMORY = "digests.json"
# A more recent change may be followed by another one with the same time stamp.
_SETTLED_NS = 2 * 10**9
_Status = list[int]  # size, times of the last change of content and of anything, inode


class FileDigests:
    """Digests of files' contents.

    A file is read again if its size, its inode or one of its times has changed. The time of the
    last change of anything (`st_ctime`) cannot be set by a program, so a replaced file is noticed
    even if it was given the old time.

    Args:
        folder: folder of `digests.json`, which remembers the digests.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _MEMORY
        self._known: dict[str, tuple[_Status, str]] = _read(self._path)
        self._changed = False

    def get(self, path: Path) -> str:
        """Return 32 hexadecimal digits of a file's content.

        Raises:
            InputError: the file cannot be read.
        """
        name = str(path.absolute())
        try:
            status = _status(path)
            if name in self._known and self._known[name][0] == status:
                return self._known[name][1]
            content = file_digest(path)
        except OSError as error:
            raise InputError(
                f"cannot be read: {error.strerror or error}", path=path, problem=Problem.UNREADABLE
            ) from error
        if time.time_ns() - max(status[1:3]) > _SETTLED_NS:
            self._known[name] = (status, content)
            self._changed = True
        return content

    def get_all(self, paths: Iterable[Path]) -> list[str]:
        """Return the digests of several files, in order, and write them to `digests.json`."""
        digests = [self.get(path) for path in paths]
        self.keep()
        return digests

    def keep(self) -> None:
        """Write the digests, unless the folder is read-only."""
        if not self._changed:
            return
        try:
            files.write_text(self._path, json.dumps(self._known))
        except StorageError:  # then the files are read every time
            return
        self._changed = False


def _status(path: Path) -> _Status:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _read(path: Path) -> dict[str, tuple[_Status, str]]:
    """Return the remembered digests; none if the file is damaged."""
    try:
        remembered = documents.parse_json(path.read_text(encoding="utf-8"))
        return {
            str(path): (list(status), str(digest)) for path, (status, digest) in remembered.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
