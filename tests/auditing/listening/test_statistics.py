"""Tests of the agreement between listeners and pairs, against SciPy and by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from gensr_pref.auditing.listening import statistics


def answers(answer, margins=None, clip=None, listener=None, pair=None, smallest=None):
    count = len(answer)
    margins = np.ones((count, 1)) if margins is None else np.asarray(margins, dtype=float)
    clip = np.arange(count) if clip is None else np.asarray(clip)
    return statistics.Answers(
        clip=clip,
        listener=["ann"] * count if listener is None else listener,
        pair=clip if pair is None else np.asarray(pair),
        answer=np.asarray(answer, dtype=float),
        margins=margins,
        smallest=margins[:, 0] if smallest is None else np.asarray(smallest, dtype=float),
        clips=int(clip.max()) + 1 if count else 0,
    )


def test_shares_of_answers():
    result = statistics.panel_agreement(answers([1, 1, 1, 0, -1, 1, 0, 1, 1, -1]))
    assert (result["agree"], result["tie"], result["against"]) == (0.6, 0.2, 0.2)
    assert result["of_decided"] == 0.75
    low, high = result["agree_interval"]
    assert 0.2 < low < 0.6 < high < 0.95


def test_ties_alone_give_no_rate():
    result = statistics.panel_agreement(answers([0, 0, 0]))
    assert result["of_decided"] is None
    assert result["of_decided_interval"] is None
    assert result["tie"] == 1.0


def test_agreement_of_scores_with_answers():
    margins = [[1, -1, 0], [1, -1, np.nan], [1, -1, 2], [1, -1, 2], [1, 1, 2]]
    result = statistics.score_agreement(answers([1, 1, -1, 0, 1], margins), ["up", "down", "part"])
    assert [row["answers"] for row in result] == [4, 4, 2]
    assert [row["rate"] for row in result] == [0.75, 0.5, 0.5]


def test_listeners_are_compared_with_each_other_only():
    given = answers(
        [1, 1, -1, 0, 0],
        clip=[0, 0, 0, 1, 1],
        listener=["ann", "bob", "cat", "ann", "ann"],
    )
    assert statistics.between_listeners(given) == {"compared": 3, "same": 1 / 3}


@pytest.mark.parametrize("seed", range(4))
def test_slope_equals_that_of_a_general_optimiser(seed):
    rng = np.random.default_rng(seed)
    margin = rng.exponential(1.5, 80)
    credit = rng.choice([0.0, 0.5, 1.0], 80, p=[0.2, 0.2, 0.6])

    def loss(b):
        z = b * margin
        return (np.logaddexp(0, z) - credit * z).sum()

    expected = minimize_scalar(loss, bounds=(-20, 20), method="bounded", options={"xatol": 1e-9}).x
    assert statistics.logistic_slope(margin, credit) == pytest.approx(expected, abs=1e-5)


def test_slope_is_bounded_if_every_answer_follows_the_margin():
    margin = np.array([0.5, 1.0, 2.0])
    assert 0 < statistics.logistic_slope(margin, np.ones(3)) <= 50
    assert -50 <= statistics.logistic_slope(margin, np.zeros(3)) < 0


def test_an_audible_margin_is_recovered():
    rng = np.random.default_rng(1)
    margin = rng.uniform(0, 3, 600)
    prefers = rng.random(600) < 1 / (1 + np.exp(-1.2 * margin))
    result = statistics.by_margin(answers(np.where(prefers, 1, -1), margin[:, None]))
    low, high = result["margin_75_interval"]
    assert low < np.log(3) / 1.2 < high
    assert low < result["margin_75"] < high
    rates = [row["rate"] for row in result["bins"]]
    assert rates[0] < rates[-1]
    assert sum(row["answers"] for row in result["bins"]) == 600


def test_an_inaudible_margin_is_none():
    rng = np.random.default_rng(2)
    result = statistics.by_margin(answers(rng.choice([-1, 1], 200), rng.uniform(0, 3, (200, 1))))
    assert result["margin_75"] is None
    assert result["slope_interval"][0] < 0


def test_few_answers_are_not_fitted():
    result = statistics.by_margin(answers([1, 0, 1], smallest=[1, np.nan, 2]))
    assert result["slope"] is None
    assert result["bins"] == []


def test_catch_trials_are_counted_by_listener():
    result = statistics.catch_trials(
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
    assert statistics.is_attentive(failed, count) == counted


def test_answers_of_some_listeners_are_removed():
    given = answers([1, -1, 1], listener=["ann", "bob", "ann"])
    others = given.without({"bob"})
    assert others.answer.tolist() == [1, 1]
    assert others.clip.tolist() == [0, 2]
    assert others.listener == ["ann", "ann"]


def test_equal_answers_have_a_wide_interval():
    result = statistics.panel_agreement(answers([1, 1, 1, 1]))
    low, high = result["agree_interval"]
    assert low < 0.5
    assert high == 1
    assert result["clips"] == 4


def test_the_slope_of_many_answers_on_few_clips_has_no_interval():
    result = statistics.by_margin(
        answers([1, -1] * 10, smallest=np.arange(20) / 5, clip=[0, 1] * 10)
    )
    assert result["slope"] is not None
    assert result["slope_interval"] is None
    assert result["margin_75"] is None
