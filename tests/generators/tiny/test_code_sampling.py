"""Tests of code sampling: it follows the distribution, and spread interpolates to the mean."""

import numpy as np
import pytest

from gensr_pref.generators.tiny.code_sampling import CodeSampler

CODES = np.array([[-3.0], [0.0], [3.0], [1.0]], np.float32)
LOGITS = np.log(np.array([0.5, 0.2, 0.2, 0.1], np.float32))
UNIFORM = (np.arange(1000) + 0.5) / 1000


def shares(draw: CodeSampler, logits=LOGITS):
    drawn = draw(np.tile(logits, (1000, 1)), CODES, UNIFORM)
    return np.bincount(drawn, minlength=4) / 1000


def test_codes_are_drawn_with_their_probabilities() -> None:
    np.testing.assert_allclose(shares(CodeSampler()), [0.5, 0.2, 0.2, 0.1], atol=0.002)


def test_temperature_is_a_power_of_the_probabilities() -> None:
    wanted = np.array([0.5, 0.2, 0.2, 0.1]) ** 2
    np.testing.assert_allclose(
        shares(CodeSampler(temperature=0.5)), wanted / wanted.sum(), atol=0.002
    )


def test_temperature_zero_takes_the_likeliest_code() -> None:
    assert shares(CodeSampler(temperature=0))[0] == 1


def test_top_p_keeps_the_smallest_sufficient_set_of_codes() -> None:
    np.testing.assert_allclose(shares(CodeSampler(top_p=0.6)), [5 / 7, 2 / 7, 0, 0], atol=0.002)
    np.testing.assert_allclose(shares(CodeSampler(top_p=0.01)), [1, 0, 0, 0])
    np.testing.assert_allclose(shares(CodeSampler(top_p=0.99)), [0.5, 0.2, 0.2, 0.1], atol=0.002)


def test_without_spread_the_code_nearest_to_the_mean_is_taken() -> None:
    mean = np.exp(LOGITS) @ CODES  # -0.8
    assert abs(CODES - mean).argmin() == 1
    assert shares(CodeSampler(spread=0))[1] == 1


def test_spread_pulls_towards_the_mean() -> None:
    drawn = CodeSampler()(np.tile(LOGITS, (1000, 1)), CODES, UNIFORM)
    pulled = CodeSampler(spread=0.4)(np.tile(LOGITS, (1000, 1)), CODES, UNIFORM)
    assert 0 < CODES[pulled].std() < CODES[drawn].std()


def test_one_row_and_many_agree() -> None:
    draw = CodeSampler(temperature=0.9, top_p=0.95, spread=0.7)
    many = draw(np.tile(LOGITS, (1000, 1)), CODES, UNIFORM)
    assert [int(draw(LOGITS, CODES, u)) for u in UNIFORM[::50]] == list(many[::50])


@pytest.mark.parametrize("uniform", [0.0, np.nextafter(1.0, 0)])
def test_the_ends_of_the_interval_give_possible_codes(uniform: float) -> None:
    assert CodeSampler(top_p=0.6)(LOGITS, CODES, uniform) in (0, 1)
