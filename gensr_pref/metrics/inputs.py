"""A clip as a metric may see it: at its rate, without what is unusable, in equal lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from gensr_pref.audio import FRAMES_PER_SECOND, Sound, require_sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics import time_alignment
from gensr_pref.metrics.base import ClipSounds, MetricSpec
from gensr_pref.metrics.time_alignment import Alignment
from gensr_pref.schema import Reason

ALIGNED_AT = 16_000  # Hz: the rate at which delays are found


Heard = Sound | Unusable  # a sound, or what is wrong with it


@dataclass(frozen=True)
class Given:
    """A clip as it came, at any rates."""

    candidates: Sequence[Heard]
    clean: Heard | None
    noisy: Heard | None
    text: str | None
    language: str | None


class Views:
    """One clip at each rate that a metric asks for, resampled once."""

    def __init__(self, clip: Given) -> None:
        self._clip = clip
        self._at: dict[int | None, View] = {}

    def at(self, rate: int | None) -> View:
        """The clip at a rate in Hz; None leaves each sound at its own."""
        if rate not in self._at:
            self._at[rate] = View.of(self._clip, rate)
        return self._at[rate]

    @cached_property
    def alignments(self) -> list[Alignment | None]:
        """Each candidate's delay and polarity against the clean sound; None where there is none."""
        return self.at(ALIGNED_AT).alignments()


@dataclass(frozen=True)
class Group:
    """Candidates that a metric is asked about together, and their indices in the clip."""

    indices: list[int]
    sounds: ClipSounds


@dataclass(frozen=True)
class Stretch:
    """What of a clip is scored: where it begins in the clean sound, and its length in samples."""

    start: int = 0
    length: int | None = None


@dataclass(frozen=True)
class View:
    """A clip at one rate, each unusable sound replaced by what is wrong with it.

    Attributes:
        clip: the clip as it came.
        candidates: one per candidate of the clip.
        clean, noisy: None where the clip has none.
    """

    clip: Given
    candidates: Sequence[Heard]
    clean: Heard | None
    noisy: Heard | None

    @classmethod
    def of(cls, clip: Given, rate: int | None) -> View:
        """Resample a clip and look at every sound once more."""
        return cls(
            clip,
            [_usable(sound, rate) for sound in clip.candidates],
            None if clip.clean is None else _usable(clip.clean, rate),
            None if clip.noisy is None else _usable(clip.noisy, rate),
        )

    def alignments(self) -> list[Alignment | None]:
        """How each candidate lies against the clean sound."""
        return [self._alignment(candidate) for candidate in self.candidates]

    def _alignment(self, candidate: Heard) -> Alignment | None:
        if not isinstance(candidate, Sound) or not isinstance(self.clean, Sound):
            return None
        return time_alignment.find(self.clean.wave, candidate.wave, candidate.rate)

    def split(
        self, spec: MetricSpec, alignments: Sequence[Alignment | None]
    ) -> tuple[dict[int, Unusable], list[Group]]:
        """Which candidates a metric cannot be asked about, and the others, put into groups.

        A metric that needs the clean sound gets it as long as the candidates of its group: up to
        20 ms of difference are cut off the longer one's end, more is LENGTH_MISMATCH.

        Args:
            spec: of the metric.
            alignments: one per candidate, to be undone; None leaves it where it is.
        """
        refused: dict[int, Unusable] = {}
        groups: dict[Stretch, tuple[list[int], list[Sound]]] = {}
        for index, candidate in enumerate(self.candidates):
            try:
                stretch, sound = self._fitted(candidate, spec, alignments[index])
            except Unusable as error:
                refused[index] = error
                continue
            indices, sounds = groups.setdefault(stretch, ([], []))
            indices.append(index)
            sounds.append(sound)
        return refused, [
            Group(indices, self._seen(stretch, sounds))
            for stretch, (indices, sounds) in groups.items()
        ]

    def _fitted(
        self, candidate: Heard, spec: MetricSpec, found: Alignment | None
    ) -> tuple[Stretch, Sound]:
        """The candidate as it is scored, and against which stretch of the clean sound."""
        sound = _or_raise(candidate)
        if "text" in spec.needs and not (self.clip.text or "").strip():
            raise Unusable(Reason.NO_TEXT)
        _refuse_long(sound, spec)
        if "clean" not in spec.needs:
            return Stretch(), sound
        if self.clean is None:
            raise Unusable(Reason.NO_CLEAN)
        if isinstance(self.clean, Unusable):
            raise self._faults()["clean"]
        _refuse_long(self.clean, spec, "the clean clip is ")
        return _aligned(sound, self.clean, found)

    def _seen(self, stretch: Stretch, sounds: list[Sound]) -> ClipSounds:
        clean = self.clean if isinstance(self.clean, Sound) else None
        noisy = self.noisy if isinstance(self.noisy, Sound) else None
        return ClipSounds(
            sounds,
            clean and _cut(clean, stretch.start, stretch.length),
            noisy,
            self.clip.text,
            self.clip.language,
            self._faults(),
        )

    def _faults(self) -> dict[Literal["clean", "noisy"], Unusable]:
        found: dict[Literal["clean", "noisy"], Unusable] = {}
        if isinstance(self.clean, Unusable):
            found["clean"] = Unusable(Reason.NO_CLEAN, f"the clean clip is {self.clean}")
        if isinstance(self.noisy, Unusable):
            found["noisy"] = Unusable(Reason.NO_CLEAN, f"the noisy clip is {self.noisy}")
        return found


def _usable(sound: Heard, rate: int | None) -> Heard:
    if isinstance(sound, Unusable) or rate is None:
        return sound
    try:
        resampled = sound.at(rate)
        require_sound(resampled.wave)
    except Unusable as error:
        return error
    return resampled


def _or_raise(sound: Heard) -> Sound:
    if isinstance(sound, Unusable):
        raise sound
    return sound


def _refuse_long(sound: Sound, spec: MetricSpec, which: str = "") -> None:
    if spec.longest_seconds is not None and sound.seconds > spec.longest_seconds:
        raise Unusable(
            Reason.TOO_LONG,
            f"{which}{sound.seconds:.1f} s; {spec.name} takes {spec.longest_seconds:g} s at most",
        )


def _aligned(candidate: Sound, clean: Sound, found: Alignment | None) -> tuple[Stretch, Sound]:
    """Both without the delay, and the candidate the right way up; a lost end may be missing."""
    found = found or Alignment()
    delay = round(found.delay * clean.rate / ALIGNED_AT)
    lengths = len(candidate.wave) - max(delay, 0), len(clean.wave) - max(-delay, 0)
    if max(lengths) - min(lengths) > clean.rate // FRAMES_PER_SECOND + abs(delay):
        raise Unusable(
            Reason.LENGTH_MISMATCH,
            f"{candidate.seconds:.3f} s against {clean.seconds:.3f} s of the clean clip",
        )
    _, wave = time_alignment.undo(replace(found, delay=delay), clean.wave, candidate.wave)
    return Stretch(max(-delay, 0), len(wave)), replace(candidate, wave=wave)


def _cut(sound: Sound, start: int, length: int | None) -> Sound:
    if length is None:
        return sound
    return replace(sound, wave=sound.wave[start : start + length])
