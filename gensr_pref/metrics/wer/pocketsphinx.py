"""CMU Sphinx, whose US English models come with its package: a weak recogniser with no download."""

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

NAMED = 10  # of the words that the dictionary lacks, in a remark


class Pocketsphinx:
    """CMU Sphinx, helped by a language model of the corpus's own texts where it has studied them.

    Expecting them it hears more, and ranks a noisier version behind a cleaner one more often. The
    model is one for all clips, because one that leans on the clip's own text hears it in poor
    versions too; it is of bigrams, because trigrams do the same in part. A clip whose text was not
    studied is heard with the general model: the corpus's is far worse at other sentences.

    A decoder carries its estimate of the noise, and unless told otherwise its cepstral mean, from
    one utterance to the next: 28 of 75 clips read otherwise after other clips than alone.
    `reinit_feat` clears both, in microseconds where a new decoder takes 0.25 s, and ``cmn=batch``
    takes the mean over the utterance itself.

    Attributes:
        unknown_words: of the texts studied, those that its dictionary lacks. They are never heard,
            so each counts as wrong wherever a reference holds it.
    """

    languages = ("en",)
    model = f"pocketsphinx {version('pocketsphinx')}: en-us"
    licence = "BSD-2-Clause"
    sample_rate = 16_000
    longest_seconds = 60.0  # cost grows with length, up to 0.4 s a second; no utterance is longer

    def __init__(self) -> None:
        self._studied: frozenset[str] = frozenset()
        self._words = 0
        self._known: dict[str, str] = {}
        self.unknown_words: frozenset[str] = frozenset()

    def study(self, texts: Sequence[str]) -> None:
        """Take the texts as what may be said."""
        self._studied = frozenset(texts)
        said = {word for text in self._studied for word in language_model.split_words(text)}
        pronounced = _read_dictionary() if said else {}
        self._words = len(said)
        self.unknown_words = frozenset(said - pronounced.keys())
        self._known = {word: pronounced[word] for word in sorted(said - self.unknown_words)}

    def load(self, device: str) -> None:
        """Open the decoder: the corpus's where there is one, else the general one."""
        sentences = [language_model.split_words(text) for text in self._studied]
        self._expecting = _corpus_decoder(sentences, self._known) if self._known else self._general

    def remarks(self) -> list[str]:
        """How many of the studied texts' words its dictionary lacks, and the first of them."""
        if not self.unknown_words:
            return []
        first = ", ".join(sorted(self.unknown_words)[:NAMED])
        rest = ", …" if len(self.unknown_words) > NAMED else ""
        return [
            f"pocketsphinx's dictionary lacks {len(self.unknown_words)} of the {self._words} "
            f"different words of the corpus's texts; each counts as wrong wherever it is said: "
            f"{first}{rest}"
        ]

    def language_of(self, sound: Sound) -> str:
        """English: it has no other model."""
        return "en"

    def transcribe(
        self, sounds: Sequence[Sound], language: str, text: str | None = None
    ) -> list[Transcript]:
        """The text of each sound, in order.

        Raises:
            Unusable: UNKNOWN_LANGUAGE.
        """
        if language not in self.languages:
            raise Unusable(Reason.UNKNOWN_LANGUAGE, f"pocketsphinx knows English, not {language!r}")
        decoder = self._expecting if text in self._studied else self._general
        return [_transcribe(decoder, sound) for sound in sounds]

    @cached_property
    def _general(self) -> Any:
        return _decoder()


def _decoder(**options: str) -> Any:
    from pocketsphinx import Decoder

    return Decoder(cmn="batch", loglevel="FATAL", **options)


def _corpus_decoder(sentences: Iterable[Sequence[str]], known: dict[str, str]) -> Any:
    """A decoder that expects these sentences; of their words, those in the dictionary `known`.

    It is given no other word. It would put all 134,000 into a hash table with room for the modelled
    ones: beside 20 of those that took 9 s, and takes 0.1 s so.
    """
    modelled = [[word for word in sentence if word in known] for sentence in sentences]
    with TemporaryDirectory() as folder:
        dictionary, model = Path(folder) / "corpus.dict", Path(folder) / "corpus.arpa"
        dictionary.write_text("".join(known.values()), encoding="utf-8")
        model.write_text(language_model.arpa(modelled), encoding="utf-8")
        return _decoder(dict=str(dictionary), lm=str(model))


def _read_dictionary() -> dict[str, str]:
    """The lines of its dictionary by word; ``read`` and ``read(2)`` are the same word's."""
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
    except RuntimeError as error:  # what its C code reports
        return error


def _text(decoder: Any, sound: Sound) -> str:
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(pcm16(sound.wave).tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return str(hypothesis.hypstr) if hypothesis else ""
