"""Speaker encoders: a sound in, a unit vector out that says who speaks.

Three ways in: ``resemblyzer``, which carries its weights; the path of an ``.onnx`` file; and
``module:Class``, a `SpeakerEncoder` of one's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound
from gensr_pref.config import plugins
from gensr_pref.errors import Unusable

Embedding = npt.NDArray[np.float32]


class SpeakerEncoder(Protocol):
    """A class that embeds. Its constructor takes `checkpoint`, a path, where it needs one."""

    @property
    def model(self) -> str:
        """Package and version, or checkpoint id and revision; plain attributes will do."""
        ...

    @property
    def licence(self) -> str:
        """Of the weights."""
        ...

    @property
    def sample_rate(self) -> int:
        """Of the sounds it takes, in Hz."""
        ...

    @property
    def lowest(self) -> float:
        """The least cosine of two of its vectors: -1, or 0 where no element is negative."""
        ...

    @property
    def longest_seconds(self) -> float | None:
        """Of a sound it takes; None for no bound."""
        ...

    def load(self, device: str) -> None:
        """Load weights onto a torch device, or onto the CPU where it knows no other."""
        ...

    def embed(self, sounds: Sequence[Sound]) -> Sequence[Embedding | Unusable]:
        """One unit vector [D] per sound, or why there is none, which must not depend on others."""
        ...


def make_encoder(encoder: str, checkpoint: str | Path | None = None) -> SpeakerEncoder:
    """The encoder of that name, path or ``module:Class``, not yet loaded.

    Raises:
        UnknownPluginError: none has that name; the message lists those that exist.
        ConfigError, ValueError: it takes no checkpoint.
        MissingWeightsError: the file is not there.
    """
    if encoder.endswith(".onnx"):
        return _from_file(encoder, checkpoint)
    options = {} if checkpoint is None else {"checkpoint": checkpoint}
    made: SpeakerEncoder = plugins.create("speaker encoder", encoder, options, "encoder")
    return made


def _from_file(path: str, checkpoint: str | Path | None) -> SpeakerEncoder:
    from gensr_pref.metrics.speaker.onnx import OnnxEncoder

    if checkpoint is not None:
        raise ValueError(
            f"checkpoint is {str(checkpoint)!r}, but the encoder {path!r} holds its own weights; "
            "leave it out"
        )
    return OnnxEncoder(path)
