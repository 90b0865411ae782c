"""Word and character error rates: does the candidate still say the words?

    WER = (S + D + I) / N

with S substituted, D deleted and I inserted words against N words of the reference text; CER is
the same of characters (jiwer computes both). Either can pass 1. Where the clip has no text, the
recogniser's own transcript of the clean clip is the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gensr_pref.errors import InputError, Problem, Unusable
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Note, Score
from gensr_pref.metrics.wer.normalise import normalise
from gensr_pref.metrics.wer.recogniser import Heard, Recogniser, languages_of, recogniser_named
from gensr_pref.schema import Reason
from gensr_pref.tables.languages import UNSPACED, language_code

NOTHING = "neither a text nor a clean clip to transcribe"

Rates = Mapping[str, float | str | Exception]


class WordErrorRate:
    """The shares of words and of characters that a recogniser gets wrong.

    Args:
        recogniser: whose transcripts are compared: ``pocketsphinx``, ``whisper``, or one of yours
            as ``module:Class`` (`gensr_pref.metrics.wer.recogniser.Recogniser`).
        model: an option of the recogniser: which checkpoint; absent = its default.
        language: an ISO 639 code or BCP 47 tag that holds for all clips; absent = the clip's, and
            where it has none, the only one that the recogniser knows, or what it takes the clean or
            else the noisy clip to be in.

    Raises:
        UnknownPluginError: no recogniser has that name.
        ValueError: `language` is no code, or one that the recogniser is known not to know.
        InputError: it has no such model.
        MissingWeightsError: the model's weights are not on this machine.
    """

    paths = ("model",)

    def __init__(
        self,
        recogniser: str = "pocketsphinx",
        model: str | None = None,
        language: str | None = None,
    ) -> None:
        options = {} if model is None else {"model": model}
        self._language = None if language is None else language_code(language)
        self._recogniser = recogniser_named(recogniser, **options)
        _require_known(self._language, self._recogniser)
        self.spec = MetricSpec(
            name="wer",
            scores=(
                Score("wer", False, unit="share of words", low=0.0, ties=True),
                Score("cer", False, unit="share of characters", low=0.0, votes=False, ties=True),
            ),
            sample_rate=self._recogniser.sample_rate,
            model=self._recogniser.model,
            licence=self._recogniser.licence,
            notes=(Note("transcript"), Note("wer_reference")),
            uses=frozenset({"clean", "noisy", "text", "language"}),
            longest_seconds=self._recogniser.longest_seconds,
        )

    def study(self, texts: Sequence[str]) -> None:
        """Tell the recogniser what is said in the corpus, if it can make use of it."""
        study = getattr(self._recogniser, "study", None)
        if study is not None:
            study(texts)

    def load(self, device: str) -> None:
        """Load the recogniser.

        Raises:
            InputError: it cannot be loaded, or turns out not to know the language.
        """
        self._recogniser.load(device)
        try:
            _require_known(self._language, self._recogniser)
        except ValueError as error:
            raise InputError(
                f"wer: {error}", value=self._language, problem=Problem.INVALID
            ) from error

    def remarks(self) -> list[str]:
        """What the recogniser has to say of the scores that it will give, once it has studied."""
        remarks = getattr(self._recogniser, "remarks", None)
        return [] if remarks is None else list(remarks())

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Both rates per candidate, its transcript, and what that was compared with.

        `wer_reference` is ``text`` for the clip's own, ``clean`` for the transcript of its clean
        clip. Without either the rates are NO_TEXT; in a language written without spaces `wer` is
        NO_WORDS.

        Raises:
            Unusable: UNKNOWN_LANGUAGE, or NO_TEXT (NO_CLEAN where a clean clip was given that is of
                no use) where that would not be known either.
        """
        language = self._language_of(clip)
        heard = self._recogniser.transcribe(clip.candidates, language, clip.text)
        reference = self._reference(clip, language)
        source = "clean" if clip.text is None else "text"
        return [_answer(reference, source, transcript, language) for transcript in heard]

    def _language_of(self, clip: ClipSounds) -> str:
        if given := self._language or clip.language:
            return _code(given)
        known = languages_of(self._recogniser)
        if known is not None and len(known) == 1:
            return known[0]
        if sound := clip.clean or clip.noisy:
            return _code(self._recogniser.language_of(sound))
        if clip.text is None:
            raise clip.faults.get("clean") or Unusable(Reason.NO_TEXT, NOTHING)
        raise Unusable(Reason.UNKNOWN_LANGUAGE, "no language is given; set option 'language'")

    def _reference(self, clip: ClipSounds, language: str) -> str | Unusable:
        """The normalised words to compare with, or why there are none."""
        if clip.text is not None:
            return _with_words(clip.text, language, "the clip's text")
        if clip.clean is None:
            return clip.faults.get("clean") or Unusable(Reason.NO_TEXT, NOTHING)
        [heard] = self._recogniser.transcribe([clip.clean], language)
        if isinstance(heard, Exception):
            return Unusable(Reason.NO_TEXT, f"the clean clip cannot be transcribed: {heard}")
        return _with_words(heard, language, "the clean clip's transcript")


def word_error_rate(reference: str, hypothesis: str) -> float:
    """(S + D + I) / N of the words of two normalised texts, N >= 1."""
    import jiwer

    return float(jiwer.process_words(reference, hypothesis).wer)


def character_error_rate(reference: str, hypothesis: str) -> float:
    """(S + D + I) / N of the characters of two normalised texts, N >= 1; a space is one."""
    import jiwer

    return float(jiwer.process_characters(reference, hypothesis).cer)


def _require_known(language: str | None, recogniser: Recogniser) -> None:
    known = languages_of(recogniser)
    if language is not None and known is not None and language not in known:
        raise ValueError(f"language {language!r}: {recogniser.model} knows {', '.join(known)}")


def _code(language: str) -> str:
    try:
        return language_code(language)
    except ValueError as error:
        raise Unusable(Reason.UNKNOWN_LANGUAGE, str(error)) from error


def _with_words(text: str, language: str, which: str) -> str | Unusable:
    return normalise(text, language) or Unusable(Reason.NO_TEXT, f"{which} holds no word")


def _answer(reference: str | Unusable, source: str, heard: Heard, language: str) -> Answer:
    if isinstance(heard, Exception):
        return heard
    if isinstance(reference, Unusable):
        return {"wer": reference, "cer": reference, "transcript": heard}
    rates = _rates(reference, normalise(heard, language), language)
    return {**rates, "transcript": heard, "wer_reference": source}


def _rates(reference: str, hypothesis: str, language: str) -> Rates:
    """`wer` and `cer`; where spaces do not part words, they are not compared."""
    if language not in UNSPACED:
        return {
            "wer": word_error_rate(reference, hypothesis),
            "cer": character_error_rate(reference, hypothesis),
        }
    cer = character_error_rate(reference.replace(" ", ""), hypothesis.replace(" ", ""))
    detail = f"{language!r} is written without spaces: it has a cer and no wer"
    return {"wer": Unusable(Reason.NO_WORDS, detail), "cer": cer}
