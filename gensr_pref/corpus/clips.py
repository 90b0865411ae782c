"""The clips of a run file's corpus section.

`plan_clips` lists the clips from headers alone. `ClipMaker` makes one clip at a time; the result
does not depend on the process or the order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NotRequired, TypedDict

import numpy as np

from gensr_pref import audio
from gensr_pref.audio import Sound, Wave
from gensr_pref.audio.writing import AudioValue
from gensr_pref.config.run_file import Corpus, Validation
from gensr_pref.corpus.base import STAGE, Item
from gensr_pref.corpus.codec import fit_length
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.corpus.degrade import HEADROOM, apply_steps, degrade
from gensr_pref.corpus.fingerprints import Fingerprint, require_unchanged
from gensr_pref.corpus.listing import LeftOut
from gensr_pref.corpus.segments import Segment, cut_segments, length_bounds
from gensr_pref.corpus.sources import (
    describe_failures,
    failure_reasons,
    list_recordings,
    open_source,
)
from gensr_pref.errors import Problem, SourceError, Unusable
from gensr_pref.identity import clip_id, digest, rng_for, unit_for
from gensr_pref.rundir.json_columns import parse_steps
from gensr_pref.schema import Failure, Reason

QUIET_SNR_DB = (
    40.0  # ratio of a recording to its 16-bit rounding error; lower ratios are recorded; our choice
)

TRAIN, VALIDATION = "train", "validation"
_ROUNDING = 4  # samples by which a resampled recording may be shorter than computed from its header


@dataclass(frozen=True)
class ClipSpec:
    """The specification of a clip; small, so that processes can exchange it.

    Attributes:
        clip_id: id made of source, segment and treatment.
        item: the recording.
        segment: the segment of the recording.
        split: train or validation.
        contents: fingerprints of the item's files, in their order; empty if none were taken.
    """

    clip_id: str
    item: Item
    segment: Segment
    split: str
    contents: tuple[Fingerprint, ...] = ()

    @property
    def content(self) -> str:
        """Digest of what affects the clip in its recording: sound, text, speaker, language."""
        item = self.item
        sounds = [*(fingerprint.digest for fingerprint in self.contents), *item.contents]
        return digest(sounds, item.text, item.speaker, item.language)


@dataclass(frozen=True)
class ClipPlan:
    """The clips of a run in the source's order, and the recordings that cannot be used.

    Attributes:
        clips: specifications of the clips.
        failures: recordings without clips.
        library: files of each noise and impulse response, as in `Library.files`.
        left_out: other content of the folders of recordings, noise and impulse responses.
    """

    clips: tuple[ClipSpec, ...]
    failures: tuple[Failure, ...]
    library: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


def plan_clips(corpus: Corpus, seed: int, base: Path) -> ClipPlan:
    """Return the specifications of all clips; reads headers only.

    Args:
        corpus: the section of the run file.
        seed: seed of the run.
        base: folder of the run file, from which relative paths start.

    Raises:
        InputError: the source, the noise or the impulse responses cannot be read as described; no
            recording gives a clip; two rows give the same clip.
    """
    length_bounds(corpus.segment_seconds, corpus.sample_rate)
    library = (
        Library.from_settings(corpus.degrade, base) if corpus.degrade is not None else Library()
    )
    source = open_source(corpus.source, base)
    items, failures = list_recordings(source)
    items = _filter_languages(corpus.languages, items)
    clips: list[ClipSpec] = []
    for item in items:
        try:
            clips += _specs(corpus, seed, item)
        except Unusable as failed:
            failures.append(Failure(STAGE, item.source_id, failed.reason, failed.detail))
    if not clips:
        raise SourceError(
            f"no recording gives a clip: {describe_failures(failures)}",
            field="corpus.source",
            value=failure_reasons(failures),
            problem=Problem.EMPTY,
        )
    _refuse_duplicates(clips)
    left_out = (*source.left_out, *library.left_out)
    limited = assign_splits(_apply_limit(clips, corpus.limit, seed), corpus.validation, seed)
    return ClipPlan(limited, tuple(failures), library.files, left_out)


def _filter_languages(languages: list[str] | None, items: list[Item]) -> list[Item]:
    if languages is None:
        return items
    spoken = [item for item in items if item.language in languages]
    if not spoken:
        existing = ", ".join(sorted({item.language or "none" for item in items}))
        raise SourceError(
            f"no recording is in {', '.join(languages)}; the languages are {existing}. "
            "Is corpus.source.columns.language set?",
            field="corpus.languages",
            value=languages,
            problem=Problem.EMPTY,
        )
    return spoken


def _specs(corpus: Corpus, seed: int, item: Item) -> list[ClipSpec]:
    degradation = corpus.degrade.model_dump(mode="json") if corpus.degrade else None
    treatment = {"rate": corpus.sample_rate, "degrade": degradation}
    pieces = cut_segments(item.frames, item.rate, corpus.segment_seconds, corpus.sample_rate)
    specs = []
    for piece in pieces:
        name = clip_id(seed, item.source_id, piece.start, piece.frames, treatment)
        specs.append(ClipSpec(name, item, piece, TRAIN))
    return specs


def assign_splits(
    clips: Sequence[ClipSpec],
    validation: Validation,
    seed: int,
    known: Mapping[str, str] | None = None,
) -> tuple[ClipSpec, ...]:
    """Assign every clip to training or validation.

    All clips of a unit (speaker, source or clip, by ``validation.by``) are in one split. A unit is
    held out if a random number derived from its name is below ``validation.share``. Of the two
    units whose clips come first in the order of ``corpus.limit``, the one with the smaller number
    is held out and the other is not, so that neither split is empty if there are two units and the
    share is neither 0 nor 1. Both rules depend on names only: the split of a clip does not change
    when ``corpus.limit`` grows.

    Args:
        clips: the clips, with any split.
        validation: the section of the run file.
        seed: seed of the run.
        known: split by clip id of existing clips, as in a run that is extended by recordings;
            their units keep it.
    """
    units = [_unit(spec, validation.by) for spec in clips]
    drawn = {unit: unit_for(seed, "split", unit) for unit in units}
    splits = {unit: _split_name(number < validation.share) for unit, number in drawn.items()}
    if 0 < validation.share < 1 and len(drawn) > 1:
        first = _first_two(clips, units, seed)
        splits |= {unit: _split_name(unit == min(first, key=drawn.__getitem__)) for unit in first}
    splits |= _known_units(clips, units, known or {})
    return tuple(replace(spec, split=splits[unit]) for spec, unit in zip(clips, units, strict=True))


def _unit(spec: ClipSpec, by: str) -> str:
    if by == "clip":
        return spec.clip_id
    item = spec.item
    return (item.speaker or item.source_id) if by == "speaker" else item.source_id


def _split_name(held_out: bool) -> str:
    return VALIDATION if held_out else TRAIN


def _first_two(clips: Sequence[ClipSpec], units: Sequence[str], seed: int) -> list[str]:
    """Return the two units whose clips come first in the order of ``corpus.limit``."""
    first: dict[str, float] = {}
    for spec, unit in zip(clips, units, strict=True):
        number = unit_for(seed, "limit", spec.clip_id)
        first[unit] = min(number, first.get(unit, number))
    return sorted(first, key=first.__getitem__)[:2]


def _known_units(
    clips: Sequence[ClipSpec], units: Sequence[str], known: Mapping[str, str]
) -> dict[str, str]:
    """Return the split of every unit that has a clip with a known split."""
    pairs = zip(clips, units, strict=True)
    return {unit: known[spec.clip_id] for spec, unit in pairs if spec.clip_id in known}


def _refuse_duplicates(clips: Iterable[ClipSpec]) -> None:
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


def _apply_limit(clips: list[ClipSpec], limit: int | None, seed: int) -> tuple[ClipSpec, ...]:
    """Return the first clips in a random order by id; the first 8 are among the first 24."""
    if limit is None:
        return tuple(clips)
    ranked = sorted(clips, key=lambda spec: unit_for(seed, "limit", spec.clip_id))
    chosen = {spec.clip_id for spec in ranked[:limit]}
    return tuple(spec for spec in clips if spec.clip_id in chosen)


class ClipOrigin(TypedDict):
    """The recording and the segment of a clip, as the column ``source`` holds them in JSON.

    Keys:
        source_id: name of the recording within the source.
        start, frames: first frame and length of the segment, at `rate`.
        rate: rate of the recording, in Hz.
        gain: factor that brought the recording within full scale; absent if it was.
        rounding_snr_db: ratio of the recording to its 16-bit rounding error, in dB; absent if it
            is at least `QUIET_SNR_DB`.
    """

    source_id: str
    start: int
    frames: int
    rate: int
    gain: NotRequired[float]
    rounding_snr_db: NotRequired[float]


class ClipRow(TypedDict):
    """One row of `schema.CLIPS`, whose columns are the keys.

    Keys:
        noisy, clean: the sounds; `clean` is None if there is no clean counterpart.
        text: the spoken words; None if they are unknown or the clip is a part of its recording.
        source: a `ClipOrigin` in JSON.
        degradation: the steps of the degradation in JSON; None if the recording was not degraded.
    """

    clip_id: str
    noisy: AudioValue
    clean: AudioValue | None
    text: str | None
    language: str | None
    speaker: str | None
    split: str
    sample_rate: int
    num_samples: int
    source: str
    degradation: str | None


class ClipMaker:
    """A maker of the clips of a plan.

    Args:
        corpus, seed, base: as for `plan_clips`.
        known: fingerprints, by path, that noises and impulse responses must have when they are
            read.

    Raises:
        InputError: the noise or the impulse responses cannot be read as described.
    """

    def __init__(
        self,
        corpus: Corpus,
        seed: int,
        base: Path,
        known: Mapping[str, Fingerprint] = MappingProxyType({}),
    ) -> None:
        self._corpus = corpus
        self._seed = seed
        self._source = open_source(corpus.source, base)
        self._library = (
            Library.from_settings(corpus.degrade, base, known) if corpus.degrade else Library()
        )

    def make(self, spec: ClipSpec) -> ClipRow:
        """Return one row of `schema.CLIPS`.

        A recording beyond full scale (possible with floats) and its clean counterpart are scaled by
        one factor, which ``source`` records as ``gain``. If a recording of more than 16 bits is so
        quiet that its 16-bit rounding error is less than 40 dB below it, ``source`` records the
        ratio as ``rounding_snr_db``.

        Raises:
            SourceError: the recording, or a noise, has changed since the build began.
            Unusable: the recording cannot be decoded, is not finite, is silent, or contains no
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
        files = list(zip(map(Path, spec.item.files), spec.contents, strict=False))
        require_unchanged(files)
        sound, clean_sound = self._source.read(spec.item, segment.start, segment.frames)
        require_unchanged(files)
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
        cut = fit_length(wave, segment.num_samples)
        audio.require_sound(cut)
        return cut


