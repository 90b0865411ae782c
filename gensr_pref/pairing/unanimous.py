"""The unanimous rule: a pair exists where one candidate beats another on every voting score.

Multi-metric preference alignment (arXiv 2508.17229): strict Pareto dominance over the panel. The
paper names no margins, ties, floors or choice among several pairs; those are this project's.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gensr_pref.config import Pairing
from gensr_pref.pairing.base import Ballot, Pair, Scores, oriented

Mask = npt.NDArray[np.bool_]


def unanimous(ballot: Ballot, pairing: Pairing) -> list[Pair]:
    """All unanimous pairs of a clip, the largest smallest-margin first.

    Candidate i beats j on a score when ``oriented(i) - oriented(j) > margin``. It ties when the
    difference is within the margin; a tie stops the pair unless the score's ties are allowed. At
    least one voting score must be won. A null on a voting score stops the pair, and so does a
    bound (floor or ceiling) that chosen does not keep or whose score is null. The smallest margin
    is taken over the scores that are won, in units of each score's spread; equal ones are ordered
    by row.
    """
    difference = _differences(ballot)
    won, stands = _verdicts(ballot, difference)
    allowed = stands.all(axis=2) & won.any(axis=2) & _eligible(ballot, pairing)
    strength = _smallest_margin(ballot, difference, won)
    found = [Pair(int(i), int(j), float(strength[i, j])) for i, j in np.argwhere(allowed)]
    found.sort(key=lambda pair: (-pair.strength, pair.chosen, pair.rejected))
    return found[: pairing.pairs_per_clip]


def _voting(ballot: Ballot) -> npt.NDArray[np.int64]:
    return np.array([k for k, vote in enumerate(ballot.votes) if vote.votes], dtype=np.int64)


def _differences(ballot: Ballot) -> Scores:
    """[N, N, V] by how much row i is better than row j on each voting score."""
    value = oriented(ballot)[:, _voting(ballot)]
    return value[:, None, :] - value[None, :, :]


def _verdicts(ballot: Ballot, difference: Scores) -> tuple[Mask, Mask]:
    """[N, N, V] which scores i wins against j, and which let the pair stand. NaN does neither."""
    votes = [ballot.votes[k] for k in _voting(ballot)]
    margin = np.array([vote.margin for vote in votes])
    ties = np.array([vote.ties for vote in votes], dtype=bool)
    won = difference > margin
    tied = np.abs(difference) <= margin
    return won, won | (tied & ties)


def _eligible(ballot: Ballot, pairing: Pairing) -> Mask:
    """[N, N] whether i keeps the bounds and i and j may meet."""
    keeps = np.ones(len(ballot.scores), dtype=bool)
    for column, vote in zip(ballot.scores.T, ballot.votes, strict=True):
        if vote.floor is not None:
            keeps &= column >= vote.floor
        if vote.ceiling is not None:
            keeps &= column <= vote.ceiling
    label = np.array(ballot.generators)
    meet = pairing.across_generators | (label[:, None] == label[None, :])
    return np.asarray(keeps[:, None] & meet, dtype=bool)


def _smallest_margin(ballot: Ballot, difference: Scores, won: Mask) -> Scores:
    """[N, N] the smallest won margin in spreads; infinite where nothing is won."""
    spreads = ballot.spreads[_voting(ballot)]
    in_spreads = difference / np.where(spreads > 0, spreads, 1.0)
    return np.asarray(np.where(won, in_spreads, np.inf).min(axis=2, initial=np.inf))
