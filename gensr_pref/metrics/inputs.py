"""Preparation of a clip for a metric: resampling, removal of unusable sounds, equal lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from gensr_pref.audio import FRAMES_PER_SECOND, Sound, require_sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics import time_alignment
from gensr_pref.metrics.base import ClipSounds, MetricSpec
from gensr_pref.metrics.time_alignment import TimeAlignment
from gensr_pref.schema import Reason

ALIGNMENT_RATE = 16_000  # Hz, at which delays are estimated


SoundOrFault = Sound | Unusable  # a sound, or why it is unusable


@dataclass(frozen=True)
class RawClip:
    """A clip as it was given to the panel, at any rates."""

    candidates: Sequence[SoundOrFault]
    clean: SoundOrFault | None
    noisy: SoundOrFault | None
    text: str | None
    language: str | None


class ResampledClip:
    """One clip at every rate that a metric requires, resampled once per rate."""

    def __init__(self, clip: RawClip) -> None:
        self._clip = clip
        self._at: dict[int | None, ClipAtRate] = {}

    def at(self, rate: int | None) -> ClipAtRate:
        """Return the clip at a rate in Hz; None leaves each sound at its own rate."""
        if rate not in self._at:
            self._at[rate] = ClipAtRate.from_clip(self._clip, rate)
        return self._at[rate]

    @cached_property
    def alignments(self) -> list[TimeAlignment | None]:
        """Delay and polarity of each candidate; None if it or the clean sound is missing."""
        return self.at(ALIGNMENT_RATE).alignments()


@dataclass(frozen=True)
class Group:
    """Candidates that are passed to a metric together, and their indices in the clip."""

    indices: list[int]
    sounds: ClipSounds


@dataclass(frozen=True)
class Span:
    """Part of the clean sound that a candidate is compared with, in samples; None: to the end."""

    start: int = 0
    length: int | None = None


@dataclass(frozen=True)
class ClipAtRate:
    """A clip at one rate, in which each unusable sound is replaced by its fault.

    Attributes:
        clip: the clip as it was given.
        candidates: one per candidate of the clip.
        clean, noisy: None if the clip has none.
    """

    clip: RawClip
    candidates: Sequence[SoundOrFault]
    clean: SoundOrFault | None
    noisy: SoundOrFault | None

    @classmethod
    def from_clip(cls, clip: RawClip, rate: int | None) -> ClipAtRate:
        """Resample a clip and check every resampled sound."""
        return cls(
            clip,
            [_resample(sound, rate) for sound in clip.candidates],
            None if clip.clean is None else _resample(clip.clean, rate),
            None if clip.noisy is None else _resample(clip.noisy, rate),
        )

    def alignments(self) -> list[TimeAlignment | None]:
        """Estimate each candidate's alignment with the clean sound."""
        return [self._alignment(candidate) for candidate in self.candidates]

    def _alignment(self, candidate: SoundOrFault) -> TimeAlignment | None:
        if not isinstance(candidate, Sound) or not isinstance(self.clean, Sound):
            return None
        return time_alignment.find_alignment(self.clean.wave, candidate.wave, candidate.rate)

    def split(
        self, spec: MetricSpec, alignments: Sequence[TimeAlignment | None]
    ) -> tuple[dict[int, Unusable], list[Group]]:
        """Sort the candidates into those that a metric cannot score and groups of the others.

        For a metric that needs the clean sound, the clean sound of a group is as long as its
        candidates. A difference of up to 20 ms is cut off the end of the longer one; a larger one
        is LENGTH_MISMATCH.

        Args:
            spec: of the metric.
            alignments: one per candidate, to be undone; None leaves the candidate unchanged.

        Returns:
            The fault of each candidate that cannot be scored, by its index; and the groups.
        """
        refused: dict[int, Unusable] = {}
        groups: dict[Span, tuple[list[int], list[Sound]]] = {}
        for index, candidate in enumerate(self.candidates):
            try:
                span, sound = self._fit_candidate(candidate, spec, alignments[index])
            except Unusable as error:
                refused[index] = error
                continue
            indices, sounds = groups.setdefault(span, ([], []))
            indices.append(index)
            sounds.append(sound)
        return refused, [
            Group(indices, self._clip_sounds(span, sounds))
            for span, (indices, sounds) in groups.items()
        ]

    def _fit_candidate(
        self, candidate: SoundOrFault, spec: MetricSpec, alignment: TimeAlignment | None
    ) -> tuple[Span, Sound]:
        """Return the span of the clean sound to compare with, and the candidate to score."""
        sound = _require_usable(candidate)
        if "text" in spec.needs and not (self.clip.text or "").strip():
            raise Unusable(Reason.NO_TEXT)
        _refuse_long(sound, spec)
        if "clean" not in spec.needs:
            return Span(), sound
        if self.clean is None:
            raise Unusable(Reason.NO_CLEAN)
        if isinstance(self.clean, Unusable):
            raise self._faults()["clean"]
        _refuse_long(self.clean, spec, "the clean clip is ")
        return _align(sound, self.clean, alignment)

    def _clip_sounds(self, span: Span, sounds: list[Sound]) -> ClipSounds:
        clean = self.clean if isinstance(self.clean, Sound) else None
        noisy = self.noisy if isinstance(self.noisy, Sound) else None
        return ClipSounds(
            sounds,
            clean and _cut(clean, span.start, span.length),
            noisy,
            self.clip.text,
            self.clip.language,
            self._faults(),
        )

    def _faults(self) -> dict[Literal["clean", "noisy"], Unusable]:
        faults: dict[Literal["clean", "noisy"], Unusable] = {}
        if isinstance(self.clean, Unusable):
            faults["clean"] = Unusable(Reason.NO_CLEAN, f"the clean clip is {self.clean}")
        if isinstance(self.noisy, Unusable):
            faults["noisy"] = Unusable(Reason.NO_CLEAN, f"the noisy clip is {self.noisy}")
        return faults


