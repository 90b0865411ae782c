"""Tests of verdicts and of the number of clusters that would decide."""

import numpy as np

from gensr_pref.statistics.intervals import mean_interval
from gensr_pref.statistics.verdicts import (
    MIN_CLUSTERS_FOR_VERDICT,
    clusters_needed,
    is_within,
    side_of_threshold,
)


def test_a_verdict_needs_a_clear_interval_and_eight_clusters():
    assert side_of_threshold(0.6, 0.9, MIN_CLUSTERS_FOR_VERDICT, 0.5) == 1
    assert side_of_threshold(0.1, 0.4, MIN_CLUSTERS_FOR_VERDICT, 0.5) == -1
    assert side_of_threshold(0.4, 0.9, 1000, 0.5) == 0
    assert side_of_threshold(0.6, 0.9, MIN_CLUSTERS_FOR_VERDICT - 1, 0.5) == 0
    assert side_of_threshold(None, None, 1000, 0.5) == 0


def test_harmless_needs_an_interval_within_the_bounds():
    assert is_within(-0.1, 0.1, 500, -0.2, 0.2)
    assert not is_within(-0.1, 0.3, 500, -0.2, 0.2)
    assert not is_within(-0.1, 0.1, 7, -0.2, 0.2)
    assert not is_within(None, None, 500, -0.2, 0.2)


def test_the_number_of_clusters_needed_decides():
    rng = np.random.default_rng(4)
    values = rng.normal(0.3, 1, 20)
    estimate = mean_interval(values)
    count = clusters_needed(estimate.value, estimate.low, estimate.high, 20, 0.0)
    times = -(-count // 20)
    assert mean_interval(np.tile(values, times)).low > 0
    assert mean_interval(np.tile(values, max(1, times // 3))).low < 0
    assert clusters_needed(0.9, 0.5, 1.0, 3, 0.2) == MIN_CLUSTERS_FOR_VERDICT
    assert clusters_needed(0.5, 0.2, 0.8, 9, 0.5) is None
    assert clusters_needed(0.5, None, None, 2, 0.1) is None
