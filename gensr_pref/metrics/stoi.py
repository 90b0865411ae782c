"""STOI and ESTOI: intelligibility of a candidate relative to its clean clip.

The arithmetic is that of the package `pystoi`, whose resampler and band matrix are used, with the
clean clip processed once for all candidates. Frames 40 dB below the loudest frame of the clean clip
are left out; 30 of the remaining frames (0.4 s) are one segment.

    STOI:  C. H. Taal et al., IEEE TASLP 19(7), 2011, eq. 1-6.
    ESTOI: J. Jensen and C. H. Taal, IEEE/ACM TASLP 24(11), 2016.

Frames and segments are processed in blocks: for an hour of sound, only the waveform at 10 kHz (288
MB, one at a time) and the band envelopes (34 MB for each sound) are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from gensr_pref.audio import Sound, Wave
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score
from gensr_pref.metrics.clean_reference import candidate_signal, clean_signal
from gensr_pref.schema import Reason

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

RATE = 16_000
INNER_RATE = 10_000
FRAME = 256
HOP = FRAME // 2
BANDS = 15
SEGMENT = 30  # frames: N in the papers
DYNAMIC_RANGE = 40  # dB
CLIP = 1 + 10 ** (15 / 20)  # 1 + 10^(-beta/20), beta = -15 dB
EPS = float(np.finfo(float).eps)
HANN = np.hanning(FRAME + 2)[1:-1]

# pystoi's filter spans 58 samples at 16 kHz on either side; 8 of them give 5 at 10 kHz.
REACH = 58
STEP_IN, STEP_OUT = 64, 40
FRAMES_PER_BLOCK = 512
SEGMENTS_PER_BLOCK = 128


class Stoi:
    """STOI and ESTOI of 16 kHz sounds.

    Args:
        align: whether the panel undoes each candidate's delay and polarity first
            (`gensr_pref.metrics.time_alignment`).
    """

    def __init__(self, align: bool = False) -> None:
        self.spec = MetricSpec(
            name="stoi",
            scores=(
                Score("stoi", low=-1.0, high=1.0, votes=False),
                Score("estoi", low=-1.0, high=1.0, votes=False),
            ),
            sample_rate=RATE,
            needs=frozenset({"clean"}),
            model=f"pystoi {version('pystoi')}",
            licence="MIT",
            align=align,
        )

    def load(self, device: str) -> None:
        """Do nothing: there are no weights."""

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Return both correlations of each candidate.

        Raises:
            Unusable: NO_CLEAN; TOO_SHORT, fewer than 30 frames of the clean clip are speech
                (pystoi warns and returns 1e-5 then).
        """
        clean = clean_signal(clip)
        signal = _resample(clean)
        speech = _speech(signal)
        reference = _envelopes(signal, speech)
        del signal
        envelopes = [_attempt(candidate, clean, speech) for candidate in clip.candidates]
        usable = [envelope for envelope in envelopes if not isinstance(envelope, Exception)]
        scored = iter(_correlations(reference, usable))
        return [e if isinstance(e, Exception) else next(scored) for e in envelopes]


def _attempt(candidate: Sound, clean: Wave, speech: Indices) -> Array | Exception:
    """Return the band envelopes of a candidate, or the exception that they raise."""
    try:
        return _envelopes(_resample(candidate_signal(candidate, clean)), speech)
    except Exception as error:
        return error


