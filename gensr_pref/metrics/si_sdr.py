"""SI-SDR: how much of a candidate is its clean clip at some level, against all else in it.

    s the clean clip, e the candidate, a = <e, s> / |s|^2:
    SI-SDR = 10 log10( |a s|^2 / |a s - e|^2 )      J. Le Roux et al., ICASSP 2019, eq. 3 and 4.

The mean is not removed: so compute ClearerVoice's SISDR and VERSA's si_snr, whose published values
these are, and torchmetrics unless told otherwise (asteroid removes it). In a recording with an
offset the offset is then part of the target. One sample of delay costs most of it, and so does
every change of phase: a generative candidate that sounds right may be near -20 dB.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound, Wave
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score, each
from gensr_pref.metrics.clean_reference import clean_signal, counterpart

# A copy of the clean clip would be at infinity. Samples are float32: what is left of it below half
# a unit in the last place, 2^-24 of its size, is not known, and that is the end of the scale.
LARGEST = float(20 * np.log10(2.0**24))  # 144.5 dB
CHUNK = 1 << 16  # samples held in double precision


class SiSdr:
    """SI-SDR of 16 kHz sounds, in dB.

    Args:
        align: have delay and polarity undone first (`gensr_pref.metrics.time_alignment`).
    """

    def __init__(self, align: bool = False) -> None:
        self.spec = MetricSpec(
            name="si_sdr",
            scores=(Score("si_sdr", unit="dB", low=-LARGEST, high=LARGEST, votes=False),),
            sample_rate=16_000,
            needs=frozenset({"clean"}),
            model="Le Roux et al. 2019, eq. 3-4; mean kept",
            licence="a formula",
            align=align,
        )

    def load(self, device: str) -> None:
        """Nothing to load."""

    def score(self, clip: ClipSounds) -> list[Answer]:
        """One ratio per candidate, in [-144.5, 144.5] dB; the upper end is a copy.

        Raises:
            Unusable: NO_CLEAN.
        """
        clean = clean_signal(clip)
        return each(clip.candidates, lambda candidate: {"si_sdr": _measure(clean, candidate)})


def _measure(clean: Wave, candidate: Sound) -> float:
    return si_sdr(clean, counterpart(candidate, clean))


def si_sdr(clean: Wave, candidate: Wave) -> float:
    """The equation above, in dB, for waveforms [T] of which neither is all zero."""
    power = cross = 0.0
    for s, e in _chunks(clean, candidate):
        power += float(s @ s)
        cross += float(e @ s)
    scale = cross / power
    rest = 0.0
    for s, e in _chunks(clean, candidate):
        error = scale * s - e
        rest += float(error @ error)
    with np.errstate(divide="ignore"):
        ratio = np.log10(scale * scale * power) - np.log10(rest)
    return float(np.clip(10 * ratio, -LARGEST, LARGEST))


def _chunks(
    clean: Wave, candidate: Wave
) -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    for start in range(0, len(clean), CHUNK):
        chunk = slice(start, start + CHUNK)
        yield clean[chunk].astype(np.float64), candidate[chunk].astype(np.float64)
