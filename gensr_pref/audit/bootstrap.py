"""Intervals over clips by the percentile bootstrap (Efron 1979).

A clip is drawn with all that belongs to it. Beyond `BUNDLES` clips, clips are put at random into as
many bundles and bundles are drawn (the random groups method: Wolter, Introduction to Variance
Estimation, 2007, ch. 2), so that the cost does not grow with the run. An interval covers the choice
of clips, not what a generator would draw under other seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
ROUNDS = 2000
BUNDLES = 1000
LEVEL = 0.95


def bundles(clips: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """[clips] the bundle of each clip, from 0; as equal in size as can be."""
    if clips <= BUNDLES:
        return np.arange(clips)
    return np.asarray(np.random.default_rng(seed).permutation(clips) % BUNDLES)


def totals(
    clip: npt.NDArray[np.int64], values: npt.NDArray[np.floating], clips: int, seed: int = 0
) -> Array:
    """[B, K] sums of the rows of each bundle of clips.

    Args:
        clip: [R] number of each row's clip, below `clips`.
        values: [R, K], finite.
    """
    number, count = bundles(clips, seed)[clip], min(clips, BUNDLES)
    found = np.zeros((count, values.shape[1]))
    for place in range(values.shape[1]):
        found[:, place] = np.bincount(number, values[:, place], minlength=count)
    return found


def drawn(sums: Array, rounds: int = ROUNDS, seed: int = 0) -> Array:
    """[rounds, K] totals of as many bundles, drawn with replacement."""
    count = len(sums)
    if count == 0:
        return np.zeros((rounds, sums.shape[1]))
    return np.asarray(_often(count, rounds, seed) @ sums)


@lru_cache(maxsize=4)  # the same draws for every statistic of a run; 16 MB each
def _often(count: int, rounds: int, seed: int) -> Array:
    """[rounds, count] how often each bundle is drawn."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), size=rounds).astype(np.float64)


def interval(
    sums: Array, statistic: Callable[[Array], Array], level: float = LEVEL
) -> list[tuple[float, float, float] | None]:
    """A statistic of totals, and the bounds of its interval.

    Args:
        sums: [B, K] from `totals`.
        statistic: [..., K] totals -> [..., S] values, NaN where there is none.

    Returns:
        S triples (value, low, high); None where the value is NaN or fewer than two bundles exist.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.atleast_1d(statistic(sums.sum(axis=0)))
        draws = statistic(drawn(sums)).reshape(ROUNDS, -1)
    return [_triple(v, d, len(sums), level) for v, d in zip(value, draws.T, strict=True)]


def _triple(
    value: float, draws: Array, count: int, level: float
) -> tuple[float, float, float] | None:
    known = draws[np.isfinite(draws)]
    if not np.isfinite(value) or count < 2 or not len(known):
        return None
    tail = (1 - level) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(value), float(low), float(high)


def ratio_interval(
    clip: npt.NDArray[np.int64], above: Array, below: Array, clips: int
) -> list[tuple[float, float, float] | None]:
    """Ratios of sums over clips, with intervals.

    Args:
        clip: [R] number of each row's clip.
        above, below: [R, K] finite.
    """
    width = above.shape[1]
    sums = totals(clip, np.concatenate([above, below], axis=1), clips)
    return interval(sums, lambda t: t[..., :width] / t[..., width:])


def mean_interval(
    values: Array, level: float = LEVEL, seed: int = 0
) -> tuple[float, float, float] | None:
    """The mean of one value per clip, and the bounds of its interval.

    Args:
        values: [clips], NaN where unknown (left out).
        level: of the interval, in (0, 1).
        seed: of the resampling.

    Returns:
        (mean, low, high); None where fewer than two values are known.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None
    both = np.stack([known, np.ones(len(known))], axis=1)
    draws = drawn(totals(np.arange(len(known)), both, len(known), seed), seed=seed)
    return _triple(float(known.mean()), draws[:, 0] / draws[:, 1], len(known), level)
