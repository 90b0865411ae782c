"""Speech to text behind one small protocol, for the error rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gensr_pref.audio import Sound
from gensr_pref.config import plugins
from gensr_pref.tables.languages import language_code

Transcript = str | Exception  # a transcript, or what went wrong with this sound


class Recogniser(Protocol):
    """Turns sounds into text; what it hears in one never depends on the others.

    Its constructor's keyword arguments are its options. It may have besides:

    - ``languages``: the ISO 639 codes of those that it knows, or None where that is not known
      before it is loaded. Where there is only one, clips of unknown language are taken to be in it.
    - ``study(texts)``, as a metric may (`gensr_pref.metrics.base.Student`).
    - ``remarks()``: sentences on what a user should know of the scores, once it is loaded.

    Attributes:
        model: package and version, or checkpoint id and revision.
        licence: of the model's weights.
        sample_rate: the rate in Hz of the sounds it takes.
        longest_seconds: of a sound that it can take; None for no bound.
    """

    model: str
    licence: str
    sample_rate: int
    longest_seconds: float | None

    def load(self, device: str) -> None:
        """Load weights, in the process that will transcribe."""
        ...

    def language_of(self, sound: Sound) -> str:
        """What language it takes a sound to be in, as an ISO 639-1 code."""
        ...

    def transcribe(
        self, sounds: Sequence[Sound], language: str, text: str | None = None
    ) -> list[Transcript]:
        """The text of each sound, in order; empty where nothing was heard.

        Args:
            sounds: at `sample_rate`, of any lengths up to `longest_seconds`.
            language: as `gensr_pref.tables.languages.language_code` writes it: ISO 639-1 where that
                has a code, else ISO 639-3.
            text: what is meant to be said, where that is known. A recogniser that has studied may
                choose by it what to expect; it must not hear what is not there.

        Raises:
            Unusable: UNKNOWN_LANGUAGE.
        """
        ...


def languages_of(recogniser: Recogniser) -> Sequence[str] | None:
    """The codes of the languages that it knows, as clips carry them; None where it does not say.

    Raises:
        ValueError: it lists what is no ISO 639 code.
    """
    known: Sequence[str] | None = getattr(recogniser, "languages", None)
    return None if known is None else [language_code(code) for code in known]


def make_recogniser(name: str, **options: Any) -> Recogniser:
    """The recogniser of that name, or named as ``module:Class``; not yet loaded.

    Raises:
        UnknownPluginError: none has that name; the message lists those that exist.
        ConfigError: it does not take these options.
        MissingWeightsError: its weights are not on this machine.
    """
    made: Recogniser = plugins.create("recogniser", name, options, "recogniser")
    return made
