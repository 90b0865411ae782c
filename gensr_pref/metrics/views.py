"""A clip as a metric may see it: at its rate, without what is unusable, in equal lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gensr_pref.audio import FRAMES_PER_SECOND, Sound, require_sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import ClipSounds, Need
from gensr_pref.schema import Reason


class Views:
    """One clip at each rate that a metric asks for, resampled once."""

    def __init__(self, clip: ClipSounds) -> None:
        self._clip = clip
        self._at: dict[int, View] = {}

    def at(self, rate: int) -> View:
        """The clip at a rate in Hz."""
        if rate not in self._at:
            self._at[rate] = View.of(self._clip, rate)
        return self._at[rate]


@dataclass(frozen=True)
class Group:
    """Candidates that a metric is asked about together, and their indices in the clip."""

    indices: list[int]
    sounds: ClipSounds


@dataclass(frozen=True)
class View:
    """A clip at one rate, each unusable sound replaced by what is wrong with it.

    Attributes:
        clip: the clip as it came.
        candidates: one per candidate of the clip.
        clean, noisy: None where the clip has none.
    """

    clip: ClipSounds
    candidates: Sequence[Sound | Unusable]
    clean: Sound | Unusable | None
    noisy: Sound | Unusable | None

    @classmethod
    def of(cls, clip: ClipSounds, rate: int) -> View:
        """Resample a clip and look at every sound before and after."""
        return cls(
            clip,
            [_usable(sound, rate) for sound in clip.candidates],
            None if clip.clean is None else _usable(clip.clean, rate),
            None if clip.noisy is None else _usable(clip.noisy, rate),
        )

    def split(self, needs: frozenset[Need]) -> tuple[dict[int, Unusable], list[Group]]:
        """Which candidates a metric with these needs cannot be asked about, and the others.

        A metric that needs the clean sound gets it as long as the candidates of its group: up to
        20 ms of difference are cut off the longer one's end, more is LENGTH_MISMATCH.
        """
        refused: dict[int, Unusable] = {}
        by_length: dict[int | None, list[int]] = {}
        for index, candidate in enumerate(self.candidates):
            try:
                by_length.setdefault(self._length(candidate, needs), []).append(index)
            except Unusable as error:
                refused[index] = error
        return refused, [self._group(indices, length) for length, indices in by_length.items()]

    def _length(self, candidate: Sound | Unusable, needs: frozenset[Need]) -> int | None:
        """The samples of a candidate that are scored; None for all."""
        sound = _or_raise(candidate)
        if "text" in needs and not (self.clip.text or "").strip():
            raise Unusable(Reason.NO_TEXT)
        if "clean" not in needs:
            return None
        if self.clean is None:
            raise Unusable(Reason.NO_CLEAN)
        if isinstance(self.clean, Unusable):
            raise Unusable(Reason.NO_CLEAN, f"the clean clip is {self.clean}")
        return _common_length(sound, self.clean)

    def _group(self, indices: list[int], length: int | None) -> Group:
        sounds = [_or_raise(self.candidates[index]) for index in indices]
        clean = self.clean if isinstance(self.clean, Sound) else None
        noisy = self.noisy if isinstance(self.noisy, Sound) else None
        return Group(
            indices,
            replace(
                self.clip,
                candidates=[_cut(sound, length) for sound in sounds],
                clean=clean and _cut(clean, length),
                noisy=noisy,
            ),
        )


def _usable(sound: Sound, rate: int) -> Sound | Unusable:
    try:
        require_sound(sound.wave)
        resampled = sound.at(rate)
        require_sound(resampled.wave)
    except Unusable as error:
        return error
    return resampled


def _or_raise(sound: Sound | Unusable) -> Sound:
    if isinstance(sound, Unusable):
        raise sound
    return sound


def _common_length(candidate: Sound, clean: Sound) -> int:
    lengths = len(candidate.wave), len(clean.wave)
    if max(lengths) - min(lengths) > clean.rate // FRAMES_PER_SECOND:
        raise Unusable(
            Reason.LENGTH_MISMATCH,
            f"{candidate.seconds:.3f} s against {clean.seconds:.3f} s of the clean clip",
        )
    return min(lengths)


def _cut(sound: Sound, length: int | None) -> Sound:
    return replace(sound, wave=sound.wave[:length])
