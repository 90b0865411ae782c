"""Rules that put one number on every candidate and pair high ones with low ones.

`top_bottom` is the rule of GSEPF (arXiv 2507.09929): N candidates are ranked by one score (there
UTMOS) and the best Z are paired with the worst Z. The paper finds Z = 1 about as good as 4. Here
every one of the best is paired with every one of the worst, the largest difference first; the paper
does not say how it matches them.

`weighted` ranks by a weighted sum of scores, for ablations. With ``units: raw`` and equal weights
it is the composite reward of arXiv 2606.21458 (there DNSMOS OVRL + (1 - WER) + UTMOS); with
``units: spread``, the default, every score is first divided by its typical spread within a clip, so
that no score dominates because of its scale.
"""

from __future__ import annotations

import numpy as np

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


def judge_top_bottom(ballot: Ballot, pairing: Pairing) -> Verdicts:
    """Return the verdicts of `top_bottom`; the ranking is among candidates that may be paired."""
    (score,) = voting_columns(ballot.votes)
    value = orient_scores(ballot)[..., score]
    spread = float(ballot.spreads[score])
    meets = may_be_paired(ballot, pairing)
    verdicts = _judge_values(ballot, value, ballot.votes[score].margin, meets)
    above, below = (_count_ahead(value, meets, sign) for sign in (1, -1))
    top, bottom = above < pairing.extremes, below < pairing.extremes
    outside = ~(top[..., :, None] & bottom[..., None, :])
    code = np.where(outside & (verdicts.code == STANDS), CODE[NoPairReason.RULE], verdicts.code)
    return Verdicts(code.astype(np.int8), verdicts.strength / (spread if spread > 0 else 1.0))


def judge_weighted(ballot: Ballot, pairing: Pairing) -> Verdicts:
    """Return the verdicts of `weighted`; the strength is the difference of the sums."""
    value = weighted_sum(ballot, pairing)
    return _judge_values(ballot, value, pairing.gap, may_be_paired(ballot, pairing))


def weighted_sum(ballot: Ballot, pairing: Pairing) -> Scores:
    """Return [..., N] ``sum_m w_m s_m / u_m``, with s_m larger is better and u_m the spread or 1.

    A score that never differs within a clip has no spread and is not divided.
    """
    votes = voting_columns(ballot.votes)
    weight = np.array([pairing.weights.get(ballot.votes[k].score, 1.0) for k in votes])
    if pairing.units == "spread":
        spreads = ballot.spreads[votes]
        weight = weight / np.where(spreads > 0, spreads, 1.0)
    return np.asarray(orient_scores(ballot)[..., votes] @ weight)


def _judge_values(ballot: Ballot, value: Scores, gap: float, meets: Mask) -> Verdicts:
    """Accept pairs whose chosen value is larger by more than `gap` and satisfies its bounds."""
    difference = value[..., :, None] - value[..., None, :]
    code = np.full(difference.shape, STANDS, dtype=np.int8)
    code[np.broadcast_to(~within_bounds(ballot)[..., :, None], code.shape)] = CODE[
        NoPairReason.BOUND
    ]
    code[difference <= gap] = CODE[NoPairReason.MARGIN]
    code[difference == 0] = CODE[NoPairReason.TIE]
    code[difference < 0] = CODE[NoPairReason.VETO]
    code[~meets] = CODE[NoPairReason.GENERATORS]
    code[np.isnan(difference)] = CODE[NoPairReason.NULL]
    return Verdicts(code, difference)


def _count_ahead(value: Scores, meets: Mask, sign: int) -> np.ndarray:
    """Return [..., N] how many possible partners rank before a candidate; ties in row order."""
    ahead = sign * (value[..., None, :] - value[..., :, None])
    row = np.arange(value.shape[-1])
    first = row[None, :] < row[:, None] if sign > 0 else row[None, :] > row[:, None]
    return np.asarray((((ahead > 0) | ((ahead == 0) & first)) & meets).sum(axis=-1))


top_bottom = Pairwise(judge_top_bottom)
weighted = Pairwise(judge_weighted)
