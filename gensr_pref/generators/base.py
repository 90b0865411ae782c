"""The protocol of a generator: noisy clips and seeds in, restored candidates out.

A generator of yours is a class with these members; it imports nothing from here. It is found by an
entry point in the group ``gensr_pref.generators`` or named as ``module:Class``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Wave


@dataclass(frozen=True)
class Candidate:
    """One restored version of a clip.

    Attributes:
        audio: [T'] at the generator's rate.
        sampling: how it was drawn (temperature, steps, ...), JSON-able; recorded beside it.
        tokens: [codebooks, frames] int32 where the model's likelihood is over tokens.
        latent: [frames, channels] float16 where the model's error is over a latent.
    """

    audio: Wave
    sampling: dict[str, Any] = field(default_factory=dict)
    tokens: npt.NDArray[np.int32] | None = None
    latent: npt.NDArray[np.float16] | None = None


class Generator(Protocol):
    """A model that restores. Its constructor's keyword arguments are its options in a run file.

    Attributes:
        name: how its candidates are labelled.
        revision: which weights: a version, a commit or a digest of the checkpoint.
        sample_rate: of its input and of its output, in Hz; the engine resamples the input.
    """

    name: str
    revision: str
    sample_rate: int

    def load(self, device: str) -> None:
        """Load weights onto a device; called once, in the process that samples."""

    def sample(
        self, noisy: npt.NDArray[np.float32], lengths: Sequence[int], seeds: Sequence[int]
    ) -> Sequence[Candidate]:
        """One candidate per row.

        Args:
            noisy: [B, T], zero-padded on the right; rows may repeat, for several candidates.
            lengths: [B] true lengths in samples.
            seeds: [B]; everything random about row b is drawn from seeds[b] alone.
        """
        ...
