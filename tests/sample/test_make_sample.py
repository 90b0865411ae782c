"""Tests of the script that makes the sample: its noises and its trimming, without the prompts."""

import csv

import numpy as np

from gensr_pref.sample.make_sample import (
    NOISE_SAMPLES,
    RATE,
    SILENCE_KEPT,
    add_reverberation,
    bins,
    drifting_gain,
    hum,
    shape_noise,
    trim,
    write_csv,
)


def test_silence_at_both_ends_is_cut_to_a_fifth_of_a_second():
    speech = np.random.default_rng(0).standard_normal(RATE)
    trimmed = trim(np.concatenate([np.zeros(RATE), speech, np.zeros(2 * RATE)]))
    assert len(trimmed) == RATE + 2 * SILENCE_KEPT
    np.testing.assert_array_equal(trimmed[SILENCE_KEPT:-SILENCE_KEPT], speech)


def test_noise_has_no_power_where_its_gain_is_zero():
    noise = shape_noise(np.random.default_rng(0), (bins() < 1000).astype(np.float64))
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert len(noise) == NOISE_SAMPLES
    assert power[bins() >= 1000].max() < 1e-12 * power.max()


def test_drifting_gain_is_positive_and_has_the_given_depth():
    decibels = 20 * np.log10(drifting_gain(np.random.default_rng(0), 1.0, 3.0))
    np.testing.assert_allclose(np.std(decibels), 3.0)


def test_hum_has_its_power_at_harmonics_of_50_hz():
    power = np.abs(np.fft.rfft(hum(np.random.default_rng(0)))) ** 2
    loudest = bins()[np.argmax(power)]
    assert abs(loudest / 50 - round(loudest / 50)) * 50 < 1.5


def test_room_keeps_the_direct_sound_first():
    click = np.zeros(NOISE_SAMPLES)
    click[100] = 1.0
    response = add_reverberation(click, np.random.default_rng(0))
    assert abs(response[:100]).max() < 1e-9
    np.testing.assert_allclose(response[100], 1.0)


def test_table_has_the_keys_of_its_rows_as_header(tmp_path):
    rows = [{"path": "a.flac", "text": "a, b"}, {"path": "b.flac", "text": ""}]
    write_csv(tmp_path / "t.csv", rows)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as lines:
        assert list(csv.DictReader(lines)) == rows
