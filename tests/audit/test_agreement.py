"""Agreement statistics against SciPy and against hand-counted cases."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from gensr_pref.audit.agreement import agreement_rate, kendall_tau, signs


def test_tau_of_one_clip_is_scipys_tau_b():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 5, size=(12, 3)).astype(float)  # with ties
    tau = kendall_tau(signs([values]))
    for a in range(3):
        for b in range(3):
            assert tau[a, b] == pytest.approx(kendalltau(values[:, a], values[:, b]).statistic)


def test_pairs_never_cross_clips():
    rising = np.array([[0.0, 0.0], [1.0, 1.0]])
    assert kendall_tau(signs([rising, rising[::-1] + 100]))[0, 1] == pytest.approx(1.0)


def test_null_leaves_only_its_own_pairs_out():
    values = np.array([[0.0, 0.0], [1.0, 1.0], [np.nan, 5.0], [2.0, -1.0]])
    known = values[[0, 1, 3]]
    assert kendall_tau(signs([values]))[0, 1] == pytest.approx(kendall_tau(signs([known]))[0, 1])


def test_score_that_never_differs_has_no_tau():
    values = np.array([[0.0, 1.0], [1.0, 1.0]])
    assert np.isnan(kendall_tau(signs([values]))[0, 1])
    assert np.isnan(agreement_rate(signs([values]))[0, 1])


def test_agreement_rate_counts_shared_winners():
    values = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]])
    assert agreement_rate(signs([values]))[0, 1] == pytest.approx(2 / 3)
