"""The protocol of a pair rule: the scores of one clip's candidates in, pairs out.

A rule of yours is a function of a `Ballot` and the pairing section of the run file; it is found by
an entry point in the group ``gensr_pref.rules`` or named as ``module:function``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gensr_pref.config import Pairing

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Vote:
    """How one score counts.

    Attributes:
        score: its column.
        higher_is_better: its direction.
        votes: whether it takes part; otherwise its margin is only reported.
        margin: chosen must be better by more than this, in the score's unit.
        ties: whether a difference within the margin lets the pair stand.
        floor, ceiling: bounds that chosen must keep, voting or not; None where there are none.
    """

    score: str
    higher_is_better: bool
    votes: bool
    margin: float = 0.0
    ties: bool = False
    floor: float | None = None
    ceiling: float | None = None


@dataclass(frozen=True)
class Ballot:
    """One clip: its candidates' scores and how they count.

    Attributes:
        scores: [N, M] raw values, NaN where null.
        generators: [N] labels, in the order of `scores`.
        votes: [M], in the order of the columns of `scores`.
        spreads: [M] the run's typical spread of each score within a clip (`spread`).
    """

    scores: Scores
    generators: Sequence[str]
    votes: Sequence[Vote]
    spreads: Scores


@dataclass(frozen=True)
class Pair:
    """Row numbers of chosen and rejected, and the smallest winning margin in spreads."""

    chosen: int
    rejected: int
    strength: float


class PairRule(Protocol):
    """A rule: all pairs of a clip, best first, at most ``pairing.pairs_per_clip``."""

    def __call__(self, ballot: Ballot, pairing: Pairing) -> list[Pair]:
        """The pairs; empty where there is none."""
        ...


def oriented(ballot: Ballot) -> Scores:
    """[N, M] scores with their sign turned so that larger is better."""
    sign = np.array([1.0 if vote.higher_is_better else -1.0 for vote in ballot.votes])
    return np.asarray(ballot.scores * sign)


def margins(ballot: Ballot, pair: Pair) -> list[float | None]:
    """[M] by how much chosen is better on each score; None where either is null."""
    value = oriented(ballot)
    difference = value[pair.chosen] - value[pair.rejected]
    return [None if np.isnan(margin) else float(margin) for margin in difference]


def spread(scores: Scores, groups: npt.NDArray[np.int64]) -> Scores:
    """[M] root of the mean over groups of the variance within a group; 0 where nothing is known.

    Args:
        scores: [R, M], NaN where null.
        groups: [R] which clip and generator each row belongs to.
    """
    _, number = np.unique(groups, return_inverse=True)
    count = _sum_by(np.isfinite(scores).astype(float), number)
    known = np.maximum(count, 1)
    mean = _sum_by(np.nan_to_num(scores), number) / known
    deviation = np.nan_to_num((scores - mean[number]) ** 2)
    variance = _sum_by(deviation, number) / known
    groups_known = np.maximum((count > 0).sum(axis=0), 1)
    return np.asarray(np.sqrt(variance.sum(axis=0) / groups_known))


def _sum_by(values: Scores, number: npt.NDArray[np.int64]) -> Scores:
    total = np.zeros((int(number.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(total, number, values)
    return total
