"""Tests of reading through FFmpeg, and of what FFmpeg must not do."""

import subprocess

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason
from tests.audio.material import FFMPEG, by_ffmpeg, encoded, heard_by_ffmpeg, noise

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
def test_whole_file_and_segments_equal_ffmpeg(tmp_path, end):
    path = tmp_path / f"a.{end}"
    data = by_ffmpeg(noise(2 * RATE, 2), RATE, path, *KINDS[end])
    if data is None:
        pytest.skip(f"this FFmpeg does not encode {end}")
    other, rate, _ = heard_by_ffmpeg(path)
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
    source.write_bytes(encoded(noise(RATE), RATE, "WAV", "PCM_16"))
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
    with pytest.raises(Unusable, match="2 streams"):
        audio.read(target)


@needed
def test_playlist_opens_nothing(tmp_path):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encoded(noise(RATE), RATE, "WAV", "PCM_16"))
    for text in (f"#EXTM3U\n{secret}\n", f"ffconcat version 1.0\nfile {secret}\n"):
        path = tmp_path / "list.m4a"
        path.write_text(text, encoding="utf-8")
        assert reason(path) is Reason.UNREADABLE


def test_without_ffmpeg_the_failure_says_what_to_install(monkeypatch):
    monkeypatch.setattr("gensr_pref.audio.formats.shutil.which", lambda _: None)
    with pytest.raises(Unusable, match="install FFmpeg") as caught:
        audio.read(b"\0\0\0\x18ftypM4A " + bytes(64))
    assert caught.value.reason is Reason.UNREADABLE


@needed
def test_damage_that_ffmpeg_reports_is_a_failure(tmp_path):
    path = tmp_path / "a.m4a"
    data = by_ffmpeg(noise(2 * RATE), RATE, path, *KINDS["m4a"])
    assert data is not None
    at = data.index(b"mdat") + 400
    path.write_bytes(data[:at] + b"\xff" * 600 + data[at + 600 :])
    assert reason(path) is Reason.UNREADABLE
