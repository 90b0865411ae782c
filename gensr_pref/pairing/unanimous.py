"""The unanimous rule: a pair exists where one candidate beats another on every voting score.

Multi-metric preference alignment (arXiv 2508.17229): strict Pareto dominance over the panel. The
paper has no margins, ties, floors or choice among several pairs; those are this project's.

Candidate i beats j on a score if ``s_i - s_j > margin``, where a larger s is better
(`orient_scores`). It is a tie if the difference is within the margin; a tie prevents the pair
unless the score allows ties. At least one voting score must be won. A null on a voting score
prevents the pair, and so does a bound (floor or ceiling) that chosen violates or whose score is
null. The smallest margin is taken over the scores that are won, in units of each score's spread.
Pairs with the largest smallest margin come first, equal ones in row order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gensr_pref.config.run_file import Pairing
from gensr_pref.pairing.base import (
    CODE,
    STANDS,
    Ballot,
    Mask,
    NoPairReason,
    Pairwise,
    Scores,
    Verdicts,
    may_be_paired,
    orient_scores,
    voting_columns,
    within_bounds,
)


class VoteOutcome(NamedTuple):
    """The outcome of one vote on comparisons of a chosen candidate with a rejected one.

    Attributes:
        won: where chosen is better by more than the margin.
        lost: where rejected is.
        prevents: where the vote prevents the pair: it is lost, or an unallowed tie.
    """

    won: Mask
    lost: Mask
    prevents: Mask


def compare_on_vote(difference: Scores, margin: float, ties: bool) -> VoteOutcome:
    """Compare candidates on one vote; a pair is unanimous if a vote is won and none prevents it.

    Args:
        difference: [...] score of chosen minus that of rejected, where larger is better; a null
            (NaN) counts as a tie.
        margin, ties: as in `Vote`.
    """
    won, lost = difference > margin, difference < -margin
    return VoteOutcome(won, lost, lost if ties else ~won)


def judge_unanimous(ballot: Ballot, pairing: Pairing) -> Verdicts:
    """Return the verdicts of `unanimous`."""
    votes = voting_columns(ballot.votes)
    value = orient_scores(ballot)[..., votes]
    shape = (*value.shape[:-1], value.shape[-2])
    won, lost, prevented, near, null = (np.zeros(shape, dtype=bool) for _ in range(5))
    strength = np.full(shape, np.inf)
    for index, score in enumerate(votes):
        vote, spread = ballot.votes[score], float(ballot.spreads[score])
        difference = value[..., :, None, index] - value[..., None, :, index]
        outcome = compare_on_vote(difference, vote.margin, vote.ties)
        won |= outcome.won
        lost |= outcome.lost
        if not vote.ties:
            prevented |= outcome.prevents
            near |= outcome.prevents & (difference != 0)
        null |= np.isnan(difference)
        in_spreads = difference / (spread if spread > 0 else 1.0)
        strength = np.where(outcome.won, np.minimum(strength, in_spreads), strength)
    code = _reason_codes(won, lost, prevented, near)
    code[(code == STANDS) & ~within_bounds(ballot)[..., :, None]] = CODE[NoPairReason.BOUND]
    code[~may_be_paired(ballot, pairing)] = CODE[NoPairReason.GENERATORS]
    code[null] = CODE[NoPairReason.NULL]
    return Verdicts(code, strength)


def _reason_codes(won: Mask, lost: Mask, prevented: Mask, near: Mask) -> npt.NDArray[np.int8]:
    """Return [..., N, N] `STANDS` where the votes allow a pair, otherwise the reason against it.

    Args:
        won, lost: where some vote is won, and where one is lost.
        prevented: where some vote that must be won is not.
        near: where such a vote differs.
    """
    code = np.full(won.shape, STANDS, dtype=np.int8)
    code[prevented | ~won] = CODE[NoPairReason.TIE]
    code[near] = CODE[NoPairReason.MARGIN]
    code[lost] = CODE[NoPairReason.VETO]
    return code


unanimous = Pairwise(judge_unanimous)


def in_spreads(ballot: Ballot) -> Scores:
    """Return [..., N, V] voting scores, larger is better, in units of each score's spread."""
    votes = voting_columns(ballot.votes)
    spreads = ballot.spreads[votes]
    return np.asarray(orient_scores(ballot)[..., votes] / np.where(spreads > 0, spreads, 1.0))
