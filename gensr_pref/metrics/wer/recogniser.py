"""Protocol of a speech recogniser, for the error rates: sounds in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from gensr_pref.audio import Sound
from gensr_pref.config import plugins
from gensr_pref.tables.languages import language_code

Transcript = str | Exception  # the text of a sound, or why there is none


class Recogniser(Protocol):
    """Class that transcribes sounds; the text of a sound never depends on other sounds.

    The constructor's keyword arguments are its options. Optional members:

    - ``languages``: ISO 639 codes of the supported languages, or None if they are unknown before it
      is loaded. If there is only one, clips of unknown language are assumed to be in it.
    - ``study(texts)``, as in a metric (`gensr_pref.metrics.base.LearnsTexts`).
    - ``remarks()``: sentences about limits of the scores, as in a metric
      (`gensr_pref.metrics.base.HasRemarks`).

    Attributes:
        model: package and version, or checkpoint id and revision.
        licence: of the model's weights.
        sample_rate: of its input, in Hz.
        longest_seconds: limit of a sound's length; None: no limit.
    """

    model: str
    licence: str
    sample_rate: int
    longest_seconds: float | None

    def load(self, device: str) -> None:
        """Load the weights, in the process that will transcribe."""
        ...

    def language_of(self, sound: Sound) -> str:
        """Detect the language of a sound; return its ISO 639-1 code."""
        ...

    def transcribe(
        self, sounds: Sequence[Sound], language: str, text: str | None = None
    ) -> list[Transcript]:
        """Return the text of each sound, in order; empty if no speech was recognised.

        Args:
            sounds: at `sample_rate`, of any lengths up to `longest_seconds`.
            language: as `gensr_pref.tables.languages.language_code` writes it: ISO 639-1 if there
                is such a code, else ISO 639-3.
            text: the reference text, if it is known. A recogniser that has studied the corpus may
                choose its language model by it; the text must not leak into the transcript.

        Raises:
            Unusable: UNKNOWN_LANGUAGE.
        """
        ...


def languages_of(recogniser: Recogniser) -> Sequence[str] | None:
    """Return the codes of a recogniser's languages, as clips have them; None if it does not say.

    Raises:
        ValueError: it lists something that is not an ISO 639 code.
    """
    known: Sequence[str] | None = getattr(recogniser, "languages", None)
    return None if known is None else [language_code(code) for code in known]


def make_recogniser(name: str, **options: Any) -> Recogniser:
    """Make a recogniser by its name or ``module:Class``, without loading it.

    Raises:
        UnknownPluginError: no recogniser has that name; the message lists those that exist.
        ConfigError: it does not take these options.
        MissingWeightsError: its weights are not on this machine.
    """
    made: Recogniser = plugins.create("recogniser", name, options, "recogniser")
    return made
