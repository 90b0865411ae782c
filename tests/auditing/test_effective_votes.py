"""Tests of the effective number of votes."""

import numpy as np
import pytest

from gensr_pref.auditing.effective_votes import (
    effective_votes,
    li_ji,
    nyholt,
    participation_ratio,
)
from tests.auditing.panels import judged


def test_a_repeated_score_is_one_vote_and_unrelated_scores_are_many():
    rng = np.random.default_rng(0)
    score = rng.normal(size=(300, 6, 1))
    twins = effective_votes(judged(list(np.concatenate([score, score], axis=2))))
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
