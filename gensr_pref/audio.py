"""Sound in and out: the one reader, the one writer, the one resampler, and what makes it unusable.

Everywhere in the package a waveform is a float32 NumPy array [T], mono, nominally in [-1, 1].
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from gensr_pref.errors import InputError, Unusable
from gensr_pref.schema import Reason

Wave = npt.NDArray[np.float32]

SILENCE = 1 / 32768  # the largest sample of a clip that is silent in 16 bits
LARGEST_SHARE_BEYOND = 0.01  # of a sound's samples, beyond full scale; our choice
_OTHER_SUFFIXES = {"aif", "aifc", "oga", "opus", "snd", "sph", "nist", "iff", "8svx", "mat", "sf"}
_BLOCK = 2**20  # frames decoded at once
_UNKNOWN_LENGTH = 2**62  # libsndfile's count for a FLAC that was written into a pipe
FRAMES_PER_SECOND = 50  # clips are whole numbers of 20 ms: 320 samples at 16 kHz


@dataclass(frozen=True)
class Sound:
    """A waveform [T], float, nominally in [-1, 1], and its rate in Hz.

    Kept as float32, and read-only: whoever is given a sound cannot change it for the next.

    Raises:
        InputError: it is no such array (stereo, integers, a list), or the rate is no whole number
            from 1 up. A guess would give a plausible score of another sound.
    """

    wave: Wave
    rate: int

    def __post_init__(self) -> None:
        wave = self.wave
        if not isinstance(wave, np.ndarray) or wave.dtype.kind != "f" or wave.ndim != 1:
            raise InputError(f"a sound's wave is {_described(wave)}; {_WANTED}")
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | np.integer):
            raise InputError(f"a sound's rate is {self.rate!r}; give its rate in Hz, such as 16000")
        if self.rate < 1:
            raise InputError(f"a sound's rate is {self.rate}; it must be 1 Hz at least")
        kept = wave.astype(np.float32, copy=False).view()
        kept.flags.writeable = False
        object.__setattr__(self, "wave", kept)
        object.__setattr__(self, "rate", int(self.rate))

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.wave) / self.rate

    def at(self, rate: int) -> Sound:
        """The same sound at another rate."""
        return self if rate == self.rate else Sound(resample(self.wave, self.rate, rate), rate)


_WANTED = (
    "give a NumPy array [T] of floats in [-1, 1]: one channel (average them), integers divided by "
    "their full scale (int16 by 32768)"
)


def _described(wave: object) -> str:
    if isinstance(wave, np.ndarray):
        return f"an array of {wave.dtype}, shape {wave.shape}"
    return f"of type {type(wave).__name__}"


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


def flac(wave: Wave, rate: int) -> bytes:
    """16-bit FLAC bytes of a waveform; samples beyond full scale are clipped."""
    return _encoded(wave, rate, "FLAC")


def wav(wave: Wave, rate: int) -> bytes:
    """16-bit WAV bytes of a waveform; samples beyond full scale are clipped."""
    return _encoded(wave, rate, "WAV")


def _encoded(wave: Wave, rate: int, form: str) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, pcm16(wave), rate, format=form, subtype="PCM_16")
    return buffer.getvalue()


def pcm16(wave: Wave) -> npt.NDArray[np.int16]:
    """The waveform as 16-bit integers, rounded to nearest and clipped."""
    return np.asarray(np.clip(np.rint(wave * 32768.0), -32768, 32767), np.int16)


def resample(wave: Wave, source_rate: int, target_rate: int) -> Wave:
    """Band-limited resampling (libsoxr, high quality) [T] -> [round(T * target / source)]."""
    import soxr

    if source_rate == target_rate:
        return wave
    return np.asarray(soxr.resample(wave, source_rate, target_rate, quality="HQ"), np.float32)


def column_value(wave: Wave, rate: int) -> dict[str, Any]:
    """A waveform as a value of an `Audio` column."""
    return {"bytes": flac(wave, rate), "path": None}


def from_column(value: dict[str, Any] | None) -> Sound | None:
    """The sound in a value of an `Audio` column; None for null."""
    return None if value is None else read(value["bytes"])


def require_sound(wave: Wave) -> None:
    """Refuse what no model or metric can use.

    A constant is silent too, however far it is from zero: a filter that removes it leaves rounding
    errors, which some metrics raise to full level.

    Raises:
        Unusable: EMPTY, NOT_FINITE or SILENT.
    """
    if wave.size == 0:
        raise Unusable(Reason.EMPTY)
    if not np.isfinite(wave).all():
        raise Unusable(Reason.NOT_FINITE)
    if float(wave.max()) - float(wave.min()) <= 2 * SILENCE:
        raise Unusable(Reason.SILENT)


def within_scale(wave: Wave) -> Wave:
    """The waveform as a 16-bit file would hold it: what exceeds full scale is cut to it.

    Raises:
        Unusable: OUT_OF_RANGE where that is over 1 % of the samples (`LARGEST_SHARE_BEYOND`).
    """
    beyond = float(np.mean(np.abs(wave) > 1)) if wave.size else 0.0
    if beyond > LARGEST_SHARE_BEYOND:
        raise Unusable(Reason.OUT_OF_RANGE, f"{beyond:.0%} of the samples exceed full scale")
    return np.clip(wave, -1, 1) if beyond else wave


def name_of(place: str) -> str:
    """A relative path without the suffix of an audio file; another suffix belongs to the name."""
    path = PurePosixPath(place)
    known = path.suffix[1:].lower() in suffixes()
    return str(path.with_suffix("") if known else path)


@cache
def suffixes() -> set[str]:
    """Of the files that libsndfile reads, without the dot, in lower case."""
    import soundfile

    return {name.lower() for name in soundfile.available_formats()} - {"raw"} | _OTHER_SUFFIXES


def whole_frames(samples: int, rate: int) -> int:
    """`samples` rounded down to a whole number of 20 ms frames.

    At 16 kHz that is a multiple of 320, for which DNSMOS is exact and fast (docs/corpus.md).
    """
    frame = rate // FRAMES_PER_SECOND
    return samples // frame * frame


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
