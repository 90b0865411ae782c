"""Delay and polarity of a candidate relative to its clean clip.

Some enhancers delay their output (10 and 25 ms were measured) and some invert its polarity. PESQ
compensates delays itself; STOI and SI-SDR do not.

The delay is the peak of a cross-correlation whose cross-spectrum is partly whitened,

    r(d) = sum_f  G(f) / |G(f)|^0.8  exp(2 pi i f d),    G(f) = sum_blocks conj(X(f)) Y(f),

between plain correlation (exponent 0) and GCC-PHAT (1: C. H. Knapp and G. C. Carter, IEEE TASSP
24(4), 1976). Plain correlation of voiced speech repeats with the pitch and changes sign between
repeats; GCC-PHAT gives bins that hold only noise full weight.

A peak is accepted if it is distinct. Of 1128 pairs that preserve the phase (whole, filtered, noisy
down to -5 dB, clipped or denoised, all with a delay and a sign) the highest peak was correct in
every one, to 0.5 ms, and it is accepted in 99.8 % of those of at least 1 s and in 92 % of those of
0.3 s. Of 760 pairs that do not preserve it (other speech, noise, phases that are random or from
Griffin and Lim) none is accepted. The exponent and the bounds below were chosen on the same pairs
and on recordings from real enhancers; on other data expect somewhat lower rates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Wave

Correlation = npt.NDArray[np.float64]

SEARCH_SECONDS = 0.25  # ten times the longest delay seen; a wider search has more chance peaks
BLOCK_PER_LAG = 8  # block length as a multiple of the search width, so that few samples overlap
WHITENING = 0.8
SPECTRAL_FLOOR = 1e-3  # relative to the mean |G|; weaker bins are not raised any further
PEAK_SECONDS = 0.001  # half-width of a peak
LEAST_OVER_OTHERS = 3.0  # least ratio of the peak to every other one of either sign
LEAST_OVER_OPPOSITE = 2.0  # least ratio of the peak to the highest one of the other sign
# Least bandwidth in Hz that holds 99 % of |G|. A tone, which matches at every period, has 8; a hum
# of 40 harmonics 80; the first percentile of 800 pieces of speech of at least 0.3 s is 345.
LEAST_BANDWIDTH = 50.0
CHUNK = 1 << 16  # samples that are summed at a time


@dataclass(frozen=True)
class TimeAlignment:
    """Delay and polarity of a candidate relative to its clean clip.

    Attributes:
        delay: samples by which the candidate lags; negative if it leads.
        polarity: -1 if the candidate is inverted, else +1.
        correlation: correlation coefficient in [-1, 1] at that delay, before the polarity is
            undone.
        unmatched: samples at the ends of the clean clip for which the candidate has none; scores
            that compare the two ignore them.
    """

    delay: int = 0
    polarity: int = 1
    correlation: float = 0.0
    unmatched: int = 0


def find_alignment(clean: Wave, candidate: Wave, rate: int) -> TimeAlignment:
    """Estimate delay and polarity of a candidate [T'] relative to its clean clip [T], at `rate` Hz.

    The delay is exact to the nearest sample. The remaining half sample limits the SI-SDR of a
    perfect copy at 16 kHz to 14 dB in the median (6 to 20 dB over speakers), a tenth of a sample
    to 28 dB.

    The result is delay 0 and polarity +1 if no peak within 0.25 s is distinct: the candidate
    preserves the words but not the phase, is too short or a mere tone, or the highest value is the
    flank of a peak outside the search. Nothing is raised: waveforms that are empty, constant at
    zero or not finite give a correlation of 0.

    Time: two Fourier transforms per 1.5 s. Memory: independent of T.
    """
    width = round(PEAK_SECONDS * rate)
    search = round(SEARCH_SECONDS * rate) + width
    energy = _inner_product(clean, clean) * _inner_product(candidate, candidate)
    if not (np.isfinite(energy) and energy > 0):
        return TimeAlignment()
    correlation, bandwidth = _whitened_correlation(clean, candidate, search)
    peak = int(np.argmax(np.abs(correlation)))
    if bandwidth * rate < LEAST_BANDWIDTH or not _is_distinct(correlation, peak, width):
        return _alignment_at(0, 1, clean, candidate)
    return _alignment_at(peak - search, 1 if correlation[peak] > 0 else -1, clean, candidate)


def _alignment_at(delay: int, polarity: int, clean: Wave, candidate: Wave) -> TimeAlignment:
    both = _overlap(clean, candidate, delay)
    return TimeAlignment(
        delay, polarity, _correlation_coefficient(*both), len(clean) - len(both[0])
    )


def undo_alignment(alignment: TimeAlignment, clean: Wave, candidate: Wave) -> tuple[Wave, Wave]:
    """Return the common part [T''] of both, without delay and with the clean clip's polarity."""
    clean, candidate = _overlap(clean, candidate, alignment.delay)
    return clean, candidate if alignment.polarity > 0 else -candidate


def _whitened_correlation(clean: Wave, candidate: Wave, search: int) -> tuple[Correlation, float]:
    """Return r(d) for d from -search to +search, and the bandwidth of 99 % of |G| over the rate."""
    from scipy import fft

    size = fft.next_fast_len(BLOCK_PER_LAG * search, real=True)
    step = size - 2 * search
    cross = np.zeros(size // 2 + 1, np.complex128)
    for start in range(0, len(clean), step):
        block = clean[start : start + step]
        around = _slice_with_zeros(candidate, start - search, start + step + search)
        cross += np.conj(fft.rfft(block, size)) * fft.rfft(around, size)
    magnitude = np.abs(cross)
    floor = SPECTRAL_FLOOR * magnitude.mean() + np.finfo(float).tiny
    whitened = cross * (magnitude + floor) ** -WHITENING
    cumulative = np.cumsum(np.sort(magnitude)[::-1])
    count = np.searchsorted(cumulative, 0.99 * cumulative[-1]) + 1
    return np.asarray(fft.irfft(whitened, size)[: 2 * search + 1], np.float64), count / size


def _slice_with_zeros(wave: Wave, start: int, stop: int) -> Wave:
    """Return wave[start:stop] with zeros beyond its ends."""
    before, after = max(-start, 0), max(stop - max(len(wave), start), 0)
    return np.pad(wave[max(start, 0) : stop], (before, after))


def _is_distinct(correlation: Correlation, peak: int, width: int) -> bool:
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


def _correlation_coefficient(x: Wave, y: Wave) -> float:
    energy = _inner_product(x, x) * _inner_product(y, y)
    return float(_inner_product(x, y) / np.sqrt(energy)) if energy > 0 else 0.0


def _inner_product(x: Wave, y: Wave) -> float:
    """Return the inner product of two waveforms [T], in double precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        chunks = (slice(start, start + CHUNK) for start in range(0, len(x), CHUNK))
        return float(
            sum(np.dot(x[chunk].astype(float), y[chunk].astype(float)) for chunk in chunks)
        )
