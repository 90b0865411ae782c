"""Tests of catch trials and of the rule that decides whose answers count."""

import numpy as np
import pytest

from gensr_pref.auditing.listening.catch_trials import catch_trials, is_attentive


def test_catch_trials_are_counted_by_listener():
    result = catch_trials(
        ["ann", "ann", "ann", "bob", "bob"],
        ["pair", "same", "clean", "same", "same"],
        np.array([False, True, False, False, True]),
    )
    assert result == [
        {
            "listener": "ann",
            "answers": 1,
            "same": 1,
            "clean": 1,
            "same_failed": 0,
            "clean_failed": 1,
            "counted": False,
            "why": "failed_catches",
        },
        {
            "listener": "bob",
            "answers": 0,
            "same": 2,
            "clean": 0,
            "same_failed": 1,
            "clean_failed": 0,
            "counted": False,
            "why": "failed_catches",
        },
    ]


@pytest.mark.parametrize(
    ("failed", "count", "counted"),
    [(0, 0, True), (0, 1, True), (1, 1, False), (1, 2, False), (1, 3, False), (1, 4, True),
     (1, 6, True), (2, 6, False), (2, 10, True), (3, 10, False), (6, 6, False)],
)  # fmt: skip
def test_answers_do_not_count_after_too_many_failed_catch_trials(failed, count, counted):
    """By the likelihoods of failures under 1 in 20 and under 2 in 3, as SciPy has them."""
    from scipy.stats import binom

    attentive, guesser = (binom.pmf(failed, count, p) for p in (1 / 20, 2 / 3))
    assert (attentive >= guesser) == counted
    assert is_attentive(failed, count) == counted
