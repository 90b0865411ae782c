"""Protocol of a speaker encoder: a sound in, a unit vector out that represents the speaker.

A run file names one of the built-in encoders, the path of an ``.onnx`` file, or, as
``module:Class``, a `SpeakerEncoder` of your own; see `gensr_pref.metrics.speaker.registry`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound
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
