"""The bootstrap against SciPy's, and on what it must leave out."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from gensr_pref.audit.bootstrap import mean_interval


def test_interval_is_scipys():
    values = np.random.default_rng(3).normal(0.2, 1.0, 80)
    mean, low, high = mean_interval(values)
    told = bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(1))
    assert mean == values.mean()
    assert low == pytest.approx(told.confidence_interval.low, abs=0.03)
    assert high == pytest.approx(told.confidence_interval.high, abs=0.03)


def test_unknown_values_are_left_out():
    values = np.array([1.0, np.nan, 3.0, 2.0])
    assert mean_interval(values) == mean_interval(values[[0, 2, 3]])


def test_wider_level_wider_interval_and_the_seed_repeats():
    values = np.random.default_rng(0).normal(size=30)
    _, low, high = mean_interval(values)
    _, lower, higher = mean_interval(values, level=0.99)
    assert lower < low < high < higher
    assert mean_interval(values) == mean_interval(values)


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, 2.0]])
def test_one_value_has_no_interval(values):
    assert mean_interval(np.array(values)) is None
