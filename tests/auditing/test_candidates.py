"""Tests of the yield with fewer candidates, against drawing random subsets."""

import itertools
from math import comb

import numpy as np
import pytest

from gensr_pref.auditing.base import comparisons
from gensr_pref.auditing.candidates import (
    MAX_SUBSETS,
    equal_candidates,
    subsets,
    yield_by_candidates,
)
from gensr_pref.auditing.panel_yields import tally
from tests.auditing.panels import judged, random_clips


def plain_yield(panel, n):
    """Return the mean over all subsets of n rows of every clip, one by one."""
    total = 0.0
    for number in range(panel.clips):
        rows = np.flatnonzero((panel.clip == number) & np.isfinite(panel.value).all(axis=1))
        hits = []
        for subset in itertools.combinations(rows, min(n, len(rows))):
            part = judged([panel.value[list(subset)]])
            hits.append(tally(part, comparisons(part)).clip_share(7))
        total += np.mean(hits)
    return total / panel.clips


@pytest.mark.parametrize("n", [2, 3, 4])
def test_expected_yield_is_the_mean_over_subsets(n):
    panel = judged(random_clips(0, clips=12))
    result = {row["n"]: row["yield"] for row in yield_by_candidates(panel, comparisons(panel))}
    assert result[n] == pytest.approx(plain_yield(panel, n))


def test_all_candidates_give_the_yield_itself():
    panel = judged(random_clips(1), extra=5)
    compared = comparisons(panel)
    result = yield_by_candidates(panel, compared)
    assert result[-1]["yield"] == pytest.approx(tally(panel, compared).clip_share(7))


def test_generators_that_may_not_be_paired_are_sampled_separately():
    clip = np.array([[1.0], [0.0], [1.0], [1.0]])
    panel = judged([clip], groups=[0, 0, 1, 1])
    result = yield_by_candidates(panel, comparisons(panel))
    assert result == [{"n": 2, "yield": 1.0, "by_chance": 1.0}]


def test_chance_level_of_the_curve_is_that_of_shuffled_scores():
    panel = judged(list(np.random.default_rng(0).normal(size=(2500, 4, 2))))
    result = {row["n"]: row for row in yield_by_candidates(panel, comparisons(panel))}
    assert result[2]["by_chance"] == pytest.approx(0.5, abs=0.02)  # two coins
    assert result[4]["by_chance"] == pytest.approx(result[4]["yield"], abs=0.02)


def test_subsets_are_complete_or_a_repeatable_sample():
    assert len(subsets(6, 3)) == comb(6, 3)
    drawn = subsets(20, 5)
    assert drawn.shape == (MAX_SUBSETS, 20)
    assert (drawn.sum(axis=1) == 5).all()
    assert (drawn == subsets(20, 5)).all()
    assert drawn.mean(axis=0) == pytest.approx(np.full(20, 0.25), abs=0.12)


def test_no_comparisons_give_no_curve():
    panel = judged([np.ones((1, 2))])
    assert yield_by_candidates(panel, comparisons(panel)) == []
    assert equal_candidates(panel, comparisons(panel))["same"] is None


def test_repeats_are_counted():
    clip = np.array([[1.0, 5.0], [1.0, 5.0], [1.05, 6.0]])
    result = equal_candidates(judged([clip]), comparisons(judged([clip])))
    assert result["same"] == pytest.approx(1 / 3)
    assert result["tied"] == {"s0": pytest.approx(1 / 3), "s1": pytest.approx(1 / 3)}
    assert result["near"] == {"s0": pytest.approx(1.0), "s1": pytest.approx(1 / 3)}
