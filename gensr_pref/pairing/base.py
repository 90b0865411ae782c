"""The protocol of a pair rule: the scores of one clip's candidates in, pairs out.

A rule is a function of a `Ballot` and the pairing section of the run file. Your own rule has an
entry point in the group ``gensr_pref.rules``, or the run file names it as ``module:function``. A
rule that can judge every two candidates independently is better written as a `Pairwise` rule, which
judges many clips at once and makes whole tables fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gensr_pref.config.run_file import Pairing

Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


class NoPairReason(StrEnum):
    """Reason why a clip has no pair: a closed list, from the nearest miss to the farthest.

    A clip has many comparisons (every ordered two of its candidates). Its reason is that of the
    comparison that came nearest to a pair.
    """

    BOUND = "bound"
    MARGIN = "margin"
    TIE = "tie"
    VETO = "veto"
    RULE = "rule"
    GENERATORS = "generators"
    NULL = "null"
    ONE_CANDIDATE = "one_candidate"
    NO_CANDIDATE = "no_candidate"
    NO_CLEAN = "no_clean"


NO_PAIR_REASONS: Mapping[NoPairReason, str] = {
    NoPairReason.BOUND: "one candidate wins, but it violates a floor or ceiling",
    NoPairReason.MARGIN: (
        "better or equal on every vote, but on some vote by no more than its margin"
    ),
    NoPairReason.TIE: "better or equal on every vote, but equal on one that must be won",
    NoPairReason.VETO: "the votes disagree: whichever is chosen, a vote is against it",
    NoPairReason.RULE: "your own rule gave no pair, or the rule's own conditions are not met",
    NoPairReason.GENERATORS: "the remaining candidates are from different generators",
    NoPairReason.NULL: "fewer than two candidates have a value on every voting score",
    NoPairReason.ONE_CANDIDATE: "there is only one candidate",
    NoPairReason.NO_CANDIDATE: "there is no candidate, or none was scored",
    NoPairReason.NO_CLEAN: "golden: the clip has no clean target",
}
STANDS = 0  # in `Verdicts.code`: a valid pair; other codes are those of `CODE`
CODE = {reason: index for index, reason in enumerate(NoPairReason, 1)}


@dataclass(frozen=True)
class Vote:
    """How one score counts.

    Attributes:
        score: name of its column.
        higher_is_better: its direction.
        votes: whether it votes; otherwise its margin is only reported.
        margin: the amount, in the score's unit, by more than which chosen must be better.
        ties: whether a pair may have a difference within the margin.
        floor, ceiling: bounds that chosen must satisfy, whether the score votes or not; None if
            there are none.
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
    """The scores of one clip's candidates, and how each score counts.

    A `Pairwise` rule gets many clips of N candidates in one ballot: `scores` and `generators` then
    have a leading axis.

    Attributes:
        scores: [..., N, M] raw values, NaN where null.
        generators: [..., N] generator labels, in the order of `scores`.
        votes: [M] in the order of the columns of `scores`.
        spreads: [M] the run's typical spread of each score within a clip (`spread`).
    """

    scores: Scores
    generators: Sequence[str] | npt.NDArray[np.str_]
    votes: Sequence[Vote]
    spreads: Scores


@dataclass(frozen=True)
class Pair:
    """The row numbers of chosen and rejected, and the smallest winning margin in spreads."""

    chosen: int
    rejected: int
    strength: float


class PairRule(Protocol):
    """Function of the ballot of one clip that returns its pairs, or `Pairwise`."""

    def __call__(self, ballot: Ballot, pairing: Pairing) -> list[Pair]:
        """Return the pairs of a clip, the best first, at most ``pairing.pairs_per_clip``."""
        ...


@dataclass(frozen=True)
class Verdicts:
    """A rule's verdict on every ordered two candidates (i chosen, j rejected).

    Attributes:
        code: [..., N, N] `STANDS` for a pair, otherwise the `CODE` of the reason against it.
        strength: [..., N, N] largest for the best pair; finite for every pair.
    """

    code: npt.NDArray[np.int8]
    strength: Scores


@dataclass(frozen=True)
class Pairwise:
    """A rule that judges every two candidates of a clip independently; it is also a `PairRule`.

    Attributes:
        judge: function that returns the verdicts of a ballot with any leading axes. No candidate is
            null on a vote. The function itself applies `may_be_paired` and `within_bounds`, and
            pairs no candidate with itself.
        clean: whether the clean target is the first candidate of the ballot, with the label
            ``clean`` and no scores.
    """

    judge: Callable[[Ballot, Pairing], Verdicts]
    clean: bool = field(default=False, kw_only=True)

    def __call__(self, ballot: Ballot, pairing: Pairing) -> list[Pair]:
        """Return the pairs of a clip, the strongest first; equally strong ones in row order."""
        if not len(ballot.scores):
            return []
        verdicts = self.judge(ballot, pairing)
        pairs = strongest(verdicts.code[None], verdicts.strength[None], pairing.pairs_per_clip)
        return [
            Pair(int(i), int(j), float(s))
            for i, j, s in zip(pairs.chosen, pairs.rejected, pairs.strength, strict=True)
        ]


