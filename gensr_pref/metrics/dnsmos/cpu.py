"""DNSMOS of one clip on the CPU: what overlapping windows share is computed once.

Windows of 9.01 s start every second, or 100 frames, so that the first stage of P.835 (nine tenths
of the work) can run once over the frames of many windows. A separate window has zeros before its
first frame and after its last; through four layers this affects four rows at each end, which are
computed again for each window. In a clip of L samples that was repeated, the frames recur after
``2 L / gcd(L, 320)`` (an even number, as the pooling needs); if that is short, one period of rows
is enough.

Long clips are processed in blocks of windows, so that memory does not grow with their length. The
scores of a window have the same bits in any block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import gcd
from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from gensr_pref.audio import Wave
from gensr_pref.metrics.dnsmos import networks
from gensr_pref.metrics.dnsmos.kernels import Stage, apply_filters, make_stages
from gensr_pref.metrics.dnsmos.networks import (
    BANDS,
    FRAME,
    FRAMES,
    HOP,
    MEL_FRAME,
    RATE,
    WINDOW,
    Array,
    Layer,
)

STEP = 100  # frames from window to window
REACH = 4  # rows before and after that influence a row in the first stage of P.835
BLOCK = 32  # windows whose rows are computed together: 41 s, 50 MB


class CpuNetworks:
    """Both networks on one thread."""

    def __init__(self) -> None:
        self._p835 = CpuP835()
        self._p808 = CpuP808()

    def raw_scores(self, wave: Wave, starts: Sequence[int]) -> Array:
        """Return the networks' outputs [windows, 4]: signal, background, overall, P.808.

        Args:
            wave: the clip [T], which is repeated up to the end of the last window.
            starts: start times of the windows in seconds, ascending.
        """
        offsets = [start * RATE % len(wave) for start in starts]  # equal offsets: equal windows
        first = dict(zip(offsets[::-1], starts[::-1], strict=True))
        outputs: dict[int, Array] = {}
        for block in _blocks(sorted(first.values())):
            outputs.update(zip(block, self._block(wave, block), strict=True))
        return np.stack([outputs[first[offset]] for offset in offsets])

    def _block(self, wave: Wave, block: range) -> list[Array]:
        begin, end = block[0] * RATE, block[-1] * RATE + WINDOW
        samples = wave[begin:end] if end <= len(wave) else np.resize(wave, end)[begin:]
        period = 2 * len(wave) // gcd(len(wave), FRAME)
        p835, p808 = self._p835(samples, period), self._p808(samples)
        return [np.concatenate(pair) for pair in zip(p835, p808, strict=True)]


class CpuP835:
    """Network of P.835: signal, background and overall quality before the mapping to MOS."""

    def __init__(self) -> None:
        graph = networks.read_p835()
        self._filters = np.concatenate([graph.real, graph.imaginary]).T.copy()
        self._first, *self._rest = make_stages(graph.network)
        self._dense = graph.network.dense

    def __call__(self, samples: Wave, period: int) -> Iterator[Array]:
        """Yield the three outputs [3] of each window.

        Args:
            samples: of a block of windows.
            period: number of frames after which the samples repeat; may exceed the block.
        """
        spectrum = self._spectrum(samples)
        rows = self._rows(spectrum, period)
        for start in range(0, len(spectrum) - FRAMES + 1, STEP):
            window = rows.take(np.arange(start // 2, (start + FRAMES) // 2) % len(rows), axis=0)
            window[: REACH // 2] = self._first(spectrum[start:][: 2 * REACH])[: REACH // 2]
            ends = spectrum[: start + FRAMES][-2 * REACH :]
            window[-REACH // 2 :] = self._first(ends)[-REACH // 2 :]
            yield _outputs(window, self._rest, self._dense)

    def _rows(self, spectrum: Array, period: int) -> Array:
        """Apply the first stage to all frames, or to one period of them: [frames // 2, ...]."""
        if period + 2 * REACH >= len(spectrum):
            return self._first(spectrum)
        around = np.arange(-REACH, period + REACH) % period
        return self._first(spectrum[around])[REACH // 2 : -REACH // 2]

    def _spectrum(self, samples: Wave) -> Array:
        """Return the power spectrum in bels [frames, 161, 1], at least -12."""
        real, imaginary = np.split(apply_filters(samples, self._filters, HOP), 2, axis=1)
        power = np.maximum(real * real + imaginary * imaginary, np.float32(1e-12))
        return np.asarray(np.log(power) / np.float32(np.log(10)), np.float32)[..., None]


class CpuP808:
    """Network of P.808: overall quality of speech, in MOS."""

    def __init__(self) -> None:
        network = networks.read_p808()
        self._stages = make_stages(network)
        self._dense = network.dense
        self._window = librosa.filters.get_window("hann", MEL_FRAME, fftbins=True)
        self._bands = librosa.filters.mel(sr=RATE, n_fft=MEL_FRAME, n_mels=BANDS).T

    def __call__(self, samples: Wave) -> Iterator[Array]:
        """Yield the output [1] of each window in the samples of a block."""
        inner = self._powers(sliding_window_view(samples, MEL_FRAME)[::HOP])
        for start in range(0, len(samples) - WINDOW + 1, RATE):
            window = samples[start : start + FRAMES * HOP]
            shared = inner[start // HOP :][: FRAMES - 2]
            powers = np.concatenate([self._edge(window[:161], 160, 0), shared,
                                     self._edge(window[-320:], 0, 1)])  # fmt: skip
            features = _log_mel(powers @ self._bands)
            yield _outputs(features[..., None], self._stages, self._dense)

    def _edge(self, samples: Wave, before: int, after: int) -> Array:
        """Return the powers of a window's first or last frame, which includes zeros outside it."""
        return self._powers(np.pad(samples, (before, after))[None])

    def _powers(self, frames: npt.NDArray[np.float32]) -> Array:
        """Return the powers [frames, 161] of frames [frames, 321], in librosa's precision."""
        spectra = np.fft.rfft(frames * self._window).astype(np.complex64)
        return np.asarray(np.abs(spectra) ** 2, np.float32)


def _log_mel(mel: Array) -> Array:
    """Convert to dB relative to the loudest band, at least -80, then (dB + 40) / 40 (speechmos)."""
    decibel = 10 * np.log10(np.maximum(mel, np.float32(1e-10)))
    decibel -= decibel.max()
    return np.asarray((np.maximum(decibel, -80) + 40) / 40, np.float32)


def _outputs(x: Array, convolutions: Sequence[Stage], dense: Sequence[Layer]) -> Array:
    for stage in convolutions:
        x = stage(x)
    values: Any = x.max(axis=(0, 1))
    for layer in dense[:-1]:
        values = np.maximum(values @ layer.weight + layer.bias, 0)
    return np.asarray(values @ dense[-1].weight + dense[-1].bias, np.float32)


def _blocks(starts: Sequence[int]) -> Iterator[range]:
    """Split start times into runs of consecutive seconds, of at most `BLOCK`."""
    begin = starts[0]
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        if following != start + 1 or following - begin == BLOCK:
            yield range(begin, start + 1)
            begin = following or 0
