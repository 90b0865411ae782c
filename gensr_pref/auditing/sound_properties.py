"""Measures four properties of a candidate's sound from its waveform."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import numpy.typing as npt

FRAMES_PER_SECOND = 50
SILENCE_DB = -40.0  # below the loudest frame; our choice
ROLL_OFF = 0.99  # share of the energy below the bandwidth; our choice
_FLOOR = 1e-10


class SoundProperties(TypedDict):
    """Length in s, level in dB of full scale, bandwidth in Hz, share of silent frames."""

    seconds: float
    level_db: float
    bandwidth_hz: float
    silence: float


def sound_properties(wave: npt.NDArray[np.float32], rate: int) -> SoundProperties:
    """Measure length, loudness, bandwidth and silence of a waveform [T] at `rate` Hz.

    Returns:
        ``seconds``; ``level_db``: root mean square of the frames that are not silent, in dB of full
        scale; ``bandwidth_hz``: the frequency below which 99 % of the energy lies (a spectral
        roll-off as in Scheirer & Slaney 1997, who use 95 %); ``silence``: the share of 20 ms frames
        that are 40 dB or more below the loudest frame.
    """
    size = rate // FRAMES_PER_SECOND
    frames = wave[: len(wave) // size * size].reshape(-1, size).astype(np.float64)
    if not frames.size:
        frames = wave.reshape(1, -1).astype(np.float64)
    power = np.maximum((frames**2).mean(axis=1), _FLOOR)
    loud = power > power.max() * 10 ** (SILENCE_DB / 10)
    return {
        "seconds": len(wave) / rate,
        "level_db": float(10 * np.log10(power[loud].mean())),
        "bandwidth_hz": bandwidth(wave, rate),
        "silence": float(1 - loud.mean()),
    }


def bandwidth(wave: npt.NDArray[np.float32], rate: int) -> float:
    """Return the frequency in Hz below which `ROLL_OFF` of the energy lies."""
    energy = np.abs(np.fft.rfft(wave.astype(np.float64))) ** 2
    share = np.cumsum(energy) / max(float(energy.sum()), _FLOOR)
    index = int(np.searchsorted(share, ROLL_OFF))
    return float(min(index, len(energy) - 1) * rate / max(len(wave), 1))
