"""The carrier: the noisy spectrum, with what it lacks borrowed from its neighbours.

A band gain can shape what is there and cannot make what is not. Three kinds of holes are therefore
filled before the model sees the clip, each by the oldest trick that works: clipped peaks by
interpolation (`declip`), lost packets by repeating the last pitch period (ITU-T G.711 Appendix I),
missing high bands by translating the upper half of the spectrum that is left (spectral band
replication). The last two only have to have the right texture; their level, band by band and frame
by frame, is what the model generates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gensr_pref.generators.declip import declipped

N_FFT = 512  # 32 ms at 16 kHz
HOP = 256
BINS = N_FFT // 2 + 1

# A bin is missing where even its loud frames have the power of 16-bit rounding (2e-8 on average in
# this STFT's units) or lie 70 dB below the strongest bin: the stop band of a resampler. The loudest
# twentieth is not asked, as a cut in the waveform splashes over all bins.
LOUD = 0.95
ROUNDING_POWER = 2e-7
STOP_BAND = 1e-7
SHORTEST_GAP = 80  # samples of digital silence that are a hole: 5 ms
LONGEST_GAP = 3200  # 200 ms; a longer hole is a pause and stays one
HISTORY = 960  # samples before a hole in which its pitch is sought
PITCH_LAGS = (40, 320)  # 400 to 50 Hz at 16 kHz
CROSSFADE = 80

Wave = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Carrier:
    """What gains are applied to.

    Attributes:
        spectrum: complex [BINS, F].
        missing: [BINS] 1 where the noisy clip had nothing and a translation stands.
        concealed: [F] share of each frame's samples that were filled in.
    """

    spectrum: Tensor
    missing: Tensor
    concealed: Tensor


def carrier(noisy: Wave) -> Carrier:
    """The carrier of a clip [T] at 16 kHz, nominally in [-1, 1]; F = ceil(T / HOP) + 2 frames."""
    filled, hole = conceal(declipped(noisy))
    spectrum = stft(torch.from_numpy(filled))
    spectrum, missing = replicate(spectrum)
    return Carrier(spectrum, missing, _per_frame(hole))


def stft(wave: Tensor) -> Tensor:
    """[..., T] -> complex [..., BINS, F], square-root Hann window, F = ceil(T / HOP) + 2."""
    padded = torch.nn.functional.pad(wave, (0, -wave.shape[-1] % HOP + HOP))
    padded = torch.nn.functional.pad(padded, (N_FFT // 2, N_FFT // 2))
    return torch.stft(
        padded, N_FFT, HOP, window=_window(wave.device), center=False, return_complex=True
    )


def istft(spectrum: Tensor, length: int) -> Tensor:
    """The inverse of `stft`: complex [..., BINS, F] -> [..., length]."""
    wave: Tensor = torch.istft(spectrum, N_FFT, HOP, window=_window(spectrum.device))
    return wave[..., :length]


def power_of(spectrum: Tensor) -> Tensor:
    """Squared magnitude, without the square root of `abs`."""
    return spectrum.real.square() + spectrum.imag.square()


def _window(device: torch.device) -> Tensor:
    return torch.hann_window(N_FFT, device=device).sqrt()


def _per_frame(hole: npt.NDArray[np.bool_]) -> Tensor:
    share = torch.from_numpy(hole.astype(np.float32))
    padded = torch.nn.functional.pad(share, (N_FFT // 2, -len(hole) % HOP + HOP + N_FFT // 2))
    return padded.unfold(0, N_FFT, HOP).mean(-1)


# --- missing bands -------------------------------------------------------------------------------


def replicate(spectrum: Tensor) -> tuple[Tensor, Tensor]:
    """Fill the missing top of a spectrum [BINS, F] from below.

    Bin f above the cutoff c becomes bin ``c - c//2 + (f - c) mod c//2``. A shift by an odd number
    of bins turns the phase by pi per hop, which the sign undoes.

    Returns:
        The filled spectrum, and [BINS] 1 where it was filled.
    """
    power = power_of(spectrum).quantile(LOUD, dim=-1)
    missing = torch.zeros(BINS, device=spectrum.device)
    present = torch.nonzero(power > max(ROUNDING_POWER, STOP_BAND * float(power.max())))
    cutoff = int(present[-1]) + 1 if len(present) else 0
    span = cutoff // 2
    if span < 8 or cutoff >= BINS - 8:
        return spectrum, missing
    missing[cutoff:] = 1
    target = torch.arange(cutoff, BINS)
    source = cutoff - span + (target - cutoff) % span
    turns = (target - source)[:, None] * torch.arange(spectrum.shape[-1])[None]
    sign = (1 - 2 * (turns % 2)).to(spectrum.device)
    return torch.cat([spectrum[:cutoff], spectrum[source] * sign]), missing


# --- lost packets --------------------------------------------------------------------------------


def conceal(wave: Wave) -> tuple[Wave, npt.NDArray[np.bool_]]:
    """Fill short holes of digital silence with the pitch period before them.

    Returns:
        The filled waveform [T], and [T] whether a sample was filled in.
    """
    hole = np.zeros(len(wave), bool)
    filled = wave.copy()
    for start, stop in gaps(wave):
        history = filled[max(0, start - HISTORY) : start]
        if len(history) < 2 * PITCH_LAGS[1]:
            continue
        patch = _continued(history, min(stop + CROSSFADE, len(wave)) - start)
        over = len(patch) - (stop - start)
        fade = np.linspace(0, 1, over, dtype=np.float32)
        patch[stop - start :] *= 1 - fade
        patch[stop - start :] += fade * wave[stop : stop + over]
        filled[start : start + len(patch)] = patch
        hole[start:stop] = True
    return filled, hole


def gaps(wave: Wave) -> list[tuple[int, int]]:
    """[start, stop) of the runs of digital silence that are holes rather than pauses."""
    silent = np.concatenate([[False], np.abs(wave) < 0.5 / 32768, [False]])
    edges = np.flatnonzero(np.diff(silent.astype(np.int8))).reshape(-1, 2)
    return [(int(a), int(b)) for a, b in edges if SHORTEST_GAP <= b - a <= LONGEST_GAP]


def _continued(history: Wave, samples: int) -> Wave:
    """`history` continued by repeating its last period, fading out over `LONGEST_GAP`."""
    lag = _pitch_lag(history)
    patch = np.resize(history[-lag:], samples)
    decay = np.linspace(1, 1 - samples / (LONGEST_GAP + CROSSFADE), samples)
    return (patch * decay).astype(np.float32)


def _pitch_lag(history: Wave) -> int:
    """The lag at which the end of `history` [>= 640] is most like what came before it."""
    shortest, longest = PITCH_LAGS
    recent = history[-longest:]
    lags = np.arange(shortest, longest + 1)
    earlier = np.lib.stride_tricks.sliding_window_view(history, longest)[
        len(history) - longest - lags
    ]
    energy = np.sqrt(np.square(earlier).sum(-1) + 1e-9)
    return int(lags[np.argmax(earlier @ recent / energy)])
