"""UTMOS: the naturalness that listeners would give, predicted without a reference.

The strong learner of the UTokyo-SaruLab system, trained on English and Chinese synthetic speech
(VoiceMOS Challenge 2022). It hears naturalness, not fidelity: a fluent sentence that says
something else scores high.

    T. Saeki et al., "UTMOS: UTokyo-SaruLab System for VoiceMOS Challenge 2022", Interspeech 2022.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score
from gensr_pref.weights import catalogue

if TYPE_CHECKING:
    from torch import Tensor

# Memory grows with the length: a process peaks at 1.7 GB for 30 s and at 2.2 GB for 60 s. And what
# listeners rated, and the network learned from, were sentences.
LONGEST_SECONDS = 30.0


class Utmos:
    """UTMOS22's strong learner: one MOS per candidate.

    Args:
        checkpoint: the file utmos22_strong_step7459_v1.pt; absent = where ``gensr-pref fetch
            utmos`` puts it.

    Raises:
        MissingWeightsError: the file is not there.
    """

    paths = ("checkpoint",)
    spec = MetricSpec(
        name="utmos",
        scores=(Score("utmos", unit="MOS"),),  # about 1 to 5, but nothing keeps it there
        sample_rate=16_000,
        model="UTMOS22 strong learner",
        licence=catalogue.named("utmos").licence,
        longest_seconds=LONGEST_SECONDS,
    )

    def __init__(self, checkpoint: str | None = None) -> None:
        self._path = catalogue.find("utmos", checkpoint)
        self.spec = replace(self.spec, model=catalogue.identity("utmos", checkpoint))

    def load(self, device: str) -> None:
        """Load the network.

        Raises:
            InputError: the file is not the strong learner's.
        """
        from gensr_pref.metrics.utmos import network

        self._network = network.load_strong_learner(self._path, device)
        self._device = device

    def score(self, clip: ClipSounds) -> list[Answer]:
        """One MOS per candidate, each at its true length."""
        from gensr_pref.metrics.wav2vec2 import measure_in_batches

        return measure_in_batches(clip.candidates, self._device, self._measure)

    def _measure(self, waves: Tensor) -> list[dict[str, float]]:
        return [{"utmos": float(score)} for score in self._network(waves)]
