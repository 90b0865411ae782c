"""Measures how chosen and rejected differ in what should not matter: length, loudness, order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from gensr_pref.auditing.base import Array, Rows
from gensr_pref.statistics.intervals import Estimate, interval, ratio_interval, totals
from gensr_pref.statistics.verdicts import is_within, side_of_threshold

SMALL_D = 0.2  # Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, p. 25
SMALL_DELTA = 0.147  # Romano et al. 2006, Florida Association of Institutional Research


class Difference(TypedDict):
    """Chosen minus rejected in one property; see `property_differences`."""

    property: str
    pairs: int
    clips: int
    chosen: float | None
    rejected: float | None
    difference: float | None
    low: float | None
    high: float | None
    cohens_d: float | None
    cliffs_delta: float | None
    delta_low: float | None
    delta_high: float | None
    warns: bool
    harmless: bool


class GeneratorWins(TypedDict):
    """The share of a generator's pairs with other generators in which its candidate is chosen."""

    generator: str
    pairs: int
    chosen: float


def property_differences(values: Mapping[str, tuple[Array, Array]], clip: Rows) -> list[Difference]:
    """Compute chosen minus rejected in each property, with effect sizes.

    ``cohens_d`` is the mean difference divided by the root of the mean of the two variances (Cohen
    1988, eq. 2.2.1 with the pooled deviation of equal groups). ``cliffs_delta`` is for paired
    values: the share of pairs in which chosen is larger, minus the share in which it is smaller
    (Cliff 1993, Psychological Bulletin 114, the within-pair d), with ``delta_low`` and
    ``delta_high``. ``warns`` is true if either effect reaches the size called small (0.2; 0.147)
    and its interval over ``clips`` excludes zero (for d, the interval of the mean difference:
    ``low``, ``high``). ``harmless`` is true if the intervals of both lie within these sizes.

    Args:
        values: per property, the values of chosen [P] and rejected [P], NaN where unknown.
        clip: [P] clip number of each pair.
    """
    return [_difference(name, a, b, clip) for name, (a, b) in values.items()]


def _difference(name: str, chosen: Array, rejected: Array, clip: Rows) -> Difference:
    known = np.isfinite(chosen) & np.isfinite(rejected)
    a, b, clips = chosen[known], rejected[known], clip[known]
    row: Difference = {
        "property": name,
        "pairs": len(a),
        "clips": len(np.unique(clips)),
        "chosen": None,
        "rejected": None,
        "difference": None,
        "low": None,
        "high": None,
        "cohens_d": None,
        "cliffs_delta": None,
        "delta_low": None,
        "delta_high": None,
        "warns": False,
        "harmless": False,
    }
    if not len(a):
        return row
    gap = (a - b)[:, None]
    (mean,) = ratio_interval(clips, gap, np.ones_like(gap))
    d, delta = cohens_d(a, b), _delta(a, b, clips)
    return {
        **row,
        "chosen": float(a.mean()),
        "rejected": float(b.mean()),
        "difference": float(gap.mean()),
        "low": mean.low,
        "high": mean.high,
        "cohens_d": d,
        "cliffs_delta": delta.value,
        "delta_low": delta.low,
        "delta_high": delta.high,
        "warns": _is_clear(d, mean, SMALL_D) or _is_clear(delta.value, delta, SMALL_DELTA),
        "harmless": _is_harmless(d, mean, delta),
    }


def _delta(chosen: Array, rejected: Array, clip: Rows) -> Estimate:
    """Estimate Cliff's delta within pairs, with an interval over clips."""
    signs = np.sign(chosen - rejected)
    both = np.stack([signs, np.ones(len(signs))], axis=1)
    clips = len(np.unique(clip))
    return interval(totals(clip, both), _mean, (-1.0, 1.0), len(signs), clips)[0]


def _mean(sums: Array) -> Array:
    return sums[..., :1] / sums[..., 1:]


def _is_clear(effect: float | None, estimate: Estimate, small: float) -> bool:
    return (
        abs(effect or 0.0) >= small
        and side_of_threshold(estimate.low, estimate.high, estimate.clusters) != 0
    )


def _is_harmless(d: float | None, mean: Estimate, delta: Estimate) -> bool:
    """Return whether the intervals of both effects lie within the sizes called small.

    The interval of d is that of the mean difference, divided by the same scale. A property that
    never differs has no interval of its mean; then that of delta decides.
    """
    if not is_within(delta.low, delta.high, delta.clusters, -SMALL_DELTA, SMALL_DELTA):
        return False
    if mean.value == 0 and mean.bounds is None:
        return True
    if not d or mean.value is None or mean.low is None or mean.high is None:
        return d == 0 and mean.value == 0
    scale = mean.value / d
    return is_within(mean.low / scale, mean.high / scale, mean.clusters, -SMALL_D, SMALL_D)


def cohens_d(chosen: Array, rejected: Array) -> float | None:
    """Return ``(mean a - mean b) / sqrt((var a + var b) / 2)``.

    It is 0 if all values are equal; None for one pair, or if the variances are 0 but the means
    differ.
    """
    gap = float(chosen.mean() - rejected.mean())
    if len(chosen) < 2:
        return None
    scale = float(np.sqrt((chosen.var(ddof=1) + rejected.var(ddof=1)) / 2))
    if scale > 0:
        return gap / scale
    return 0.0 if gap == 0 else None


def cliffs_delta(chosen: Array, rejected: Array) -> float:
    """Return the share of pairs where chosen is larger, minus that where it is smaller."""
    return float(np.sign(chosen - rejected).mean())


def wins_across_generators(chosen: np.ndarray, rejected: np.ndarray) -> list[GeneratorWins]:
    """Count how often each generator's candidate is chosen in pairs of two generators.

    Args:
        chosen, rejected: [P] generator labels.

    Returns:
        {generator, pairs, chosen: share}; 0.5 if a generator wins as often as it loses.
    """
    across = chosen != rejected
    names = np.unique(np.concatenate([chosen[across], rejected[across]]))
    results: list[GeneratorWins] = []
    for name in names:
        wins = int((chosen[across] == name).sum())
        total = wins + int((rejected[across] == name).sum())
        results.append({"generator": str(name), "pairs": total, "chosen": wins / total})
    return results
