"""Tests of effective votes, vetoes and yields, against plain loops over clips."""

import itertools

import numpy as np
import pytest

from gensr_pref.auditing.base import comparisons, shuffle_scores
from gensr_pref.auditing.effective_votes import (
    effective_votes,
    li_ji,
    nyholt,
    panel_yields,
    participation_ratio,
    tally,
    vetoes,
    yield_by_margin,
)
from tests.auditing.panels import judged, random_clips


def unanimous(clip, votes, margin, ties, within_bounds):
    """Whether any candidate of a clip beats another on all `votes`, in plain Python."""
    for i, j in itertools.permutations(range(len(clip)), 2):
        gaps = [clip[i][k] - clip[j][k] for k in votes]
        stands = [
            g > m or (t and abs(g) <= m)
            for g, m, t in zip(gaps, margin[votes], ties[votes], strict=True)
        ]
        won = [g > m for g, m in zip(gaps, margin[votes], strict=True)]
        if all(stands) and any(won) and within_bounds[i]:
            return True
    return False


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("margin", [(0, 0, 0), (1, 0, 0.5)])
@pytest.mark.parametrize("ties", [(False, False, False), (False, True, False)])
def test_yield_of_any_votes_equals_a_plain_loop(seed, margin, ties):
    clips = random_clips(seed)
    rng = np.random.default_rng(seed)
    within_bounds = rng.random(sum(map(len, clips))) < 0.8
    made = judged(clips, margin=margin, ties=ties, within_bounds=within_bounds, extra=3)
    here = tally(made, comparisons(made))
    for bits in range(1, 8):
        votes = [k for k in range(3) if bits >> k & 1]
        plain = 0
        for number in range(len(clips)):
            rows = np.flatnonzero((made.clip == number) & np.isfinite(made.value).all(axis=1))
            plain += unanimous(
                made.value[rows], votes, np.array(margin), np.array(ties), within_bounds[rows]
            )
        assert here.clip_share(bits) == pytest.approx(plain / 33)


def test_shuffling_keeps_groups_and_removes_correlation():
    rng = np.random.default_rng(0)
    common = rng.normal(size=(200, 6, 1))
    made = judged(list(np.repeat(common, 3, axis=2)))
    mixed = shuffle_scores(made, 1)
    for number in (0, 77):
        here = made.clip == number
        assert np.sort(mixed.value[here], axis=0) == pytest.approx(
            np.sort(made.value[here], axis=0)
        )
    result = panel_yields(made, comparisons(made))
    assert result["joint"]["yield"] == 1.0
    assert 0.6 < result["joint"]["by_chance"] < 0.98


def test_chance_level_of_two_votes_on_two_candidates_is_a_half():
    rng = np.random.default_rng(0)
    made = judged(list(rng.normal(size=(3000, 2, 2))))
    result = panel_yields(made, comparisons(made))
    assert result["joint"]["by_chance"] == pytest.approx(0.5, abs=0.02)
    assert result["joint"]["comparisons_by_chance"] == result["joint"]["by_chance"]  # one each
    assert set(result["alone"]["s0"].values()) == {1.0}
    assert result["without"]["s1"]["yield"] == 1.0
    assert result["forward"]["s1"]["yield"] == result["joint"]["yield"]


@pytest.mark.parametrize("votes", [2, 3, 4])
def test_chance_of_a_unanimous_comparison_is_that_of_coins(votes):
    rng = np.random.default_rng(votes)
    made = judged(list(rng.normal(size=(400, 9, votes))))
    joint = panel_yields(made, comparisons(made))["joint"]
    assert joint["comparisons_by_chance"] == pytest.approx(2 * 0.5**votes, abs=0.01)
    assert joint["comparisons"] == pytest.approx(2 * 0.5**votes, abs=0.03)
    assert joint["by_chance"] > 0.9  # of the clips: of 36 comparisons luck finds one


def test_shuffling_leaves_candidates_without_all_votes_unchanged():
    made = judged(random_clips(3, clips=200), margin=(1, 0, 0))
    mixed = shuffle_scores(made, 5)
    assert (mixed.complete_rows == made.complete_rows).all()
    nulls = [np.isnan(of.value).sum(axis=0).tolist() for of in (made, mixed)]
    assert nulls[0] == nulls[1]
    assert len(comparisons(mixed).clip) == len(comparisons(made).clip)


