"""Measures how far two scores agree on which of two candidates of a clip is better."""

from __future__ import annotations

from itertools import combinations
from typing import TypedDict

import numpy as np

from gensr_pref.auditing.base import Array, Comparisons, Rows, ScoredCandidates, ranks
from gensr_pref.statistics.intervals import Estimate, bundles, interval, totals

_SIGNED = (-1.0, 1.0)


class PairAgreement(TypedDict):
    """The agreement of two votes; intervals are [low, high], None for too few clips."""

    scores: list[str]
    kendall_tau: float | None
    kendall_tau_interval: list[float] | None
    agreement_rate: float | None
    agreement_rate_interval: list[float] | None
    krippendorff_alpha: float | None
    krippendorff_alpha_interval: list[float] | None


def pairwise_agreement(judged: ScoredCandidates, compared: Comparisons) -> list[PairAgreement]:
    """Compute Kendall's tau-b, agreement rate and Krippendorff's alpha of every two votes."""
    rank, rows = ranks(judged, judged.voters)
    results: list[PairAgreement] = []
    for (a, first), (b, second) in combinations(enumerate(judged.voters), 2):
        sums, clips = pair_sums(compared, int(first), int(second))
        compares = float(sums[:, 3].sum())
        (tau,) = interval(sums, kendall_tau, _SIGNED, compares, clips)
        (rate,) = interval(sums, agreement_rate, (0.0, 1.0), compares, clips)
        alpha = krippendorff_alpha(rank[:, [a, b]], judged.clip[rows])
        results.append(
            {
                "scores": [judged.names[first], judged.names[second]],
                "kendall_tau": tau.value,
                "kendall_tau_interval": tau.bounds,
                "agreement_rate": rate.value,
                "agreement_rate_interval": rate.bounds,
                "krippendorff_alpha": alpha.value,
                "krippendorff_alpha_interval": alpha.bounds,
            }
        )
    return results


def pair_sums(compared: Comparisons, first: int, second: int) -> tuple[Array, int]:
    """Return [B, 4] sums over the comparisons known to both scores, and the number of clips.

    Row b sums a bundle of clips. The columns are concordant minus discordant comparisons, and those
    that differ on the first score, on the second, and on both.
    """
    a, b = (np.sign(compared.difference[:, k]) for k in (first, second))
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    values = np.stack([a * b, np.abs(a), np.abs(b), np.abs(a * b)], axis=1)
    clip = compared.clip[known]
    return totals(clip, values), len(np.unique(clip))


def kendall_tau(sums: Array) -> Array:
    """Return [..., 1] Kendall's tau-b over the comparisons within clips (Kendall 1945).

    ``tau_b = (C - D) / sqrt((C + D + T_x) (C + D + T_y))`` with C concordant and D discordant
    pairs, T_x tied on y only and T_y tied on x only; NaN if a score never differs.

    Args:
        sums: [..., 4] from `pair_sums`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., :1] / np.sqrt(sums[..., 1:2] * sums[..., 2:3]))


def agreement_rate(sums: Array) -> Array:
    """Return [..., 1] the share of same winners among the comparisons on which both differ."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((sums[..., 3:4] + sums[..., :1]) / (2 * sums[..., 3:4]))


def krippendorff_alpha(rank: Array, clip: Rows) -> Estimate:
    """Compute Krippendorff's ordinal alpha of the ranks that the scores give to a candidate.

    ``alpha = 1 - (n - 1) sum o_ck d_ck / sum n_c n_k d_ck`` over the coincidences o of values c
    and k, ``d_ck = (sum_{g=c..k} n_g - (n_c + n_k) / 2)^2`` (Krippendorff, Content Analysis, 2004,
    ch. 11; Computing Krippendorff's Alpha-Reliability, 2011). The raters are the scores, the units
    are the candidates, the values are their mid-ranks within the clip. 1 is perfect, 0 is chance;
    Krippendorff requires .800, or .667 for tentative conclusions.

    Args:
        rank: [K, V] mid-ranks from 1.
        clip: [K] clip number of each candidate.
    """
    sums, width = coincidences(rank, clip)
    clips = len(np.unique(clip))
    return interval(sums, lambda totals: _alpha(totals, width), _SIGNED, clusters=clips)[0]


def coincidences(rank: Array, clip: Rows) -> tuple[Array, int]:
    """Return [B, W * W] coincidences of values, by bundle of clips, and W."""
    level = np.rint(2 * rank).astype(np.int64)
    values = np.unique(level)
    index, width = np.searchsorted(values, level), len(values)
    number, count = bundles(clip)
    table = np.zeros((count, width, width))
    for a, b in combinations(index.T, 2):
        flat = (number * width + a) * width + b
        table += np.bincount(flat, minlength=table.size).reshape(table.shape)
    both = (table + table.transpose(0, 2, 1)) / max(rank.shape[1] - 1, 1)
    return np.asarray(both.reshape(count, width * width)), width


def _alpha(sums: Array, width: int) -> Array:
    """Return [..., 1] the alpha of coincidences [..., W * W]."""
    table = sums.reshape(*sums.shape[:-1], width, width)
    count = table.sum(axis=-1)
    total = count.sum(axis=-1)
    middle = np.cumsum(count, axis=-1) - count / 2
    distance = (middle[..., :, None] - middle[..., None, :]) ** 2
    observed = (table * distance).sum(axis=(-2, -1))
    expected = (count[..., :, None] * count[..., None, :] * distance).sum(axis=(-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        alpha = 1 - (total - 1) * observed / expected
    return np.asarray(alpha[..., None])
