"""Speaker similarity: whether the candidate still sounds like the same person.

The score is the cosine of the speaker embeddings z of the candidate and r of the clean clip, or of
the noisy one if there is no clean clip:

    speaker_similarity = <z, r> / (|z| |r|)

It does not depend on delay or polarity, and the lengths may differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from gensr_pref.audio import Sound, require_sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import Answer, ClipField, ClipSounds, MetricSpec, Note, Score
from gensr_pref.metrics.speaker.encoder import Embedding
from gensr_pref.metrics.speaker.registry import make_encoder
from gensr_pref.schema import Reason

Against = Literal["clean_or_noisy", "clean", "noisy"]
REFERENCES: tuple[Against, ...] = ("clean_or_noisy", "clean", "noisy")
_USES: dict[Against, frozenset[ClipField]] = {
    "clean_or_noisy": frozenset({"clean", "noisy"}),
    "clean": frozenset({"clean"}),
    "noisy": frozenset({"noisy"}),
}
UNIT = 1e-3  # allowed deviation of an embedding's norm from 1


class SpeakerSimilarity:
    """The cosine of two speaker embeddings.

    Args:
        encoder: ``resemblyzer``, the path of an ``.onnx`` file, or ``module:Class``
            (`gensr_pref.metrics.speaker.encoder`).
        checkpoint: the encoder's weights, if not the default ones.
        against: reference of the comparison. Noise in a noisy reference lowers the cosine of all
            candidates; values with a clean and with a noisy reference are on different scales.

    Raises:
        ValueError: the encoder or the reference does not exist.
        MissingWeightsError: a file does not exist.
    """

    paths = ("encoder", "checkpoint")

    def __init__(
        self,
        encoder: str = "resemblyzer",
        checkpoint: str | Path | None = None,
        against: Against = "clean_or_noisy",
    ) -> None:
        if against not in REFERENCES:
            raise ValueError(f"against is {against!r}; it must be one of {', '.join(REFERENCES)}")
        self._against = against
        self._encoder = make_encoder(encoder, checkpoint)
        score = Score("speaker_similarity", unit="cosine", low=self._encoder.lowest, high=1.0)
        self.spec = MetricSpec(
            name="speaker_similarity",
            scores=(score,),
            sample_rate=self._encoder.sample_rate,
            model=self._encoder.model,
            licence=self._encoder.licence,
            longest_seconds=self._encoder.longest_seconds,
            notes=(Note("speaker_reference"),),
            uses=_USES[against],
        )

    def load(self, device: str) -> None:
        """Load the encoder."""
        self._encoder.load(device)

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Return one cosine per candidate, with the reference, ``clean`` or ``noisy``, as a note.

        Raises:
            Unusable: NO_CLEAN if there is no reference; or the fault of the reference.
        """
        which, reference = self._reference(clip)
        return [_answer(reference, embedded, which) for embedded in self._embed(clip.candidates)]

    def _reference(self, clip: ClipSounds) -> tuple[str, Embedding]:
        """Return the name and the embedding of the first reference that was given.

        If that one is unusable, the other is not used in its place.
        """
        for which, sound, fault in (
            ("clean", clip.clean, clip.faults.get("clean")),
            ("noisy", clip.noisy, clip.faults.get("noisy")),
        ):
            if which not in self._against:
                continue
            if fault is not None:
                raise fault
            if sound is not None:
                return which, self._embed_reference(sound)
        missing = self._against.replace("_or_", " nor a ")
        raise Unusable(Reason.NO_CLEAN, f"no {missing} clip to compare with")

    def _embed_reference(self, sound: Sound) -> Embedding:
        [embedded] = self._embed([sound])
        if isinstance(embedded, Unusable):
            raise Unusable(embedded.reason, f"{embedded.detail} in the reference".strip())
        return embedded

    def _embed(self, sounds: Sequence[Sound]) -> list[Embedding | Unusable]:
        """Return one unit vector per sound, or why there is none."""
        faults = [_fault(sound) for sound in sounds]
        usable = [sound for sound, fault in zip(sounds, faults, strict=True) if fault is None]
        embedded = self._encoder.embed(usable) if usable else []
        if len(embedded) != len(usable):
            raise ValueError(f"{self.spec.model}: {len(embedded)} vectors for {len(usable)} sounds")
        vectors = iter(embedded)
        return [next(vectors) if fault is None else fault for fault in faults]


def _fault(sound: Sound) -> Unusable | None:
    try:
        require_sound(sound.wave)
    except Unusable as error:
        return error
    return None


def _answer(reference: Embedding, candidate: Embedding | Unusable, which: str) -> Answer:
    if isinstance(candidate, Unusable):
        return candidate
    for vector in (reference, candidate):
        norm = float(np.linalg.norm(vector))
        if not abs(norm - 1) <= UNIT:
            return ValueError(f"the encoder returned a vector of norm {norm}; it must be 1")
    return {"speaker_similarity": float(reference @ candidate), "speaker_reference": which}
