"""Whether chosen differs from rejected in what should not matter: length, loudness, place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gensr_pref.audit.base import Array, Rows
from gensr_pref.audit.bootstrap import ratio_interval

SMALL_D = 0.2  # Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, p. 25
SMALL_DELTA = 0.147  # Romano et al. 2006, Florida Association of Institutional Research


def differences(
    sides: Mapping[str, tuple[Array, Array]], clip: Rows, clips: int
) -> list[dict[str, Any]]:
    """Chosen minus rejected in each property, with effect sizes.

    ``cohens_d`` is the mean difference over the root of the mean of both sides' variances (Cohen
    1988, eq. 2.2.1 with the pooled deviation of equal groups). ``cliffs_delta`` is that of paired
    values: the share of pairs in which chosen has more, minus that in which it has less (Cliff
    1993, Psychological Bulletin 114, the within-pair d). ``warns`` where either reaches its
    smallest named size (0.2; 0.147) and the interval of the mean difference leaves out zero.

    Args:
        sides: per property, chosen [P] and rejected [P], NaN where unknown.
        clip: [P] of each pair.
        clips: numbers of clips are below it.
    """
    return [_difference(name, a, b, clip, clips) for name, (a, b) in sides.items()]


def _difference(
    name: str, chosen: Array, rejected: Array, clip: Rows, clips: int
) -> dict[str, Any]:
    known = np.isfinite(chosen) & np.isfinite(rejected)
    a, b = chosen[known], rejected[known]
    row: dict[str, Any] = {"property": name, "pairs": len(a)}
    if not len(a):
        nothing = ("chosen", "rejected", "difference", "low", "high", "cohens_d", "cliffs_delta")
        return {**row, **dict.fromkeys(nothing), "warns": False}
    gap = (a - b)[:, None]
    (found,) = ratio_interval(clip[known], gap, np.ones_like(gap), clips)
    low, high = (found[1], found[2]) if found else (None, None)
    d, delta = cohens_d(a, b), cliffs_delta(a, b)
    large = abs(d or 0.0) >= SMALL_D or abs(delta) >= SMALL_DELTA
    clear = low is not None and high is not None and not low <= 0 <= high
    return {
        **row,
        "chosen": float(a.mean()),
        "rejected": float(b.mean()),
        "difference": float(gap.mean()),
        "low": low,
        "high": high,
        "cohens_d": d,
        "cliffs_delta": delta,
        "warns": bool(large and clear),
    }


def cohens_d(chosen: Array, rejected: Array) -> float | None:
    """``(mean a - mean b) / sqrt((var a + var b) / 2)``; 0 where all are equal, None where only
    the variances are nothing."""
    gap = float(chosen.mean() - rejected.mean())
    if len(chosen) < 2:
        return None
    scale = float(np.sqrt((chosen.var(ddof=1) + rejected.var(ddof=1)) / 2))
    if scale > 0:
        return gap / scale
    return 0.0 if gap == 0 else None


def cliffs_delta(chosen: Array, rejected: Array) -> float:
    """The share of pairs in which chosen has more, minus that in which it has less."""
    return float(np.sign(chosen - rejected).mean())


def crossings(chosen: np.ndarray, rejected: np.ndarray) -> list[dict[str, Any]]:
    """Of the pairs that cross generators: how often each generator's candidate is chosen.

    Args:
        chosen, rejected: [P] labels.

    Returns:
        {generator, pairs, chosen: share}; 0.5 where a generator wins as often as it loses.
    """
    across = chosen != rejected
    names = np.unique(np.concatenate([chosen[across], rejected[across]]))
    found = []
    for name in names:
        wins = int((chosen[across] == name).sum())
        total = wins + int((rejected[across] == name).sum())
        found.append({"generator": str(name), "pairs": total, "chosen": wins / total})
    return found
