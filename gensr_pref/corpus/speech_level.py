"""Active speech level: the level of speech without its pauses (ITU-T P.56, method B).

The level of a recording with pauses is lower than that of the speech in it, so that a
signal-to-noise ratio over all samples depends on how much silence was recorded. P.56 counts only
the samples where the envelope is within 15.9 dB of the level it finds.

Reference: ITU-T Recommendation P.56 (12/2011), clause 6 "method B". Two differences: thresholds
are relative to the peak of the recording, so that the level of ``g * x`` is exactly ``g`` times
that of ``x``; and the crossing is solved for between two thresholds rather than bisected.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Wave, require_sound
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

MARGIN_DB = 15.9
TIME_CONSTANT_S = 0.03
HANGOVER_S = 0.2
_THRESHOLDS = 2.0 ** np.arange(-15, 0)


def active_rms(wave: Wave, rate: int) -> float:
    """Return the root mean square of the active speech.

    Args:
        wave: [T].
        rate: Hz.

    Raises:
        Unusable: SILENT, EMPTY or NOT_FINITE; NO_SPEECH where no part stays within 15.9 dB
            of its own level (single clicks).
    """
    require_sound(wave)
    peak = float(np.abs(wave).max())
    signal = wave.astype(np.float64) / peak
    active = _active_samples(_envelope(signal, rate), rate)
    return peak * math.sqrt(10 ** (_crossing(float(np.square(signal).sum()), active) / 10))


def decibels(ratio: float) -> float:
    """Return an amplitude ratio in dB."""
    return 20 * math.log10(ratio)


def _envelope(signal: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.float64]:
    pole = math.exp(-1 / (rate * TIME_CONSTANT_S))
    from scipy.signal import lfilter

    once = lfilter([1 - pole], [1, -pole], np.abs(signal))
    return np.asarray(lfilter([1 - pole], [1, -pole], once))


def _active_samples(envelope: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.int64]:
    """Return the number of active samples at each threshold, with hangover [15]."""
    hangover = math.ceil(HANGOVER_S * rate)
    counts = np.zeros(len(_THRESHOLDS), np.int64)
    for row, threshold in enumerate(_THRESHOLDS):
        above = envelope >= threshold
        counts[row] = np.count_nonzero(above) + np.minimum(_pauses(above), hangover).sum()
    return counts


def _pauses(above: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the lengths of the runs of False that follow a True."""
    flips = np.flatnonzero(above[1:] != above[:-1]) + 1
    runs = np.diff(flips, prepend=0, append=len(above))
    return runs[1::2] if above[0] else runs[2::2]


def _crossing(energy: float, active: npt.NDArray[np.int64]) -> float:
    """Return the level, in dB, that is 15.9 dB above its own threshold."""
    reached = active > 0
    levels = 10 * np.log10(energy / active[reached])
    excess = levels - 20 * np.log10(_THRESHOLDS[reached]) - MARGIN_DB
    below = np.flatnonzero(excess <= 0)
    if below.size == 0 or below[0] == 0:
        raise Unusable(Reason.NO_SPEECH, "it contains no active speech by ITU-T P.56")
    j = int(below[0])
    share = excess[j - 1] / (excess[j - 1] - excess[j])
    return float(levels[j - 1] + share * (levels[j] - levels[j - 1]))
