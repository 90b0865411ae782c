"""Tests of the pairs that the report plays."""

import numpy as np
import pytest

from gensr_pref.auditing import exhibits
from gensr_pref.auditing.base import Pairs
from tests.auditing.panels import judged


@pytest.fixture
def panel():
    return judged([np.zeros((2, 3))] * 6, votes=[True, True, False])


@pytest.fixture
def pairs():
    margins = np.array(
        [[5, 4, 1], [1, 9, 1], [0.1, 8, 1], [2, 2, -3], [3, 3, -1], [np.nan, 1, 1]], dtype=float
    )
    clip = np.arange(6)
    return Pairs(clip, 2 * clip, 2 * clip + 1, margins)


def test_smallest_margins_are_over_the_votes(panel, pairs):
    result = exhibits.smallest_margins(panel, pairs)
    assert result[:5].tolist() == [4, 1, 0.1, 2, 3]
    assert np.isnan(result[5])


def test_every_kind_is_selected_without_repetition(panel, pairs):
    result = exhibits.select_pairs(panel, pairs, each=1)
    assert result[0] == ("largest margin", 0)
    assert result[1] == ("smallest margin", 2)
    assert result[3] == ("most contested", 3)
    assert result[2][0] == "random"
    assert result[2][1] in {1, 4, 5}
    many = exhibits.select_pairs(panel, pairs, each=9)
    assert sorted(index for _, index in many) == list(range(6))


def test_pairs_that_no_score_contests_are_not_selected_as_contested(panel, pairs):
    agreed = Pairs(pairs.clip, pairs.chosen, pairs.rejected, np.abs(pairs.margins))
    assert "most contested" not in {
        kind for kind, _ in exhibits.select_pairs(panel, agreed, each=2)
    }


def test_no_pairs_are_selected_from_none(panel):
    none = np.zeros(0, dtype=np.int64)
    assert exhibits.select_pairs(panel, Pairs(none, none, none, np.zeros((0, 3))), each=3) == []
