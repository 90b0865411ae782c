"""Tests of the active speech level."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gensr_pref.audio import Wave
from gensr_pref.corpus.speech_level import active_rms, decibels
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

RATE = 16000


def itu_level_db(wave: Wave, rate: int) -> float:
    """P.56 method B, sample by sample, as the recommendation writes it down."""
    g, hangover = math.exp(-1 / (rate * 0.03)), math.ceil(0.2 * rate)
    thresholds = [2.0**power for power in range(-15, 0)]
    active, hanging = [0] * 15, [hangover] * 15
    p = q = energy = 0.0
    for x in wave.tolist():
        energy += x * x
        p = g * p + (1 - g) * abs(x)
        q = g * q + (1 - g) * p
        for j, threshold in enumerate(thresholds):
            if q >= threshold:
                active[j] += 1
                hanging[j] = 0
            elif hanging[j] < hangover:
                active[j] += 1
                hanging[j] += 1
            else:
                break
    before = None
    for count, threshold in zip(active, thresholds, strict=True):
        level = 10 * math.log10(energy / count)
        excess = level - 20 * math.log10(threshold) - 15.9
        if excess <= 0:
            assert before is not None
            return before[0] + before[1] / (before[1] - excess) * (level - before[0])
        before = level, excess
    raise AssertionError("no crossing")


def test_level_equals_that_of_the_recommendation(speech: Wave) -> None:
    loud = speech / np.abs(speech).max()  # there the thresholds are the recommendation's own
    assert decibels(active_rms(loud, RATE)) == pytest.approx(itu_level_db(loud, RATE), abs=1e-6)
    quiet = loud * np.float32(0.3)
    assert decibels(active_rms(quiet, RATE)) == pytest.approx(itu_level_db(quiet, RATE), abs=0.2)


def test_pauses_do_not_change_the_level(speech: Wave) -> None:
    paused = np.concatenate(
        [np.zeros(3 * RATE, np.float32), speech, np.zeros(2 * RATE, np.float32)]
    )
    difference = decibels(active_rms(paused, RATE) / active_rms(speech, RATE))
    assert abs(difference) < 0.3
    rms_falls = decibels(math.sqrt(np.square(paused).mean() / np.square(speech).mean()))
    assert rms_falls < -2.5


@pytest.mark.parametrize("gain", [1e-3, 0.5])
def test_level_scales_with_the_wave(speech: Wave, gain: float) -> None:
    scaled = active_rms(speech * np.float32(gain), RATE)
    assert scaled == pytest.approx(gain * active_rms(speech, RATE), rel=1e-5)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_steady_tone_is_always_active(rate: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate).astype(np.float32)
    assert active_rms(tone, rate) == pytest.approx(0.5 / math.sqrt(2), rel=0.01)


def click() -> Wave:
    wave = np.zeros(RATE, np.float32)
    wave[100] = 1
    return wave


@pytest.mark.parametrize(
    ("wave", "reason"),
    [
        (np.zeros(RATE, np.float32), Reason.SILENT),
        (np.zeros(0, np.float32), Reason.EMPTY),
        (np.full(RATE, np.nan, np.float32), Reason.NOT_FINITE),
        (click(), Reason.NO_SPEECH),
    ],
)
def test_sound_without_a_level_is_refused(wave: Wave, reason: Reason) -> None:
    with pytest.raises(Unusable) as caught:
        active_rms(wave, RATE)
    assert caught.value.reason is reason
