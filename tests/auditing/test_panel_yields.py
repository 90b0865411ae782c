"""Tests of yields, chance levels and vetoes, against plain loops over clips."""

import itertools

import numpy as np
import pytest

from gensr_pref.auditing.base import comparisons, shuffle_scores
from gensr_pref.auditing.panel_yields import panel_yields, tally, vetoes, yield_by_margin
from tests.auditing.panels import judged, random_clips


def unanimous(clip, votes, margin, ties, within_bounds):
    """Return whether any candidate of a clip beats another on all `votes`, in plain Python."""
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
    panel = judged(clips, margin=margin, ties=ties, within_bounds=within_bounds, extra=3)
    cast = tally(panel, comparisons(panel))
    for bits in range(1, 8):
        votes = [k for k in range(3) if bits >> k & 1]
        plain = 0
        for number in range(len(clips)):
            rows = np.flatnonzero((panel.clip == number) & np.isfinite(panel.value).all(axis=1))
            plain += unanimous(
                panel.value[rows], votes, np.array(margin), np.array(ties), within_bounds[rows]
            )
        assert cast.clip_share(bits) == pytest.approx(plain / 33)


def test_shuffling_keeps_groups_and_removes_correlation():
    rng = np.random.default_rng(0)
    common = rng.normal(size=(200, 6, 1))
    panel = judged(list(np.repeat(common, 3, axis=2)))
    mixed = shuffle_scores(panel, 1)
    for number in (0, 77):
        rows = panel.clip == number
        assert np.sort(mixed.value[rows], axis=0) == pytest.approx(
            np.sort(panel.value[rows], axis=0)
        )
    result = panel_yields(panel, comparisons(panel))
    assert result["joint"]["yield"] == 1.0
    assert 0.6 < result["joint"]["by_chance"] < 0.98


def test_chance_level_of_two_votes_on_two_candidates_is_a_half():
    rng = np.random.default_rng(0)
    panel = judged(list(rng.normal(size=(3000, 2, 2))))
    result = panel_yields(panel, comparisons(panel))
    assert result["joint"]["by_chance"] == pytest.approx(0.5, abs=0.02)
    assert result["joint"]["comparisons_by_chance"] == result["joint"]["by_chance"]  # one each
    assert set(result["alone"]["s0"].values()) == {1.0}
    assert result["without"]["s1"]["yield"] == 1.0
    assert result["forward"]["s1"]["yield"] == result["joint"]["yield"]


@pytest.mark.parametrize("votes", [2, 3, 4])
def test_chance_of_a_unanimous_comparison_is_that_of_coins(votes):
    rng = np.random.default_rng(votes)
    panel = judged(list(rng.normal(size=(400, 9, votes))))
    joint = panel_yields(panel, comparisons(panel))["joint"]
    assert joint["comparisons_by_chance"] == pytest.approx(2 * 0.5**votes, abs=0.01)
    assert joint["comparisons"] == pytest.approx(2 * 0.5**votes, abs=0.03)
    assert joint["by_chance"] > 0.9  # of the clips: of 36 comparisons luck finds one


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
    panel = judged(list(value))
    rows = yield_by_margin(panel, comparisons(panel))
    assert rows[0]["by_chance"] == panel_yields(panel, comparisons(panel))["joint"]["by_chance"]
    assert all(row["yield"] >= row["by_chance"] for row in rows)
    gap = [row["yield"] - row["by_chance"] for row in rows]
    assert max(gap) > 3 * gap[0]


def test_a_difference_equal_to_the_margin_is_not_a_win():
    panel = judged([np.array([[0.3], [0.2]])], margin=[0.1])  # 0.3 - 0.2 is a little below 0.1
    assert tally(panel, comparisons(panel)).clip_share(1) == 0


def test_candidates_of_different_groups_are_not_compared():
    clip = np.array([[2, 2], [1, 1]])
    panel = judged([clip], groups=[0, 1])
    assert tally(panel, comparisons(panel)).clip_share(3) == 0