def wants_clean(rule: PairRule) -> bool:
    """Return whether a rule uses the clean target as a candidate."""
    return isinstance(rule, Pairwise) and rule.clean


@dataclass(frozen=True)
class RankedPairs:
    """Pairs of many clips, as columns.

    Attributes:
        clip: [P] index of the clip in the block.
        chosen, rejected: [P] index of the candidate in its clip.
        strength: [P] as in `Verdicts`.
        rank: [P] from 0 in each clip.
    """

    clip: Rows
    chosen: Rows
    rejected: Rows
    strength: Scores
    rank: Rows


def strongest(code: npt.NDArray[np.int8], strength: Scores, limit: int) -> RankedPairs:
    """Return the strongest pairs of each clip, in this order; equally strong ones in row order.

    Args:
        code, strength: [C, N, N] from `Verdicts`.
        limit: largest number of pairs per clip.
    """
    clips, size = code.shape[0], code.shape[-1]
    flat = np.where(code == STANDS, strength, -np.inf).reshape(clips, size * size)
    if limit == 1 and flat.size:
        order = flat.argmax(axis=1)[:, None]
    else:
        order = np.argsort(-flat, axis=1, kind="stable")[:, :limit]
    value = np.take_along_axis(flat, order, axis=1)
    clip, rank = np.nonzero(value > -np.inf)
    index = order[clip, rank]
    chosen, rejected = index // max(size, 1), index % max(size, 1)
    return RankedPairs(clip, chosen, rejected, value[clip, rank], rank)


def may_be_paired(ballot: Ballot, pairing: Pairing) -> Mask:
    """Return [..., N, N] whether candidates i and j may be paired, given their generators."""
    label = np.asarray(ballot.generators)
    if label.size and (label == label.flat[0]).all():  # faster for the usual single generator
        return np.ones((*label.shape, label.shape[-1]), dtype=bool)
    return np.asarray(
        pairing.across_generators | (label[..., :, None] == label[..., None, :]), dtype=bool
    )


def within_bounds(ballot: Ballot) -> Mask:
    """Return [..., N] whether a candidate satisfies every floor and ceiling; a null does not."""
    within = np.ones(ballot.scores.shape[:-1], dtype=bool)
    for index, vote in enumerate(ballot.votes):
        column = ballot.scores[..., index]
        if vote.floor is not None:
            within &= column >= vote.floor
        if vote.ceiling is not None:
            within &= column <= vote.ceiling
    return within


def voting_columns(votes: Sequence[Vote]) -> Rows:
    """Return the column indices of the scores that vote."""
    return np.array([k for k, vote in enumerate(votes) if vote.votes], dtype=np.int64)


def orient_scores(ballot: Ballot) -> Scores:
    """Return [..., N, M] scores with their sign turned so that larger is better."""
    sign = np.array([1.0 if vote.higher_is_better else -1.0 for vote in ballot.votes])
    return np.asarray(ballot.scores * sign)


def margins(ballot: Ballot, pair: Pair) -> list[float | None]:
    """Return [M] how much better chosen is on each score; None if either score is null."""
    value = orient_scores(ballot)
    difference = value[pair.chosen] - value[pair.rejected]
    return [None if np.isnan(margin) else float(margin) for margin in difference]


def spread(scores: Scores, groups: npt.NDArray[np.int64]) -> Scores:
    """Return [M] the root of the mean over groups of the variance within a group.

    It is 0 for a score that is never known.

    Args:
        scores: [R, M] scores, NaN where null.
        groups: [R] group number of each row; a group is a clip's candidates of one generator.
    """
    _, number = np.unique(groups, return_inverse=True)
    return np.array([_spread(column, number) for column in scores.T], dtype=np.float64)


def _spread(column: Scores, number: npt.NDArray[np.int64]) -> float:
    known = np.isfinite(column)
    value, number = column[known], number[known]
    if not len(value):
        return 0.0
    count = np.bincount(number)
    divisor = np.maximum(count, 1)
    mean = np.bincount(number, value) / divisor
    variance = np.bincount(number, (value - mean[number]) ** 2) / divisor
    return float(np.sqrt(variance[count > 0].mean()))
