"""Computes the effective number of independent votes of a panel."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from gensr_pref.auditing.agreement import krippendorff_alpha
from gensr_pref.auditing.base import (
    Array,
    ScoredCandidates,
    ranks,
)
from gensr_pref.statistics.intervals import Estimate, interval, totals


class EffectiveVotes(TypedDict):
    """The number of independent votes; see `effective_votes`."""

    votes: int
    value: float | None
    low: float | None
    high: float | None
    clips: int
    nyholt: float | None
    li_ji: float | None
    eigenvalues: list[float]
    krippendorff_alpha: float | None
    krippendorff_alpha_interval: list[float] | None


def effective_votes(judged: ScoredCandidates) -> EffectiveVotes:
    """Compute the effective number of independent votes of the panel.

    It is computed from the eigenvalues l of the matrix [V, V] of the votes' rank correlations
    within clips (mid-ranks, centred by group, pooled). The value is the participation ratio
    ``(sum l)^2 / sum l^2`` (the effective number of degrees of freedom of Bretherton et al. 1999,
    J. Climate 12, eq. 5): V if the votes are uncorrelated, 1 if all are the same, and continuous
    in between. Two measures of the effective number of tests are reported as well:
    ``1 + (V - 1) (1 - Var(l) / V)`` (Nyholt 2004, Am. J. Hum. Genet. 74) and
    ``sum [l >= 1] + (l - floor(l))`` (Li & Ji 2005, Heredity 95).

    Returns:
        votes (that are not constant), value, low, high (None if not computable), nyholt, li_ji,
        eigenvalues (in descending order), krippendorff_alpha (of all votes) and its interval.
    """
    rank, rows = ranks(judged, judged.voters)
    group = np.unique(judged.group[rows], return_inverse=True)[1]
    size = np.maximum(np.bincount(group), 1)
    means = [np.bincount(group, column) / size for column in rank.T]
    centred = rank - np.stack([mean[group] for mean in means], axis=1) if means else rank
    differs = np.abs(centred).sum(axis=0) > 0
    centred = centred[:, differs]
    width = centred.shape[1]
    products = (centred[:, :, None] * centred[:, None, :]).reshape(len(centred), width * width)
    clip = judged.clip[rows]
    ratio, eigen = _ratio_interval(totals(clip, products), width, len(np.unique(clip)))
    alpha = krippendorff_alpha(rank, clip)
    return {
        "votes": width,
        "value": ratio.value,
        "low": ratio.low,
        "high": ratio.high,
        "clips": ratio.clusters,
        "nyholt": nyholt(eigen) if width else None,
        "li_ji": li_ji(eigen) if width else None,
        "eigenvalues": [float(value) for value in eigen[::-1]],
        "krippendorff_alpha": alpha.value,
        "krippendorff_alpha_interval": alpha.bounds,
    }


def _ratio_interval(sums: Array, width: int, clips: int) -> tuple[Estimate, Array]:
    """Return the participation ratio of sums of products [B, V * V], and ascending eigenvalues."""
    if not width:
        return Estimate(None), np.zeros(0)
    eigen = _eigenvalues(sums.sum(axis=0), width)
    if width == 1:
        return Estimate(1.0, clusters=clips), eigen
    ratio = lambda t: participation_ratio(_eigenvalues(t, width))  # noqa: E731
    return interval(sums, ratio, (1.0, float(width)), clusters=clips)[0], eigen


def participation_ratio(eigenvalues: Array) -> Array:
    """Return [..., 1] ``(sum l)^2 / sum l^2`` of eigenvalues [..., V]."""
    total = eigenvalues.sum(axis=-1, keepdims=True)
    return np.asarray(total**2 / (eigenvalues**2).sum(axis=-1, keepdims=True))


def nyholt(eigenvalues: Array) -> float:
    """Return ``1 + (V - 1) (1 - Var(l) / V)``, with V - 1 in the variance (Nyholt 2004)."""
    width = len(eigenvalues)
    if width < 2:
        return float(width)
    return float(1 + (width - 1) * (1 - eigenvalues.var(ddof=1) / width))


def li_ji(eigenvalues: Array) -> float:
    """Return ``sum [l >= 1] + (l - floor(l))`` (Li & Ji 2005)."""
    value = np.round(np.abs(eigenvalues), 9)  # floor would turn a rounding error into a step
    return float(((value >= 1) + (value - np.floor(value))).sum())


def _eigenvalues(sums: Array, width: int) -> Array:
    """Return [..., V] eigenvalues of the correlations in sums of products [..., V * V].

    NaN if a correlation is unknown.
    """
    table = sums.reshape(*sums.shape[:-1], width, width)
    scale = np.sqrt(np.diagonal(table, axis1=-2, axis2=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = table / (scale[..., :, None] * scale[..., None, :])
    known = np.isfinite(matrix).all(axis=(-2, -1))
    values = np.linalg.eigvalsh(np.where(known[..., None, None], matrix, np.eye(width)))
    return np.asarray(np.where(known[..., None], values, np.nan))
