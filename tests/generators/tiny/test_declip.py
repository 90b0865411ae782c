"""Tests of declipping: clipped peaks are interpolated, and all other samples keep their bits."""

from pathlib import Path

import numpy as np
import pytest

import gensr_pref
from gensr_pref import audio
from gensr_pref.generators.tiny.analysis import Analysis
from gensr_pref.generators.tiny.carrier import carrier
from gensr_pref.generators.tiny.declip import declip, find_clipped

SAMPLE = Path(gensr_pref.__file__).parent / "sample"


def prompt(number: int = 0):
    path = sorted((SAMPLE / "speech").rglob("*.flac"))[number]
    return round_to_16_bits(audio.read(path).at(16000).wave[:48000])


def round_to_16_bits(wave):
    return (audio.pcm16(wave) / 32768).astype(np.float32)


def clip_peaks(wave, share: float):
    level = share * np.abs(wave).max()
    return round_to_16_bits(np.clip(wave, -level, level))


@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_other_rates_are_declipped_too(rate: int) -> None:
    clean = round_to_16_bits(audio.resample(prompt(), 16000, rate))
    noisy = clip_peaks(clean, 0.3)
    made = declip(noisy, Analysis(rate))
    before, after = (np.square(wave - clean).sum() for wave in (noisy, made))
    assert after < 0.6 * before


@pytest.mark.parametrize(("share", "left"), [(0.15, 0.7), (0.3, 0.5), (0.6, 0.3)])
@pytest.mark.parametrize("number", [0, 11, 25])
def test_a_clipped_prompt_gets_closer_to_the_original(number, share, left) -> None:
    clean = prompt(number)
    noisy = clip_peaks(clean, share)
    made = declip(noisy)
    before, after = (np.square(wave - clean).sum() for wave in (noisy, made))
    assert after < left * before
    untouched = ~find_clipped(noisy)
    np.testing.assert_array_equal(made[untouched], noisy[untouched])


def test_restored_samples_lie_beyond_the_level() -> None:
    noisy = clip_peaks(prompt(), 0.3)
    made, lost = declip(noisy), find_clipped(noisy)
    assert lost.mean() > 0.005
    assert (np.abs(made[lost]) >= np.abs(noisy).max() - 2 / 32768).all()
    assert (np.sign(made[lost]) == np.sign(noisy[lost])).all()


def test_the_carrier_is_that_of_the_declipped_clip() -> None:
    noisy = clip_peaks(prompt(), 0.3)
    assert np.array_equal(carrier(noisy).spectrum, carrier(declip(noisy)).spectrum)
    assert not np.array_equal(declip(noisy), noisy)


def test_all_sounds_of_the_sample_are_unchanged() -> None:
    paths = sorted(SAMPLE.rglob("*.flac"))
    assert len(paths) > 30
    for path in paths:
        wave = audio.read(path).at(16000).wave
        assert declip(wave) is wave, path


@pytest.mark.parametrize("amplitude", [0.0, 0.001, 0.01, 0.3, 1.0])
def test_a_smooth_tone_is_not_clipped(amplitude: float) -> None:
    t = np.arange(32000) / 16000
    wave = round_to_16_bits(amplitude * np.sin(2 * np.pi * 100 * t))
    assert not find_clipped(wave).any()


def test_a_clip_cut_at_full_scale_is_scaled_to_fit() -> None:
    noisy = round_to_16_bits(np.clip(8 * prompt() / np.abs(prompt()).max(), -0.9999, 0.9999))
    made = declip(noisy)
    assert np.abs(made).max() == pytest.approx(1)
    assert np.abs(made[1000:1100]).max() <= np.abs(noisy[1000:1100]).max()


@pytest.mark.parametrize("samples", [0, 1, 300])
def test_short_clips_are_unchanged(samples: int) -> None:
    wave = np.ones(samples, np.float32)
    np.testing.assert_array_equal(declip(wave), wave)
