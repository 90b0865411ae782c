"""SI-SDR: power of the scaled clean clip in a candidate, relative to all other power in it.

With s the clean clip and s_hat the candidate,

    alpha = <s_hat, s> / |s|^2
    SI-SDR = 10 log10( |alpha s|^2 / |alpha s - s_hat|^2 )    (dB)

    J. Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019, eq. 3 and 4.

The mean is not removed, as in ClearerVoice's SISDR and VERSA's si_snr, whose values these are, and
by default in torchmetrics (asteroid removes it). In a recording with an offset, the offset is then
part of the target. One sample of delay costs most of the value, and so does every change of phase:
a generative candidate that sounds right may be near -20 dB.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound, Wave
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score, score_each
from gensr_pref.metrics.clean_reference import candidate_signal, clean_signal

# A copy of the clean clip would have an infinite ratio. Samples are float32, so that a residual
# below half a unit in the last place, 2^-24 of the signal, is unknown: that limits the scale.
LARGEST = float(20 * np.log10(2.0**24))  # 144.5 dB
CHUNK = 1 << 16  # samples held in double precision


class SiSdr:
    """SI-SDR of 16 kHz sounds, in dB.

    Args:
        align: whether the panel undoes each candidate's delay and polarity first
            (`gensr_pref.metrics.time_alignment`).
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
        """Do nothing: there are no weights."""

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Return one ratio per candidate, in [-144.5, 144.5] dB; a copy has the upper limit.

        Raises:
            Unusable: NO_CLEAN.
        """
        clean = clean_signal(clip)
        return score_each(clip.candidates, lambda candidate: {"si_sdr": _measure(clean, candidate)})


def _measure(clean: Wave, candidate: Sound) -> float:
    return si_sdr(clean, candidate_signal(candidate, clean))


def si_sdr(clean: Wave, candidate: Wave) -> float:
    """Return SI-SDR in dB, as the module defines it, of waveforms [T] that are not all zero."""
    power = cross = 0.0
    for s, s_hat in _chunks(clean, candidate):
        power += float(s @ s)
        cross += float(s_hat @ s)
    alpha = cross / power
    noise = 0.0
    for s, s_hat in _chunks(clean, candidate):
        residual = alpha * s - s_hat
        noise += float(residual @ residual)
    with np.errstate(divide="ignore"):
        ratio = np.log10(alpha * alpha * power) - np.log10(noise)
    return float(np.clip(10 * ratio, -LARGEST, LARGEST))


def _chunks(
    clean: Wave, candidate: Wave
) -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    for start in range(0, len(clean), CHUNK):
        chunk = slice(start, start + CHUNK)
        yield clean[chunk].astype(np.float64), candidate[chunk].astype(np.float64)
