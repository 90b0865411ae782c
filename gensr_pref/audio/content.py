"""The bytes of a recording, wherever they are, and files pieced together from them."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason


class Content:
    """The bytes of a recording: in memory, or in a file that stays open until this object goes.

    Attributes:
        source: the bytes, or the path.
        size: how many there are.
        identity: equal for equal bytes and for an unchanged file.

    Raises:
        Unusable: MISSING, EMPTY, or UNREADABLE for what is no regular file or may not be opened.
    """

    def __init__(self, source: Path | str | bytes) -> None:
        self._file: int | None = None
        self.source = source if isinstance(source, bytes) else Path(source)
        if isinstance(self.source, bytes):
            self.size = len(self.source)
            self.identity: tuple[Any, ...] = (self.size, hash(self.source))
        else:
            self._file, told = _opened(self.source)
            self.size = told.st_size
            self.identity = (str(self.source), told.st_ino, told.st_size, told.st_mtime_ns)
        if self.size == 0:
            raise Unusable(Reason.EMPTY, "the file has no bytes")

    def __del__(self) -> None:
        if self._file is not None:
            os.close(self._file)

    def at(self, start: int, length: int) -> bytes:
        """`length` bytes from `start` on; fewer where the recording ends before."""
        if isinstance(self.source, bytes):
            return self.source[start : start + length]
        assert self._file is not None
        return os.pread(self._file, length, start)

    def openable(self) -> Any:
        """What soundfile opens; without its name, which libsndfile takes for what it is.

        A file of anything called `x.gsm`, `x.vox`, `x.au` or `x.snd` would be telephone sound. Only
        Sound Designer II needs the name, as its header is a second file.
        """
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        if _has_resource_fork(self.source):
            return os.fsencode(self.source)
        return Spliced(self, (Piece(0, self.size),))


def _opened(path: Path) -> tuple[int, os.stat_result]:
    try:
        told = path.stat()
        if not stat.S_ISREG(told.st_mode):  # a named pipe would wait for ever; a device may not end
            raise Unusable(Reason.UNREADABLE, f"it is {_kind(told)}, not a regular file")
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise Unusable(Reason.MISSING, str(path)) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        raise Unusable(Reason.UNREADABLE, f"it cannot be opened: {error}") from error
    return file, os.fstat(file)


def _has_resource_fork(path: Path) -> bool:
    """Whether a Sound Designer II file has its header beside it, where libsndfile looks for it."""
    if path.suffix.lower() != ".sd2":
        return False
    forks = (path.with_name(f"._{path.name}"), path.parent / ".AppleDouble" / path.name)
    return any(fork.is_file() for fork in forks)


def _kind(told: os.stat_result) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(told.st_mode), "something else")


@dataclass(frozen=True)
class Piece:
    """Bytes [start, start + length) of a recording."""

    start: int
    length: int


@dataclass
class Spliced(io.RawIOBase):
    """A read-only file made of bytes and of pieces of a recording, one after the other."""

    content: Content
    parts: tuple[bytes | Piece, ...]
    _starts: list[int] = field(default_factory=list, init=False)
    _size: int = field(default=0, init=False)
    _at: int = field(default=0, init=False)
    _part: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        for part in self.parts:
            self._starts.append(self._size)
            self._size += part.length if isinstance(part, Piece) else len(part)

    def seekable(self) -> bool:
        """Yes."""
        return True

    def readable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as there are bytes."""
        done = 0
        while done < len(buffer) and self._at < self._size:
            read = self._read(len(buffer) - done)
            if not read:
                break  # the file has become shorter
            buffer[done : done + len(read)] = read
            done += len(read)
            self._at += len(read)
        return done

    def _read(self, length: int) -> bytes:
        """Bytes at the position, at most to the end of the part that it is in."""
        part, offset = self._place()
        if isinstance(part, bytes):
            return part[offset : offset + length]
        return self.content.at(part.start + offset, min(length, part.length - offset))

    def _place(self) -> tuple[bytes | Piece, int]:
        starts = self._starts
        if self._at < starts[self._part]:
            self._part = 0
        while self._part + 1 < len(starts) and starts[self._part + 1] <= self._at:
            self._part += 1
        return self.parts[self._part], self._at - starts[self._part]
