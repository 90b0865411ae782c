"""Tests of mean scores and improvement by hand."""

import numpy as np
import pytest

from gensr_pref.auditing.means import improvement, mean_by_role


def test_means_by_role():
    value = np.array([[1.0, np.nan], [3.0, 4.0]])
    result = mean_by_role({"noisy": value[:1], "chosen": value}, ["a", "b"])
    assert result == {"a": {"noisy": 1, "chosen": 2}, "b": {"noisy": None, "chosen": 4}}


def test_improvement_is_per_clip():
    value = np.array([[1.0], [2.0], [4.0], [0.0], [1.0]])
    clip, noisy = np.array([0, 0, 0, 1, 1]), np.array([True, False, False, True, False])
    result = improvement(value, clip, 3, noisy, ["a"])["a"]
    assert result.value == pytest.approx((2 + 1) / 2)
    assert (result.clusters, result.bounds) == (2, None)  # two clips have no interval
    value, clip = np.r_[value, [[0.0], [3.0]]], np.r_[clip, 2, 2]
    result = improvement(value, clip, 3, np.r_[noisy, True, False], ["a"])["a"]
    assert result.low < result.value == 2 < result.high
