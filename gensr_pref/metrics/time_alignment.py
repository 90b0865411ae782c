"""Where a candidate lies against its clean clip: by how much it lags, and whether it is inverted.

Enhancers lag (by 10 and 25 ms in shared/data/paired.csv) and some return the waveform upside down;
PESQ finds delays by itself, STOI and SI-SDR do not.

The delay is the peak of a cross-correlation whose cross-spectrum is partly whitened,

    r(d) = sum_f  G(f) / |G(f)|^0.8  exp(2 pi i f d),    G(f) = sum_blocks conj(X(f)) Y(f),

between plain correlation (exponent 0) and GCC-PHAT (1: C. H. Knapp and G. C. Carter, IEEE TASSP
24(4), 1976). Plain correlation of voiced speech repeats with the pitch and changes sign between
repeats; GCC-PHAT gives bins of nothing but noise a full vote.

A peak is believed where it stands out. Of 1128 pairs that keep the phase (whole, filtered, noisy
down to -5 dB, clipped or denoised, all with a delay and a sign) the highest peak was the right one
in every one, to 0.5 ms, and it is believed in 99.8 % of those of 1 s and more and in 92 % of those
of 0.3 s. Of 760 that do not keep it (other speech, noise, phases drawn at random or by Griffin and
Lim) none is believed. The exponent and the bounds below were chosen on these very pairs and on the
enhancers of paired.csv, so on others expect somewhat less.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Wave

Correlation = npt.NDArray[np.float64]

SEARCH_SECONDS = 0.25  # ten times the longest delay seen; a wider search finds more chance peaks
BLOCK_PER_LAG = 8  # samples of a block for each one of the search, so that few overlap
WHITENING = 0.8
SPECTRAL_FLOOR = 1e-3  # of the mean |G|: below it a bin is not raised any further
PEAK_SECONDS = 0.001  # what lies as near to the peak belongs to it
LEAST_OVER_OTHERS = 3.0  # the peak, over every other of either sign
LEAST_OVER_OPPOSITE = 2.0  # the peak, over the highest of the other sign
# Hz that hold 99 % of |G|: a tone, which lies alike at every period, 8; a hum of 40 harmonics 80;
# of 800 pieces of speech of 0.3 s and more, 345 in the lowest hundredth.
LEAST_BANDWIDTH = 50.0
CHUNK = 1 << 16  # samples that are summed in one go


@dataclass(frozen=True)
class Alignment:
    """How a candidate lies against its clean clip.

    Attributes:
        delay: samples by which the candidate lags; negative where it leads.
        polarity: -1 where the candidate is inverted, else +1.
        correlation: normalised, in [-1, 1], at that delay and before the polarity is undone.
        unmatched: samples of the clean clip that the candidate has nothing for, at either end; no
            score that wants both hears them.
    """

    delay: int = 0
    polarity: int = 1
    correlation: float = 0.0
    unmatched: int = 0


def find(clean: Wave, candidate: Wave, rate: int) -> Alignment:
    """Delay and polarity of a candidate [T'] against its clean clip [T], both at a rate in Hz.

    To the nearest sample. What remains is half a sample at most, which at 16 kHz bounds the SI-SDR
    of a perfect copy to 14 dB in the median (6 to 20 dB over speakers); a tenth, to 28 dB.

    Where no peak within 0.25 s can be trusted, because the candidate keeps the words but not the
    phase, or is too short or a mere tone, or because the highest is the flank of one that lies
    beyond, the answer is delay 0 and polarity +1. Nothing is raised: waveforms that are empty,
    constant at zero or not finite give a correlation of 0.

    Time: two Fourier transforms per 1.5 s. Memory: independent of T.
    """
    width = round(PEAK_SECONDS * rate)
    search = round(SEARCH_SECONDS * rate) + width
    energy = _inner(clean, clean) * _inner(candidate, candidate)
    if not (np.isfinite(energy) and energy > 0):
        return Alignment()
    correlation, bandwidth = _whitened_correlation(clean, candidate, search)
    peak = int(np.argmax(np.abs(correlation)))
    if bandwidth * rate < LEAST_BANDWIDTH or not _stands_out(correlation, peak, width):
        return _at(0, 1, clean, candidate)
    return _at(peak - search, 1 if correlation[peak] > 0 else -1, clean, candidate)


def _at(delay: int, polarity: int, clean: Wave, candidate: Wave) -> Alignment:
    both = _overlap(clean, candidate, delay)
    return Alignment(delay, polarity, _normalised(*both), len(clean) - len(both[0]))


def undo(alignment: Alignment, clean: Wave, candidate: Wave) -> tuple[Wave, Wave]:
    """The stretch [T''] that both have, without delay and with the clean clip's polarity."""
    clean, candidate = _overlap(clean, candidate, alignment.delay)
    return clean, candidate if alignment.polarity > 0 else -candidate


def _whitened_correlation(clean: Wave, candidate: Wave, search: int) -> tuple[Correlation, float]:
    """r(d) for d from -search to +search; how many Hz hold 99 % of |G|, per Hz of rate."""
    from scipy import fft

    size = fft.next_fast_len(BLOCK_PER_LAG * search, real=True)
    step = size - 2 * search
    cross = np.zeros(size // 2 + 1, np.complex128)
    for start in range(0, len(clean), step):
        block = clean[start : start + step]
        around = _stretch(candidate, start - search, start + step + search)
        cross += np.conj(fft.rfft(block, size)) * fft.rfft(around, size)
    magnitude = np.abs(cross)
    floor = SPECTRAL_FLOOR * magnitude.mean() + np.finfo(float).tiny
    whitened = cross * (magnitude + floor) ** -WHITENING
    falling = np.cumsum(np.sort(magnitude)[::-1])
    held = np.searchsorted(falling, 0.99 * falling[-1]) + 1
    return np.asarray(fft.irfft(whitened, size)[: 2 * search + 1], np.float64), held / size


def _stretch(wave: Wave, start: int, stop: int) -> Wave:
    """wave[start:stop] with zeros where it has no samples."""
    before, after = max(-start, 0), max(stop - max(len(wave), start), 0)
    return np.pad(wave[max(start, 0) : stop], (before, after))


def _stands_out(correlation: Correlation, peak: int, width: int) -> bool:
    if not width <= peak < len(correlation) - width:
        return False
    sign = np.sign(correlation[peak])
    others = np.abs(correlation)
    others[max(peak - width, 0) : peak + width + 1] = 0
    height = abs(correlation[peak])
    return bool(
        height > 0
        and height >= LEAST_OVER_OTHERS * others.max()
        and height >= LEAST_OVER_OPPOSITE * (-sign * correlation).max()
    )


def _overlap(clean: Wave, candidate: Wave, delay: int) -> tuple[Wave, Wave]:
    clean, candidate = clean[max(-delay, 0) :], candidate[max(delay, 0) :]
    length = min(len(clean), len(candidate))
    return clean[:length], candidate[:length]


def _normalised(x: Wave, y: Wave) -> float:
    energy = _inner(x, x) * _inner(y, y)
    return float(_inner(x, y) / np.sqrt(energy)) if energy > 0 else 0.0


def _inner(x: Wave, y: Wave) -> float:
    """Sum of products of two waveforms [T], in double precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        chunks = (slice(start, start + CHUNK) for start in range(0, len(x), CHUNK))
        return float(
            sum(np.dot(x[chunk].astype(float), y[chunk].astype(float)) for chunk in chunks)
        )
