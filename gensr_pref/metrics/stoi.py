"""STOI and ESTOI: the intelligibility of a candidate against its clean clip.

The arithmetic is that of the package `pystoi`, whose resampler and band matrix are used, with the
clean side computed once for all candidates. Frames of the clean clip 40 dB below its loudest are
left out; 30 frames of the rest (0.4 s) are one segment.

    STOI:  C. H. Taal et al., IEEE TASLP 19(7), 2011, eq. 1-6.
    ESTOI: J. Jensen and C. H. Taal, IEEE/ACM TASLP 24(11), 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from gensr_pref.audio import Sound, Wave
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score, each
from gensr_pref.schema import Reason

Array = npt.NDArray[np.float64]

RATE = 16_000
INNER_RATE = 10_000
FRAME = 256
HOP = FRAME // 2
SEGMENT = 30  # frames: N in the papers
DYNAMIC_RANGE = 40  # dB
CLIP = 1 + 10 ** (15 / 20)  # 1 + 10^(-beta/20), beta = -15 dB
EPS = float(np.finfo(float).eps)
HANN = np.hanning(FRAME + 2)[1:-1]


class Stoi:
    """STOI and ESTOI of 16 kHz sounds."""

    spec = MetricSpec(
        name="stoi",
        scores=(
            Score("stoi", low=-1.0, high=1.0, votes=False),
            Score("estoi", low=-1.0, high=1.0, votes=False),
        ),
        sample_rate=RATE,
        needs=frozenset({"clean"}),
        model=f"pystoi {version('pystoi')}",
        licence="MIT",
    )

    def load(self) -> None:
        """Nothing to load."""

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Both correlations per candidate.

        Raises:
            Unusable: TOO_SHORT, fewer than 30 frames of the clean clip are speech (pystoi warns
                and returns 1e-5).
        """
        clean = _CleanSide.of(clip.reference().wave)
        return each(clip.candidates, lambda candidate: _measure(clean, candidate))


@dataclass(frozen=True)
class _CleanSide:
    """What all candidates share.

    Attributes:
        speech: which frames are kept [frames].
        segments: band envelopes [segments, 15 bands, 30 frames].
        unit: the same with mean 0 and norm 1 over time (STOI).
        whitened: the same with mean 0 and norm 1 over time, then over bands (ESTOI).
    """

    speech: npt.NDArray[np.bool_]
    segments: Array
    unit: Array
    whitened: Array

    @classmethod
    def of(cls, wave: Wave) -> _CleanSide:
        frames = _frames(_resample(wave))
        if len(frames) == 0:
            raise Unusable(Reason.TOO_SHORT, "STOI needs 30 frames of 12.8 ms")
        level = 20 * np.log10(np.linalg.norm(frames, axis=1) + EPS)
        speech = level.max() - DYNAMIC_RANGE - level < 0
        segments = _segments(frames[speech])
        return cls(speech, segments, _unit(segments), _whitened(segments))


def _measure(clean: _CleanSide, candidate: Sound) -> dict[str, float]:
    segments = _segments(_frames(_resample(candidate.wave))[clean.speech])
    norms = np.linalg.norm(segments, axis=2, keepdims=True) + EPS
    scale = np.linalg.norm(clean.segments, axis=2, keepdims=True) / norms
    clipped = np.minimum(segments * scale, clean.segments * CLIP)
    count, bands, _ = segments.shape
    return {
        "stoi": float(np.sum(_unit(clipped) * clean.unit) / (count * bands)),
        "estoi": float(np.sum(clean.whitened * _whitened(segments) / SEGMENT) / count),
    }


def _resample(wave: Wave) -> Array:
    from pystoi.utils import resample_oct

    return np.asarray(resample_oct(wave, INNER_RATE, RATE))


def _frames(signal: Array) -> Array:
    """Windowed frames [frames, 256]; the last start that fits is left out, as in pystoi."""
    if len(signal) <= FRAME:
        return np.empty((0, FRAME))
    return np.asarray(sliding_window_view(signal, FRAME)[:-1:HOP] * HANN)


def _segments(speech: Array) -> Array:
    """Band envelopes [segments, 15, 30] of the kept frames [frames, 256] put end to end."""
    from pystoi.utils import thirdoct

    spectra = np.fft.rfft(_frames(_overlap_add(speech)), n=2 * FRAME)
    if len(spectra) < SEGMENT:
        raise Unusable(Reason.TOO_SHORT, f"STOI needs 30 frames of speech, found {len(spectra)}")
    matrix, _ = thirdoct(INNER_RATE, 2 * FRAME, 15, 150)
    envelopes = np.sqrt(matrix @ np.square(np.abs(spectra.T)))
    return np.asarray(sliding_window_view(envelopes, SEGMENT, axis=1).swapaxes(0, 1))


def _overlap_add(frames: Array) -> Array:
    signal = np.zeros((len(frames) + 1) * HOP)
    signal[:-HOP] += frames[:, :HOP].ravel()
    signal[HOP:] += frames[:, HOP:].ravel()
    return signal


def _unit(segments: Array) -> Array:
    """Mean 0 and norm 1 over time (2011, eq. 5)."""
    centred = segments - segments.mean(axis=2, keepdims=True)
    return np.asarray(centred / (np.linalg.norm(centred, axis=2, keepdims=True) + EPS))


def _whitened(segments: Array) -> Array:
    """Mean 0 and norm 1 over time, then over bands (2016, eq. 3-5).

    pystoi adds noise of 1e-16 so that no norm is 0, and its result differs from call to call; here
    the noise is the same every time.
    """
    rng = np.random.default_rng(0)
    over_time = _normalised(segments, 2, rng)
    return _normalised(over_time, 1, rng)


def _normalised(segments: Array, axis: int, rng: Any) -> Array:
    noisy = segments + EPS * rng.standard_normal(segments.shape)
    noisy -= noisy.mean(axis=axis, keepdims=True)
    return np.asarray(noisy / np.sqrt(np.sum(np.square(noisy), axis=axis, keepdims=True)))
