"""Tests of agreement statistics against SciPy, published examples and hand-counted cases."""

import itertools

import numpy as np
import pytest
from scipy.stats import kendalltau

from gensr_pref.auditing.agreement import (
    _alpha,
    agreement_rate,
    coincidences,
    kendall_tau,
    krippendorff_alpha,
    pair_sums,
    pairwise_agreement,
)
from gensr_pref.auditing.base import comparisons, ranks
from tests.auditing.panels import judged, random_clips


def summed(clips, statistic):
    panel = judged(clips)
    return statistic(pair_sums(comparisons(panel), 0, 1)[0].sum(axis=0))[0]


def test_tau_of_one_clip_equals_scipys_tau_b():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 5, size=(12, 3)).astype(float)  # with ties
    panel = judged([values])
    for a, b in itertools.combinations(range(3), 2):
        sums = pair_sums(comparisons(panel), a, b)[0].sum(axis=0)
        expected = kendalltau(values[:, a], values[:, b]).statistic
        assert kendall_tau(sums)[0] == pytest.approx(expected)


def test_comparisons_stay_within_clips():
    rising = np.array([[0.0, 0.0], [1.0, 1.0]])
    assert summed([rising, rising[::-1] + 100], kendall_tau) == pytest.approx(1.0)


def test_a_candidate_without_all_votes_is_left_out():
    values = np.array([[0.0, 0.0], [1.0, 1.0], [np.nan, 5.0], [2.0, -1.0]])
    assert summed([values], kendall_tau) == pytest.approx(summed([values[[0, 1, 3]]], kendall_tau))


def test_a_constant_score_has_no_tau():
    values = np.array([[0.0, 1.0], [1.0, 1.0]])
    assert np.isnan(summed([values], kendall_tau))
    assert np.isnan(summed([values], agreement_rate))


def test_agreement_rate_counts_shared_winners():
    values = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]])
    assert summed([values], agreement_rate) == pytest.approx(2 / 3)


def test_many_clips_in_bundles_give_the_same_value():
    clips = random_clips(1, clips=1500, candidates=3)
    (first, *_) = pairwise_agreement(judged(clips), comparisons(judged(clips)))
    known = [clip[np.isfinite(clip).all(axis=1)] for clip in clips]
    plain = [
        np.sign((clip[i] - clip[j])[:2])
        for clip in known
        for i, j in itertools.combinations(range(len(clip)), 2)
    ]
    x, y = np.array(plain).T
    assert first["kendall_tau"] == pytest.approx(
        (x * y).sum() / np.sqrt(np.abs(x).sum() * np.abs(y).sum())
    )
    low, high = first["kendall_tau_interval"]
    assert low < first["kendall_tau"] < high


# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), example D: four observers,
# twelve units; nominal .743, ordinal .815. Unit 12 has one value and is not pairable.
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0],
        [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1],
    ]
)


def published_coincidences() -> np.ndarray:
    table = np.zeros((5, 5))
    for unit in OBSERVERS.T:
        known = unit[unit > 0] - 1
        for a, b in itertools.permutations(range(len(known)), 2):
            table[known[a], known[b]] += 1 / (len(known) - 1)
    return table


def test_ordinal_alpha_of_the_published_example():
    table = published_coincidences()
    assert _alpha(table.reshape(-1), 5)[0] == pytest.approx(0.815, abs=5e-4)


def test_coincidences_equal_a_plain_double_loop():
    rank = np.array([[1, 2, 1], [2, 2, 3], [3, 1, 2], [4, 4, 4]], dtype=float)
    sums, width = coincidences(rank, np.zeros(4, dtype=int))
    table = np.zeros((4, 4))
    for unit in rank.astype(int) - 1:
        for a, b in itertools.permutations(range(3), 2):
            table[unit[a], unit[b]] += 1 / 2
    assert width == 4
    assert sums.reshape(4, 4) == pytest.approx(table)


def test_alpha_is_one_for_equal_ranks_and_about_zero_for_random_ones():
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(400), 5)
    rank = np.concatenate([rng.permutation(5) + 1.0 for _ in range(400)])
    other = np.concatenate([rng.permutation(5) + 1.0 for _ in range(400)])
    same = krippendorff_alpha(np.stack([rank, rank], axis=1), clip)
    random = krippendorff_alpha(np.stack([rank, other], axis=1), clip)
    assert (same.value, same.high) == (pytest.approx(1), pytest.approx(1))
    assert 0.95 < same.low < 1  # of 400 clips, and not of all that could be drawn
    assert random.low < 0 < random.high
    assert abs(random.value) < 0.1


def test_ranks_equal_scipys_within_clips():
    from scipy.stats import rankdata

    clips = random_clips(2)
    panel = judged(clips)
    result, rows = ranks(panel, panel.voters)
    for number in range(panel.clips):
        members = rows[panel.clip[rows] == number]
        expected = rankdata(panel.value[members], axis=0)
        assert result[panel.clip[rows] == number] == pytest.approx(expected)


def test_one_vote_has_no_agreement_and_one_clip_has_no_interval():
    clips = random_clips(0, clips=3)
    panel = judged(clips, votes=[True, False, False])
    assert pairwise_agreement(panel, comparisons(panel)) == []
    (row, *_) = pairwise_agreement(judged(clips[:1]), comparisons(judged(clips[:1])))
    assert row["kendall_tau"] is not None
    assert row["kendall_tau_interval"] is None


def test_without_candidates_there_is_no_agreement():
    panel = judged([np.zeros((0, 2))])
    (row,) = pairwise_agreement(panel, comparisons(panel))
    assert row["kendall_tau"] is None
    assert row["krippendorff_alpha"] is None
