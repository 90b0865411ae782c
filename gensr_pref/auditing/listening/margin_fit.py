"""Computes how the answers depend on the margin, and from which margin on people hear it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np

from gensr_pref.auditing.base import Array, Rows
from gensr_pref.auditing.listening.statistics import Answers
from gensr_pref.statistics.intervals import MIN_CLUSTERS, quantile, share_interval

BINS = 5
MIN_ANSWERS = 10  # for the fit; our choice
_STEPS = 50
_MAX_SLOPE = 50.0  # per spread; the slope is infinite if every answer follows the margin


class MarginBin(TypedDict):
    """Answers of similar margin, and the share that prefers the chosen."""

    margin: float
    answers: int
    rate: float | None
    low: float | None
    high: float | None


class MarginFit(TypedDict):
    """The dependence of the answers on the smallest margin; see `by_margin`."""

    bins: list[MarginBin]
    slope: float | None
    slope_interval: list[float] | None
    margin_75: float | None
    margin_75_interval: list[float] | None


def by_margin(answers: Answers) -> MarginFit:
    """Measure whether people prefer the chosen more often if the smallest margin is larger.

    ``bins``: answers in up to five groups of increasing margin, and the share that prefers the
    chosen (a tie counts half) with its interval. ``slope``: the b of the fit
    ``P(chosen) = 1 / (1 + exp(-b m))``, which is one half at margin 0, as it must be in a blind
    test (Bradley & Terry 1952, with the margin as the difference in ability). ``margin_75``:
    ``ln 3 / b``, where three of four prefer the chosen; None if b is not clearly above zero. With
    fewer than `MIN_ANSWERS`, slope and margin are None.
    """
    known = np.isfinite(answers.smallest)
    margin, credit = answers.smallest[known], (answers.answer[known] + 1) / 2
    clip = answers.clip[known]
    results: MarginFit = {
        "bins": _bins(margin, credit, clip, answers.people[known]),
        "slope": None,
        "slope_interval": None,
        "margin_75": None,
        "margin_75_interval": None,
    }
    if len(margin) < MIN_ANSWERS:
        return results
    slope = logistic_slope(margin, credit)
    bounds = slope_interval(margin, credit, clip, slope)
    results["slope"], results["slope_interval"] = slope, bounds
    low, high = bounds or (0.0, 0.0)
    if low > 0:
        results["margin_75"] = float(np.log(3) / slope)
        results["margin_75_interval"] = [float(np.log(3) / high), float(np.log(3) / low)]
    return results


def logistic_slope(margin: Array, credit: Array) -> float:
    """Fit b in ``P = 1 / (1 + exp(-b margin))`` to ``credit`` [V] in [0, 1] by maximum likelihood.

    Newton's method on the concave log-likelihood of one parameter, limited to 50 per spread.
    """
    slope = 0.0
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(slope * margin, -500, 500)))
        gradient = float((margin * (credit - likely)).sum())
        curvature = float((margin**2 * likely * (1 - likely)).sum())
        if curvature < 1e-9:
            return float(np.sign(slope or gradient) * _MAX_SLOPE) if gradient else slope
        step = float(np.clip(gradient / curvature, -2.0, 2.0))
        slope = float(np.clip(slope + step, -_MAX_SLOPE, _MAX_SLOPE))
        if abs(step) < 1e-10:
            break
    return slope


def _bins(margin: Array, credit: Array, clip: Rows, people: Rows) -> list[MarginBin]:
    order = np.argsort(margin, kind="stable")
    count = min(BINS, len(order) // 4)
    results: list[MarginBin] = []
    for rows in np.array_split(order, count) if count else ():
        rate = share_interval(clip[rows], credit[rows], people[rows])
        results.append(
            {
                "margin": float(margin[rows].mean()),
                "answers": len(rows),
                "rate": rate.value,
                "low": rate.low,
                "high": rate.high,
            }
        )
    return results


def slope_interval(margin: Array, credit: Array, clip: Rows, slope: float) -> list[float] | None:
    """Return the slopes that a score test over clips does not reject; None for few clips.

    With U(b) the sum of ``margin (credit - P(b))`` and V(b) that of ``margin^2 P (1 - P)``, b is
    rejected if ``|U| > t sqrt(D V)``. t is Student's quantile for G - 1 clips; D, at least 1, is
    the variance of the clips' sums divided by V at the fitted slope (Rao & Scott 1984, Annals of
    Statistics 12). The bounds are limited to 50 per spread.
    """
    number = np.unique(clip, return_inverse=True)[1]
    count = int(number.max()) + 1
    if count < MIN_CLUSTERS or abs(slope) >= _MAX_SLOPE:
        return None

    def likely(b: float) -> Array:
        return np.asarray(1 / (1 + np.exp(-np.clip(b * margin, -500, 500))))

    def variance(b: float) -> float:
        return float((margin**2 * likely(b) * (1 - likely(b))).sum())

    sums = np.bincount(number, margin * (credit - likely(slope)))
    design = max(1.0, count / (count - 1) * float((sums**2).sum()) / variance(slope))
    reach = quantile(count - 1) * np.sqrt(design)

    def excess(b: float) -> float:
        return float(abs((margin * (credit - likely(b))).sum()) - reach * np.sqrt(variance(b)))

    return [_crossing(excess, slope, -_MAX_SLOPE), _crossing(excess, slope, _MAX_SLOPE)]


def _crossing(excess: Callable[[float], float], inside: float, outside: float) -> float:
    """Return the point from `inside` on where `excess` first exceeds 0; `outside` if none does."""
    from scipy.optimize import brentq

    last = inside
    for step in np.geomspace(0.01, abs(outside - inside), 60):
        point = inside + float(np.copysign(step, outside - inside))
        if excess(point) > 0:
            return float(brentq(excess, last, point)) if excess(last) < 0 else last
        last = point
    return outside
