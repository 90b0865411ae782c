"""Tests of the audio reader, writer and resampler."""

import io

import numpy as np
import pytest
import soundfile

from gensr_pref import audio
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

RATE = 16000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


def encode(data, rate, form="WAV", subtype="FLOAT"):
    buffer = io.BytesIO()
    soundfile.write(buffer, data, rate, format=form, subtype=subtype)
    return buffer.getvalue()


def reason(source, **kwargs):
    with pytest.raises(Unusable) as caught:
        audio.read(source, **kwargs)
    return caught.value.reason


def test_stereo_is_averaged_over_channels_not_time():
    left, right = TONE, np.zeros_like(TONE)
    sound = audio.read(encode(np.stack([left, right], axis=1), RATE))
    assert sound.wave.shape == (RATE,)
    np.testing.assert_allclose(sound.wave, TONE / 2, atol=1e-7)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_any_rate_is_read_and_resampled(rate):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    sound = audio.read(encode(tone, rate)).at(RATE)
    assert len(sound.wave) == RATE
    middle = slice(1000, -1000)
    np.testing.assert_allclose(sound.wave[middle], TONE[middle], atol=2e-3)


def test_a_segment_of_a_file_is_read():
    sound = audio.read(encode(TONE, RATE), start=100, frames=50)
    np.testing.assert_array_equal(sound.wave, TONE[100:150])


def test_flac_round_trip_is_sixteen_bit_exact():
    back = audio.read(audio.flac(TONE, RATE))
    np.testing.assert_array_equal(audio.pcm16(back.wave), audio.pcm16(TONE))
    assert audio.flac(back.wave, RATE) == audio.flac(TONE, RATE)


def test_flac_clips_beyond_full_scale():
    back = audio.read(audio.flac(np.array([2.0, -2.0], np.float32), RATE)).wave
    assert back.max() <= 1
    assert back.min() == -1


def test_unusable_files_have_reasons(tmp_path):
    whole = audio.flac(np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32), RATE)
    holes = TONE.copy()
    holes[7] = np.nan
    (tmp_path / "zero.wav").write_bytes(b"")
    assert reason(tmp_path / "absent.wav") is Reason.MISSING
    assert reason(tmp_path / "zero.wav") is Reason.EMPTY
    assert reason(b"this is a text file") is Reason.UNREADABLE
    assert reason(whole[: len(whole) // 2]) is Reason.TRUNCATED
    assert reason(encode(np.zeros(0), RATE)) is Reason.EMPTY
    assert reason(encode(holes, RATE)) is Reason.NOT_FINITE
    assert reason(encode(TONE, RATE), start=RATE - 10, frames=20) is Reason.UNREADABLE
    assert reason(tmp_path) is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("wave", "why"),
    [
        (np.zeros(0), Reason.EMPTY),
        (np.zeros(100), Reason.SILENT),
        (np.full(100, 1e-6), Reason.SILENT),
        (np.array([0.1, np.inf]), Reason.NOT_FINITE),
    ],
)
def test_unusable_sound_is_refused(wave, why):
    with pytest.raises(Unusable) as caught:
        audio.require_sound(wave.astype(np.float32))
    assert caught.value.reason is why


def test_samples_are_rounded_down_to_whole_frames():
    assert audio.whole_frames(16100, 16000) == 16000
    assert audio.whole_frames(882 * 3 + 5, 44100) == 882 * 3
