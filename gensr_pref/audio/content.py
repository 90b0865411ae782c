"""The bytes of a recording, in memory or in a file, and virtual files composed of them."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason


class AudioBytes:
    """The bytes of a recording, in memory or in a file that stays open as long as this object.

    Attributes:
        source: the bytes, or the path.
        size: number of bytes.
        identity: equal for equal bytes and for an unchanged file.

    Raises:
        Unusable: MISSING, EMPTY, or UNREADABLE for a file that is not regular or cannot be opened.
    """

    def __init__(self, source: Path | str | bytes) -> None:
        self._file: int | None = None
        self.source = source if isinstance(source, bytes) else Path(source)
        if isinstance(self.source, bytes):
            self.size = len(self.source)
            self.identity: tuple[Any, ...] = (self.size, hash(self.source))
        else:
            self._file, status = _open_file(self.source)
            self.size = status.st_size
            self.identity = (str(self.source), status.st_ino, status.st_size, status.st_mtime_ns)
        if self.size == 0:
            raise Unusable(Reason.EMPTY, "the file is empty")

    def __del__(self) -> None:
        if self._file is not None:
            os.close(self._file)

    def at(self, start: int, length: int) -> bytes:
        """Return `length` bytes from `start` on; fewer where the recording ends earlier."""
        if isinstance(self.source, bytes):
            return self.source[start : start + length]
        assert self._file is not None
        return os.pread(self._file, length, start)

    def openable(self) -> Any:
        """Return an object that soundfile can open, without the file's name.

        libsndfile would decode any file named `x.gsm`, `x.vox`, `x.au` or `x.snd` as telephone
        sound. Only Sound Designer II needs the name, because its header is a second file.
        """
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        if _has_resource_fork(self.source):
            return os.fsencode(self.source)
        return Spliced(self, (ByteRange(0, self.size),))


def _open_file(path: Path) -> tuple[int, os.stat_result]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a named pipe may block; a device may be endless
            raise Unusable(Reason.UNREADABLE, f"it is {_file_type(status)}, not a regular file")
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise Unusable(Reason.MISSING, str(path)) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        raise Unusable(Reason.UNREADABLE, f"it cannot be opened: {error}") from error
    return file, os.fstat(file)


def _has_resource_fork(path: Path) -> bool:
    """Return whether a Sound Designer II file has its header where libsndfile looks for it."""
    if path.suffix.lower() != ".sd2":
        return False
    forks = (path.with_name(f"._{path.name}"), path.parent / ".AppleDouble" / path.name)
    return any(fork.is_file() for fork in forks)


def _file_type(status: os.stat_result) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(status.st_mode), "something else")


@dataclass(frozen=True)
class ByteRange:
    """Bytes [start, start + length) of a recording."""

    start: int
    length: int


@dataclass
class Spliced(io.RawIOBase):
    """A read-only virtual file: bytes and byte ranges of a recording, concatenated."""

    content: AudioBytes
    parts: tuple[bytes | ByteRange, ...]
    _starts: list[int] = field(default_factory=list, init=False)
    _size: int = field(default=0, init=False)
    _at: int = field(default=0, init=False)
    _part: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        for part in self.parts:
            self._starts.append(self._size)
            self._size += part.length if isinstance(part, ByteRange) else len(part)

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position, in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position, in bytes, and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as possible, and return the number of bytes."""
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
        """Return bytes from the position on, at most to the end of its part."""
        part, offset = self._current_part()
        if isinstance(part, bytes):
            return part[offset : offset + length]
        return self.content.at(part.start + offset, min(length, part.length - offset))

    def _current_part(self) -> tuple[bytes | ByteRange, int]:
        starts = self._starts
        if self._at < starts[self._part]:
            self._part = 0
        while self._part + 1 < len(starts) and starts[self._part + 1] <= self._at:
            self._part += 1
        return self.parts[self._part], self._at - starts[self._part]
