"""Short-time analysis at a model's sample rate: frames of 32 ms, every 16 ms."""

from __future__ import annotations

from dataclasses import dataclass

LOWEST_RATE, HIGHEST_RATE = 8000, 96000  # below 8 kHz there is not a bin for every band
HOP_S = 0.016
STEP = 16  # a hop is a multiple of it, so that transform sizes have small factors
WIDEBAND_FFT = 512  # at 16 kHz; powers are stated in the units of that transform


@dataclass(frozen=True)
class Analysis:
    """Short-time analysis at a sample rate in Hz, from 8000 to 96000.

    Raises:
        ValueError: another rate.
    """

    rate: int = 16000

    def __post_init__(self) -> None:
        if type(self.rate) is not int or not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise ValueError(
                f"sample_rate must be a whole number from {LOWEST_RATE} to {HIGHEST_RATE} Hz, "
                f"not {self.rate!r}"
            )

    @property
    def hop(self) -> int:
        """Samples from frame to frame: 256 at 16 kHz, 704 at 44.1 kHz, 768 at 48 kHz."""
        return STEP * round(HOP_S * self.rate / STEP)

    @property
    def n_fft(self) -> int:
        """Samples per frame: two hops."""
        return 2 * self.hop

    @property
    def bins(self) -> int:
        """Number of bins of the spectrum, which are 31 Hz apart."""
        return self.hop + 1

    def samples(self, seconds: float) -> int:
        """Convert a time in seconds to samples."""
        return round(seconds * self.rate)

    def power(self, at_16_khz: float) -> float:
        """Convert the power of white noise in a bin at 16 kHz to this rate.

        The transform is not normalised: white noise has the power n_fft / 2 times its variance.
        """
        return at_16_khz * self.n_fft / WIDEBAND_FFT


WIDEBAND = Analysis(16000)  # of the shipped models, and the default
