"""Speaker similarity: does the candidate still sound like the same person?

The cosine between GE2E embeddings (resemblyzer) of the candidate and of the clean clip, or of the
noisy one where there is no clean. Its voice activity detector is kept: without it the cosine moves
by up to 0.065.

    L. Wan et al., "Generalized end-to-end loss for speaker verification", ICASSP 2018.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

from gensr_pref.audio import Sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Score, each
from gensr_pref.schema import Reason

Embedding = npt.NDArray[np.float32]


class SpeakerSimilarity:
    """Resemblyzer's voice encoder on the CPU."""

    spec = MetricSpec(
        name="speaker_similarity",
        scores=(Score("speaker_similarity", unit="cosine", low=0.0, high=1.0),),
        sample_rate=16_000,
        model=f"resemblyzer {version('resemblyzer')}: pretrained.pt",
        licence="Apache-2.0",
    )

    def load(self) -> None:
        """Load the encoder."""
        with _known_warnings_silenced():
            from resemblyzer import VoiceEncoder, preprocess_wav

        self._encoder = VoiceEncoder("cpu", verbose=False)
        self._preprocess = preprocess_wav

    def score(self, clip: ClipSounds) -> list[Answer]:
        """One cosine per candidate.

        Raises:
            Unusable: NO_CLEAN where there is neither clean nor noisy; NO_SPEECH where the
                detector finds no voice in the one compared with.
        """
        against = clip.clean or clip.noisy
        if against is None:
            raise Unusable(Reason.NO_CLEAN, "neither a clean nor a noisy clip to compare with")
        reference = self._embed(against, "the reference")
        return each(
            clip.candidates,
            lambda candidate: {
                "speaker_similarity": float(reference @ self._embed(candidate, "the candidate"))
            },
        )

    def _embed(self, sound: Sound, which: str) -> Embedding:
        """A unit vector [256]."""
        # A lone click can exceed 16 bits once resemblyzer has raised a quiet clip to -30 dBFS.
        with np.errstate(invalid="ignore"):
            voiced = self._preprocess(sound.wave)
        if len(voiced) == 0:
            raise Unusable(Reason.NO_SPEECH, f"no voice was found in {which}")
        return np.asarray(self._encoder.embed_utterance(voiced), np.float32)


@contextmanager
def _known_warnings_silenced() -> Iterator[None]:
    """What resemblyzer 0.1.4 and webrtcvad 2.0.10 are known to warn of when imported."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Please import `binary_dilation`", DeprecationWarning)
        warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
        yield
