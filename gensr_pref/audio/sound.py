"""A waveform with its rate, the one resampler, and checks for unusable sound.

Everywhere in the package a waveform is a float32 NumPy array [T], mono, nominally in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gensr_pref.errors import InputError, Problem, Unusable, parameter
from gensr_pref.schema import Reason

Wave = npt.NDArray[np.float32]

SILENCE = 1 / 32768  # largest absolute sample of a clip that is silent in 16 bits
LARGEST_SHARE_BEYOND = 0.01  # of a sound's samples beyond full scale; our choice
FRAMES_PER_SECOND = 50  # clips are whole numbers of 20 ms: 320 samples at 16 kHz


@dataclass(frozen=True)
class Sound:
    """A waveform [T], float, nominally in [-1, 1], and its rate in Hz.

    The waveform is stored as float32 and is read-only, so that no receiver of a sound can change it
    for the next one.

    Raises:
        InputError: the wave is another array (stereo, integers) or no array, or the rate is not a
            positive integer. A guess would give a plausible score of another sound.
    """

    wave: Wave
    rate: int

    def __post_init__(self) -> None:
        wave = self.wave
        if not isinstance(wave, np.ndarray) or wave.dtype.kind != "f" or wave.ndim != 1:
            raise InputError(
                f"a sound's wave is {_describe(wave)}; {_WANTED}",
                field=parameter("wave"),
                value=wave,
                problem=Problem.INVALID,
            )
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | np.integer):
            raise InputError(
                f"a sound's rate is {self.rate!r}; give its rate in Hz, such as 16000",
                field=parameter("rate"),
                value=self.rate,
                problem=Problem.INVALID,
            )
        if self.rate < 1:
            raise InputError(
                f"a sound's rate is {self.rate}; it must be at least 1 Hz",
                field=parameter("rate"),
                value=self.rate,
                problem=Problem.INVALID,
            )
        stored = wave.astype(np.float32, copy=False).view()
        stored.flags.writeable = False
        object.__setattr__(self, "wave", stored)
        object.__setattr__(self, "rate", int(self.rate))

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.wave) / self.rate

    def at(self, rate: int) -> Sound:
        """Return the same sound at another rate, in Hz."""
        return self if rate == self.rate else Sound(resample(self.wave, self.rate, rate), rate)


_WANTED = (
    "give a NumPy array [T] of floats in [-1, 1]: one channel (average them), integers divided by "
    "their full scale (int16 by 32768)"
)


def _describe(wave: object) -> str:
    if isinstance(wave, np.ndarray):
        return f"an array of {wave.dtype}, shape {wave.shape}"
    return f"of type {type(wave).__name__}"


def resample(wave: Wave, source_rate: int, target_rate: int) -> Wave:
    """Resample a waveform (libsoxr, high quality), [T] -> [round(T * target / source)]."""
    import soxr

    if source_rate == target_rate:
        return wave
    return np.asarray(soxr.resample(wave, source_rate, target_rate, quality="HQ"), np.float32)


def require_sound(wave: Wave) -> None:
    """Refuse a waveform that no model or metric can use.

    A constant is silent too, at any distance from zero: a filter that removes it leaves rounding
    errors, which some metrics amplify to full level.

    Raises:
        Unusable: EMPTY, NOT_FINITE or SILENT.
    """
    if wave.size == 0:
        raise Unusable(Reason.EMPTY)
    if not np.isfinite(wave).all():
        raise Unusable(Reason.NOT_FINITE)
    if float(wave.max()) - float(wave.min()) <= 2 * SILENCE:
        raise Unusable(Reason.SILENT)


def clip_to_full_scale(wave: Wave) -> Wave:
    """Return the waveform with samples beyond full scale clipped, as a 16-bit file would store it.

    Raises:
        Unusable: OUT_OF_RANGE where over 1 % of the samples (`LARGEST_SHARE_BEYOND`) exceed it.
    """
    beyond = float(np.mean(np.abs(wave) > 1)) if wave.size else 0.0
    if beyond > LARGEST_SHARE_BEYOND:
        raise Unusable(Reason.OUT_OF_RANGE, f"{beyond:.0%} of the samples exceed full scale")
    return np.clip(wave, -1, 1) if beyond else wave


def whole_frames(samples: int, rate: int) -> int:
    """Round a number of samples down to a whole number of 20 ms frames.

    At 16 kHz that is a multiple of 320, for which DNSMOS is exact and fast (docs/corpus.md).
    """
    frame = rate // FRAMES_PER_SECOND
    return samples // frame * frame
