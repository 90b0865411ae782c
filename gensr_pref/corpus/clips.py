"""From the corpus section of a run file to clips.

`plan` lists what will be made, from headers alone; `ClipMaker` makes one clip at a time, in any
process and any order, and always the same one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from gensr_pref import audio
from gensr_pref.audio import Sound, Wave
from gensr_pref.config.run_file import Corpus, Validation
from gensr_pref.corpus.base import STAGE, Item
from gensr_pref.corpus.codec import fitted
from gensr_pref.corpus.content import Content, require_same
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.corpus.degrade import HEADROOM, apply, degrade
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.corpus.segments import Segment, bounds, segments
from gensr_pref.corpus.sources import described, listed, opened, reasons_of
from gensr_pref.errors import Problem, SourceError, Unusable
from gensr_pref.identity import clip_id, digest, rng_for, unit_for
from gensr_pref.schema import Failure, Reason
from gensr_pref.untrusted.columns import parse_steps

QUIET_SNR_DB = 40.0  # of a recording against its rounding to 16 bits; below it is noted. Our choice

TRAIN, VALIDATION = "train", "validation"
_ROUNDING = 4  # samples by which resampling may fall short of the header's arithmetic


@dataclass(frozen=True)
class ClipSpec:
    """A clip to be made; small, so that it travels between processes.

    Attributes:
        clip_id: from its source, its stretch and its treatment.
        item: the recording.
        segment: the stretch of it.
        split: train or validation.
        contents: of the item's files, in their order; empty where they were not looked at.
    """

    clip_id: str
    item: Item
    segment: Segment
    split: str
    contents: tuple[Content, ...] = ()

    @property
    def content(self) -> str:
        """A digest of all of its recording that shapes the clip: sound, text, speaker, language."""
        item = self.item
        sounds = [*(one.digest for one in self.contents), *item.contents]
        return digest(sounds, item.text, item.speaker, item.language)


@dataclass(frozen=True)
class Plan:
    """The clips of a run in the source's order, and the recordings that give none.

    Attributes:
        library: the files of each noise and impulse response, as `Library.files` has them.
        left_out: what the folders of recordings, noise and impulse responses hold besides.
    """

    clips: tuple[ClipSpec, ...]
    failures: tuple[Failure, ...]
    library: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


def plan(corpus: Corpus, seed: int, base: Path) -> Plan:
    """What `ClipMaker` will be asked for; reads headers only.

    Args:
        corpus: the section of the run file.
        seed: the run's.
        base: the run file's folder, which relative paths are relative to.

    Raises:
        InputError: the source, the noise or the impulse responses cannot be read as described;
            no recording gives a clip; two rows give the same one.
    """
    bounds(corpus.segment_seconds, corpus.sample_rate)
    library = Library.opened(corpus.degrade, base) if corpus.degrade is not None else Library()
    source = opened(corpus.source, base)
    items, failures = listed(source)
    items = _spoken_in(corpus.languages, items)
    clips: list[ClipSpec] = []
    for item in items:
        try:
            clips += _specs(corpus, seed, item)
        except Unusable as failed:
            failures.append(Failure(STAGE, item.source_id, failed.reason, failed.detail))
    if not clips:
        raise SourceError(
            f"no recording gives a clip: {described(failures)}",
            field="corpus.source",
            value=reasons_of(failures),
            problem=Problem.EMPTY,
        )
    _refuse_doubles(clips)
    left_out = (*source.left_out, *library.left_out)
    kept = with_splits(_limited(clips, corpus.limit, seed), corpus.validation, seed)
    return Plan(kept, tuple(failures), library.files, left_out)


def _spoken_in(languages: list[str] | None, items: list[Item]) -> list[Item]:
    if languages is None:
        return items
    kept = [item for item in items if item.language in languages]
    if not kept:
        there = ", ".join(sorted({item.language or "none" for item in items}))
        raise SourceError(
            f"no recording is in {', '.join(languages)}; there is: {there}. "
            "Is corpus.source.columns.language set?",
            field="corpus.languages",
            value=languages,
            problem=Problem.EMPTY,
        )
    return kept


def _specs(corpus: Corpus, seed: int, item: Item) -> list[ClipSpec]:
    degradation = corpus.degrade.model_dump(mode="json") if corpus.degrade else None
    treatment = {"rate": corpus.sample_rate, "degrade": degradation}
    pieces = segments(item.frames, item.rate, corpus.segment_seconds, corpus.sample_rate)
    specs = []
    for piece in pieces:
        name = clip_id(seed, item.source_id, piece.start, piece.frames, treatment)
        specs.append(ClipSpec(name, item, piece, TRAIN))
    return specs


def with_splits(
    clips: Sequence[ClipSpec],
    validation: Validation,
    seed: int,
    known: Mapping[str, str] | None = None,
) -> tuple[ClipSpec, ...]:
    """Say of every clip whether it is trained on or held out.

    All clips of a unit (speaker, source or clip, by ``validation.by``) are on one side. A unit is
    held out where a number drawn from its name is below ``validation.share``. Of the two units
    whose clips come first in the order of ``corpus.limit``, the one with the smaller number is
    held out and the other is not, so that neither side is empty wherever there are two units and
    the share is neither 0 nor 1. Both rules look at names only: the split of a clip does not
    change as ``corpus.limit`` grows.

    Args:
        known: split by clip id of those that have one, as in a run that grows by recordings; their
            units keep it.
    """
    units = [_unit(spec, validation.by) for spec in clips]
    drawn = {unit: unit_for(seed, "split", unit) for unit in units}
    splits = {unit: _side(number < validation.share) for unit, number in drawn.items()}
    if 0 < validation.share < 1 and len(drawn) > 1:
        first = _first_two(clips, units, seed)
        splits |= {unit: _side(unit == min(first, key=drawn.__getitem__)) for unit in first}
    splits |= _known_units(clips, units, known or {})
    return tuple(replace(spec, split=splits[unit]) for spec, unit in zip(clips, units, strict=True))


def _unit(spec: ClipSpec, by: str) -> str:
    if by == "clip":
        return spec.clip_id
    item = spec.item
    return (item.speaker or item.source_id) if by == "speaker" else item.source_id


def _side(held_out: bool) -> str:
    return VALIDATION if held_out else TRAIN


def _first_two(clips: Sequence[ClipSpec], units: Sequence[str], seed: int) -> list[str]:
    """The two units whose clips come first in the order of ``corpus.limit``."""
    place: dict[str, float] = {}
    for spec, unit in zip(clips, units, strict=True):
        number = unit_for(seed, "limit", spec.clip_id)
        place[unit] = min(number, place.get(unit, number))
    return sorted(place, key=place.__getitem__)[:2]


def _known_units(
    clips: Sequence[ClipSpec], units: Sequence[str], known: Mapping[str, str]
) -> dict[str, str]:
    """The split of every unit that has clips whose split is known."""
    both = zip(clips, units, strict=True)
    return {unit: known[spec.clip_id] for spec, unit in both if spec.clip_id in known}


def _refuse_doubles(clips: Iterable[ClipSpec]) -> None:
    first: dict[str, Item] = {}
    for spec in clips:
        other = first.setdefault(spec.clip_id, spec.item)
        if other is not spec.item:
            raise SourceError(
                f"rows {other.row} and {spec.item.row} are the same recording, "
                f"{spec.item.source_id!r}, and would give the same clip. Remove one of them.",
                field="corpus.source",
                value=spec.item.source_id,
                problem=Problem.DUPLICATE,
            )


def _limited(clips: list[ClipSpec], limit: int | None, seed: int) -> tuple[ClipSpec, ...]:
    """The clips that come first in an order drawn by identity, so that 8 are among the first 24."""
    if limit is None:
        return tuple(clips)
    ranked = sorted(clips, key=lambda spec: unit_for(seed, "limit", spec.clip_id))
    chosen = {spec.clip_id for spec in ranked[:limit]}
    return tuple(spec for spec in clips if spec.clip_id in chosen)


class ClipMaker:
    """Makes the clips of a plan.

    Args:
        corpus, seed, base: as for `plan`.
        known: by path, what noises and impulse responses must still hold when they are read.

    Raises:
        InputError: the noise or the impulse responses cannot be read as described.
    """

    def __init__(
        self,
        corpus: Corpus,
        seed: int,
        base: Path,
        known: Mapping[str, Content] = MappingProxyType({}),
    ) -> None:
        self._corpus = corpus
        self._seed = seed
        self._source = opened(corpus.source, base)
        self._library = Library.opened(corpus.degrade, base, known) if corpus.degrade else Library()

    def make(self, spec: ClipSpec) -> dict[str, Any]:
        """One row of `schema.CLIPS`.

        A recording beyond full scale (floats may be) is scaled, with its clean counterpart, by
        one factor that ``source`` records as ``gain``. Where a recording of more than 16 bits is so
        quiet that the rounding to 16 bits is less than 40 dB below it, ``source`` records by how
        much, as ``rounding_snr_db``.

        Raises:
            SourceError: the recording, or a noise, is not what it was when the build began.
            Unusable: the recording cannot be decoded, is not finite or silent, or holds no
                speech to mix noise into.
        """
        rate, settings = self._corpus.sample_rate, self._corpus.degrade
        noisy, clean, gain = self._recording(spec)
        rounding = min(rounding_snr_db(wave) for wave in (noisy, clean) if wave is not None)
        steps = None
        if settings is not None:
            stream = rng_for(self._seed, spec.clip_id, "degrade")
            made = degrade(noisy, rate, settings, self._library, stream)
            noisy, clean, steps = made.noisy, made.clean, made.steps
            audio.require_sound(noisy)
        return {
            "clip_id": spec.clip_id,
            "noisy": audio.column_value(noisy, rate),
            "clean": audio.column_value(clean, rate) if clean is not None else None,
            "text": spec.item.text if spec.segment.whole else None,
            "language": spec.item.language,
            "speaker": spec.item.speaker,
            "split": spec.split,
            "sample_rate": rate,
            "num_samples": spec.segment.num_samples,
            "source": _json(_origin(spec, gain, rounding)),
            "degradation": _json(steps) if steps is not None else None,
        }

    def _recording(self, spec: ClipSpec) -> tuple[Wave, Wave | None, float]:
        segment = spec.segment
        files = [(Path(f), c) for f, c in zip(spec.item.files, spec.contents, strict=False)]
        require_same(files)
        sound, clean_sound = self._source.read(spec.item, segment.start, segment.frames)
        require_same(files)
        noisy = self._cut(sound, segment)
        clean = self._cut(clean_sound, segment) if clean_sound is not None else None
        peak = max(float(np.abs(wave).max()) for wave in (noisy, clean) if wave is not None)
        if peak <= 1:
            return noisy, clean, 1.0
        gain = HEADROOM / peak
        factor = np.float32(gain)
        return noisy * factor, clean * factor if clean is not None else None, gain

    def _cut(self, sound: Sound, segment: Segment) -> Wave:
        wave = sound.at(self._corpus.sample_rate).wave
        missing = segment.num_samples - len(wave)
        if missing > _ROUNDING:
            raise Unusable(Reason.UNREADABLE, f"ends {missing} samples before its header says")
        cut = fitted(wave, segment.num_samples)
        audio.require_sound(cut)
        return cut


def replay(row: dict[str, Any], library: Library) -> Wave:
    """The noisy waveform [T] of a row of `schema.CLIPS` again, from its clean one and its record.

    In 16 bits it is exactly the one that is stored.

    Args:
        row: with ``clean`` and ``degradation``.
        library: opened from the settings that the run was made with.

    Raises:
        Unusable: NO_CLEAN where the clip was not degraded by this package.
    """
    clean = audio.from_column(row["clean"])
    if clean is None or row["degradation"] is None:
        raise Unusable(Reason.NO_CLEAN, f"{row['clip_id']} has no record to replay")
    steps = [step for step in parse_steps(row["degradation"]) if step["step"] != "gain"]
    return apply(clean.wave, clean.rate, steps, library)[0]


def rounding_snr_db(wave: Wave) -> float:
    """Return how far below a waveform [T] the error lies that storing it in 16 bits makes, in dB.

    10 log10(sum x^2 / sum (x - q)^2), with q the samples rounded to 16 bits; infinite where x is q.
    """
    exact = wave.astype(np.float64)
    error = exact - audio.pcm16(wave) / 32768
    noise = float(np.sum(error**2))
    return 10 * math.log10(float(np.sum(exact**2)) / noise) if noise else math.inf


def _origin(spec: ClipSpec, gain: float, rounding: float) -> dict[str, Any]:
    segment, item = spec.segment, spec.item
    origin: dict[str, Any] = {
        "source_id": item.source_id,
        "start": segment.start,
        "frames": segment.frames,
        "rate": item.rate,
    }
    if gain != 1:
        origin["gain"] = gain
    if rounding < QUIET_SNR_DB:
        origin["rounding_snr_db"] = round(rounding, 1)
    return origin


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
