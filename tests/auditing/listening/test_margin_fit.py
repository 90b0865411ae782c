"""Tests of the fit of answers to margins, against SciPy and simulated listeners."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from gensr_pref.auditing.listening.margin_fit import by_margin, logistic_slope
from tests.auditing.listening.answers import make_answers


@pytest.mark.parametrize("seed", range(4))
def test_slope_equals_that_of_a_general_optimiser(seed):
    rng = np.random.default_rng(seed)
    margin = rng.exponential(1.5, 80)
    credit = rng.choice([0.0, 0.5, 1.0], 80, p=[0.2, 0.2, 0.6])

    def loss(b):
        z = b * margin
        return (np.logaddexp(0, z) - credit * z).sum()

    expected = minimize_scalar(loss, bounds=(-20, 20), method="bounded", options={"xatol": 1e-9}).x
    assert logistic_slope(margin, credit) == pytest.approx(expected, abs=1e-5)


def test_slope_is_bounded_if_every_answer_follows_the_margin():
    margin = np.array([0.5, 1.0, 2.0])
    assert 0 < logistic_slope(margin, np.ones(3)) <= 50
    assert -50 <= logistic_slope(margin, np.zeros(3)) < 0


def test_an_audible_margin_is_recovered():
    rng = np.random.default_rng(1)
    margin = rng.uniform(0, 3, 600)
    prefers = rng.random(600) < 1 / (1 + np.exp(-1.2 * margin))
    result = by_margin(make_answers(np.where(prefers, 1, -1), margin[:, None]))
    low, high = result["margin_75_interval"]
    assert low < np.log(3) / 1.2 < high
    assert low < result["margin_75"] < high
    rates = [row["rate"] for row in result["bins"]]
    assert rates[0] < rates[-1]
    assert sum(row["answers"] for row in result["bins"]) == 600


def test_an_inaudible_margin_is_none():
    rng = np.random.default_rng(2)
    result = by_margin(make_answers(rng.choice([-1, 1], 200), rng.uniform(0, 3, (200, 1))))
    assert result["margin_75"] is None
    assert result["slope_interval"][0] < 0


def test_few_answers_are_not_fitted():
    result = by_margin(make_answers([1, 0, 1], smallest=[1, np.nan, 2]))
    assert result["slope"] is None
    assert result["bins"] == []


def test_the_slope_of_many_answers_on_few_clips_has_no_interval():
    result = by_margin(make_answers([1, -1] * 10, smallest=np.arange(20) / 5, clip=[0, 1] * 10))
    assert result["slope"] is not None
    assert result["slope_interval"] is None
    assert result["margin_75"] is None
