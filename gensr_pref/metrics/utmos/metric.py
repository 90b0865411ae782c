"""UTMOS: listeners' naturalness ratings, predicted without a reference.

The strong learner of the UTokyo-SaruLab system, trained on English and Chinese synthetic speech
(VoiceMOS Challenge 2022). It measures naturalness, not fidelity: a fluent sentence with other words
scores high.

    T. Saeki et al., "UTMOS: UTokyo-SaruLab System for VoiceMOS Challenge 2022", Interspeech 2022.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score
from gensr_pref.weights import catalogue

if TYPE_CHECKING:
    from torch import Tensor

# Memory grows with the length: a process peaks at 1.7 GB for 30 s and at 2.2 GB for 60 s. Besides,
# the network was trained on ratings of single sentences.
LONGEST_SECONDS = 30.0


class Utmos:
    """UTMOS22's strong learner: one MOS per candidate.

    Args:
        checkpoint: path of utmos22_strong_step7459_v1.pt; absent = the file that ``gensr-pref fetch
            utmos`` downloaded.

    Raises:
        MissingWeightsError: the file does not exist.
    """

    paths = ("checkpoint",)
    spec = MetricSpec(
        name="utmos",
        scores=(Score("utmos", unit="MOS"),),  # about 1 to 5, but unbounded
        sample_rate=16_000,
        model="UTMOS22 strong learner",
        licence=catalogue.get_checkpoint("utmos").licence,
        longest_seconds=LONGEST_SECONDS,
    )

    def __init__(self, checkpoint: str | None = None) -> None:
        self._path = catalogue.find_weights("utmos", checkpoint)
        self.spec = replace(self.spec, model=catalogue.describe_weights("utmos", checkpoint))

    def load(self, device: str) -> None:
        """Load the network.

        Raises:
            InputError: the file does not belong to the strong learner.
        """
        from gensr_pref.metrics.utmos import network

        self._network = network.load_strong_learner(self._path, device)
        self._device = device

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Return one MOS per candidate, each scored at its true length."""
        from gensr_pref.metrics.wav2vec2 import measure_in_batches

        return measure_in_batches(clip.candidates, self._device, self._measure)

    def _measure(self, waves: Tensor) -> list[dict[str, float]]:
        return [{"utmos": float(score)} for score in self._network(waves)]
