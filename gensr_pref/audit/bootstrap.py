"""Intervals over clips by the percentile bootstrap (Efron 1979)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ROUNDS = 2000


def mean_interval(
    values: npt.NDArray[np.float64], level: float = 0.95, seed: int = 0
) -> tuple[float, float, float] | None:
    """The mean of one value per clip, and the bounds of its interval.

    Args:
        values: [clips], NaN where unknown (left out).
        level: of the interval, in (0, 1).
        seed: of the resampling.

    Returns:
        (mean, low, high); None where fewer than two values are known. The interval covers the
        choice of clips, not what a generator would draw under other seeds.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None
    drawn = np.random.default_rng(seed).integers(len(known), size=(ROUNDS, len(known)))
    tail = (1 - level) / 2
    low, high = np.quantile(known[drawn].mean(axis=1), [tail, 1 - tail])
    return float(known.mean()), float(low), float(high)
