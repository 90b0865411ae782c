"""Tests of the arrays of an audit: comparisons, their sample, and shuffled scores."""

import numpy as np
import pytest

from gensr_pref.auditing.base import comparisons, shuffle_scores
from gensr_pref.auditing.panel_yields import tally
from tests.auditing.panels import judged, random_clips


def test_shuffling_leaves_candidates_without_all_votes_unchanged():
    panel = judged(random_clips(3, clips=200), margin=(1, 0, 0))
    mixed = shuffle_scores(panel, 5)
    assert (mixed.complete_rows == panel.complete_rows).all()
    nulls = [np.isnan(scores.value).sum(axis=0).tolist() for scores in (panel, mixed)]
    assert nulls[0] == nulls[1]
    assert len(comparisons(mixed).clip) == len(comparisons(panel).clip)


def test_beyond_the_limit_clips_are_sampled(monkeypatch):
    clips = random_clips(0, clips=2000, candidates=4)
    whole = tally(judged(clips), comparisons(judged(clips))).clip_share(7)
    monkeypatch.setattr("gensr_pref.auditing.base.MAX_COMPARISONS", 4000)
    few = comparisons(judged(clips))
    assert len(few.clip) < 6000
    assert tally(judged(clips), few).clip_share(7) == pytest.approx(whole, abs=0.05)
