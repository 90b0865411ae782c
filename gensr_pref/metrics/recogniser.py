"""Speech to text behind one small protocol, for the error rates."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Protocol

from gensr_pref.audio import Sound, pcm16
from gensr_pref.errors import Unusable, nearest
from gensr_pref.schema import Reason


class Recogniser(Protocol):
    """Turns sounds into text; what it hears in one never depends on the others.

    Attributes:
        name: how an option names it.
        model: package and version, or checkpoint id and revision.
        licence: of the model's weights.
        sample_rate: the rate in Hz of the sounds it takes.
    """

    name: str
    model: str
    licence: str
    sample_rate: int

    def load(self) -> None:
        """Load weights, in the process that will transcribe."""
        ...

    def transcribe(self, sounds: Sequence[Sound], language: str | None) -> list[str]:
        """The text of each sound, in order; empty where nothing was heard.

        Args:
            sounds: at `sample_rate`, of any lengths.
            language: an ISO 639-1 code, or None for the recogniser's own choice.

        Raises:
            Unusable: UNKNOWN_LANGUAGE.
        """
        ...


class Pocketsphinx:
    """CMU Sphinx with its US English models: needs no download, and hears badly.

    An unknown language is taken for English.

    A decoder carries its estimate of the noise, and unless told otherwise its cepstral mean, from
    one utterance to the next: 28 of 75 clips read otherwise after other clips than alone.
    `reinit_feat` clears both, in microseconds where a new decoder takes 0.25 s, and ``cmn=batch``
    takes the mean over the utterance itself.
    """

    name = "pocketsphinx"
    model = f"pocketsphinx {version('pocketsphinx')}: en-us"
    licence = "BSD-2-Clause"
    sample_rate = 16_000

    def load(self) -> None:
        """Open the decoder."""
        from pocketsphinx import Decoder

        self._decoder = Decoder(cmn="batch", loglevel="FATAL")

    def transcribe(self, sounds: Sequence[Sound], language: str | None) -> list[str]:
        """The text of each sound, in order."""
        if language is not None and language.lower().split("-")[0] != "en":
            raise Unusable(Reason.UNKNOWN_LANGUAGE, f"pocketsphinx knows English, not {language!r}")
        return [self._text(sound) for sound in sounds]

    def _text(self, sound: Sound) -> str:
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(pcm16(sound.wave).tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return str(hypothesis.hypstr) if hypothesis else ""


RECOGNISERS: dict[str, type[Recogniser]] = {"pocketsphinx": Pocketsphinx}


def recogniser_named(name: str) -> Recogniser:
    """The recogniser of that name, not yet loaded.

    Raises:
        ValueError: none has it; the message lists those that exist.
    """
    if name not in RECOGNISERS:
        raise ValueError(f"no recogniser {name!r}. {nearest(name, RECOGNISERS)}")
    return RECOGNISERS[name]()
