"""The one reader: rate, length and samples of a recording."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensr_pref.audio.sound import Sound, Wave
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_BLOCK = 2**20  # frames decoded at once
_UNKNOWN_LENGTH = 2**62  # libsndfile's count for a FLAC that was written into a pipe


@dataclass(frozen=True)
class Header:
    """What a file says of itself before it is decoded."""

    rate: int
    frames: int
    channels: int


def read_header(source: Path | str | bytes) -> Header:
    """Rate, length and channel count of a file or of a file's bytes.

    Raises:
        Unusable: MISSING, UNREADABLE or EMPTY.
    """
    with _opened(source) as file:
        return _header(file)


@contextmanager
def _opened(source: Path | str | bytes) -> Iterator[Any]:
    """A file as soundfile reads it; what it cannot make of it is UNREADABLE."""
    import soundfile

    try:
        with soundfile.SoundFile(_openable(source)) as file:
            yield file
    except (RuntimeError, TypeError, ValueError) as error:  # libsndfile's are the first
        raise Unusable(Reason.UNREADABLE, str(error)) from error


def _header(file: Any) -> Header:
    if file.frames <= 0:
        raise Unusable(Reason.EMPTY, "the file holds no samples")
    if file.frames >= _UNKNOWN_LENGTH:
        raise Unusable(Reason.UNREADABLE, "its header does not say how long it is; encode it anew")
    return Header(file.samplerate, file.frames, file.channels)


def read(source: Path | str | bytes, start: int = 0, frames: int | None = None) -> Sound:
    """Decode a file, or a stretch of it, to mono by averaging its channels.

    Args:
        source: a path, or the bytes of a file in any format libsndfile reads.
        start: first frame, at the file's own rate.
        frames: how many; None reads to the end.

    Raises:
        Unusable: MISSING, UNREADABLE (also when the file ends before its header says, or before
            `frames`), EMPTY or NOT_FINITE.
    """
    with _opened(source) as file:
        header = _header(file)
        wanted = header.frames - start if frames is None else frames
        mono = np.empty(wanted, np.float32)
        if start:
            file.seek(start)
        done = _decode(file, mono)
    if done < wanted:
        raise Unusable(Reason.UNREADABLE, f"{done} of {wanted} frames could be decoded")
    if not np.isfinite(mono).all():
        raise Unusable(Reason.NOT_FINITE, "the file holds NaN or infinite samples")
    return Sound(mono, header.rate)


def _decode(file: Any, mono: Wave) -> int:
    """Fill `mono` from an open file, block by block: an hour of stereo is never held as such."""
    done = 0
    while done < len(mono):
        wanted = min(_BLOCK, len(mono) - done)
        block = file.read(wanted, dtype="float32", always_2d=True)
        if len(block) == 0:
            break
        mono[done : done + len(block)] = block.mean(axis=1, dtype=np.float32)
        done += len(block)
    return done


def from_column(value: dict[str, Any] | None) -> Sound | None:
    """The sound in a value of an `Audio` column; None for null."""
    return None if value is None else read(value["bytes"])


def _openable(source: Path | str | bytes) -> Any:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    path = Path(source)
    if not path.exists():
        raise Unusable(Reason.MISSING, str(source))
    if not path.is_file():  # reading a named pipe would wait for ever, and a device may not end
        raise Unusable(Reason.UNREADABLE, f"it is {_kind_of(path)}, not a regular file")
    if path.stat().st_size == 0:
        raise Unusable(Reason.EMPTY, "the file has no bytes")
    name = os.fsencode(path)
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name  # soundfile cannot encode such a name, and takes it as it is


def _kind_of(path: Path) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(path.stat().st_mode), "something else")
