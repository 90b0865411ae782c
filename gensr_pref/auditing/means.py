"""Computes the mean scores of the noisy input, the candidates, the chosen and the rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gensr_pref.auditing.base import Array, Mask, Rows
from gensr_pref.statistics.intervals import Estimate, mean_interval


def mean_by_role(
    roles: Mapping[str, Array], names: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    """Return the mean of each score over the rows of each role that have the score.

    Args:
        roles: [R, M] raw scores per role, NaN where null.
        names: [M] names of the scores.
    """
    return {
        name: {role: _mean(value[:, k]) for role, value in roles.items()}
        for k, name in enumerate(names)
    }


def improvement(
    value: Array, clip: Rows, clips: int, noisy: Mask, names: Sequence[str]
) -> dict[str, Estimate]:
    """Estimate how much better a clip's mean candidate is than its noisy input, per score.

    Args:
        value: [R, M] scores, larger is better, NaN where null.
        clip: [R] clip number, below `clips`.
        noisy: [R] whether a row is a noisy input.
    """
    before, after = (mean_by(value[m], clip[m], clips) for m in (noisy, ~noisy))
    intervals = map(mean_interval, (after - before).T)
    return dict(zip(names, intervals, strict=True))


def mean_by(value: Array, number: Rows, groups: int) -> Array:
    """Return [groups, M] means of the known rows [R, M] of each group; NaN if none is known."""
    known = np.isfinite(value)
    columns = range(value.shape[1])
    total = [np.bincount(number, np.where(known[:, k], value[:, k], 0), groups) for k in columns]
    count = [np.bincount(number, known[:, k], groups) for k in columns]
    above, below = (np.stack(sums, axis=1).astype(np.float64) for sums in (total, count))
    return np.asarray(np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0))


def _mean(values: Array) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None
