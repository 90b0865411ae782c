"""The protocol of a metric: candidates of one clip in, one set of scores per candidate out.

A metric of yours is a class with a `spec`, `load` and `score`; it imports nothing from here. It is
found by an entry point in the group ``gensr_pref.metrics`` or named as ``module:Class``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from gensr_pref.audio import Sound

Need = Literal["clean", "text"]


@dataclass(frozen=True)
class Score:
    """One number a metric gives.

    Attributes:
        name: the column in the scores table.
        higher_is_better: the direction.
        low, high: the range in theory, None where unbounded.
        votes: whether it votes unless the run file says otherwise.
        ties: whether a tie on it lets a pair stand by default.
    """

    name: str
    higher_is_better: bool
    unit: str
    low: float | None
    high: float | None
    votes: bool
    ties: bool = False


@dataclass(frozen=True)
class MetricSpec:
    """What a metric is, before anything is loaded.

    Attributes:
        name: how a run file names it.
        scores: the columns it fills.
        sample_rate: the rate in Hz at which it wants every sound; the panel resamples.
        needs: what it cannot do without; a clip lacking it gets null and a reason.
        model: package and version, or checkpoint id and revision.
        licence: of the model's weights or of the package.
    """

    name: str
    scores: tuple[Score, ...]
    sample_rate: int
    needs: frozenset[Need]
    model: str
    licence: str


@dataclass(frozen=True)
class ClipSounds:
    """One clip as a metric sees it: all its candidates together, everything at the metric's rate.

    Attributes:
        candidates: the sounds to score, each at its true length.
        clean: the reference, or None.
        noisy: the input, or None (a folder of candidates scored alone).
        text: what is said, or None where unknown.
        language: an ISO 639-1 code, or None.
        shared: a scratch pad of this clip, for what metrics compute once of the reference.
    """

    candidates: Sequence[Sound]
    clean: Sound | None = None
    noisy: Sound | None = None
    text: str | None = None
    language: str | None = None
    shared: dict[str, Any] = field(default_factory=dict, compare=False)


class Metric(Protocol):
    """A class that scores. Its constructor's keyword arguments are its options in a run file."""

    spec: MetricSpec

    def load(self) -> None:
        """Load weights; called once, before the first `score`, in the process that scores."""

    def score(self, clip: ClipSounds) -> Sequence[dict[str, float] | Exception]:
        """One entry per candidate, in order: its scores by name, or what went wrong with it.

        An entry that is an `Unusable` gives null with its reason; any other exception, in an entry
        or raised, gives null with METRIC_ERROR. A number that is not finite is METRIC_ERROR too.
        """
        ...
