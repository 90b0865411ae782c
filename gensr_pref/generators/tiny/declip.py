"""Declipping: samples that were cut at a common level are restored by interpolation.

Over 32 ms speech is well modelled as an autoregressive process. The lost samples and the predictor
are estimated alternately, each minimising the prediction error (A. J. E. M. Janssen, R. N. J.
Veldhuis and L. B. Vries, "Adaptive interpolation of discrete-time signals that can be modeled as
autoregressive processes", IEEE TASSP 34(2), 1986). Restored samples must also lie beyond the
clipping level, as the originals did. A clip without flat tops is returned unchanged.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_toeplitz

from gensr_pref.generators.tiny.analysis import WIDEBAND, Analysis

ORDER_S = 0.002  # length of the predictor; a frame is that of the STFT
ROUNDS = 3  # alternations of predictor and samples
HIGHEST = 4.0  # limit of a restored sample, as a multiple of the level
WORST = 0.7  # fraction of clipped samples above which a frame is left as it is

# A flat top: three samples or more at the clip's largest magnitude, to 16-bit rounding, with a
# corner of a hundredth of the level at its edges, which no smooth peak has. A few of them are no
# evidence of clipping, and neither are those of a clip that spans only a few 16-bit steps.
ROUNDING = 1.5 / 32768
SHORTEST_TOP = 3
CORNER = 0.01
FEWEST_TOPS = 8
QUIETEST = 100 / 32768

Wave = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def declip(wave: Wave, analysis: Analysis = WIDEBAND) -> Wave:
    """Restore the flat tops of a clip [T]; scale the clip down if it then exceeds full scale."""
    lost = find_clipped(wave)
    if not lost.any():
        return wave
    level = float(np.abs(wave).max())
    rebuilt = np.where(lost, _interpolate(wave, lost, level, analysis), wave)
    return (rebuilt / max(1.0, float(np.abs(rebuilt).max()))).astype(np.float32)


def find_clipped(wave: Wave) -> Mask:
    """Return a mask [T] of the clipped samples."""
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


def _interpolate(
    wave: Wave, lost: Mask, level: float, analysis: Analysis
) -> npt.NDArray[np.float64]:
    """Interpolate the lost samples of a clip [T] in frames that overlap by half, cross-faded."""
    hop, length = analysis.hop, analysis.n_fft
    order = analysis.samples(ORDER_S)
    pad = (hop, hop - len(wave) % hop + hop)
    padded, missing = np.pad(wave.astype(np.float64), pad), np.pad(lost, pad)
    window = np.hanning(length + 1)[:-1]
    total = np.zeros(len(padded))
    for start in range(0, len(padded) - length + 1, hop):
        frame = slice(start, start + length)
        total[frame] += window * _rebuild_frame(padded[frame], missing[frame], level, order)
    return total[hop : hop + len(wave)]


def _rebuild_frame(
    frame: npt.NDArray[np.float64], lost: Mask, level: float, order: int
) -> npt.NDArray[np.float64]:
    """Interpolate the lost samples of a frame, within `level` and `HIGHEST` times `level`."""
    at = np.flatnonzero(lost)
    if len(at) == 0 or len(at) > WORST * len(frame):
        return frame
    rebuilt, sign = frame.copy(), np.sign(frame[at])
    known = np.where(lost, 0, frame)
    for _ in range(ROUNDS):
        predictor = _predictor(rebuilt, order)
        error = np.correlate(predictor, predictor, mode="full")  # energy's derivative, by lag
        lag = np.abs(at[:, None] - at)
        matrix = np.where(lag <= order, error[order + np.minimum(lag, order)], 0)
        drive = np.convolve(known, error, mode="same")[at]
        best = np.linalg.solve(matrix + 1e-9 * np.eye(len(at)), -drive)
        rebuilt[at] = sign * np.clip(sign * best, level, HIGHEST * level)
    return rebuilt


def _predictor(frame: npt.NDArray[np.float64], order: int) -> npt.NDArray[np.float64]:
    """Return the prediction-error filter [1 + order], by the autocorrelation method."""
    lags = slice(len(frame) - 1, len(frame) + order)
    correlation = np.correlate(frame, frame, "full")[lags]
    correlation[0] = correlation[0] * (1 + 1e-6) + 1e-9
    return np.concatenate([[1], solve_toeplitz(correlation[:-1], -correlation[1:])])
