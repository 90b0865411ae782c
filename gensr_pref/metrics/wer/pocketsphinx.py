"""CMU Sphinx as a recogniser: weak, but its US English models come with the package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gensr_pref.audio import Sound, pcm16
from gensr_pref.errors import Unusable
from gensr_pref.metrics.wer import language_model
from gensr_pref.metrics.wer.recogniser import Transcript
from gensr_pref.schema import Reason

NAMED = 10  # words missing from the dictionary that a remark lists


class Pocketsphinx:
    """CMU Sphinx, with a language model of the corpus's texts if it has studied them.

    With that model it recognises more words, and more often ranks a noisier version below a cleaner
    one. One model serves all clips, because a model biased to the clip's own text recognises it
    in poor versions too; it is a bigram model, because trigrams partly have the same effect. A clip
    whose text was not studied is decoded with the general model: the corpus's model is far worse
    at other sentences.

    A decoder carries its noise estimate, and by default its cepstral mean, from one utterance to
    the next: 28 of 75 clips had another transcript after other clips than alone. `reinit_feat`
    clears both, in microseconds (a new decoder takes 0.25 s), and ``cmn=batch`` takes the mean over
    the utterance itself.

    Attributes:
        unknown_words: words of the studied texts that are not in the dictionary. They are never
            recognised, so that each counts as an error wherever a reference contains it.
    """

    languages = ("en",)
    model = f"pocketsphinx {version('pocketsphinx')}: en-us"
    licence = "BSD-2-Clause"
    sample_rate = 16_000
    longest_seconds = 60.0  # cost grows with length, up to 0.4 s per second of sound

    def __init__(self) -> None:
        self._studied: frozenset[str] = frozenset()
        self._words = 0
        self._known: dict[str, str] = {}
        self.unknown_words: frozenset[str] = frozenset()

    def study(self, texts: Sequence[str]) -> None:
        """Use the texts for the language model."""
        self._studied = frozenset(texts)
        words = {word for text in self._studied for word in language_model.split_words(text)}
        dictionary = _read_dictionary() if words else {}
        self._words = len(words)
        self.unknown_words = frozenset(words - dictionary.keys())
        self._known = {word: dictionary[word] for word in sorted(words - self.unknown_words)}

    def load(self, device: str) -> None:
        """Open the decoder with the corpus's model if there is one, else with the general model."""
        sentences = [language_model.split_words(text) for text in self._studied]
        self._studied_decoder = (
            _corpus_decoder(sentences, self._known) if self._known else self._general
        )

    def remarks(self) -> list[str]:
        """Report how many words of the studied texts the dictionary lacks, and the first ones."""
        if not self.unknown_words:
            return []
        first = ", ".join(sorted(self.unknown_words)[:NAMED])
        rest = ", …" if len(self.unknown_words) > NAMED else ""
        return [
            f"pocketsphinx's dictionary lacks {len(self.unknown_words)} of the {self._words} "
            f"different words of the corpus's texts; each counts as wrong wherever it occurs: "
            f"{first}{rest}"
        ]

    def language_of(self, sound: Sound) -> str:
        """Return English: there is no other model."""
        return "en"

    def transcribe(
        self, sounds: Sequence[Sound], language: str, text: str | None = None
    ) -> list[Transcript]:
        """Return the text of each sound, in order.

        Raises:
            Unusable: UNKNOWN_LANGUAGE.
        """
        if language not in self.languages:
            raise Unusable(Reason.UNKNOWN_LANGUAGE, f"pocketsphinx knows English, not {language!r}")
        decoder = self._studied_decoder if text in self._studied else self._general
        return [_transcribe(decoder, sound) for sound in sounds]

    @cached_property
    def _general(self) -> Any:
        return _decoder()


def _decoder(**options: str) -> Any:
    from pocketsphinx import Decoder

    return Decoder(cmn="batch", loglevel="FATAL", **options)


def _corpus_decoder(sentences: Iterable[Sequence[str]], known: dict[str, str]) -> Any:
    """Make a decoder with a language model of these sentences, limited to the words in `known`.

    Its dictionary holds no other word. The decoder would insert all 134,000 into a hash table sized
    for the modelled words: with 20 of those this took 9 s, and takes 0.1 s without the others.
    """
    modelled = [[word for word in sentence if word in known] for sentence in sentences]
    with TemporaryDirectory() as folder:
        dictionary, model = Path(folder) / "corpus.dict", Path(folder) / "corpus.arpa"
        dictionary.write_text("".join(known.values()), encoding="utf-8")
        model.write_text(language_model.arpa(modelled), encoding="utf-8")
        return _decoder(dict=str(dictionary), lm=str(model))


def _read_dictionary() -> dict[str, str]:
    """Read the dictionary's lines by word; ``read`` and ``read(2)`` belong to the same word."""
    from pocketsphinx import get_model_path

    lines: dict[str, str] = {}
    dictionary = Path(get_model_path("en-us/cmudict-en-us.dict"))
    for line in dictionary.read_text(encoding="utf-8").splitlines(keepends=True):
        word = line.split(maxsplit=1)[0].partition("(")[0]
        lines[word] = lines.get(word, "") + line
    return lines


def _transcribe(decoder: Any, sound: Sound) -> Transcript:
    try:
        return _text(decoder, sound)
    except RuntimeError as error:  # errors of its C code
        return error


def _text(decoder: Any, sound: Sound) -> str:
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(pcm16(sound.wave).tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return str(hypothesis.hypstr) if hypothesis else ""
