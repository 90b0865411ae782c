"""Restores one file with a generator, and chooses among several candidates of each piece.

A long file is processed in overlapping pieces, so that memory does not grow with its length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from gensr_pref import audio, process
from gensr_pref.apply.best_of import Judge
from gensr_pref.apply.file_pieces import open_output, split_pieces
from gensr_pref.audio import Sound, Wave
from gensr_pref.building.sampling import GeneratorRequest, sample_clip
from gensr_pref.building.worker import load_generator
from gensr_pref.config import plugins
from gensr_pref.corpus.degrade import HEADROOM
from gensr_pref.errors import Unusable
from gensr_pref.generators.base import Origin
from gensr_pref.generators.registry import check_clips
from gensr_pref.identity import seed_for
from gensr_pref.schema import Failure, Reason


@dataclass(frozen=True)
class SourceFile:
    """A file to restore.

    Attributes:
        name: relative path without suffix.
        relative: relative path.
        source: its path.
        target: path of the restored file.
    """

    name: str
    relative: str
    source: Path
    target: Path

    @property
    def stamp(self) -> list[int]:
        """Size and time of the file."""
        status = self.source.stat()
        return [status.st_size, status.st_mtime_ns]


class ChosenPiece(TypedDict):
    """The candidate of a piece that was used.

    ``chosen``: its index, None for a silent piece, which is copied; ``score``: None if no candidate
    could be scored, or if there is only one.
    """

    chosen: int | None
    score: float | None


@dataclass(frozen=True)
class RestoredFile:
    """A file that was restored.

    Attributes:
        name: relative path without suffix.
        gain: factor by which the file was scaled before, as a build scales it: 1 unless it exceeds
            full scale.
        pieces: the chosen candidate of each piece.
    """

    name: str
    gain: float
    pieces: list[ChosenPiece]

    @property
    def unjudged_pieces(self) -> int:
        """Number of restored pieces without a score."""
        return sum(piece["chosen"] is not None and piece["score"] is None for piece in self.pieces)


class FileRestorer:
    """A generator and a judge, which `prepare` loads.

    Args:
        request: the generator and the number of candidates of each piece.
        judge: chooses among the candidates; None: the first is used.
        seed: seed of all random numbers, together with the name of the file.
        device: a torch device.
    """

    def __init__(
        self, request: GeneratorRequest, judge: Judge | None, seed: int, device: str
    ) -> None:
        self._request, self._judge, self._seed, self._device = request, judge, seed, device

    def prepare(self, files: Sequence[SourceFile]) -> None:
        """Check the files and load the models, unless there are no files.

        Raises:
            InputError: the generator cannot restore one of the files.
        """
        if not files:
            return
        origins = [origin for file in files for origin in self._origins(file)]
        check_clips(self._request.generator, origins, self._request.candidates)
        plugins.search(Path.cwd())
        load_generator(self._request.label, self._request.generator, self._device)
        if self._judge is not None:
            self._judge.panel.load(self._device)

    def count(self, file: SourceFile) -> int:
        """Return the number of pieces of a file; 0 if it cannot be read."""
        return len(list(self._origins(file)))

    def restore_file(self, file: SourceFile, bar: Any) -> RestoredFile:
        """Restore a file and write the result.

        Args:
            bar: a progress bar, updated after each piece.

        Raises:
            Unusable: the file cannot be read, or one of its pieces cannot be restored.
        """
        header = audio.read_header(file.source)
        rate = _output_rate(self._request.generator, header.rate)
        gain = self._gain(file)
        pieces: list[ChosenPiece] = []
        with open_output(file.target, rate) as output:
            for origin in self._origins(file):
                process.raise_if_interrupted()
                noisy = _scale(audio.read(file.source, origin.start, origin.frames), gain)
                wave, piece = self._restore_piece(origin, noisy, rate)
                pieces.append(piece)
                ends = [round(at * rate / header.rate) for at in (origin.start, _end(origin))]
                output.add(wave, ends[0], ends[1])
                bar.update(1)
            if all(piece["chosen"] is None for piece in pieces):
                raise Unusable(Reason.SILENT, "the whole file")
        return RestoredFile(file.name, gain, pieces)

    def _gain(self, file: SourceFile) -> float:
        """Return the factor that brings a recording beyond full scale below it; otherwise 1.

        This decodes the file a second time, because all its pieces have one gain.
        """
        peak = 0.0
        for origin in self._origins(file):
            process.raise_if_interrupted()
            wave = audio.read(file.source, origin.start, origin.frames).wave
            peak = max(peak, float(np.abs(wave).max(initial=0.0)))
        return HEADROOM / peak if peak > 1 else 1.0

    def _origins(self, file: SourceFile) -> Iterator[Origin]:
        """Yield the pieces of a file; none if it cannot be read."""
        try:
            header = audio.read_header(file.source)
        except Unusable:
            return
        for index, piece in enumerate(split_pieces(header.frames, header.rate)):
            name = f"{file.name}/{index}"
            yield Origin(name, file.relative, header.rate, piece.start, piece.frames, header.frames)

    def _restore_piece(self, origin: Origin, noisy: Sound, rate: int) -> tuple[Wave, ChosenPiece]:
        try:
            audio.require_sound(noisy.wave)
        except Unusable:  # a silent piece is copied
            return noisy.at(rate).wave, {"chosen": None, "score": None}
        candidates = sample_clip(origin, noisy, self._request, self._draw_seed)
        if not candidates.rows:
            raise _first_failure(candidates.failures)
        sounds = [audio.read(row["audio"]["bytes"]) for row in candidates.rows]
        best, score = self._judge.best(sounds, noisy) if self._judge else (0, None)
        return sounds[best].at(rate).wave, {
            "chosen": candidates.rows[best]["index"],
            "score": score,
        }

    def _draw_seed(self, *identity: str | int) -> int:
        return seed_for(self._seed, "restore", *identity)


def _scale(sound: Sound, gain: float) -> Sound:
    return sound if gain == 1 else replace(sound, wave=sound.wave * np.float32(gain))


def _end(origin: Origin) -> int:
    return origin.start + origin.frames


def _first_failure(failures: Sequence[Failure]) -> Unusable:
    return Unusable(failures[0].reason, failures[0].detail)


def _output_rate(generator: Any, source: int) -> int:
    """Return the sample rate of the output.

    A `command` may write another rate than it reads; a generator of existing files has no rate of
    its own.

    Args:
        source: sample rate of the file.
    """
    return int(getattr(generator, "output_rate", None) or generator.sample_rate or source)
