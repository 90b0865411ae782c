"""Clipped peaks, rebuilt: the samples of a clip that were cut at a common level, by interpolation.

Speech is autoregressive over 32 ms: what its neighbours predict of a lost sample is often nearly
right. The samples are those that make the prediction error smallest (Janssen, Veldhuis and Vries
1986, "Adaptive interpolation of discrete-time signals that can be modeled as autoregressive
processes"), alternately with the predictor; they must also lie beyond the level, as a sample that
was clipped did. A clip without flat tops comes back as it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_toeplitz

from gensr_pref.generators.tiny.analysis import WIDEBAND, Analysis

ORDER_S = 0.002  # of the predictor; a frame is that of the STFT
ROUNDS = 3  # of predictor and samples in turn
HIGHEST = 4.0  # times the level
WORST = 0.7  # share of clipped samples above which a frame says too little

# What a flat top is: three samples or more at the clip's largest magnitude, to 16-bit rounding,
# with a corner of a hundredth of the level at its edges, which no smooth peak has. Few of them
# prove nothing, nor does a clip of a few steps of 16 bits.
ROUNDING = 1.5 / 32768
SHORTEST_TOP = 3
CORNER = 0.01
FEWEST_TOPS = 8
QUIETEST = 100 / 32768

Wave = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def declipped(wave: Wave, analysis: Analysis = WIDEBAND) -> Wave:
    """A clip [T] with its flat tops rebuilt; scaled down where they then pass full scale."""
    lost = clipped(wave)
    if not lost.any():
        return wave
    level = float(np.abs(wave).max())
    rebuilt = np.where(lost, _interpolated(wave, lost, level, analysis), wave)
    return (rebuilt / max(1.0, float(np.abs(rebuilt).max()))).astype(np.float32)


def clipped(wave: Wave) -> Mask:
    """[T] which samples were clipped."""
    level = np.abs(wave).max(initial=0)
    lost = np.zeros(len(wave), bool)
    if level < QUIETEST:
        return lost
    flat = np.concatenate([[False], np.abs(wave) >= level - ROUNDING, [False]])
    edges = np.flatnonzero(np.diff(flat.astype(np.int8))).reshape(-1, 2)
    tops = [(a, b) for a, b in edges if a > 0 and b < len(wave)]
    corner = [
        b - a >= SHORTEST_TOP and level - max(abs(wave[a - 1]), abs(wave[b])) > CORNER * level
        for a, b in tops
    ]
    if sum(corner) < FEWEST_TOPS:
        return lost
    for a, b in tops:
        lost[a:b] = b - a > 1
    return lost


def _interpolated(
    wave: Wave, lost: Mask, level: float, analysis: Analysis
) -> npt.NDArray[np.float64]:
    """[T] frame by frame, half overlapping and cross-faded."""
    hop, length = analysis.hop, analysis.n_fft
    order = analysis.samples(ORDER_S)
    pad = (hop, hop - len(wave) % hop + hop)
    heard, missing = np.pad(wave.astype(np.float64), pad), np.pad(lost, pad)
    window = np.hanning(length + 1)[:-1]
    total = np.zeros(len(heard))
    for start in range(0, len(heard) - length + 1, hop):
        frame = slice(start, start + length)
        total[frame] += window * _rebuilt(heard[frame], missing[frame], level, order)
    return total[hop : hop + len(wave)]


def _rebuilt(
    frame: npt.NDArray[np.float64], lost: Mask, level: float, order: int
) -> npt.NDArray[np.float64]:
    """A frame with its lost samples between `level` and `HIGHEST` times that."""
    at = np.flatnonzero(lost)
    if len(at) == 0 or len(at) > WORST * len(frame):
        return frame
    made, sign = frame.copy(), np.sign(frame[at])
    known = np.where(lost, 0, frame)
    for _ in range(ROUNDS):
        predictor = _predictor(made, order)
        error = np.correlate(predictor, predictor, mode="full")  # energy's derivative, by lag
        lag = np.abs(at[:, None] - at)
        matrix = np.where(lag <= order, error[order + np.minimum(lag, order)], 0)
        drive = np.convolve(known, error, mode="same")[at]
        best = np.linalg.solve(matrix + 1e-9 * np.eye(len(at)), -drive)
        made[at] = sign * np.clip(sign * best, level, HIGHEST * level)
    return made


def _predictor(frame: npt.NDArray[np.float64], order: int) -> npt.NDArray[np.float64]:
    """[1 + order] the filter of the prediction error, by the autocorrelation method."""
    lags = slice(len(frame) - 1, len(frame) + order)
    correlation = np.correlate(frame, frame, "full")[lags]
    correlation[0] = correlation[0] * (1 + 1e-6) + 1e-9
    return np.concatenate([[1], solve_toeplitz(correlation[:-1], -correlation[1:])])
