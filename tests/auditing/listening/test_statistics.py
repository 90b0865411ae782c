"""Tests of the agreement between listeners and pairs, by hand."""

import numpy as np

from gensr_pref.auditing.listening import statistics
from tests.auditing.listening.answers import make_answers


def test_shares_of_answers():
    result = statistics.panel_agreement(make_answers([1, 1, 1, 0, -1, 1, 0, 1, 1, -1]))
    assert (result["agree"], result["tie"], result["against"]) == (0.6, 0.2, 0.2)
    assert result["of_decided"] == 0.75
    low, high = result["agree_interval"]
    assert 0.2 < low < 0.6 < high < 0.95


def test_ties_alone_give_no_rate():
    result = statistics.panel_agreement(make_answers([0, 0, 0]))
    assert result["of_decided"] is None
    assert result["of_decided_interval"] is None
    assert result["tie"] == 1.0


def test_agreement_of_scores_with_answers():
    margins = [[1, -1, 0], [1, -1, np.nan], [1, -1, 2], [1, -1, 2], [1, 1, 2]]
    result = statistics.score_agreement(
        make_answers([1, 1, -1, 0, 1], margins), ["up", "down", "part"]
    )
    assert [row["answers"] for row in result] == [4, 4, 2]
    assert [row["rate"] for row in result] == [0.75, 0.5, 0.5]


def test_listeners_are_compared_with_each_other_only():
    given = make_answers(
        [1, 1, -1, 0, 0],
        clip=[0, 0, 0, 1, 1],
        listener=["ann", "bob", "cat", "ann", "ann"],
    )
    assert statistics.between_listeners(given) == {"compared": 3, "same": 1 / 3}


def test_answers_of_some_listeners_are_removed():
    given = make_answers([1, -1, 1], listener=["ann", "bob", "ann"])
    others = given.without({"bob"})
    assert others.answer.tolist() == [1, 1]
    assert others.clip.tolist() == [0, 2]
    assert others.listener == ["ann", "ann"]


def test_equal_answers_have_a_wide_interval():
    result = statistics.panel_agreement(make_answers([1, 1, 1, 1]))
    low, high = result["agree_interval"]
    assert low < 0.5
    assert high == 1
    assert result["clips"] == 4
