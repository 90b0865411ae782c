"""Tests of PESQ: the package's values in both bands, and sounds that its C code cannot process."""

from dataclasses import replace

import numpy as np
import pytest

from gensr_pref.audio import Sound
from gensr_pref.errors import Unusable
from gensr_pref.metrics.base import ClipSounds
from gensr_pref.metrics.pesq import metric as module
from gensr_pref.metrics.pesq import utterances as utterances_module
from gensr_pref.metrics.pesq.metric import LONGEST, Pesq
from gensr_pref.metrics.pesq.utterances import SAFE, count_utterances
from gensr_pref.schema import Reason
from tests.metrics.sounds import cut, noisy
from tests.metrics.unusable import (
    assert_candidates_do_not_matter_to_each_other,
    assert_refuses_another_length,
    assert_refuses_what_holds_no_signal,
)
from tests.refusals import refuses_option

BOTH = ["wb", "nb"]


def bursts(seconds, on=3000, off=3400):
    """Make noise with interruptions over which PESQ does not join utterances."""
    noise = np.random.default_rng(0).normal(scale=0.1, size=round(seconds * 16_000))
    audible = np.arange(len(noise)) % (on + off) < on
    return Sound((noise * audible).astype(np.float32), 16_000)


def speech(prompts, seconds):
    wave = np.concatenate([sound.wave for sound, _ in prompts])
    return Sound(np.resize(wave, round(seconds * 16_000)), 16_000)


def test_scores_of_both_bands_equal_the_packages(clip):
    from pesq import pesq

    answers = Pesq(mode=BOTH).score(clip)
    for candidate, answer in zip(clip.candidates, answers, strict=True):
        expected = {
            f"pesq_{mode}": pesq(16_000, clip.clean.wave, candidate.wave, mode) for mode in BOTH
        }
        assert answer == expected


@pytest.mark.parametrize("mode", BOTH)
def test_a_long_clip_is_scored_as_by_the_package(prompts, mode):
    from pesq import pesq

    clean = speech(prompts, 35)
    candidate = noisy(clean, 0.01)
    [answer] = Pesq(mode=mode).score(ClipSounds([candidate], clean))
    assert answer == {f"pesq_{mode}": pesq(16_000, clean.wave, candidate.wave, mode)}


@pytest.mark.parametrize("mode", BOTH)
def test_utterances_are_counted(mode):
    """26 bursts: 10 s of them at 0.4 s, the last one cut."""
    assert count_utterances(bursts(10.4).wave, mode) == 26


@pytest.mark.parametrize("mode", BOTH)
def test_more_utterances_than_the_c_code_has_room_for_are_refused(mode):
    """At 51 utterances the code writes past its table; many more end the process."""
    for seconds in (20.1, 25, 59):
        clean = bursts(seconds)
        [answer] = Pesq(mode=mode).score(ClipSounds([noisy(clean, 1e-4)], clean))
        assert isinstance(answer, Unusable)
        assert answer.reason is Reason.TOO_LONG
        assert "no room for" in answer.detail


def test_49_utterances_are_scored():
    clean = bursts(49 * 0.4)
    assert len(clean.wave) > SAFE
    assert count_utterances(clean.wave, "wb") == 49
    [answer] = Pesq().score(ClipSounds([noisy(clean, 1e-4)], clean))
    assert answer["pesq_wb"] > 1


def test_no_sound_of_the_safe_length_can_fill_the_table():
    """The bound holds for every period of bursts that the detector distinguishes."""
    for windows in (97, 98, 100, 103):
        for on in (46, 48, 50):
            clean = bursts(SAFE / 16_000, on * 64, (windows - on) * 64)
            assert count_utterances(clean.wave, "wb") <= 50


def test_a_long_clip_is_refused_if_utterances_cannot_be_counted(prompts, monkeypatch):
    monkeypatch.setattr(utterances_module, "SYMBOLS", ("not_exported",))
    clean = speech(prompts, 20)
    [answer] = Pesq().score(ClipSounds([noisy(clean, 0.01)], clean))
    assert isinstance(answer, Unusable)
    assert answer.reason is Reason.TOO_LONG
    assert "not_exported" in answer.detail
    short = cut(clean, SAFE / 16_000)
    [answer] = Pesq().score(ClipSounds([noisy(short, 0.01)], short))
    assert answer["pesq_wb"] > 1


def test_longer_than_a_minute_is_refused_without_counting(monkeypatch):
    monkeypatch.setattr(module, "count_utterances", None)
    clean = bursts((LONGEST + 1) / 16_000)
    [answer] = Pesq().score(ClipSounds([clean], clean))
    assert isinstance(answer, Unusable)
    assert answer.reason is Reason.TOO_LONG
    assert Pesq().spec.longest_seconds == 60


def test_one_band_may_fail_alone(clip, monkeypatch):
    def only_wide(clean, candidate, mode):
        if mode == "nb":
            raise Unusable(Reason.NO_SPEECH)
        return 3.0

    monkeypatch.setattr(module, "_pesq", only_wide)
    answer = Pesq(mode=BOTH).score(clip)[0]
    assert answer["pesq_wb"] == 3.0
    assert answer["pesq_nb"].reason is Reason.NO_SPEECH


def test_a_clipped_sound_is_scored_and_a_short_one_fails(clip):
    clipped = Sound(np.clip(clip.clean.wave * 20, -1, 1), 16_000)
    [answer] = Pesq().score(replace(clip, candidates=[clipped]))
    assert 1 < answer["pesq_wb"] < 4.644
    brief = cut(clip.clean, 0.1)
    [answer] = Pesq().score(replace(clip, candidates=[brief], clean=brief))
    assert isinstance(answer, Unusable)
    assert answer.reason is Reason.TOO_SHORT


def test_a_sound_without_a_signal_or_of_another_length_is_refused(clip):
    assert_refuses_what_holds_no_signal(Pesq(), clip)
    assert_refuses_another_length(Pesq(), clip)


def test_candidates_do_not_matter_to_each_other(clip):
    assert_candidates_do_not_matter_to_each_other(Pesq(mode=BOTH), clip)


def test_a_copy_has_the_highest_value_of_each_score(clip):
    metric = Pesq(mode=BOTH)
    [answer] = metric.score(replace(clip, candidates=[clip.clean]))
    for score in metric.spec.scores:
        assert answer[score.name] == pytest.approx(score.high, abs=1e-3)
        assert not score.votes


@pytest.mark.parametrize("mode", ["fb", [], ["wb", "wb"], ["wb", "swb"], ""])
def test_an_unknown_mode_is_refused(mode):
    refuses_option(Pesq, "mode", mode=mode)


def test_the_spec_follows_the_options():
    assert [score.name for score in Pesq().spec.scores] == ["pesq_wb"]
    assert [score.name for score in Pesq(mode=["nb", "wb"]).spec.scores] == ["pesq_nb", "pesq_wb"]
    assert Pesq(align=True).spec.align
