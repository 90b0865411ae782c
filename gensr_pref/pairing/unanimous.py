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

import numpy as np
import numpy.typing as npt

from gensr_pref.config.run_file import Pairing
from gensr_pref.pairing.base import (
    CODE,
    STANDS,
    Ballot,
    Mask,
    Pairwise,
    Scores,
    Stop,
    Verdicts,
    may_meet,
    orient_scores,
    voting_columns,
    within_bounds,
)


def judge_unanimous(ballot: Ballot, pairing: Pairing) -> Verdicts:
    """Return the verdicts of `unanimous`."""
    votes = voting_columns(ballot.votes)
    value = orient_scores(ballot)[..., votes]
    shape = (*value.shape[:-1], value.shape[-2])
    won, lost, short, near, null = (np.zeros(shape, dtype=bool) for _ in range(5))
    strength = np.full(shape, np.inf)
    for index, score in enumerate(votes):
        vote, spread = ballot.votes[score], float(ballot.spreads[score])
        difference = value[..., :, None, index] - value[..., None, :, index]
        wins = difference > vote.margin
        won |= wins
        lost |= difference < -vote.margin
        null |= np.isnan(difference)
        if not vote.ties:
            within = np.abs(difference) <= vote.margin
            short |= within
            near |= within & (difference != 0)
        in_spreads = difference / (spread if spread > 0 else 1.0)
        strength = np.where(wins, np.minimum(strength, in_spreads), strength)
    code = _stop_codes(won, lost, short, near)
    code[(code == STANDS) & ~within_bounds(ballot)[..., :, None]] = CODE[Stop.BOUND]
    code[~may_meet(ballot, pairing)] = CODE[Stop.GENERATORS]
    code[null] = CODE[Stop.NULL]
    return Verdicts(code, strength)


def _stop_codes(won: Mask, lost: Mask, short: Mask, near: Mask) -> npt.NDArray[np.int8]:
    """Return the code of the votes; `short` is within the margin of a score that must be won.

    If nothing is won and nothing lost, it is a tie: then only votes that allow ties may differ, by
    less than their margin.
    """
    code = np.full(won.shape, STANDS, dtype=np.int8)
    code[short | ~won] = CODE[Stop.TIE]
    code[near] = CODE[Stop.MARGIN]
    code[lost] = CODE[Stop.VETO]
    return code


unanimous = Pairwise(judge_unanimous)


def in_spreads(ballot: Ballot) -> Scores:
    """Return [..., N, V] voting scores, larger is better, in units of each score's spread."""
    votes = voting_columns(ballot.votes)
    spreads = ballot.spreads[votes]
    return np.asarray(orient_scores(ballot)[..., votes] / np.where(spreads > 0, spreads, 1.0))
