"""Digests of files that a training reads, remembered while a file is unchanged."""

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
# A file that was changed so recently may be changed again within the same tick of its clock.
_SETTLED_NS = 2 * 10**9
_Look = list[int]  # size, times of change of content and of anything, inode


class FileDigests:
    """Digests of files' contents.

    A file is read again if its size, its inode or one of its times has changed. The time of the
    last change of anything (`st_ctime`) cannot be set by a program, so a file that was replaced
    and given its old time is noticed.

    Args:
        folder: folder of `digests.json`, which remembers the digests.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _MEMORY
        self._known: dict[str, tuple[_Look, str]] = _read(self._path)
        self._changed = False

    def of(self, path: Path) -> str:
        """Return 32 hexadecimal digits of a file's content.

        Raises:
            InputError: it cannot be read.
        """
        place = str(path.absolute())
        try:
            look = _look(path)
            if place in self._known and self._known[place][0] == look:
                return self._known[place][1]
            content = file_digest(path)
        except OSError as error:
            raise InputError(
                f"cannot be read: {error.strerror or error}", path=path, problem=Problem.UNREADABLE
            ) from error
        if time.time_ns() - max(look[1:3]) > _SETTLED_NS:
            self._known[place] = (look, content)
            self._changed = True
        return content

    def of_all(self, paths: Iterable[Path]) -> list[str]:
        """Return the digests of several files, in order, and remember them for the next time."""
        digests = [self.of(path) for path in paths]
        self.keep()
        return digests

    def keep(self) -> None:
        """Write the digests, if the folder can be written."""
        if not self._changed:
            return
        try:
            files.write_text(self._path, json.dumps(self._known))
        except StorageError:  # a folder that is read-only is read every time
            return
        self._changed = False


def _look(path: Path) -> _Look:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read(path: Path) -> dict[str, tuple[_Look, str]]:
    """The remembered digests; none if the file is damaged."""
    try:
        remembered = documents.parse_json(path.read_text(encoding="utf-8"))
        return {
            str(place): (list(look), str(digest)) for place, (look, digest) in remembered.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