def _resample(sound: SoundOrFault, rate: int | None) -> SoundOrFault:
    if isinstance(sound, Unusable) or rate is None:
        return sound
    try:
        resampled = sound.at(rate)
        require_sound(resampled.wave)
    except Unusable as error:
        return error
    return resampled


def _require_usable(sound: SoundOrFault) -> Sound:
    if isinstance(sound, Unusable):
        raise sound
    return sound


def _refuse_long(sound: Sound, spec: MetricSpec, which: str = "") -> None:
    if spec.longest_seconds is not None and sound.seconds > spec.longest_seconds:
        raise Unusable(
            Reason.TOO_LONG,
            f"{which}{sound.seconds:.1f} s; {spec.name} takes {spec.longest_seconds:g} s at most",
        )


def _align(candidate: Sound, clean: Sound, alignment: TimeAlignment | None) -> tuple[Span, Sound]:
    """Undo delay and polarity of a candidate; an end that the delay cut off may be missing."""
    alignment = alignment or TimeAlignment()
    delay = round(alignment.delay * clean.rate / ALIGNMENT_RATE)
    lengths = len(candidate.wave) - max(delay, 0), len(clean.wave) - max(-delay, 0)
    if max(lengths) - min(lengths) > clean.rate // FRAMES_PER_SECOND + abs(delay):
        raise Unusable(
            Reason.LENGTH_MISMATCH,
            f"{candidate.seconds:.3f} s against {clean.seconds:.3f} s of the clean clip",
        )
    alignment = replace(alignment, delay=delay)
    _, wave = time_alignment.undo_alignment(alignment, clean.wave, candidate.wave)
    return Span(max(-delay, 0), len(wave)), replace(candidate, wave=wave)


def _cut(sound: Sound, start: int, length: int | None) -> Sound:
    if length is None:
        return sound
    return replace(sound, wave=sound.wave[start : start + length])