def _resample(wave: Wave) -> Array:
    """Resample a waveform [T] to 10 kHz, [ceil(5 T / 8)], by a matrix product per block."""
    matrix = _resampler()
    length = -(-len(wave) * STEP_OUT // STEP_IN)
    rows = -(-length // STEP_OUT)
    result = np.empty((rows, STEP_OUT))
    for start in range(0, rows, FRAMES_PER_BLOCK):
        stop = min(start + FRAMES_PER_BLOCK, rows)
        inputs = _slice_with_zeros(
            wave, start * STEP_IN - REACH, (stop - 1) * STEP_IN - REACH + len(matrix)
        )
        windows = sliding_window_view(inputs, len(matrix))[::STEP_IN]
        result[start:stop] = np.ascontiguousarray(windows) @ matrix
    return result.ravel()[:length]


@cache
def _resampler() -> Array:
    """Return the weights [inputs, 40] of the samples at 16 kHz in each of 40 samples at 10 kHz.

    They are pystoi's impulse responses, measured far enough from the ends.
    """
    from pystoi.utils import resample_oct

    inputs = STEP_IN + 2 * REACH
    impulses = np.eye(2 * STEP_IN + REACH)
    answers = np.asarray(resample_oct(impulses, INNER_RATE, RATE))
    first = STEP_IN - REACH
    return answers[STEP_OUT : 2 * STEP_OUT, first : first + inputs].T.copy()


def _slice_with_zeros(wave: Wave, start: int, stop: int) -> Array:
    """Return wave[start:stop] in double precision, with zeros beyond its ends."""
    inside = wave[max(start, 0) : stop].astype(np.float64)
    before = max(-start, 0)
    return np.pad(inside, (before, stop - start - before - len(inside)))


def _frames(signal: Array) -> Array:
    """Return a view of the frames [frames, 256], without the last that fits, as in pystoi."""
    if len(signal) <= FRAME:
        raise Unusable(Reason.TOO_SHORT, "STOI needs 30 frames of 12.8 ms")
    return sliding_window_view(signal, FRAME)[:-1:HOP]


def _speech(signal: Array) -> Indices:
    """Return the indices of the frames within 40 dB of the loudest frame."""
    frames = _frames(signal)
    norms = np.concatenate(
        [np.linalg.norm(frames[block] * HANN, axis=1) for block in _blocks(len(frames))]
    )
    level = 20 * np.log10(norms + EPS)
    return np.flatnonzero(level.max() - DYNAMIC_RANGE - level < 0)


def _envelopes(signal: Array, speech: Indices) -> Array:
    """Return the band envelopes [frames, 15] of the concatenated speech frames (2011, eq. 1)."""
    count = len(speech) - 1
    if count < SEGMENT:
        raise Unusable(Reason.TOO_SHORT, f"STOI needs 30 frames of speech, found {max(count, 0)}")
    frames = _frames(signal)
    return np.concatenate([_block_envelopes(frames, speech, block) for block in _blocks(count)])


def _block_envelopes(frames: Array, speech: Indices, block: slice) -> Array:
    from pystoi.utils import thirdoct
    from scipy import fft

    joined = _overlap_add(frames, speech, block)
    spectra = fft.rfft(joined * HANN, 2 * FRAME, overwrite_x=True)
    power = np.square(spectra.real) + np.square(spectra.imag)
    matrix, _ = thirdoct(INNER_RATE, 2 * FRAME, BANDS, 150)
    return np.asarray(np.sqrt(power @ matrix.T))


def _overlap_add(frames: Array, speech: Indices, block: slice) -> Array:
    """Return frames [block, 256] of the overlap-add of the windowed speech frames.

    The first half of frame i is that of speech frame i plus the second half of speech frame i - 1;
    its second half is that of speech frame i plus the first half of speech frame i + 1.
    """
    before = min(block.start, 1)
    windowed = frames[speech[block.start - before : block.stop + 1]] * HANN
    if not before:
        windowed = np.concatenate([np.zeros((1, FRAME)), windowed])
    joined = windowed[1:-1].copy()
    joined[:, :HOP] += windowed[:-2, HOP:]
    joined[:, HOP:] += windowed[2:, :HOP]
    return joined


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, FRAMES_PER_BLOCK):
        yield slice(start, min(start + FRAMES_PER_BLOCK, count))


def _correlations(clean: Array, candidates: Sequence[Array]) -> list[dict[str, float]]:
    """Return both scores of each candidate's envelopes [frames, 15].

    STOI is the mean of the correlations over segments and bands (2011, eq. 6); ESTOI is the mean
    over segments and frames of the segments.
    """
    count = len(clean) - SEGMENT + 1
    totals = np.zeros((len(candidates), 2))
    for start in range(0, count, SEGMENTS_PER_BLOCK):
        block = slice(start, min(start + SEGMENTS_PER_BLOCK, count) + SEGMENT - 1)
        reference = _CleanSegments.from_envelopes(clean[block])
        for total, envelopes in zip(totals, candidates, strict=True):
            total += reference.compare(_segments(envelopes[block]))
    return [
        {"stoi": float(stoi / (count * BANDS)), "estoi": float(estoi / (count * SEGMENT))}
        for stoi, estoi in totals
    ]


@dataclass(frozen=True)
class _CleanSegments:
    """Segments of the clean clip in one block, prepared for comparison with all candidates.

    Attributes:
        norm: [segments, 15, 1] norm of the band envelopes over time.
        ceiling: [segments, 15, 30] envelopes times 1 + 10^(-beta/20), at which a candidate's
            envelopes are clipped.
        unit: [segments, 15, 30] envelopes with mean 0 and norm 1 over time (STOI).
        whitened: [segments, 15, 30] the same, then with mean 0 and norm 1 over bands (ESTOI).
    """

    norm: Array
    ceiling: Array
    unit: Array
    whitened: Array

    @classmethod
    def from_envelopes(cls, envelopes: Array) -> _CleanSegments:
        segments = _segments(envelopes)
        unit = _unit(segments, axis=2)
        return cls(_norm(segments, 2), segments * CLIP, unit, _unit(unit, axis=1))

    def compare(self, segments: Array) -> tuple[float, float]:
        """Return the sums of both correlations over the block, for segments of a candidate."""
        scale = self.norm / (_norm(segments, 2) + EPS)
        clipped = np.minimum(segments * scale, self.ceiling)
        whitened = _unit(_unit(segments, axis=2), axis=1)
        return _product(_unit(clipped, axis=2), self.unit), _product(whitened, self.whitened)


def _segments(envelopes: Array) -> Array:
    """Return every run of 30 consecutive frames: [segments, 15, 30]."""
    return np.ascontiguousarray(sliding_window_view(envelopes, SEGMENT, axis=0))


def _unit(segments: Array, axis: int) -> Array:
    """Normalise to mean 0 and norm 1 along an axis (2011, eq. 5; 2016, eq. 3-5); constants give 0.

    pystoi's ESTOI adds noise of 1e-16 instead, so that nothing is constant: in digital silence its
    result is random, with mean 0, and differs from call to call.
    """
    centred: Array = segments - segments.mean(axis=axis, keepdims=True)
    centred /= _norm(centred, axis) + EPS
    return centred


def _norm(segments: Array, axis: int) -> Array:
    """Return the norm of [segments, 15, 30] over bands (axis 1) or time (axis 2), keeping axes."""
    powers = np.einsum("sbt,sbt->sb" if axis == 2 else "sbt,sbt->st", segments, segments)
    return np.asarray(np.expand_dims(np.sqrt(powers), axis))


def _product(a: Array, b: Array) -> float:
    return float(np.vdot(a, b))
