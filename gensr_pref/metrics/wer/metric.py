"""Word and character error rates: whether the candidate still has the same words.

    WER = (S + D + I) / N

with S substituted, D deleted and I inserted words, relative to N words of the reference text; CER
is the same for characters (jiwer computes both). Either can exceed 1. If the clip has no text, the
recogniser's transcript of the clean clip is the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gensr_pref.errors import InputError, Problem, Unusable
from gensr_pref.metrics.base import Answer, ClipSounds, MetricSpec, Note, Score
from gensr_pref.metrics.wer.normalise import normalise
from gensr_pref.metrics.wer.recogniser import Recogniser, Transcript, languages_of, make_recogniser
from gensr_pref.schema import Reason
from gensr_pref.tables.languages import UNSPACED, language_code

NO_REFERENCE = "neither a text nor a clean clip to transcribe"

Rates = Mapping[str, float | str | Exception]


class WordErrorRate:
    """Word and character error rates of a recogniser's transcripts.

    Args:
        recogniser: ``pocketsphinx``, ``whisper``, or your own as ``module:Class``
            (`gensr_pref.metrics.wer.recogniser.Recogniser`).
        model: checkpoint of the recogniser; absent = its default.
        language: ISO 639 code or BCP 47 tag of all clips; absent = the clip's own; if it has none,
            the recogniser's only language, or the language that it detects in the clean or else
            the noisy clip.

    Raises:
        UnknownPluginError: no recogniser has that name.
        ValueError: `language` is not a code, or the recogniser does not support it.
        InputError: the recogniser has no such model.
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
        self._recogniser = make_recogniser(recogniser, **options)
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
        """Pass the texts of the corpus to the recogniser, if it can learn from them."""
        study = getattr(self._recogniser, "study", None)
        if study is not None:
            study(texts)

    def load(self, device: str) -> None:
        """Load the recogniser.

        Raises:
            InputError: it cannot be loaded, or its checkpoint does not support the language.
        """
        self._recogniser.load(device)
        try:
            _require_known(self._language, self._recogniser)
        except ValueError as error:
            raise InputError(
                f"wer: {error}", value=self._language, problem=Problem.INVALID
            ) from error

    def remarks(self) -> list[str]:
        """Return the recogniser's remarks on the scores, once it has studied the texts."""
        remarks = getattr(self._recogniser, "remarks", None)
        return [] if remarks is None else list(remarks())

    def score(self, clip: ClipSounds) -> list[Answer]:
        """Return both rates, the transcript and the kind of reference of each candidate.

        `wer_reference` is ``text`` for the clip's own text and ``clean`` for the transcript of its
        clean clip. Without either, the rates are NO_TEXT. In a language written without spaces,
        `wer` is NO_WORDS.

        Raises:
            Unusable: UNKNOWN_LANGUAGE; or, if there is no text either, NO_TEXT (NO_CLEAN if a clean
                clip was given and is unusable).
        """
        language = self._language_of(clip)
        transcripts = self._recogniser.transcribe(clip.candidates, language, clip.text)
        reference = self._reference(clip, language)
        source = "clean" if clip.text is None else "text"
        return [_answer(reference, source, transcript, language) for transcript in transcripts]

    def _language_of(self, clip: ClipSounds) -> str:
        if given := self._language or clip.language:
            return _parse_language(given)
        known = languages_of(self._recogniser)
        if known is not None and len(known) == 1:
            return known[0]
        if sound := clip.clean or clip.noisy:
            return _parse_language(self._recogniser.language_of(sound))
        if clip.text is None:
            raise clip.faults.get("clean") or Unusable(Reason.NO_TEXT, NO_REFERENCE)
        raise Unusable(Reason.UNKNOWN_LANGUAGE, "no language is given; set option 'language'")

    def _reference(self, clip: ClipSounds, language: str) -> str | Unusable:
        """Return the normalised reference text, or why there is none."""
        if clip.text is not None:
            return _normalise_or_refuse(clip.text, language, "the clip's text")
        if clip.clean is None:
            return clip.faults.get("clean") or Unusable(Reason.NO_TEXT, NO_REFERENCE)
        [transcript] = self._recogniser.transcribe([clip.clean], language)
        if isinstance(transcript, Exception):
            return Unusable(Reason.NO_TEXT, f"the clean clip cannot be transcribed: {transcript}")
        return _normalise_or_refuse(transcript, language, "the clean clip's transcript")


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Return (S + D + I) / N of the words of two normalised texts, N >= 1."""
    import jiwer

    return float(jiwer.process_words(reference, hypothesis).wer)


def character_error_rate(reference: str, hypothesis: str) -> float:
    """Return (S + D + I) / N of the characters of two normalised texts, N >= 1; spaces count."""
    import jiwer

    return float(jiwer.process_characters(reference, hypothesis).cer)


def _require_known(language: str | None, recogniser: Recogniser) -> None:
    known = languages_of(recogniser)
    if language is not None and known is not None and language not in known:
        raise ValueError(f"language {language!r}: {recogniser.model} knows {', '.join(known)}")


def _parse_language(language: str) -> str:
    try:
        return language_code(language)
    except ValueError as error:
        raise Unusable(Reason.UNKNOWN_LANGUAGE, str(error)) from error


def _normalise_or_refuse(text: str, language: str, which: str) -> str | Unusable:
    return normalise(text, language) or Unusable(Reason.NO_TEXT, f"{which} holds no word")


def _answer(
    reference: str | Unusable, source: str, transcript: Transcript, language: str
) -> Answer:
    if isinstance(transcript, Exception):
        return transcript
    if isinstance(reference, Unusable):
        return {"wer": reference, "cer": reference, "transcript": transcript}
    rates = _rates(reference, normalise(transcript, language), language)
    return {**rates, "transcript": transcript, "wer_reference": source}


def _rates(reference: str, hypothesis: str, language: str) -> Rates:
    """Return `wer` and `cer`; spaces are ignored in languages whose words they do not separate."""
    if language not in UNSPACED:
        return {
            "wer": word_error_rate(reference, hypothesis),
            "cer": character_error_rate(reference, hypothesis),
        }
    cer = character_error_rate(reference.replace(" ", ""), hypothesis.replace(" ", ""))
    detail = f"{language!r} is written without spaces: it has a cer and no wer"
    return {"wer": Unusable(Reason.NO_WORDS, detail), "cer": cer}
