"""The two networks of DNSMOS, read from the ONNX files in the package `speechmos`.

Both have the same structure: stages of 3x3 convolutions, each followed by a ReLU, with 2x2 max
pooling after every stage but the last; the maximum over time and frequency; dense layers with a
ReLU between them.

    P.835, on 900 frames x 161 bins:   1 > 128 > 64 > 64 > 32 | 32 | 32 | 64, 64 > 128 > 64 > 3
    P.808, on 900 frames x 120 bands:  1 > 32 | 32 | 32 > 32 | 64, 64 > 64 > 64 > 1

Only the weights are needed, so the few fields of ONNX's protobuf that hold them (onnx/onnx.proto:
ModelProto, GraphProto, TensorProto) are read here, without the package `onnx`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

RATE = 16_000  # Hz
WINDOW = 144_160  # samples: 9.01 s
FRAMES = 900  # of a window, in both networks
HOP = 160  # samples from frame to frame
FRAME = 320  # samples of a frame of P.835
MEL_FRAME = 321  # samples of a frame of P.808
BANDS = 120  # mel bands of P.808

# Field numbers in onnx.proto, and the wire types of protobuf.
GRAPH, INITIALIZER = 7, 5
DIMS, DATA_TYPE, FLOAT_DATA, NAME, RAW_DATA = 1, 2, 4, 8, 9
FLOAT = 1  # of TensorProto.DataType
VARINT, EIGHT_BYTES, LENGTH_DELIMITED, FOUR_BYTES = 0, 1, 2, 5


@dataclass(frozen=True)
class Layer:
    """Weight and bias of a layer.

    A convolution has the weight [out, in, 3, 3] (time, frequency), a dense layer [in, out].
    """

    weight: Array
    bias: Array


@dataclass(frozen=True)
class Network:
    """Stages of convolutions, with pooling between them, and dense layers."""

    stages: tuple[tuple[Layer, ...], ...]
    dense: tuple[Layer, ...]


@dataclass(frozen=True)
class P835Weights:
    """Weights of P.835: the filters of its spectrum, and its network.

    Attributes:
        real, imaginary: trained filters [161, 320], in the role of windowed cosine and sine.
        network: maps the spectrum to three raw scores: signal, background, overall.
    """

    real: Array
    imaginary: Array
    network: Network


def read_p835() -> P835Weights:
    """Read the weights of P.835."""
    tensors = _tensors("sig_bak_ovr.onnx")
    convolutions = [_convolution(tensors, f"conv2d{end}") for end in ("", *_numbers(1, 6))]
    dense = [f"mos_estimator_logpow/dense{end}" for end in ("", "_1", "_3")]
    return P835Weights(
        tensors["time2freq/stft-real/kernel:0"][..., 0],
        tensors["time2freq/stft-imag/kernel:0"][..., 0],
        _network(convolutions, (4, 1, 1, 1), [_dense(tensors, name) for name in dense]),
    )


def read_p808() -> Network:
    """Read the weights of P.808."""
    tensors = _tensors("model_v8.onnx")
    convolutions = [_convolution(tensors, f"conv2d{end}") for end in _numbers(5, 9)]
    dense = [f"mos_estimator_small_1/dense{end}" for end in _numbers(3, 5)]
    return _network(convolutions, (1, 1, 2, 1), [_dense(tensors, name) for name in dense])


def _numbers(first: int, last: int) -> list[str]:
    return [f"_{number}" for number in range(first, last + 1)]


def _network(layers: list[Layer], sizes: tuple[int, ...], dense: list[Layer]) -> Network:
    following = iter(layers)
    return Network(tuple(tuple(next(following) for _ in range(n)) for n in sizes), tuple(dense))


def _convolution(tensors: dict[str, Array], name: str) -> Layer:
    return Layer(tensors[f"{name}/kernel:0"], tensors[f"{name}/bias:0"])


def _dense(tensors: dict[str, Array], name: str) -> Layer:
    end = "ReadVariableOp/resource:0"
    return Layer(tensors[f"{name}/MatMul/{end}"], tensors[f"{name}/BiasAdd/{end}"])


def _tensors(file: str) -> dict[str, Array]:
    """Return the float tensors of a graph, by name."""
    model = memoryview((files("speechmos") / "dnsmos_models" / file).read_bytes())
    [graph] = _bytes(model, GRAPH)
    tensors = _bytes(graph, INITIALIZER)
    return dict(_tensor(tensor) for tensor in tensors if FLOAT in _integers(tensor, DATA_TYPE))


def _tensor(message: memoryview) -> tuple[str, Array]:
    [name] = _bytes(message, NAME)
    values = b"".join(_bytes(message, FLOAT_DATA) + _bytes(message, RAW_DATA))
    return bytes(name).decode(), np.frombuffer(values, "<f4").reshape(_integers(message, DIMS))


def _bytes(message: memoryview, field: int) -> list[memoryview]:
    return [value for at, value in _fields(message) if at == field and not isinstance(value, int)]


def _integers(message: memoryview, field: int) -> list[int]:
    return [value for at, value in _fields(message) if at == field and isinstance(value, int)]


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the fields of a protobuf message: number, and an integer or the bytes of the content.

    Encoding: https://protobuf.dev/programming-guides/encoding
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            number, at = _varint(message, at)
            yield tag >> 3, number
            continue
        size = {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(kind, 0)
        if kind == LENGTH_DELIMITED:
            size, at = _varint(message, at)
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Decode an integer (seven bits per byte, lowest first); return it and the next position."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
