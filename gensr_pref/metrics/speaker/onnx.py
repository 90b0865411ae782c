"""Speaker encoder in an ONNX file: a network that was exported whole, from waveform to vector.

The file contains no Python code, so that an untrusted one can only compute. A network whose input
is filter-bank features must be exported with the features inside the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from gensr_pref.audio import Sound
from gensr_pref.errors import InputError, Problem, Unusable
from gensr_pref.metrics import torch_checkpoint
from gensr_pref.metrics.speaker.encoder import Embedding
from gensr_pref.weights import catalogue

SHAPES = {1: (-1,), 2: (1, -1), 3: (1, 1, -1)}  # of the waveform, by the rank of the input


class OnnxEncoder:
    """ONNX network with one float32 input [T], [1, T] or [1, 1, T] at 16 kHz and an output of D.

    If there are several outputs, the one with "embed" in its name (as in the x-vector models of
    `transformers`) is used. Vectors are scaled to norm 1. Sounds are processed one by one, so that
    none is padded.

    Raises:
        MissingWeightsError: the file does not exist.
    """

    sample_rate = 16_000
    lowest = -1.0
    longest_seconds = 60.0  # attention over a minute of 20 ms frames takes 0.6 GB with 16 heads
    licence = "the file's own"

    def __init__(self, path: str | Path) -> None:
        self._path = catalogue.find_weights("speaker encoder", path)
        self.model = f"{self._path.name}, SHA-256 {catalogue.sha256_of(self._path)[:16]}"

    def load(self, device: str) -> None:
        """Open the graph, with one thread, on the GPU if onnxruntime supports it.

        Raises:
            InputError: the file is not ONNX, its input is not one waveform, or its output is not
                one vector.
        """
        self._session = _session(self._path, device)
        self._input, self._shape = _waveform(self._session.get_inputs(), self._path)
        self._output = _vector(self._session.get_outputs(), self._path)

    def embed(self, sounds: Sequence[Sound]) -> list[Embedding | Unusable]:
        """Return one unit vector [D] per sound."""
        return [self._embed(sound) for sound in sounds]

    def _embed(self, sound: Sound) -> Embedding:
        waveform = np.asarray(sound.wave, np.float32).reshape(self._shape)
        [output] = self._session.run([self._output], {self._input: waveform})
        vector = np.asarray(output, np.float64)
        if vector.size != max(vector.shape, default=0) or vector.size < 2:
            raise ValueError(
                f"{self._path}: output {self._output!r} has shape {list(vector.shape)}; "
                "it must be one vector"
            )
        return np.asarray(vector.ravel() / np.linalg.norm(vector), np.float32)


def _session(path: Path, device: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=_providers(device))
    except Exception as error:  # onnxruntime has a dozen classes of its own
        why = shorten(str(error), torch_checkpoint.DETAIL)
        raise InputError(
            f"cannot be opened as an ONNX network: {why}",
            path=path,
            problem=Problem.UNREADABLE,
        ) from error


def _providers(device: str) -> list[Any]:
    import onnxruntime

    if not device.startswith("cuda"):
        return ["CPUExecutionProvider"]
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return ["CPUExecutionProvider"]
    index = int(device.partition(":")[2] or 0)
    return [("CUDAExecutionProvider", {"device_id": index}), "CPUExecutionProvider"]


def _waveform(inputs: Sequence[Any], path: Path) -> tuple[str, tuple[int, ...]]:
    """Return the name of the input, and the shape in which it takes a waveform."""
    described = ", ".join(f"{value.name} {value.type} {value.shape}" for value in inputs)
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) not in SHAPES:
        raise InputError(
            f"takes {described}; it must take one waveform: tensor(float) [T], [1, T] or [1, 1, T]",
            path=path,
            value=described,
            problem=Problem.UNSUPPORTED,
        )
    return inputs[0].name, SHAPES[len(inputs[0].shape)]


def _vector(outputs: Sequence[Any], path: Path) -> str:
    """Return the name of the output that is the embedding."""
    names: list[str] = [value.name for value in outputs]
    if len(names) > 1:
        names = [name for name in names if "embed" in name.lower()]
    if len(names) != 1:
        given = ", ".join(value.name for value in outputs)
        raise InputError(
            f"has the outputs {given}; one must be the embedding: the only output, or the only "
            "one with 'embed' in its name",
            path=path,
            value=given,
            problem=Problem.UNSUPPORTED,
        )
    return names[0]
