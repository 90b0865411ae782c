"""Tests of statistics of pairs, by hand and against formulas of statsmodels and SciPy."""

import numpy as np
import pytest

from gensr_pref.auditing.base import Pairs, comparisons
from gensr_pref.auditing.pairs import (
    breakdown,
    cosine,
    hold_out_rates,
    margin_statistics,
    preference,
    single_scores,
)
from tests.auditing.panels import judged


def pairs(margin, clip=None, chosen=None):
    values = np.array(margin, dtype=float)
    count = len(values)
    rows = np.arange(count)
    return Pairs(
        rows if clip is None else np.array(clip),
        rows if chosen is None else np.array(chosen),
        rows,
        values,
    )


def panel(count=4, votes=(True, False)):
    return judged([np.zeros((1, len(votes)))] * count, votes=votes)


def test_hold_out_rates_by_hand():
    four_pairs = pairs([[1, 1], [1, -1], [1, 0], [1, np.nan]])
    (row,) = hold_out_rates(panel(), four_pairs)
    assert row["score"] == "s1"
    assert row["pairs"] == 3
    assert row["rate"] == pytest.approx(0.5)
    assert row["low"] < 0.5 < row["high"]
    assert row["mean_spreads"] == pytest.approx(0)


def test_hold_out_interval_is_over_clips():
    rng = np.random.default_rng(0)
    agrees = np.repeat(rng.random(200) < 0.6, 4)  # four pairs of a clip agree or not together
    gain = np.stack([np.ones(800), np.where(agrees, 1.0, -1.0)], axis=1)
    together = hold_out_rates(panel(200), pairs(gain, clip=np.repeat(np.arange(200), 4)))[0]
    apart = hold_out_rates(panel(800), pairs(gain))[0]
    assert together["rate"] == apart["rate"] == pytest.approx(agrees.mean())
    width = [row["high"] - row["low"] for row in (together, apart)]
    assert width[0] == pytest.approx(2 * width[1], rel=0.25)


def test_statistics_of_no_pairs():
    empty = pairs(np.zeros((0, 2)))
    assert hold_out_rates(panel(), empty)[0]["rate"] is None
    assert margin_statistics(panel(), empty) == {"s0": None, "s1": None}
    assert preference(panel(), empty, ["g"] * 4) == {"vectors": {}, "cosines": []}


def test_margins_in_units_and_spreads():
    result = margin_statistics(panel(5), pairs([[k, 1] for k in range(5)]))
    assert result["s0"]["quantiles"] == pytest.approx([0.2, 1, 2, 3, 3.8])
    assert result["s0"]["mean_spreads"] == pytest.approx(2)


def test_gain_of_pairs_chosen_by_a_single_score():
    clips = [np.array([[3.0, 0.0], [1.0, 2.0], [2.0, 1.5]])]
    first, second, both = single_scores(judged(clips), comparisons(judged(clips)))
    assert first == {"by": "s0", "pairs": 1, "gain": {"s0": 2.0, "s1": -2.0}}
    assert second["gain"] == {"s0": -2.0, "s1": 2.0}
    assert both == {"by": "panel", "pairs": 0, "gain": {"s0": None, "s1": None}}


def test_single_score_takes_the_largest_margin_of_each_clip():
    rng = np.random.default_rng(0)
    clips = list(rng.normal(size=(20, 5, 2)))
    first = single_scores(judged(clips), comparisons(judged(clips)))[0]
    widest = np.mean([np.ptp(clip[:, 0]) for clip in clips])
    assert first["gain"]["s0"] == pytest.approx(widest)


def test_cosine_of_preference_vectors():
    four_pairs = pairs([[1, 2], [1, 2], [1, -2], [1, -2]])
    result = preference(panel(), four_pairs, ["a", "a", "b", "b"])
    assert result["vectors"]["a"]["vector"] == {"s0": 1.0, "s1": 2.0}
    assert result["vectors"]["a"]["intervals"] == {"s0": None, "s1": None}  # of two clips
    (row,) = result["cosines"]
    assert row["generators"] == ["a", "b"]
    assert row["all"] == pytest.approx(-3 / 5)
    assert row["hold_out"] == pytest.approx(-1)


def test_undefined_cosine_is_none():
    assert cosine(np.array([0.0, 0.0]), np.array([1.0, 1.0])) is None
    assert cosine(np.array([np.nan, 2.0]), np.array([1.0, 3.0])) == pytest.approx(1)


def test_breakdown_counts_clips_with_a_pair():
    three_pairs = pairs([[1, 1], [3, 1], [5, 1]], clip=[0, 0, 2])
    result = breakdown(panel(), three_pairs, {"noise": ["a", "a", "b", None]})["noise"]
    rows = {row["value"]: (row["clips"], row["with_pair"], row["yield"]) for row in result}
    assert rows == {"a": (2, 1, 0.5), "b": (1, 1, 1.0), "(unknown)": (1, 0, 0.0)}
    gains = {row["value"]: row["gain"]["s0"] for row in result}
    assert gains == {"a": 2.0, "b": 5.0, "(unknown)": None}


def test_values_beyond_the_limit_are_combined():
    one_pair = pairs([[1, 1]], clip=[0])
    result = breakdown(panel(60), one_pair, {"speaker": [f"s{k}" for k in range(60)]})["speaker"]
    assert len(result) == 51
    assert (result[-1]["value"], result[-1]["clips"]) == ("(others)", 10)
