"""The carrier: the noisy spectrum, with its gaps filled from neighbouring signal.

A band gain can shape existing energy but cannot create any. Three kinds of gaps are therefore
filled before the model sees the clip, each by a classical method: clipped peaks by interpolation
(`declip`), lost packets by repeating the last pitch period (ITU-T G.711 Appendix I), missing high
bands by translating the upper half of the remaining spectrum (spectral band replication). For the
last two only the texture matters; the model generates their level, per band and frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gensr_pref.generators.tiny.analysis import WIDEBAND, Analysis
from gensr_pref.generators.tiny.declip import declip

# A bin is missing if even its loud frames have the power of 16-bit rounding (2e-8 on average in
# this STFT's units) or lie 70 dB below the strongest bin: the stop band of a resampler. The loudest
# twentieth of the frames is ignored, because a discontinuity in the waveform spreads over all bins.
LOUD = 0.95
ROUNDING_POWER = 2e-7  # at 16 kHz
STOP_BAND = 1e-7
SHORTEST_GAP_S = 0.005  # of digital silence that counts as a lost packet
LONGEST_GAP_S = 0.2  # longer digital silence is a pause and is not filled
HISTORY_S = 0.06  # before a gap, from which its pitch is estimated
PITCH_LAGS_S = (0.0025, 0.02)  # 400 to 50 Hz
CROSSFADE_S = 0.005

Wave = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Carrier:
    """Spectrum to which the gains are applied.

    Attributes:
        spectrum: complex [bins, F].
        missing: [bins] 1 where the noisy clip had no energy and a translation was filled in.
        concealed: [F] fraction of each frame's samples that were filled in.
        analysis: short-time analysis of the spectrum.
    """

    spectrum: Tensor
    missing: Tensor
    concealed: Tensor
    analysis: Analysis = WIDEBAND


def carrier(noisy: Wave, analysis: Analysis = WIDEBAND) -> Carrier:
    """Return the carrier of a clip [T] at the analysis' rate, nominally in [-1, 1].

    It has F = ceil(T / hop) + 2 frames.
    """
    filled, hole = conceal(declip(noisy, analysis), analysis)
    spectrum = stft(torch.from_numpy(filled), analysis)
    spectrum, missing = fill_high_bins(spectrum, analysis)
    return Carrier(spectrum, missing, _per_frame(hole, analysis), analysis)


def stft(wave: Tensor, analysis: Analysis = WIDEBAND) -> Tensor:
    """Return the STFT of [..., T]: complex [..., bins, F], F = ceil(T / hop) + 2.

    The window is the square root of a Hann window of two hops.
    """
    n_fft, hop = analysis.n_fft, analysis.hop
    padded = torch.nn.functional.pad(wave, (0, -wave.shape[-1] % hop + hop))
    padded = torch.nn.functional.pad(padded, (hop, hop))
    window = _window(n_fft, wave.device)
    return torch.stft(padded, n_fft, hop, window=window, center=False, return_complex=True)


def istft(spectrum: Tensor, length: int) -> Tensor:
    """Invert `stft`, at any rate: complex [..., bins, F] -> [..., length]."""
    hop = spectrum.shape[-2] - 1
    wave: Tensor = torch.istft(spectrum, 2 * hop, hop, window=_window(2 * hop, spectrum.device))
    return wave[..., :length]


def power_of(spectrum: Tensor) -> Tensor:
    """Return the squared magnitude, without the square root of `abs`."""
    return spectrum.real.square() + spectrum.imag.square()


def _window(n_fft: int, device: torch.device) -> Tensor:
    return torch.hann_window(n_fft, device=device).sqrt()


def _per_frame(hole: npt.NDArray[np.bool_], analysis: Analysis) -> Tensor:
    hop = analysis.hop
    share = torch.from_numpy(hole.astype(np.float32))
    padded = torch.nn.functional.pad(share, (hop, -len(hole) % hop + 2 * hop))
    return padded.unfold(0, analysis.n_fft, hop).mean(-1)


# --- missing bands -------------------------------------------------------------------------------


def fill_high_bins(spectrum: Tensor, analysis: Analysis = WIDEBAND) -> tuple[Tensor, Tensor]:
    """Fill the missing high bins of a spectrum [bins, F] from the bins below the cutoff.

    Bin f above the cutoff c becomes bin ``c - c//2 + (f - c) mod c//2``. A shift by an odd number
    of bins turns the phase by pi per hop; the sign undoes that.

    Returns:
        The filled spectrum, and [bins] 1 where it was filled.
    """
    power = power_of(spectrum).quantile(LOUD, dim=-1)
    bins, floor = analysis.bins, analysis.power(ROUNDING_POWER)
    missing = torch.zeros(bins, device=spectrum.device)
    present = torch.nonzero(power > max(floor, STOP_BAND * float(power.max())))
    cutoff = int(present[-1]) + 1 if len(present) else 0
    span = cutoff // 2
    if span < 8 or cutoff >= bins - 8:
        return spectrum, missing
    missing[cutoff:] = 1
    target = torch.arange(cutoff, bins)
    source = cutoff - span + (target - cutoff) % span
    turns = (target - source)[:, None] * torch.arange(spectrum.shape[-1])[None]
    sign = (1 - 2 * (turns % 2)).to(spectrum.device)
    return torch.cat([spectrum[:cutoff], spectrum[source] * sign]), missing


# --- lost packets --------------------------------------------------------------------------------


def conceal(wave: Wave, analysis: Analysis = WIDEBAND) -> tuple[Wave, npt.NDArray[np.bool_]]:
    """Fill short gaps of digital silence by repeating the pitch period before them.

    Returns:
        The filled waveform [T], and a mask [T] of the samples that were filled in.
    """
    longest_lag, crossfade = analysis.samples(PITCH_LAGS_S[1]), analysis.samples(CROSSFADE_S)
    hole = np.zeros(len(wave), bool)
    filled = wave.copy()
    for start, stop in gaps(wave, analysis):
        history = filled[max(0, start - analysis.samples(HISTORY_S)) : start]
        if len(history) < 2 * longest_lag:
            continue
        patch = _continue_pitch(history, min(stop + crossfade, len(wave)) - start, analysis)
        over = len(patch) - (stop - start)
        fade = np.linspace(0, 1, over, dtype=np.float32)
        patch[stop - start :] *= 1 - fade
        patch[stop - start :] += fade * wave[stop : stop + over]
        filled[start : start + len(patch)] = patch
        hole[start:stop] = True
    return filled, hole


def gaps(wave: Wave, analysis: Analysis = WIDEBAND) -> list[tuple[int, int]]:
    """Return [start, stop) of each run of digital silence that is a gap rather than a pause."""
    shortest, longest = analysis.samples(SHORTEST_GAP_S), analysis.samples(LONGEST_GAP_S)
    silent = np.concatenate([[False], np.abs(wave) < 0.5 / 32768, [False]])
    edges = np.flatnonzero(np.diff(silent.astype(np.int8))).reshape(-1, 2)
    return [(int(a), int(b)) for a, b in edges if shortest <= b - a <= longest]


def _continue_pitch(history: Wave, samples: int, analysis: Analysis) -> Wave:
    """Continue `history` by repeating its last period, fading out over `LONGEST_GAP_S`."""
    lag = _pitch_lag(history, analysis)
    patch = np.resize(history[-lag:], samples)
    fading = analysis.samples(LONGEST_GAP_S) + analysis.samples(CROSSFADE_S)
    decay = np.linspace(1, 1 - samples / fading, samples)
    return (patch * decay).astype(np.float32)


def _pitch_lag(history: Wave, analysis: Analysis) -> int:
    """Return the lag that maximises the normalised correlation of the end of `history`.

    `history` has at least 40 ms; the lag is in samples, within `PITCH_LAGS_S`.
    """
    shortest, longest = (analysis.samples(lag) for lag in PITCH_LAGS_S)
    recent = history[-longest:]
    lags = np.arange(shortest, longest + 1)
    earlier = np.lib.stride_tricks.sliding_window_view(history, longest)[
        len(history) - longest - lags
    ]
    energy = np.sqrt(np.square(earlier).sum(-1) + 1e-9)
    return int(lags[np.argmax(earlier @ recent / energy)])
