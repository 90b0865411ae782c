"""Tests of intervals: against SciPy, on degenerate samples, and by their coverage."""

import numpy as np
import pytest
from scipy import stats

from gensr_pref.statistics.intervals import (
    BUNDLES,
    count_interval,
    interval,
    mean_interval,
    ratio_interval,
    share_interval,
    totals,
    two_way_interval,
)
from tests.benchmarks import coverage

# What the benchmark measures at worst, for data whose few values hide a long tail.
HARD = {
    "far skewed (log-normal, 1)": 0.865,
    "60 % zeros, one sign": 0.905,
    "share, 2 listeners": 0.89,
    "skewed (exponential)": 0.92,
    "bounded (beta, near 1)": 0.92,
}
NOMINAL = 0.93


def mean(sums):
    return sums[..., :1] / sums[..., 1:]


def test_symmetric_values_have_students_interval():
    values = np.array([-3.0, -1.0, 0.0, 1.0, 3.0]) + 2
    estimate = mean_interval(values)
    expected = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert estimate.bounds == pytest.approx(expected)
    assert (estimate.value, estimate.clusters) == (2, 5)


def test_skewed_values_have_an_asymmetric_interval():
    values = np.random.default_rng(0).exponential(size=15)
    estimate = mean_interval(values)
    low, high = stats.t.interval(0.95, 14, values.mean(), stats.sem(values))
    assert estimate.high > high
    assert estimate.low <= low + 1e-12


def test_unknown_values_are_left_out():
    values = np.array([1.0, np.nan, 3.0, 2.0])
    assert mean_interval(values) == mean_interval(values[[0, 2, 3]])


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, 2.0], [1.0, 2.0]])
def test_fewer_than_three_clusters_have_no_interval(values):
    assert mean_interval(np.array(values)).bounds is None
    hits = np.nan_to_num(np.array(values)) > 0
    assert share_interval(np.arange(len(hits)), hits.astype(float)).bounds is None


def test_equal_values_have_no_interval():
    estimate = mean_interval(np.full(40, 0.1))
    assert (estimate.value, estimate.bounds) == (pytest.approx(0.1), None)


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (5, 5), (3, 17), (400, 1000)])
def test_shares_of_single_rows_equal_scipys_exact_intervals(hits, count):
    expected = stats.binomtest(hits, count).proportion_ci(method="exact")
    assert count_interval(hits, count).bounds == pytest.approx([expected.low, expected.high])
    rows = np.r_[np.ones(hits), np.zeros(count - hits)]
    estimate = share_interval(np.arange(count), rows)
    assert estimate.bounds == pytest.approx([expected.low, expected.high])


def test_a_share_of_all_in_few_clusters_is_uncertain():
    estimate = share_interval(np.arange(4), np.ones(4))
    assert estimate.value == 1
    assert estimate.low < 0.5
    nested = share_interval(np.repeat(np.arange(4), 10), np.ones(40))
    assert nested.low < 0.5  # ten answers on a clip may all be the clip's


def test_rows_of_a_cluster_are_not_independent():
    clip = np.repeat(np.arange(12), 10)
    hits = np.repeat(np.arange(12) % 2, 10).astype(float)
    estimate = share_interval(clip, hits)
    of_clips = stats.binomtest(6, 12).proportion_ci(method="exact")
    of_rows = stats.binomtest(60, 120).proportion_ci(method="exact")
    assert estimate.bounds == pytest.approx([of_clips.low, of_clips.high], abs=0.05)
    assert estimate.high - estimate.low > 2 * (of_rows.high - of_rows.low)


def test_only_raters_who_differ_widen_the_interval():
    clip, who = (index.ravel() for index in np.indices((20, 4)))
    rng = np.random.default_rng(0)
    alike = (rng.random(80) < 0.6).astype(float)
    apart = (rng.random(80) < np.array([0.1, 0.9, 0.2, 0.8])[who]).astype(float)
    for hits, wider in ((alike, False), (apart, True)):
        alone, with_them = share_interval(clip, hits), share_interval(clip, hits, who)
        width = (with_them.high - with_them.low) / (alone.high - alone.low)
        assert (width > 1.3) == wider


def test_a_cluster_without_rows_does_not_count():
    values, clip = np.array([1.0, 2.0, 4.0, 3.0]), np.array([0, 500, 500, 9])
    (estimate,) = ratio_interval(clip, values[:, None], np.ones((4, 1)))
    assert estimate.clusters == 3
    assert estimate.value == 2.5


def test_bundles_of_many_clusters_give_the_plain_interval():
    values = np.random.default_rng(1).normal(size=20 * BUNDLES + 7)
    estimate = mean_interval(values)
    expected = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    assert estimate.clusters == len(values)
    width = expected[1] - expected[0]
    assert estimate.high - estimate.low == pytest.approx(width, rel=0.1)
    assert estimate.bounds == pytest.approx(expected, abs=0.1 * width)


def test_a_bounded_statistic_stays_within_its_bounds():
    sums = totals(np.arange(5), np.array([[1.0, 1], [1, 1], [1, 1], [-1, 1], [1, 1]]))
    (estimate,) = interval(sums, mean, (-1.0, 1.0), 5)
    assert -1 <= estimate.low < 0.6 < estimate.high <= 1


def test_members_add_their_variance():
    rng = np.random.default_rng(2)
    clips = rng.normal(size=30)
    same = two_way_interval(np.stack([clips] * 3), np.arange(30))
    apart = two_way_interval(clips + np.array([[-1.0], [0.0], [1.0]]), np.arange(30))
    assert same.value == pytest.approx(apart.value)
    assert apart.high - apart.low > 2 * (same.high - same.low)
    assert two_way_interval(clips[None], np.arange(30)) == mean_interval(clips)


def least(kind, rounds):
    """Return the coverage that a correct interval has in all but one of about 1000 measurements."""
    share = HARD.get(kind.name, NOMINAL)
    return share - 3.1 * np.sqrt(share * (1 - share) / rounds)


@pytest.mark.parametrize("clusters", [3, 5, 10, 20])
@pytest.mark.parametrize("kind", coverage.kinds(), ids=lambda kind: kind.name)
def test_intervals_cover_the_true_value(kind, clusters):
    measured = coverage.coverage(kind, clusters, 200)
    assert measured["now"] >= least(kind, 200)


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [3, 5, 8, 10, 20])
@pytest.mark.parametrize("kind", coverage.kinds(), ids=lambda kind: kind.name)
def test_intervals_cover_the_true_value_in_many_repetitions(kind, clusters):
    measured = coverage.coverage(kind, clusters, 3000, seed=1)
    assert measured["now"] >= least(kind, 3000)


@pytest.mark.parametrize("clusters", [5, 10, 20])
def test_intervals_are_not_much_wider_than_students(clusters):
    """For normal values, intervals are hardly wider than Student's."""
    values = np.random.default_rng(3).normal(size=(300, clusters))
    ratio = [
        (estimate.high - estimate.low) / (2 * stats.t.ppf(0.975, clusters - 1) * stats.sem(row))
        for row in values
        if (estimate := mean_interval(row))
    ]
    assert 1 <= np.median(ratio) < {5: 1.35, 10: 1.12, 20: 1.06}[clusters]
