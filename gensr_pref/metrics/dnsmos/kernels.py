"""Kernels of DNSMOS for one CPU thread, compiled by numba.

After the ReLUs of DNSMOS about one activation in twelve is not zero. A dense convolution multiplies
the other eleven as well; here each nonzero activation is added to the nine outputs that it
influences, and a zero costs a comparison. Nothing is approximated: only terms that are zero are
missing from the sums.

Rows (frames) stream through all layers of a stage, so that only a few rows between two layers are
in memory, and stay in the cache. An output depends on its receptive field alone: it has the same
bits in whatever part of a signal it is computed.

numba compiles this module on first use (seconds) and caches the result on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numba
import numpy as np

from gensr_pref.metrics.dnsmos.networks import Array, Layer, Network

CACHE_LINE = 64  # bytes: vectors that straddle two lines load at half the speed
MOST_CHANNELS = 128
SUMMED_TOGETHER = 128  # terms of a partial sum in the matrix product of ONNX Runtime 1.31

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compile_kernel(function: Kernel) -> Kernel:
    """Compile a function to machine code, in which a product and a sum may be fused."""
    fused = {"contract", "nsz"}
    try:
        kernel = numba.njit(function, cache=True, fastmath=fused, error_model="numpy")
    except RuntimeError:  # there is no folder for numba's cache
        kernel = numba.njit(function, fastmath=fused, error_model="numpy")
    return cast(Kernel, kernel)


@compile_kernel
def apply_filters(samples: Array, filters: Array, hop: int) -> Array:
    """Apply filters [N, O] to frames of N samples, `hop` apart: [(T - N) // hop + 1, O].

    The terms are summed in the order of ONNX Runtime: if a filter's output nearly cancels, its
    logarithm depends on rounding errors, and scores would differ from speechmos by up to 1e-5.
    """
    size, outputs = filters.shape
    out = np.zeros(((len(samples) - size) // hop + 1, outputs), np.float32)
    part = np.empty(outputs, np.float32)
    for t in range(len(out)):
        frame, total = samples[t * hop : t * hop + size], out[t]
        for begin in range(0, size, SUMMED_TOGETHER):
            part[:] = 0
            for k in range(begin, min(begin + SUMMED_TOGETHER, size), 4):
                v0, v1, v2, v3 = frame[k], frame[k + 1], frame[k + 2], frame[k + 3]
                w0, w1, w2, w3 = filters[k], filters[k + 1], filters[k + 2], filters[k + 3]
                for o in range(outputs):
                    part[o] = (((part[o] + v0 * w0[o]) + v1 * w1[o]) + v2 * w2[o]) + v3 * w3[o]
            for o in range(outputs):
                total[o] += part[o]
    return out


@compile_kernel
def _first(above: Array, row: Array, below: Array, weight: Array, bias: Array, out: Array) -> None:
    """Compute a row [F, O] of the first layer; its one input channel is dense: zeros are kept.

    The inputs are three rows [F + 2].
    """
    for f in range(len(out)):
        a0, a1, a2 = above[f], above[f + 1], above[f + 2]
        b0, b1, b2 = row[f], row[f + 1], row[f + 2]
        c0, c1, c2 = below[f], below[f + 1], below[f + 2]
        target = out[f]
        for o in range(len(bias)):
            total = a0 * weight[0, o] + a1 * weight[1, o] + a2 * weight[2, o]
            total += b0 * weight[3, o] + b1 * weight[4, o] + b2 * weight[5, o]
            total += c0 * weight[6, o] + c1 * weight[7, o] + c2 * weight[8, o]
            target[o] = max(total + bias[o], np.float32(0))


@compile_kernel
def _scatter(row: Array, weight: Array, sums: Array, nonzero: Any) -> None:
    """Add the contributions of a row [F, C] to the sums [(F + 2) * 3 * O] of three rows.

    The contributions of a channel of bin f are contiguous in memory, like weight[c]: bins f - 1 to
    f + 1, and in each bin the row before, the row itself and the row after. Four channels are
    added in one pass.
    """
    bins, channels = row.shape
    stretch = weight.shape[1]
    for f in range(bins):
        values, begin = row[f], f * (stretch // 3)
        target = sums[begin : begin + stretch]
        count = 0
        for c in range(channels):
            nonzero[count] = c
            count += values[c] != 0
        fours = count - count % 4
        for k in range(0, fours, 4):
            c0, c1, c2, c3 = nonzero[k], nonzero[k + 1], nonzero[k + 2], nonzero[k + 3]
            v0, v1, v2, v3 = values[c0], values[c1], values[c2], values[c3]
            w0, w1, w2, w3 = weight[c0], weight[c1], weight[c2], weight[c3]
            for i in range(stretch):
                target[i] += v0 * w0[i] + v1 * w1[i] + v2 * w2[i] + v3 * w3[i]
        for k in range(fours, count):
            v0, w0 = values[nonzero[k]], weight[nonzero[k]]
            for i in range(stretch):
                target[i] += v0 * w0[i]


@compile_kernel
def _finish(sums: Array, bias: Array, out: Array) -> None:
    """Write the oldest row of the sums, after bias and ReLU, to `out`; make room for the next."""
    bins, size = out.shape
    shares = sums.reshape(bins + 2, 3, size)
    for f in range(bins):
        total, target = shares[f + 1, 0], out[f]
        for o in range(size):
            target[o] = max(total[o] + bias[o], np.float32(0))
    for f in range(bins + 2):
        first, second, third = shares[f, 0], shares[f, 1], shares[f, 2]
        for o in range(size):
            first[o] = second[o]
            second[o] = third[o]
            third[o] = 0


@compile_kernel
def _pool(row: Array, t: int, out: Array) -> None:
    """Include row t [F, C] in the 2x2 maxima [T // 2, F // 2, C]."""
    if t // 2 >= len(out):
        return
    for f in range(out.shape[1]):
        left, right, target = row[2 * f], row[2 * f + 1], out[t // 2, f]
        for c in range(len(target)):
            largest = max(left[c], right[c])
            target[c] = max(target[c], largest) if t % 2 else largest


@compile_kernel
def _stream(
    x: Any, weights: Any, biases: Any, sums: Any, rows: Any, pooled: bool, out: Array
) -> None:
    """Pass rows x [T, F, C] through a stage's layers, each one row behind the previous one."""
    time, bins, channels = x.shape
    nonzero = np.empty(MOST_CHANNELS, np.uint32)
    padded = np.zeros((time + 2, bins + 2) if channels == 1 else (0, 0), np.float32)
    if channels == 1:
        padded[1:-1, 1:-1] = x[:, :, 0]
    for step in range(time + len(weights)):
        for layer in range(len(weights)):
            t = step - layer  # index of the input row; row t - 1 is the output
            if t < 0 or t > time:
                continue
            if layer == 0 and channels == 1:
                if t > 0:
                    _first(padded[t - 1], padded[t], padded[t + 1], weights[0], biases[0], rows[0])
            else:
                if t < time:
                    source = x[t] if layer == 0 else rows[layer - 1]
                    _scatter(source, weights[layer], sums[layer], nonzero)
                _finish(sums[layer], biases[layer], rows[layer])
            if t > 0 and layer == len(weights) - 1:
                if pooled:
                    _pool(rows[layer], t - 1, out)
                else:
                    out[t - 1] = rows[layer]


@dataclass(frozen=True)
class Stage:
    """Layers of a stage, in the memory order of the kernels.

    Attributes:
        weights: [9, O] of a layer with one input channel, else [C, 9 * O].
        biases: [O].
        pooled: whether the last layer's output is max-pooled by 2x2.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    pooled: bool

    def __call__(self, x: Array) -> Array:
        """Map [T, F, C] to [T, F, O], or [T // 2, F // 2, O] if pooled; x is padded with zeros."""
        time, bins, _ = x.shape
        sizes = [len(bias) for bias in self.biases]
        sums = tuple(
            _align_to_cache_line(np.zeros((bins + 2) * 3 * size, np.float32)) for size in sizes
        )
        rows = tuple(_align_to_cache_line(np.zeros((bins, size), np.float32)) for size in sizes)
        shape = (time // 2, bins // 2) if self.pooled else (time, bins)
        out = np.empty((*shape, sizes[-1]), np.float32)
        _stream(np.ascontiguousarray(x), self.weights, self.biases, sums, rows, self.pooled, out)
        return out


def make_stages(network: Network) -> list[Stage]:
    """Return the convolutional stages of a network; all but the last are pooled."""
    last = len(network.stages) - 1
    return [_make_stage(layers, pooled=at < last) for at, layers in enumerate(network.stages)]


def _make_stage(layers: tuple[Layer, ...], pooled: bool) -> Stage:
    return Stage(
        tuple(map(_rearrange_weights, layers)), tuple(layer.bias for layer in layers), pooled
    )


def _rearrange_weights(layer: Layer) -> Array:
    """Rearrange weights [O, C, 3, 3] to [9, O] if C is 1, else to [C, 9 * O] for `_scatter`."""
    outputs, channels = layer.weight.shape[:2]
    if channels == 1:
        return _align_to_cache_line(layer.weight.reshape(outputs, 9).T)
    return _align_to_cache_line(
        layer.weight.transpose(1, 3, 2, 0)[:, ::-1, ::-1].reshape(channels, -1)
    )


def _align_to_cache_line(values: Array) -> Array:
    """Copy the values to memory that starts at a cache line."""
    space = np.empty(values.nbytes + CACHE_LINE, np.uint8)
    start = -space.ctypes.data % CACHE_LINE
    copy = space[start : start + values.nbytes].view(np.float32).reshape(values.shape)
    copy[...] = values
    return copy
