"""Computes 95 % intervals that hold for few clusters: of means, ratios, shares and the like.

A cluster is a unit that was sampled independently, such as a clip with all its pairs. The standard
error is that of the delete-one-cluster jackknife (Tukey 1958; for clusters MacKinnon, Nielsen &
Webb 2023, J. Applied Econometrics 38, CV3). From it,

- a mean, ratio or difference has the union of Student's interval with G - 1 degrees of freedom and
  its correction for skewness (Hall 1992, J. R. Statist. Soc. B 54, eq. 2.5);
- a share, or another bounded statistic, has the exact interval of Clopper & Pearson (1934) at the
  effective sample size, times ``(t_{rows - 1} / t_{G - 1})^2`` (Korn & Graubard 1998, Survey
  Methodology 24), so that "all of four" does not become "[100 %, 100 %]".

More than `BUNDLES` clusters are assigned at random to that many bundles, which are left out one by
one (random groups: Wolter, Introduction to Variance Estimation, 2007, ch. 2), so that the cost does
not grow with the run. `python -m tests.benchmarks.coverage` measures the coverage of each interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Bounds = tuple[float, float]

BUNDLES = 1000
LEVEL = 0.95
MIN_CLUSTERS = 3  # two leave one degree of freedom: an interval of 12.7 standard errors
_SAME = 1e-9  # relative spread below which values differ by rounding only


@dataclass(frozen=True)
class Estimate:
    """A statistic and its 95 % interval.

    Attributes:
        value: the statistic of the sample; None if it cannot be computed.
        low, high: bounds; None with fewer than three clusters, or if an unbounded statistic is the
            same for all of them, because its spread is then unknown.
        clusters: the number of clusters that contribute.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    clusters: int = 0

    @property
    def bounds(self) -> list[float] | None:
        """[low, high], or None."""
        return None if self.low is None or self.high is None else [self.low, self.high]

    @property
    def triple(self) -> list[float | None] | None:
        """[value, low, high], where the last two may be None; None without a value."""
        return None if self.value is None else [self.value, self.low, self.high]


def mean_interval(values: Array) -> Estimate:
    """Estimate the mean of one value per cluster.

    Args:
        values: [clusters], NaN where unknown (left out).
    """
    known = values[np.isfinite(values)]
    return ratio_interval(np.arange(len(known)), known[:, None], np.ones((len(known), 1)))[0]


def ratio_interval(cluster: Numbers, above: Array, below: Array) -> list[Estimate]:
    """Estimate K ratios of sums, such as means over rows if a cluster has several rows.

    Args:
        cluster: [R] cluster number of each row, from 0.
        above, below: [R, K] numerators and denominators, finite.
    """
    columns = zip(above.T, below.T, strict=True)
    return [_rows_interval(cluster, np.stack(pair, axis=1)) for pair in columns]


def share_interval(cluster: Numbers, hits: Array, raters: Numbers | None = None) -> Estimate:
    """Estimate a share of rows.

    Args:
        cluster: [R] cluster number of each row, from 0.
        hits: [R] 1 if a row counts, 0 if not, or a value between.
        raters: [R] rater number of each row, from 0; None if only clusters were sampled. The
            variance of raters beyond chance is added to that of clusters, as for two-way clusters
            (Cameron, Gelbach & Miller 2011, J. Business & Economic Statistics 29, eq. 2.11), with
            the quantile of `_shared_quantile`.
    """
    values = np.stack([hits, np.ones(len(hits))], axis=1)
    share = _rows_interval(cluster, values, (0.0, 1.0))
    if raters is None or share.value is None or share.bounds is None or len(np.unique(raters)) < 2:
        return share
    cells = np.unique(np.stack([cluster, raters]), axis=1, return_inverse=True)[1].ravel()
    clips, people, both = (_jackknife(number, values) for number in (cluster, raters, cells))
    beyond = max(people.variance - both.variance, 0.0)
    if beyond == 0:
        return share
    parts = [(clips.variance, clips.quantile), (beyond, people.quantile)]
    spread = _Spread(clips.variance + beyond, _shared_quantile(parts), share.clusters)
    return _bounded_interval(share.value, spread, (0.0, 1.0), len(hits))


def count_interval(hits: int, count: int) -> Estimate:
    """Estimate a share of `count` independent cases, exactly (Clopper & Pearson 1934)."""
    if not count:
        return Estimate(None)
    low, high = clopper_pearson(hits / count, count)
    return Estimate(hits / count, low, high, count)


