"""Tests of the choice among several candidates by one score."""

import numpy as np
import pytest

from gensr_pref import audio, sample
from gensr_pref.apply.best_of import USUAL_JUDGE, judge_of
from gensr_pref.errors import ConfigError
from tests.apply.loudness import RATE, loudness_judge
from tests.refusals import raises

PROMPT = min((sample.FOLDER / "speech").glob("*.flac"))


def test_the_best_follows_the_direction_and_the_first_of_equal_ones():
    wave = audio.read(PROMPT).wave
    sounds = [audio.Sound(wave * k, RATE) for k in (0.5, 0.25, 0.25, 0.6, 0.1)]
    level = float(np.sqrt(np.mean((wave * 0.25) ** 2)))
    peak = float(np.abs(wave).max())
    assert loudness_judge().best(sounds[:4], sounds[0]) == (1, pytest.approx(level, abs=1e-6))
    assert loudness_judge(higher=True).best(sounds, sounds[0])[0] == 3
    assert loudness_judge(higher=True, bound=0.55 * peak).best(sounds, sounds[0])[0] == 0
    assert loudness_judge(bound=0.01 * peak).best(sounds, sounds[0]) == (0, None)


def test_there_is_no_judge_of_a_single_candidate():
    assert judge_of(None, 1) is None
    assert judge_of(None, 2).score == USUAL_JUDGE


@pytest.mark.parametrize(
    ("by", "candidates", "problem"),
    [
        ("dnsmos_ovrl", 1, "empty"),
        ("dnsmos_ovr", 2, "unknown"),
        ("pesq_wb", 2, "conflict"),
    ],
)
def test_a_score_that_cannot_choose_is_refused(by, candidates, problem):
    with raises(ConfigError, field="by", value=by, problem=problem):
        judge_of(by, candidates)
