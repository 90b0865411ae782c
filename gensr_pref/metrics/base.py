"""The protocol of a metric: candidates of one clip in, one set of scores per candidate out.

A metric is a class with a `spec`, `load` and `score`. It is found by an entry point in the group
``gensr_pref.metrics`` or named as ``module:Class``; docs/metrics.md shows a complete one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gensr_pref.audio import Sound
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

Need = Literal["clean", "text"]
Given = Literal["clean", "noisy", "text", "language"]  # what a clip may have beside its candidates
Answer = Mapping[str, float | str | Exception] | Exception


@dataclass(frozen=True)
class Score:
    """One number a metric gives.

    Attributes:
        name: the column in the scores table.
        higher_is_better: the direction.
        unit: what it is measured in; empty where it has none.
        low, high: the range in theory, None where unbounded.
        votes: whether it votes unless the run file says otherwise.
        ties: whether a tie on it lets a pair stand by default.
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
    """What a metric tells of a candidate besides its scores; stored beside them, never compared.

    Attributes:
        name: the field in the scores table's column `notes`.
        kind: text or a number.
    """

    name: str
    kind: Literal["text", "number"] = "text"


@dataclass(frozen=True)
class MetricSpec:
    """What a metric is, before anything is loaded.

    Attributes:
        name: how a run file names it.
        scores: the columns it fills.
        sample_rate: the rate in Hz at which it wants every sound (the panel resamples), or None
            for each sound at the rate it has.
        needs: what it cannot do without; a clip lacking it gets null and a reason.
        model: package and version, or checkpoint id and revision.
        licence: of the model's weights or of the package.
        notes: what it tells besides the scores.
        notice: what a user must be told wherever it is used, such as a licence that forbids
            something; empty where there is nothing.
        longest_seconds: a candidate or clean sound that is longer is TOO_LONG; None for no bound.
        align: whether the panel is to undo each candidate's delay and polarity against the clean
            sound before this metric sees it.
        uses: what it makes use of where it is given, beside what it needs; the noisy sound, where
            both are named, only in want of the clean one. Who gives what nothing uses is told so.
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
    uses: frozenset[Given] = frozenset()


@dataclass(frozen=True)
class ClipSounds:
    """One clip as a metric sees it, its candidates together.

    So the reference's side is computed once. Below a `Panel`, a metric gets everything at its own
    rate, no candidate that is empty, silent or not finite, and, where it needs ``clean``, a clean
    sound as long as every candidate.

    Attributes:
        candidates: the sounds to score, each at its true length.
        clean: the reference, or None.
        noisy: the input, or None (a folder of candidates scored alone).
        text: what is said, or None where unknown.
        language: an ISO 639-1 code, or None.
        faults: what is wrong with a ``clean`` or ``noisy`` sound that was given and cannot be used.
            It is None above, and doing without it would put scores on another scale into the same
            column: a metric that would have used it raises this instead.
    """

    candidates: Sequence[Sound]
    clean: Sound | None = None
    noisy: Sound | None = None
    text: str | None = None
    language: str | None = None
    faults: Mapping[Literal["clean", "noisy"], Unusable] = field(default_factory=dict)

    def reference(self) -> Sound:
        """The clean sound of a metric that needs one.

        Raises:
            Unusable: NO_CLEAN. Does not happen below a `Panel`, which asks no metric in vain.
        """
        if self.clean is None:
            raise Unusable(Reason.NO_CLEAN)
        return self.clean


class Metric(Protocol):
    """A class that scores. Its constructor's keyword arguments are its options in a run file.

    The constructor checks the options and finds the weights, without loading them; where these
    are missing it raises `MissingWeightsError`.
    """

    @property
    def spec(self) -> MetricSpec:
        """What it is; a plain attribute will do."""
        ...

    def load(self, device: str) -> None:
        """Load weights; called once, before the first `score`, in the process that scores.

        Args:
            device: a torch device (``cpu``, ``cuda``, ``cuda:1``); of no concern to a metric that
                can only use the CPU.
        """
        ...

    def score(self, clip: ClipSounds) -> Sequence[Answer]:
        """One entry per candidate, in order: scores and notes by name, or what went wrong with it.

        An `Unusable`, as an entry or in the place of a number, gives null with its reason; any
        other exception, there or raised, gives null with METRIC_ERROR, and so does a number that
        is not finite. What is said of one candidate must not depend on the others.
        """
        ...


class Student(Protocol):
    """A metric that does better where it knows beforehand what is said in the whole corpus."""

    def study(self, texts: Sequence[str]) -> None:
        """Take note of the corpus's texts, sorted and each once; called before `load`.

        What it scores must not depend on their order.
        """
        ...


class Remarking(Protocol):
    """A metric with something to say, once made and told the texts, of the scores it will give."""

    def remarks(self) -> Sequence[str]:
        """Sentences for a person, such as which words can never be heard; perhaps none."""
        ...


def each(
    candidates: Sequence[Sound], measure: Callable[[Sound], Mapping[str, float | str | Exception]]
) -> list[Answer]:
    """Measure candidates one by one; an exception is the answer of the one that raised it."""
    return [_measured(candidate, measure) for candidate in candidates]


def _measured(
    candidate: Sound, measure: Callable[[Sound], Mapping[str, float | str | Exception]]
) -> Answer:
    try:
        return measure(candidate)
    except Exception as error:
        return error