def interval(
    sums: Array,
    statistic: Callable[[Array], Array],
    bounds: Bounds | None = None,
    rows: float = math.inf,
    clusters: int | None = None,
) -> list[Estimate]:
    """Estimate statistics that are functions of the summed rows of all clusters.

    Args:
        sums: [G, K] from `totals`; a cluster with only zeros does not contribute.
        statistic: maps totals [..., K] to values [..., S], NaN if undefined.
        bounds: smallest and largest possible value of the statistic; None if it is unbounded.
        rows: number of observations in the totals, which limits the effective sample size.
        clusters: number of clusters; None if each total is of one cluster.
    """
    sums = sums[(sums != 0).any(axis=1)]
    count = len(sums) if clusters is None else clusters
    total = sums.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.atleast_1d(statistic(total))
        left = statistic(total - sums).reshape(len(sums), -1) if len(sums) >= MIN_CLUSTERS else None
    if left is None:
        return [Estimate(_number(value), clusters=count) for value in values]
    columns = zip(values, left.T, strict=True)
    return [_estimate(float(value), column, count, bounds, rows) for value, column in columns]


def totals(cluster: Numbers, values: npt.NDArray[np.floating], seed: int = 0) -> Array:
    """Return [G, K] sums of the rows [R, K] of each cluster, or of each bundle of clusters.

    Args:
        cluster: [R] cluster number of each row, from 0.
        values: [R, K], finite.
    """
    number, count = bundles(cluster, seed)
    sums = np.zeros((count, values.shape[1]))
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(number, values[:, column], minlength=count)
    return sums


def bundles(cluster: Numbers, seed: int = 0) -> tuple[Numbers, int]:
    """Return [R] the bundle number of each row, and the number of bundles, at most `BUNDLES`.

    A bundle is one cluster or, in a large run, several, so that the cost of an interval does not
    grow with the run.
    """
    clusters, number = np.unique(cluster, return_inverse=True)
    if len(clusters) <= BUNDLES:
        return np.asarray(number), len(clusters)
    order = np.random.default_rng(seed).permutation(len(clusters))
    return np.asarray((order % BUNDLES)[number]), BUNDLES


def two_way_interval(values: Array, cluster: Numbers) -> Estimate:
    """Estimate the mean of values [K, R] of K members on the same rows; members are sampled too.

    The variances of the members' means and of the clusters are added, with the quantile of
    `_shared_quantile`. The residual counts in both, so the interval is too wide rather than too
    narrow. With one member, the result is that of `ratio_interval`.

    Args:
        cluster: [R] cluster number of each row, from 0.
    """
    members, mean = len(values), values.mean(axis=0)[:, None]
    (alone,) = ratio_interval(cluster, mean, np.ones_like(mean))
    if members < 2 or alone.clusters < MIN_CLUSTERS or alone.value is None:
        return alone
    over_clusters = _jackknife(cluster, np.c_[mean, np.ones_like(mean)]).variance
    over_members = float(values.mean(axis=1).var(ddof=1)) / members
    variance = over_clusters + over_members
    if variance <= (_SAME * float(np.abs(values).max())) ** 2:
        return Estimate(alone.value, clusters=alone.clusters)
    parts = [(over_clusters, quantile(alone.clusters - 1)), (over_members, quantile(members - 1))]
    half = _shared_quantile(parts) * math.sqrt(variance)
    return Estimate(alone.value, alone.value - half, alone.value + half, alone.clusters)


def clopper_pearson(share: float, count: float) -> Bounds:
    """Return the exact interval of a proportion; `count` need not be a whole number."""
    from scipy.special import betaincinv

    tail, hits = (1 - LEVEL) / 2, share * count
    low = float(betaincinv(hits, count - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1 - tail)) if hits < count else 1.0
    return low, high


@lru_cache(maxsize=4096)
def quantile(freedom: float) -> float:
    """Return Student's two-sided quantile of `LEVEL`; the normal one for infinite freedom."""
    from scipy.special import ndtri, stdtrit

    upper = (1 + LEVEL) / 2
    return float(ndtri(upper) if math.isinf(freedom) else stdtrit(freedom, upper))


