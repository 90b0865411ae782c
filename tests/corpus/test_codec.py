"""Tests of codec degradations: length, delay, bandwidth and reproducibility."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate

from gensr_pref.audio import Wave, resample
from gensr_pref.corpus.codec import CODECS, fit_length, transcode


def lag(before: Wave, after: Wave) -> int:
    return int(np.argmax(correlate(after, before, method="fft"))) - (len(before) - 1)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
def test_codec_keeps_length_and_adds_no_delay(speech: Wave, name: str, rate: int) -> None:
    wave = resample(speech[: 2 * 16000 + 123], 16000, rate)
    coded = transcode(wave, rate, name)
    assert coded.shape == wave.shape
    assert coded.dtype == np.float32
    assert abs(lag(wave, coded)) <= rate / 16000
    likeness = np.dot(wave, coded) / np.linalg.norm(wave) / np.linalg.norm(coded)
    assert likeness > 0.8


@pytest.mark.parametrize("name", CODECS)
def test_codec_changes_the_sound_and_is_deterministic(speech: Wave, name: str) -> None:
    wave = speech[:16000]
    coded = transcode(wave, 16000, name)
    assert np.abs(coded - wave).max() > 1e-3
    np.testing.assert_array_equal(coded, transcode(wave, 16000, name))


@pytest.mark.parametrize("name", ["gsm", "ulaw"])
def test_telephone_codecs_leave_nothing_above_4_khz(speech: Wave, name: str) -> None:
    spectrum = np.square(np.abs(np.fft.rfft(transcode(speech, 16000, name))))
    above = np.fft.rfftfreq(len(speech), 1 / 16000) > 4200
    assert spectrum[above].sum() < 1e-4 * spectrum.sum()


def test_vorbis_encodes_long_recordings() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 400_000).astype(np.float32)
    assert len(transcode(noise, 16000, "vorbis")) == len(noise)


@pytest.mark.parametrize("name", CODECS)
def test_one_frame(name: str) -> None:
    assert len(transcode(np.full(320, 0.1, np.float32), 16000, name)) == 320


def test_fit_length() -> None:
    wave = np.ones(5, np.float32)
    assert fit_length(wave, 3).tolist() == [1, 1, 1]
    assert fit_length(wave, 6).tolist() == [1, 1, 1, 1, 1, 0]
