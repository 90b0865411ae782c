"""Word error rate: does the candidate still say the words?

    WER = (S + D + I) / N

with S substituted, D deleted and I inserted words against N words of the reference text (jiwer).
It can pass 1. Where the clip has no text, the recogniser's own transcript of the clean clip is it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import ClipSounds, MetricSpec, Score
from gensr_pref.metrics.recogniser import recogniser_named
from gensr_pref.metrics.text import normalise
from gensr_pref.schema import Reason


class WordErrorRate:
    """The share of words that a recogniser gets wrong.

    Args:
        recogniser: whose transcripts are compared.

    Raises:
        ValueError: no recogniser has that name.
    """

    def __init__(self, recogniser: str = "pocketsphinx") -> None:
        self._recogniser = recogniser_named(recogniser)
        self.spec = MetricSpec(
            name="wer",
            scores=(Score("wer", False, unit="share of words", low=0.0, ties=True),),
            sample_rate=self._recogniser.sample_rate,
            model=self._recogniser.model,
            licence=self._recogniser.licence,
        )

    def load(self) -> None:
        """Load the recogniser."""
        self._recogniser.load()

    def score(self, clip: ClipSounds) -> Sequence[dict[str, float]]:
        """One rate per candidate.

        Raises:
            Unusable: NO_TEXT where there is neither text nor clean, or where no word is left of the
                reference; UNKNOWN_LANGUAGE.
        """
        reference = self._reference(clip)
        heard = self._recogniser.transcribe(clip.candidates, clip.language)
        return [{"wer": word_error_rate(reference, normalise(text))} for text in heard]

    def _reference(self, clip: ClipSounds) -> str:
        if clip.text is not None:
            return _with_words(clip.text, "the clip's text")
        if clip.clean is None:
            raise Unusable(Reason.NO_TEXT, "neither a text nor a clean clip to transcribe")
        [heard] = self._recogniser.transcribe([clip.clean], clip.language)
        return _with_words(heard, "the clean clip's transcript")


def word_error_rate(reference: str, hypothesis: str) -> float:
    """(S + D + I) / N of two normalised texts, N >= 1."""
    import jiwer

    return float(jiwer.process_words(reference, hypothesis).wer)


def _with_words(text: str, which: str) -> str:
    words = normalise(text)
    if not words:
        raise Unusable(Reason.NO_TEXT, f"{which} holds no word")
    return words
