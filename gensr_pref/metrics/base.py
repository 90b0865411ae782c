"""Protocol of a metric: the candidates of one clip in, one answer per candidate out.

A metric is a class with a `spec` and the methods `load` and `score`. A run file names it by its
entry point in the group ``gensr_pref.metrics``, or as ``module:Class``. docs/metrics.md and
examples/own_metric.py show complete ones; `gensr_pref.metrics.stoi` is one of this package.

**Imports.** A metric of your own may import anything. From this package it needs `MetricSpec` and
`Score`, and to report failures `Unusable` and `Reason` (``from gensr_pref import ...``). A metric
inside this package imports from `metrics/` and from the floors below it (CONTRIBUTING.md), usually
`audio`, `weights`, `config`, `tables`, `errors` and `schema`; never from `corpus`, `generators`,
`pairing` or anything above, nor ray (``make layers`` checks this). Import heavy packages (torch,
librosa) in `load`, so that a run file can be checked without them (tests/metrics/test_panel.py).

**Input.** Every sound is a `gensr_pref.audio.Sound`: `wave` is float32 [T], mono, in [-1, 1] and
read-only (``torch.tensor(sound.wave)`` copies it), `rate` is in Hz.

**Output.** `score` returns a list with one entry per candidate, in order. An entry is a mapping
from the name of each score in `spec` to a finite number, such as ``{"stoi": 0.93}``.

**Failure.** If a candidate cannot be scored, return ``Unusable(reason, detail)`` as its entry, or
in the place of one number. If the whole clip cannot be scored, raise it. `reason` is one of
`gensr_pref.schema.Reason`; the score is null in the table and the failure is recorded beside it.
Never return NaN, 0 or any other stand-in for a score. An unexpected exception becomes a null
with the reason METRIC_ERROR; it does not end the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gensr_pref.audio import Sound
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

# What a metric may require of a clip beside its candidates.
Need = Literal["clean", "text"]
# What a clip may have beside its candidates.
ClipField = Literal["clean", "noisy", "text", "language"]
# Scores and notes of one candidate by name, or the failure of one score or of the candidate.
Answer = Mapping[str, float | str | Exception] | Exception


@dataclass(frozen=True)
class Score:
    """One number that a metric gives to each candidate.

    Attributes:
        name: the column in the scores table.
        higher_is_better: whether larger values are better.
        unit: of the value; empty if it has none.
        low, high: theoretical range; None where it is unbounded.
        votes: whether the score votes on pairs unless the run file says otherwise.
        ties: whether a tie on the score allows a pair by default.
    """

    name: str
    higher_is_better: bool = True
    unit: str = ""
    low: float | None = None
    high: float | None = None
    votes: bool = True
    ties: bool = False


@dataclass(frozen=True)
class Note:
    """A value that a metric reports besides its scores; it is stored and never compared.

    Attributes:
        name: the field in the column `notes` of the scores table.
        kind: text or a number.
    """

    name: str
    kind: Literal["text", "number"] = "text"


@dataclass(frozen=True)
class MetricSpec:
    """Description of a metric, available before anything is loaded.

    Attributes:
        name: name under which it is registered; it is also used in messages.
        scores: the columns that it fills.
        sample_rate: rate in Hz to which the panel resamples every sound; None leaves each sound at
            its own rate.
        needs: inputs that it requires. A clip without one of them gets nulls with a reason
            (NO_CLEAN, NO_TEXT), and the metric is not asked.
        model: package and version, or checkpoint id and revision.
        licence: of the model's weights or of the package.
        notes: values that it reports besides the scores.
        notice: text that every user must see, such as a licence that forbids commercial use; empty
            if there is none.
        longest_seconds: limit for a candidate and for the clean sound; a longer one is TOO_LONG.
            None: no limit.
        align: whether the panel removes each candidate's delay and polarity, relative to the clean
            sound, before this metric.
        uses: inputs that it uses if they are given, besides those in `needs`. If both clean and
            noisy are listed, the noisy sound is used only where there is no clean one. The command
            ``score`` reports inputs that no metric uses.
    """

    name: str
    scores: tuple[Score, ...]
    sample_rate: int | None
    needs: frozenset[Need] = frozenset()
    model: str = "unknown"
    licence: str = "unknown"
    notes: tuple[Note, ...] = ()
    notice: str = ""
    longest_seconds: float | None = None
    align: bool = False
    uses: frozenset[ClipField] = frozenset()


@dataclass(frozen=True)
class ClipSounds:
    """One clip as a metric receives it, with all candidates, so that the reference is read once.

    A `Panel` passes every sound at the metric's sample rate and leaves out candidates that are
    empty, silent or not finite. If the metric needs ``clean``, the clean sound has the length of
    every candidate.

    Attributes:
        candidates: the sounds to score, each [T] with its true length, without padding.
        clean: the reference, or None.
        noisy: the input, or None if candidates are scored without it.
        text: the words that are spoken, or None if they are unknown.
        language: ISO 639-1 code, or None.
        faults: the error of a ``clean`` or ``noisy`` sound that was given and is unusable; the
            sound itself is None then. A metric that would have used the sound raises this error:
            scoring without it would mix two scales in one column.
    """

    candidates: Sequence[Sound]
    clean: Sound | None = None
    noisy: Sound | None = None
    text: str | None = None
    language: str | None = None
    faults: Mapping[Literal["clean", "noisy"], Unusable] = field(default_factory=dict)

    def reference(self) -> Sound:
        """Return the clean sound, for a metric that needs one.

        Raises:
            Unusable: NO_CLEAN. This does not happen in a `Panel`, which asks a metric only about
                clips that have what the metric needs.
        """
        if self.clean is None:
            raise Unusable(Reason.NO_CLEAN)
        return self.clean


class Metric(Protocol):
    """Class that scores candidates. The constructor's keyword arguments are its options.

    The constructor checks the options and locates the weights without loading them; if they are
    missing it raises `MissingWeightsError` with a message that says how to get them.
    """

    @property
    def spec(self) -> MetricSpec:
        """Description of the metric; a plain attribute is enough."""
        ...

    def load(self, device: str) -> None:
        """Load the weights; called once, before the first `score`, in the process that scores.

        Args:
            device: torch device (``cpu``, ``cuda``, ``cuda:1``); a metric that runs only on the CPU
                ignores it.
        """
        ...

    def score(self, clip: ClipSounds) -> Sequence[Answer]:
        """Return one entry per candidate, in order: scores and notes by name, or a failure.

        An `Unusable` as an entry, or in the place of a number, gives null with its reason. Any
        other exception, returned or raised, gives null with METRIC_ERROR, and so does a number that
        is not finite. The entry of one candidate must not depend on the other candidates.
        """
        ...


class LearnsTexts(Protocol):
    """Metric that improves if it knows the texts of the whole corpus in advance."""

    def study(self, texts: Sequence[str]) -> None:
        """Learn from the corpus's texts, which are sorted and distinct; called before `load`.

        The scores must not depend on the order of the texts.
        """
        ...


class HasRemarks(Protocol):
    """Metric that reports limits of its scores, once it is made and has studied the texts."""

    def remarks(self) -> Sequence[str]:
        """Return sentences for the user, such as which words it cannot recognise; may be empty."""
        ...


def score_each(
    candidates: Sequence[Sound], measure: Callable[[Sound], Mapping[str, float | str | Exception]]
) -> list[Answer]:
    """Measure candidates one by one; an exception becomes the entry of the one that raised it."""
    return [_measure_or_error(candidate, measure) for candidate in candidates]


def _measure_or_error(
    candidate: Sound, measure: Callable[[Sound], Mapping[str, float | str | Exception]]
) -> Answer:
    try:
        return measure(candidate)
    except Exception as error:
        return error
