"""Protocol of a speaker encoder: a sound in, a unit vector out that represents the speaker.

An encoder is named as ``resemblyzer``, whose package holds its weights; by the path of an ``.onnx``
file; or as ``module:Class``, a `SpeakerEncoder` of your own.
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
    """Class that embeds sounds. Its constructor takes `checkpoint`, a path, if it needs one."""

    @property
    def model(self) -> str:
        """Package and version, or checkpoint id and revision; a plain attribute is enough."""
        ...

    @property
    def licence(self) -> str:
        """Licence of the weights."""
        ...

    @property
    def sample_rate(self) -> int:
        """Sample rate of its input, in Hz."""
        ...

    @property
    def lowest(self) -> float:
        """Lower bound of the cosine of two of its vectors: -1, or 0 if no element is negative."""
        ...

    @property
    def longest_seconds(self) -> float | None:
        """Limit of a sound's length; None: no limit."""
        ...

    def load(self, device: str) -> None:
        """Load the weights onto a torch device, or onto the CPU if it supports no other."""
        ...

    def embed(self, sounds: Sequence[Sound]) -> Sequence[Embedding | Unusable]:
        """Return one unit vector [D] per sound, or why there is none.

        The entry of one sound must not depend on the other sounds.
        """
        ...


def make_encoder(encoder: str, checkpoint: str | Path | None = None) -> SpeakerEncoder:
    """Make an encoder by its name, path or ``module:Class``, without loading it.

    Raises:
        UnknownPluginError: no encoder has that name; the message lists those that exist.
        ConfigError, ValueError: the encoder takes no checkpoint.
        MissingWeightsError: the file does not exist.
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
            "remove the option"
        )
    return OnnxEncoder(path)
