"""Draws spectrograms as small pictures."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

HEIGHT, WIDTH = 96, 320  # pixels
RANGE_DB = 70.0  # from white, the loudest point, to black
_WINDOW_SECONDS = 0.032


def spectrogram(wave: npt.NDArray[np.float32], rate: int, top: float | None = None) -> bytes:
    """Return a JPEG of `HEIGHT` x `WIDTH` pixels: time to the right, 0 to half the rate upwards.

    Args:
        wave: [T] waveform.
        rate: sample rate in Hz.
        top: power that is drawn white; None is the largest power of this wave.
    """
    from matplotlib.image import imsave

    power = powers(wave, rate)
    level = 10 * np.log10(np.maximum(power, 1e-12) / max(top or float(power.max()), 1e-12))
    rows = np.linspace(0, len(level) - 1, HEIGHT).round().astype(int)[::-1]
    columns = np.linspace(0, level.shape[1] - 1, WIDTH).round().astype(int)
    with io.BytesIO() as file:
        imsave(
            file,
            level[rows][:, columns],
            vmin=-RANGE_DB,
            vmax=0.0,
            cmap="magma",
            format="jpg",
            pil_kwargs={"quality": 70},
        )
        return file.getvalue()


def powers(wave: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float64]:
    """Return [F, WIDTH] the power of Hann windows of 32 ms."""
    size = max(16, round(rate * _WINDOW_SECONDS))
    padded = np.pad(wave.astype(np.float64), (0, max(size - len(wave), 0)))
    starts = np.linspace(0, len(padded) - size, WIDTH).round().astype(int)
    frames = padded[starts[:, None] + np.arange(size)] * np.hanning(size)
    return np.asarray((np.abs(np.fft.rfft(frames)) ** 2).T)