def replay(row: Mapping[str, Any], library: Library) -> Wave:
    """Recompute the noisy waveform [T] of a row of `schema.CLIPS` from its clean one and record.

    Rounded to 16 bits, it equals the stored waveform exactly.

    Args:
        row: the row, with ``clean`` and ``degradation``.
        library: library from the settings of the run.

    Raises:
        Unusable: NO_CLEAN where the clip was not degraded by this package.
    """
    clean = audio.from_column(row["clean"])
    if clean is None or row["degradation"] is None:
        raise Unusable(Reason.NO_CLEAN, f"{row['clip_id']} has no record to replay")
    steps = [step for step in parse_steps(row["degradation"]) if step["step"] != "gain"]
    return apply_steps(clean.wave, clean.rate, steps, library)[0]


def rounding_snr_db(wave: Wave) -> float:
    """Return the ratio of a waveform [T] to its 16-bit rounding error, in dB.

    10 log10(sum x^2 / sum (x - q)^2), with q the samples rounded to 16 bits; infinite where x is q.
    """
    exact = wave.astype(np.float64)
    error = exact - audio.pcm16(wave) / 32768
    noise = float(np.sum(error**2))
    return 10 * math.log10(float(np.sum(exact**2)) / noise) if noise else math.inf


def _origin(spec: ClipSpec, gain: float, rounding: float) -> ClipOrigin:
    segment, item = spec.segment, spec.item
    origin: ClipOrigin = {
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
