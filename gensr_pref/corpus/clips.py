"""Makes the clips of a plan, one at a time; a clip does not depend on the process or the order."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NotRequired, TypedDict

import numpy as np

from gensr_pref import audio
from gensr_pref.audio import Sound, Wave
from gensr_pref.audio.writing import AudioValue
from gensr_pref.config.run_file import Corpus
from gensr_pref.corpus.clip_spec import ClipSpec
from gensr_pref.corpus.codec import fit_length
from gensr_pref.corpus.degradation_sources import Library
from gensr_pref.corpus.degrade import HEADROOM, apply_steps, degrade
from gensr_pref.corpus.fingerprints import Fingerprint, require_unchanged
from gensr_pref.corpus.segments import Segment
from gensr_pref.corpus.sources import open_source
from gensr_pref.errors import Unusable
from gensr_pref.identity import rng_for
from gensr_pref.rundir.json_columns import parse_steps
from gensr_pref.schema import Reason

# Ratio of a recording to its 16-bit rounding error; lower ratios are recorded. Our choice.
QUIET_SNR_DB = 40.0
_ROUNDING = 4  # samples by which a resampled recording may be shorter than computed from its header


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
        corpus, seed, base: as for `gensr_pref.corpus.clip_plan.plan_clips`.
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