def _shared_quantile(parts: Sequence[tuple[float, float]]) -> float:
    """Return Student's quantile for a sum of variances that each have their own quantile.

    It is the mean of the quantiles, weighted by the variances (Cochran & Cox, Experimental Designs,
    1957, section 4.14). It is never too small. Satterthwaite's would be: a variance over two or
    three members is often far too small by chance, which gives too many degrees of freedom.
    """
    total = sum(variance for variance, _ in parts)
    return sum(variance * own for variance, own in parts) / total


def _rows_interval(cluster: Numbers, values: Array, bounds: Bounds | None = None) -> Estimate:
    """Estimate a ratio of sums of rows [R, 2]."""
    count = len(np.unique(cluster))
    return interval(totals(cluster, values), _ratio, bounds, len(values), count)[0]


@dataclass(frozen=True)
class _Spread:
    """The variance of an estimate, Student's quantile for it, and the number of clusters."""

    variance: float
    quantile: float
    clusters: int


def _jackknife(cluster: Numbers, values: Array) -> _Spread:
    """Return the jackknife's spread of the ratio of the sums of values [R, 2]."""
    sums = totals(cluster, values)
    left = _ratio(sums.sum(axis=0) - sums)[:, 0]
    return _Spread(_variance(left), quantile(len(sums) - 1), len(np.unique(cluster)))


def _estimate(
    value: float, left: Array, clusters: int, bounds: Bounds | None, rows: float
) -> Estimate:
    if not np.isfinite(value):
        return Estimate(None, clusters=clusters)
    if not np.isfinite(left).all():
        return Estimate(value, clusters=clusters)
    variance = _variance(left)
    if bounds is not None:
        return _bounded_interval(
            value, _Spread(variance, quantile(len(left) - 1), clusters), bounds, rows
        )
    size = max(abs(value), float(np.abs(left).max()))
    if variance <= (_SAME * size) ** 2:
        return Estimate(value, clusters=clusters)
    return Estimate(value, *_student_hall_interval(value, left), clusters)


def _bounded_interval(value: float, spread: _Spread, bounds: Bounds, rows: float) -> Estimate:
    low, width = bounds[0], bounds[1] - bounds[0]
    share = min(max((value - low) / width, 0.0), 1.0)
    effective = _effective_size(share, spread.variance / width**2, spread.clusters, rows)
    freedom = quantile(max(rows, spread.clusters) - 1) / spread.quantile
    lower, upper = clopper_pearson(share, effective * freedom**2)
    return Estimate(value, low + width * lower, low + width * upper, spread.clusters)


def _effective_size(share: float, variance: float, clusters: int, rows: float) -> float:
    """Return the effective sample size of a share (Korn & Graubard 1998).

    It is ``n / deff``, where ``deff``, at least 1, is the variance over clusters divided by the
    variance of as many independent rows. If nothing varies, each cluster counts once.
    """
    spread = share * (1 - share)
    if variance <= _SAME**2 or spread <= _SAME:
        return float(clusters)
    if math.isinf(rows):
        return 1 + spread / variance
    return rows / max(1.0, variance * (rows - 1) / spread)


def _student_hall_interval(value: float, left: Array) -> Bounds:
    """Return the union of Student's interval and Hall's, which is corrected for skewness.

    With W = (estimate - truth) / s and g the skewness of the pseudo-values, Hall's
    ``g(W) = W + g W^2 / 3 + g^2 W^3 / 27 + g / (6 n)`` times root n is nearly normal; its inverse
    is ``W = (3 / g) ((1 + g (y - g / (6 n)))^(1/3) - 1)``.
    """
    count = len(left)
    centred = (count - 1) * (left.mean() - left)  # pseudo-values minus their mean
    second = float((centred**2).mean())
    skew = float((centred**3).mean()) / second**1.5
    spread = math.sqrt(second * count / (count - 1))
    y = quantile(count - 1) / math.sqrt(count)
    corrected = [_hall(sign * y, skew, count) for sign in (1, -1)]
    return value - spread * max(y, corrected[0]), value - spread * min(-y, corrected[1])


def _hall(y: float, skew: float, count: int) -> float:
    if abs(skew) < 1e-6:
        return y
    return float(3 / skew * (np.cbrt(1 + skew * (y - skew / (6 * count))) - 1))


def _variance(left: Array) -> float:
    """Return the jackknife's variance from the values [G] without each cluster."""
    return float((len(left) - 1) * left.var())


def _ratio(sums: Array) -> Array:
    return sums[..., :1] / sums[..., 1:]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
