"""The protocol of a pair rule: the scores of one clip's candidates in, pairs out.

A rule of yours is a function of a `Ballot` and the pairing section of the run file; it is found by
an entry point in the group ``gensr_pref.rules`` or named as ``module:function``. Where it can say
of every two candidates at once whether they are a pair, a `Pairwise` rule also judges many clips at
once, which makes whole tables quick.
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


class Stop(StrEnum):
    """Why a clip has no pair. A closed list, from the nearest miss to the farthest.

    A clip has many comparisons (every ordered two of its candidates); its reason is that of the
    one that came nearest to a pair.
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


STOP_REASONS: Mapping[Stop, str] = {
    Stop.BOUND: "all else holds, but chosen does not keep a floor or ceiling",
    Stop.MARGIN: "better or equal on every vote, somewhere by no more than its margin",
    Stop.TIE: "better or equal on every vote, but equal on one that must be won",
    Stop.VETO: "the votes disagree: whichever is chosen, a vote is against it",
    Stop.RULE: "a rule of yours gave none, or the rule's own terms are not met",
    Stop.GENERATORS: "the candidates that are left are of different generators",
    Stop.NULL: "fewer than two candidates are left without a null on a voting score",
    Stop.ONE_CANDIDATE: "there is only one candidate",
    Stop.NO_CANDIDATE: "there is no candidate, or none was scored",
    Stop.NO_CLEAN: "golden: the clip has no clean target",
}
STANDS = 0  # in `Verdicts.code`; a Stop is its place in the list, from 1
CODE = {stop: place for place, stop in enumerate(Stop, 1)}


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

    A `Pairwise` rule gets many clips of N candidates in one ballot: `scores` and `generators` then
    have a leading axis.

    Attributes:
        scores: [..., N, M] raw values, NaN where null.
        generators: [..., N] labels, in the order of `scores`.
        votes: [M], in the order of the columns of `scores`.
        spreads: [M] the run's typical spread of each score within a clip (`spread`).
    """

    scores: Scores
    generators: Sequence[str] | npt.NDArray[np.str_]
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


@dataclass(frozen=True)
class Verdicts:
    """What a rule says of every ordered two candidates (i chosen, j rejected).

    Attributes:
        code: [..., N, N] `STANDS`, or the `CODE` of what stops the pair.
        strength: [..., N, N] the best pair has the largest; finite where the pair stands.
    """

    code: npt.NDArray[np.int8]
    strength: Scores


@dataclass(frozen=True)
class Pairwise:
    """A rule that judges every two candidates of a clip by themselves; it is a `PairRule` too.

    Attributes:
        judge: the verdicts of a ballot with any leading axes.
        clean: whether the clean target is a candidate of the ballot, as its first, with the
            label ``clean`` and no scores.
    """

    judge: Callable[[Ballot, Pairing], Verdicts]
    clean: bool = field(default=False, kw_only=True)

    def __call__(self, ballot: Ballot, pairing: Pairing) -> list[Pair]:
        """The pairs of one clip, the strongest first; equal ones in the order of the rows."""
        if not len(ballot.scores):
            return []
        verdicts = self.judge(ballot, pairing)
        found = strongest(verdicts.code[None], verdicts.strength[None], pairing.pairs_per_clip)
        return [
            Pair(int(i), int(j), float(s))
            for i, j, s in zip(found.chosen, found.rejected, found.strength, strict=True)
        ]


def wants_clean(rule: PairRule) -> bool:
    """Whether a rule takes the clean target for a candidate."""
    return isinstance(rule, Pairwise) and rule.clean


@dataclass(frozen=True)
class RankedPairs:
    """Pairs of many clips, as columns.

    Attributes:
        clip: [P] place of the clip in the block.
        chosen, rejected: [P] place of the candidate in its clip.
        strength: [P].
        rank: [P] from 0 in each clip.
    """

    clip: Rows
    chosen: Rows
    rejected: Rows
    strength: Scores
    rank: Rows


def strongest(code: npt.NDArray[np.int8], strength: Scores, most: int) -> RankedPairs:
    """At most so many pairs per clip, the strongest first; equal ones in the order of the rows.

    Args:
        code, strength: [C, N, N] from `Verdicts`.
    """
    clips, size = code.shape[0], code.shape[-1]
    flat = np.where(code == STANDS, strength, -np.inf).reshape(clips, size * size)
    if most == 1 and flat.size:
        order = flat.argmax(axis=1)[:, None]
    else:
        order = np.argsort(-flat, axis=1, kind="stable")[:, :most]
    value = np.take_along_axis(flat, order, axis=1)
    clip, rank = np.nonzero(value > -np.inf)
    place = order[clip, rank]
    return RankedPairs(clip, place // max(size, 1), place % max(size, 1), value[clip, rank], rank)


def may_meet(ballot: Ballot, pairing: Pairing) -> Mask:
    """[..., N, N] whether i and j may be a pair by what generated them."""
    label = np.asarray(ballot.generators)
    if label.size and (label == label.flat[0]).all():  # most runs have one: quicker
        return np.ones((*label.shape, label.shape[-1]), dtype=bool)
    return np.asarray(
        pairing.across_generators | (label[..., :, None] == label[..., None, :]), dtype=bool
    )


def within_bounds(ballot: Ballot) -> Mask:
    """[..., N] whether a candidate keeps every floor and ceiling; a null does not."""
    keeps = np.ones(ballot.scores.shape[:-1], dtype=bool)
    for place, vote in enumerate(ballot.votes):
        column = ballot.scores[..., place]
        if vote.floor is not None:
            keeps &= column >= vote.floor
        if vote.ceiling is not None:
            keeps &= column <= vote.ceiling
    return keeps


def voting_columns(votes: Sequence[Vote]) -> Rows:
    """The places of the scores that vote."""
    return np.array([k for k, vote in enumerate(votes) if vote.votes], dtype=np.int64)


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
    return np.array([_spread(column, number) for column in scores.T], dtype=np.float64)


def _spread(column: Scores, number: npt.NDArray[np.int64]) -> float:
    known = np.isfinite(column)
    value, number = column[known], number[known]
    if not len(value):
        return 0.0
    count = np.bincount(number)
    some = np.maximum(count, 1)
    mean = np.bincount(number, value) / some
    variance = np.bincount(number, (value - mean[number]) ** 2) / some
    return float(np.sqrt(variance[count > 0].mean()))
