"""DNSMOS of one clip on the CPU: what its windows share is computed once.

Windows of 9.01 s start every second, or 100 frames, so the first stage of P.835 (nine tenths of the
work) runs once over the frames of many windows. A window of its own would see zeros before its
first frame and after its last: the four rows that this reaches through four layers are computed
anew at either end of each window. A clip that was repeated has the same frames again after
``2 L / gcd(L, 320)`` of them (an even number, as the pooling needs); where that is soon, one such
period of rows is enough.

Long clips are taken in blocks of windows, so that memory does not grow with their length. Every
window's scores have the same bits whatever block it is in.
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
REACH = 4  # rows that the first stage of P.835 looks back and ahead
BLOCK = 32  # windows whose rows are computed together: 41 s, 50 MB


class CpuNetworks:
    """Both networks on one thread."""

    def __init__(self) -> None:
        self._p835 = CpuP835()
        self._p808 = CpuP808()

    def raw_scores(self, wave: Wave, starts: Sequence[int]) -> Array:
        """The networks' outputs [windows, 4]: signal, background, overall, P.808.

        Args:
            wave: the clip [T], which is repeated as far as the last window reaches.
            starts: where the windows start, in seconds, ascending.
        """
        alike = [start * RATE % len(wave) for start in starts]
        first = dict(zip(alike[::-1], starts[::-1], strict=True))
        found: dict[int, Array] = {}
        for block in _blocks(sorted(first.values())):
            found.update(zip(block, self._block(wave, block), strict=True))
        return np.stack([found[first[offset]] for offset in alike])

    def _block(self, wave: Wave, block: range) -> list[Array]:
        begin, end = block[0] * RATE, block[-1] * RATE + WINDOW
        samples = wave[begin:end] if end <= len(wave) else np.resize(wave, end)[begin:]
        period = 2 * len(wave) // gcd(len(wave), FRAME)
        p835, p808 = self._p835(samples, period), self._p808(samples)
        return [np.concatenate(pair) for pair in zip(p835, p808, strict=True)]


class CpuP835:
    """Signal, background and overall quality before they are mapped to MOS."""

    def __init__(self) -> None:
        graph = networks.read_p835()
        self._filters = np.concatenate([graph.real, graph.imaginary]).T.copy()
        self._first, *self._rest = make_stages(graph.network)
        self._dense = graph.network.dense

    def __call__(self, samples: Wave, period: int) -> Iterator[Array]:
        """Three outputs [3] of each window.

        Args:
            samples: of a block of windows.
            period: frames after which the samples, if there are so many, repeat themselves.
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
        """What the first stage makes of all frames, or of one period of them [frames // 2, ...]."""
        if period + 2 * REACH >= len(spectrum):
            return self._first(spectrum)
        around = np.arange(-REACH, period + REACH) % period
        return self._first(spectrum[around])[REACH // 2 : -REACH // 2]

    def _spectrum(self, samples: Wave) -> Array:
        """Powers in bels [frames, 161, 1], at least -12."""
        real, imaginary = np.split(apply_filters(samples, self._filters, HOP), 2, axis=1)
        power = np.maximum(real * real + imaginary * imaginary, np.float32(1e-12))
        return np.asarray(np.log(power) / np.float32(np.log(10)), np.float32)[..., None]


class CpuP808:
    """Overall quality of speech, in MOS."""

    def __init__(self) -> None:
        network = networks.read_p808()
        self._stages = make_stages(network)
        self._dense = network.dense
        self._window = librosa.filters.get_window("hann", MEL_FRAME, fftbins=True)
        self._bands = librosa.filters.mel(sr=RATE, n_fft=MEL_FRAME, n_mels=BANDS).T

    def __call__(self, samples: Wave) -> Iterator[Array]:
        """One output [1] of each window in the samples of a block."""
        inner = self._powers(sliding_window_view(samples, MEL_FRAME)[::HOP])
        for start in range(0, len(samples) - WINDOW + 1, RATE):
            window = samples[start : start + FRAMES * HOP]
            shared = inner[start // HOP :][: FRAMES - 2]
            powers = np.concatenate([self._edge(window[:161], 160, 0), shared,
                                     self._edge(window[-320:], 0, 1)])  # fmt: skip
            features = _log_mel(powers @ self._bands)
            yield _outputs(features[..., None], self._stages, self._dense)

    def _edge(self, samples: Wave, before: int, after: int) -> Array:
        """The powers of a window's first or last frame, which reach out of it into zeros."""
        return self._powers(np.pad(samples, (before, after))[None])

    def _powers(self, frames: npt.NDArray[np.float32]) -> Array:
        """[frames, 321] -> [frames, 161], in librosa's precision."""
        spectra = np.fft.rfft(frames * self._window).astype(np.complex64)
        return np.asarray(np.abs(spectra) ** 2, np.float32)


def _log_mel(mel: Array) -> Array:
    """dB below the loudest band, at least -80; then (dB + 40) / 40, as speechmos has it."""
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
    """Runs of consecutive seconds, of `BLOCK` at most."""
    begin = starts[0]
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        if following != start + 1 or following - begin == BLOCK:
            yield range(begin, start + 1)
            begin = following or 0
