"""Tests of the checks of numbers."""

import math

import numpy as np
import pytest

from gensr_pref.config.bounds import require_positive_number, require_whole_number
from gensr_pref.errors import InputError
from tests.refusals import raises


@pytest.mark.parametrize("value", [0, 9, 1.0, math.nan, True, "3", None])
def test_other_values_than_whole_numbers_within_the_bounds_are_refused(value):
    with raises(InputError, field="pairs", value=value, problem="invalid"):
        require_whole_number(value, "pairs", 1, 8)


@pytest.mark.parametrize("value", [1, 8, np.int64(4)])
def test_whole_numbers_within_the_bounds_are_accepted(value):
    require_whole_number(value, "pairs", 1, 8)
    require_whole_number(value, "pairs", 1)
    require_whole_number(-value, "seed")


@pytest.mark.parametrize("value", [0, -1.5, math.inf, math.nan, False, "1"])
def test_other_values_than_finite_numbers_above_0_are_refused(value):
    with raises(InputError, field="seconds", value=value, problem="invalid"):
        require_positive_number(value, "seconds")


@pytest.mark.parametrize("value", [1, 0.5, np.float32(2)])
def test_finite_numbers_above_0_are_accepted(value):
    require_positive_number(value, "seconds")
