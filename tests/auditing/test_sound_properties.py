"""Tests of sound properties on tones, noise and silence."""

import numpy as np
import pytest

from gensr_pref.auditing.sound_properties import sound_properties

RATE = 16000


def test_properties_of_a_tone_between_silences():
    time = np.arange(RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    wave = np.concatenate([np.zeros(RATE, dtype=np.float32), tone])
    result = sound_properties(wave, RATE)
    assert result["seconds"] == 2
    assert result["silence"] == pytest.approx(0.5)
    assert result["level_db"] == pytest.approx(20 * np.log10(0.5) - 3.01, abs=0.01)
    assert result["bandwidth_hz"] == pytest.approx(1000, abs=20)


@pytest.mark.parametrize("wave", [np.zeros(3200), np.zeros(5), np.ones(1)])
def test_properties_of_next_to_nothing_are_numbers(wave):
    result = sound_properties(wave.astype(np.float32), RATE)
    assert all(np.isfinite(value) for value in result.values())


def test_white_noise_fills_the_band():
    wave = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert sound_properties(wave, RATE)["bandwidth_hz"] == pytest.approx(0.99 * RATE / 2, rel=0.01)
