"""Tests of reading through FFmpeg, and of what FFmpeg must not do."""

import subprocess

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason
from tests.audio.material import FFMPEG, decode_by_ffmpeg, encode, encode_by_ffmpeg, noise

RATE = 16_000
KINDS = {
    "m4a": ("-c:a", "aac"),
    "mp4": ("-c:a", "aac", "-movflags", "+faststart"),
    "aac": ("-c:a", "aac"),
    "wma": ("-c:a", "wmav2"),
    "webm": ("-c:a", "libopus"),
    "mka": ("-c:a", "flac"),
    "oga": ("-c:a", "flac", "-f", "ogg"),
}
needed = pytest.mark.skipif(FFMPEG is None, reason="FFmpeg is not installed")


def reason(source):
    with pytest.raises(Unusable) as caught:
        audio.read(source)
    return caught.value.reason


@needed
@pytest.mark.parametrize("end", KINDS)
def test_whole_files_and_segments_equal_ffmpegs_output(tmp_path, end):
    path = tmp_path / f"a.{end}"
    data = encode_by_ffmpeg(noise(2 * RATE, 2), RATE, path, *KINDS[end])
    if data is None:
        pytest.skip(f"this FFmpeg does not encode {end}")
    other, rate, _ = decode_by_ffmpeg(path)
    sound = audio.read(path)
    assert sound.rate == rate
    assert audio.read_header(path).channels == 2
    np.testing.assert_allclose(sound.wave, other, atol=1e-6)
    assert abs(sound.seconds - 2) < 0.15  # AAC ends with a whole packet, WMA drops its last
    for start in (20_000, 100):
        stretch = audio.read(path, start, 500).wave
        np.testing.assert_array_equal(stretch, sound.wave[start : start + 500])
    assert reason(data[: len(data) * 6 // 10]) is Reason.TRUNCATED or end == "mka"


@needed
def test_two_streams_of_sound_are_refused(tmp_path):
    source = tmp_path / "a.wav"
    source.write_bytes(encode(noise(RATE), RATE, "WAV", "PCM_16"))
    target = tmp_path / "two.mka"
    command = [
        FFMPEG,
        "-v",
        "error",
        "-nostdin",
        "-i",
        source,
        "-map",
        "0:a",
        "-map",
        "0:a",
        target,
    ]
    subprocess.run(command, check=True)
    with pytest.raises(Unusable, match=r"\b2\b"):
        audio.read(target)


@needed
def test_a_playlist_opens_no_other_file(tmp_path):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encode(noise(RATE), RATE, "WAV", "PCM_16"))
    for text in (f"#EXTM3U\n{secret}\n", f"ffconcat version 1.0\nfile {secret}\n"):
        path = tmp_path / "list.m4a"
        path.write_text(text, encoding="utf-8")
        assert reason(path) is Reason.UNREADABLE


def test_a_format_that_needs_ffmpeg_fails_without_it(monkeypatch):
    monkeypatch.setattr("gensr_pref.audio.formats.shutil.which", lambda _: None)
    with pytest.raises(Unusable, match="FFmpeg") as caught:
        audio.read(b"\0\0\0\x18ftypM4A " + bytes(64))
    assert caught.value.reason is Reason.UNREADABLE


@needed
def test_damage_that_ffmpeg_reports_is_a_failure(tmp_path):
    path = tmp_path / "a.m4a"
    data = encode_by_ffmpeg(noise(2 * RATE), RATE, path, *KINDS["m4a"])
    assert data is not None
    at = data.index(b"mdat") + 400
    path.write_bytes(data[:at] + b"\xff" * 600 + data[at + 600 :])
    assert reason(path) is Reason.UNREADABLE
