"""Tests of MP3: length by frames, and equal samples from every start position."""

import struct

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.audio.content import AudioBytes
from gensr_pref.audio.mpeg_frames import frame_runs, parse_frame
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason
from tests.audio.material import FFMPEG, decode_by_ffmpeg, encode, encode_by_ffmpeg, noise

ffmpeg = pytest.mark.skipif(FFMPEG is None, reason="FFmpeg is not installed")
RATE = 16_000


def mp3(frames: int = 3 * RATE, rate: int = RATE, channels: int = 1) -> bytes:
    """Make an MP3 with a LAME tag in its first frame."""
    data = encode(noise(frames, channels), rate, "MP3", "MPEG_LAYER_III")
    assert data is not None
    return data


def frames_of(data: bytes) -> list[bytes]:
    """Return the frames after the tag."""
    (run,) = frame_runs(AudioBytes(data), 0, len(data))
    return [data[a:b] for a, b in zip(run.starts, run.starts[1:], strict=False)]


def reason(data: bytes) -> Reason:
    with pytest.raises(Unusable) as caught:
        audio.read(data)
    return caught.value.reason


def test_frame_headers_are_parsed():
    frame = parse_frame(0xFFFB9064)
    assert frame is not None
    assert (frame.size, frame.samples, frame.rate, frame.channels) == (417, 1152, 44100, 2)
    assert parse_frame(0xFFF15080) is None  # AAC
    assert parse_frame(0xFFFB0064) is None  # a bit rate that is not stated


def test_samples_that_the_encoder_added_are_removed():
    assert audio.read_header(mp3(31_234)).frames == 31_234


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 2), (44_100, 1), (48_000, 2)])
def test_segments_from_every_start_equal_the_whole(rate, channels):
    data = mp3(3 * rate, rate, channels)
    whole = audio.read(data).wave
    for start in range(0, len(whole) - 500, 3001):
        np.testing.assert_allclose(
            audio.read(data, start, 500).wave, whole[start : start + 500], atol=1e-5
        )


def test_frames_are_counted_without_a_tag():
    frames = frames_of(mp3())
    assert audio.read_header(b"".join(frames)).frames == len(frames) * 576


def test_two_streams_are_concatenated():
    first, second = mp3(20_000), mp3(30_000)
    both = audio.read(first + b"ID3\x04\0\0\0\0\0\0" + second).wave
    apart = np.concatenate([audio.read(first).wave, audio.read(second).wave])
    np.testing.assert_allclose(both, apart, atol=1e-6)
    assert len(audio.read(first + b"".join(frames_of(second))).wave) > 50_000


def test_streams_of_different_rates_are_refused():
    with pytest.raises(Unusable, match="24000 Hz"):
        audio.read(mp3() + mp3(rate=24_000))


def test_tags_are_skipped():
    data = mp3()
    before = b"ID3\x04\0\0\0\0\1\0" + bytes(128)
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32 + 40, 1, 0xA0000000) + bytes(8 + 40 + 32)
    for tagged in (before + data, data + b"TAG" + bytes(125), data + ape, data + bytes(700)):
        np.testing.assert_array_equal(audio.read(tagged).wave, audio.read(data).wave)


def test_missing_frames_are_detected():
    data = mp3()
    frames = frames_of(data)
    tag = data[: data.index(frames[0])]
    assert reason(data[:-10]) is Reason.TRUNCATED
    assert reason(tag + b"".join(frames[:-3])) is Reason.TRUNCATED
    assert reason(b"".join(frames)[:-10]) is Reason.TRUNCATED
    middle = b"".join(frames[:20]) + frames[20][:40] + b"".join(frames[21:])
    assert reason(middle) is Reason.UNREADABLE
    assert reason(b"".join(frames[:20]) + bytes(500) + b"".join(frames[21:])) is Reason.UNREADABLE


def test_a_frame_that_contradicts_the_previous_one_is_damage():
    frames = frames_of(mp3())
    side = bytearray(frames[30])
    side[5] |= 0x7F  # longer than all data of the frames
    side[6] |= 0xFF
    assert reason(b"".join(frames[:30]) + bytes(side) + b"".join(frames[31:])) is Reason.UNREADABLE
    lost_first = bytes(len(frames[0]) - 4)
    assert reason(frames[0][:4] + lost_first[:-8] + b"".join(frames[1:])) is Reason.UNREADABLE


@ffmpeg
@pytest.mark.parametrize(
    ("end", "options"),
    [
        ("mp3", ("-c:a", "libmp3lame", "-q:a", "5")),
        ("mp3", ("-c:a", "libmp3lame", "-q:a", "5", "-write_xing", "0")),
        ("mp3", ("-c:a", "libmp3lame", "-b:a", "64k", "-write_xing", "0", "-id3v2_version", "0")),
        ("mp2", ("-c:a", "mp2")),
        ("wav", ("-c:a", "libmp3lame")),
    ],
)
def test_sound_equals_ffmpegs_output(tmp_path, end, options):
    path = tmp_path / f"a.{end}"
    assert encode_by_ffmpeg(noise(4 * 44_100), 44_100, path, *options) is not None
    other, rate, _ = decode_by_ffmpeg(path)
    sound = audio.read(path)
    assert (len(sound.wave), sound.rate) == (len(other), rate)
    np.testing.assert_allclose(sound.wave, other, atol=1e-4 if end == "mp2" else 1e-5)
    for start in (1, 50_000, 100_001):
        stretch = audio.read(path, start, 900).wave
        np.testing.assert_allclose(stretch, sound.wave[start : start + 900], atol=1e-5)


@ffmpeg
@pytest.mark.slow
def test_block_borders_do_not_change_the_sound(tmp_path):
    """libsndfile, read block by block, is wrong for some hundred samples at every border."""
    path = tmp_path / "long.mp3"
    wave = noise(26 * 44_100) * np.linspace(0, 1, 26 * 44_100, dtype=np.float32)[:, None]
    assert encode_by_ffmpeg(wave, 44_100, path, "-c:a", "libmp3lame", "-q:a", "5") is not None
    np.testing.assert_allclose(audio.read(path).wave, decode_by_ffmpeg(path)[0], atol=1e-5)