def test_nulls_in_the_same_candidates_do_not_lower_the_chance_level():
    rng = np.random.default_rng(0)
    value = rng.normal(size=(2000, 4, 3))
    whole = panel_yields(judged(list(value[:, :2])), comparisons(judged(list(value[:, :2]))))[
        "joint"
    ]
    value[:, 2:] = np.nan  # two of four candidates have no score at all
    half = panel_yields(judged(list(value)), comparisons(judged(list(value))))["joint"]
    assert half["yield"] == whole["yield"]
    assert half["by_chance"] == pytest.approx(whole["by_chance"], abs=0.01)


def test_a_repeated_score_is_one_vote_and_unrelated_scores_are_many():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(300, 6, 1))
    twins = effective_votes(judged(list(np.concatenate([one, one], axis=2))))
    assert twins["value"] == pytest.approx(1)
    assert twins["li_ji"] == pytest.approx(1)
    apart = effective_votes(judged(list(rng.normal(size=(1500, 6, 4)))))
    assert apart["value"] == pytest.approx(4, abs=0.05)
    assert apart["low"] < apart["value"] < 4


def test_effective_votes_of_one_clip_equal_those_of_scipys_spearman():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(3)
    value = rng.normal(size=(40, 3)) + rng.normal(size=(40, 1))
    result = effective_votes(judged([value]))
    eigen = np.linalg.eigvalsh(spearmanr(value).statistic)
    assert result["eigenvalues"] == pytest.approx(eigen[::-1])
    assert result["value"] == pytest.approx(eigen.sum() ** 2 / (eigen**2).sum())


def test_a_constant_score_is_not_a_vote():
    rng = np.random.default_rng(0)
    value = rng.normal(size=(50, 4, 2))
    value[..., 1] = 7
    assert effective_votes(judged(list(value)))["votes"] == 1


@pytest.mark.parametrize(("eigen", "expected"), [([1, 1, 1, 1], 4), ([4, 0, 0, 0], 1)])
def test_extremes_of_the_three_measures(eigen, expected):
    value = np.array(eigen, dtype=float)
    assert participation_ratio(value)[0] == pytest.approx(expected)
    assert nyholt(value) == pytest.approx(expected)
    assert li_ji(value) == pytest.approx(expected)


def test_vetoes_are_counted_among_comparisons_that_the_others_decide():
    clips = [np.array([[2, 2, 1], [1, 1, 2]]), np.array([[2, 2, 2], [1, 1, 1]])]
    first, *rest = vetoes(judged(clips), comparisons(judged(clips)))
    expected = {"score": "s2", "comparisons": 2, "alone_against": 0.5, "yield_lost": 0.5}
    assert first == {**expected, "clips": 2, "low": None, "high": None}
    assert [row["yield_lost"] for row in rest] == [0, 0]


def test_larger_margins_never_increase_the_yield():
    clips = random_clips(0, levels=50)
    result = [row["yield"] for row in yield_by_margin(judged(clips), comparisons(judged(clips)))]
    assert result == sorted(result, reverse=True)
    assert result[0] > result[-1]


def test_chance_level_falls_faster_than_the_yield_if_scores_agree():
    rng = np.random.default_rng(0)
    value = rng.normal(size=(300, 6, 1)) + 0.3 * rng.normal(size=(300, 6, 3))
    made = judged(list(value))
    rows = yield_by_margin(made, comparisons(made))
    assert rows[0]["by_chance"] == panel_yields(made, comparisons(made))["joint"]["by_chance"]
    assert all(row["yield"] >= row["by_chance"] for row in rows)
    gap = [row["yield"] - row["by_chance"] for row in rows]
    assert max(gap) > 3 * gap[0]


def test_a_difference_equal_to_the_margin_is_not_a_win():
    made = judged([np.array([[0.3], [0.2]])], margin=[0.1])  # 0.3 - 0.2 is a little below 0.1
    assert tally(made, comparisons(made)).clip_share(1) == 0


def test_candidates_of_different_groups_are_not_compared():
    clip = np.array([[2, 2], [1, 1]])
    made = judged([clip], groups=[0, 1])
    assert tally(made, comparisons(made)).clip_share(3) == 0


def test_beyond_the_limit_clips_are_sampled(monkeypatch):
    clips = random_clips(0, clips=2000, candidates=4)
    whole = tally(judged(clips), comparisons(judged(clips))).clip_share(7)
    monkeypatch.setattr("gensr_pref.auditing.base.MAX_COMPARISONS", 4000)
    few = comparisons(judged(clips))
    assert len(few.clip) < 6000
    assert tally(judged(clips), few).clip_share(7) == pytest.approx(whole, abs=0.05)
