"""Splits a long file into overlapping pieces and joins them again, with few in memory at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensr_pref import audio
from gensr_pref.audio import Wave
from gensr_pref.errors import Problem, StorageError

PIECE_SECONDS = 20.0  # as the default length of the longest clip of a corpus
OVERLAP_SECONDS = 0.2  # of two pieces; one fades out while the next fades in
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Piece:
    """A stretch of a file: its first sample and its length, at the file's own rate."""

    start: int
    frames: int


def split_pieces(frames: int, rate: int) -> list[Piece]:
    """Return the fewest equal pieces of a file of at most 20 s that overlap by 0.2 s.

    Args:
        frames: length of the file in samples.
        rate: its sample rate.
    """
    overlap = round(OVERLAP_SECONDS * rate)
    longest = round(PIECE_SECONDS * rate)
    if frames <= longest:
        return [Piece(0, frames)]
    count = math.ceil((frames - overlap) / (longest - overlap))
    step = math.ceil((frames - overlap) / count)
    return [Piece(k * step, min(step + overlap, frames - k * step)) for k in range(count)]


class PieceJoiner:
    """Writes pieces one by one to an open file; they fade into each other where they overlap."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._held = np.empty(0, np.float32)  # what the next piece may overlap with
        self._start = 0  # of `_held`

    def add(self, wave: Wave, start: int, end: int) -> None:
        """Add the piece at [start, end); up to 20 ms are cut off or filled with zeros."""
        fitted = np.zeros(end - start, np.float32)
        fitted[: len(wave)] = wave[: len(fitted)]
        self._write(self._held[: start - self._start])
        old = self._held[start - self._start :]
        if len(old):
            fade = np.linspace(0, 1, len(old) + 2, dtype=np.float32)[1:-1]
            fitted[: len(old)] = old * (1 - fade) + fitted[: len(old)] * fade
        self._held, self._start = fitted, start

    def close(self) -> None:
        """Write the last samples."""
        self._write(self._held)

    def _write(self, wave: Wave) -> None:
        if len(wave):
            self._file.write(audio.pcm16(wave))


@contextmanager
def open_output(target: Path, rate: int) -> Iterator[PieceJoiner]:
    """Open an audio file for writing that appears under its name only when it is complete.

    Raises:
        StorageError: the file cannot be written.
    """
    import soundfile

    temporary = target.with_name(f"{_UNFINISHED}{target.name}")
    form = "FLAC" if target.suffix.lower() == ".flac" else "WAV"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with soundfile.SoundFile(
            temporary, "w", rate, channels=1, subtype="PCM_16", format=form
        ) as file:
            joiner = PieceJoiner(file)
            yield joiner
            joiner.close()
        temporary.replace(target)
    except (OSError, soundfile.LibsndfileError) as error:
        raise StorageError(
            f"cannot be written: {error}", path=target, problem=Problem.UNWRITABLE
        ) from error
    finally:
        with suppress(OSError):  # the error above matters more
            temporary.unlink(missing_ok=True)
