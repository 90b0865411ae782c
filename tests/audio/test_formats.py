"""Tests of every libsndfile format and subtype: whole files, segments and truncated files."""

import numpy as np
import pytest
import soundfile

from gensr_pref import audio
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason
from tests.audio.material import decode, encode, kinds, noise

KINDS = kinds()
NO_LENGTH = {"PAF", "PVF", "IRCAM", "XI"}  # these headers do not state the length of the sound
WITHOUT_PADDING = {
    "PCM_16",
    "PCM_24",
    "PCM_32",
    "FLOAT",
    "DOUBLE",
    "ULAW",
    "ALAW",
    "PCM_U8",
    "PCM_S8",
}


def reason(data: bytes) -> Reason | None:
    try:
        audio.read(data)
    except Unusable as failed:
        return failed.reason
    return None


def test_many_formats_are_tested():
    assert len(KINDS) > 90
    assert {form for form, _ in KINDS} >= {"WAV", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3", "W64"}


@pytest.mark.parametrize(("form", "subtype"), KINDS)
def test_a_segment_equals_that_part_of_the_whole(form, subtype):
    for rate, channels in ((8000, 1), (48000, 2)):
        data = encode(noise(12_000, channels), rate, form, subtype)
        if data is None:
            continue  # GSM, G.721 and others allow one channel only, Opus a few rates
        whole = audio.read(data)
        header = audio.read_header(data)
        assert (header.rate, header.channels) == (whole.rate, channels)
        assert header.frames == len(whole.wave) >= 12_000
        np.testing.assert_allclose(whole.wave, decode(data)[: len(whole.wave)], atol=1e-5)
        for start in (0, 1, 7_777, 3_000, header.frames - 900):  # forwards and back again
            stretch = audio.read(data, start, 900).wave
            np.testing.assert_allclose(stretch, whole.wave[start : start + 900], atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("form", "subtype"), [k for k in KINDS if k[1] in WITHOUT_PADDING])
def test_the_length_is_exact(form, subtype, channels):
    data = encode(noise(1201, channels), 8000, form, subtype)
    if data is not None and (form, subtype) != ("PAF", "PCM_24"):  # groups of ten
        frames = audio.read_header(data).frames
        # libsndfile pads an odd number of bytes in these formats, and counts the padding
        odd = form == "AIFF" and subtype in ("PCM_S8", "PCM_U8", "ULAW", "ALAW")
        odd = odd or (form == "VOC" and subtype in ("ULAW", "ALAW"))
        assert frames == 1201 + (odd and channels == 1)
        if form not in NO_LENGTH:
            assert audio.read_header(data + b"behind").frames == frames


@pytest.mark.parametrize(("form", "subtype"), [k for k in KINDS if k[0] not in NO_LENGTH])
def test_a_file_without_its_end_is_truncated(form, subtype):
    data = encode(noise(8000), 8000, form, subtype)
    assert data is not None
    for share in (0.55, 0.9, 0.99):
        assert reason(data[: int(len(data) * share)]) is Reason.TRUNCATED


@pytest.mark.parametrize("rate", [1, 8, 100, 3999, 384_001, 2_000_000])
def test_a_rate_out_of_bounds_is_refused(rate):
    data = encode(noise(800), rate, "WAV", "PCM_16")
    with pytest.raises(Unusable, match=f"{rate} Hz") as caught:
        audio.read_header(data)
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("rate", [4000, 384_000])
def test_the_lowest_and_the_highest_rate_are_read(rate):
    assert audio.read(encode(noise(800), rate, "WAV", "PCM_16")).rate == rate


@pytest.mark.parametrize("form", ["WAV", "AIFF", "AU", "CAF", "W64", "SVX", "PVF", "FLAC"])
def test_a_second_recording_in_a_file_is_read_or_refused(form):
    data = encode(noise(4000), 8000, form, "PCM_16")
    if form != "FLAC":
        assert reason(data + data) is Reason.UNREADABLE
    else:
        both = audio.read(data + data).wave
        np.testing.assert_array_equal(both, np.tile(audio.read(data).wave, 2))


def test_suffixes_include_libsndfiles_formats():
    assert audio.suffixes() >= {"wav", "flac", "ogg", "opus", "mp3"}
    known = {name.lower() for name in soundfile.available_formats()} - {"raw"}
    assert audio.suffixes() >= known


def test_ffmpegs_suffixes_need_ffmpeg(monkeypatch):
    monkeypatch.setattr("gensr_pref.audio.formats.shutil.which", lambda _: None)
    assert not audio.has_ffmpeg()
    assert not audio.suffixes() & audio.ffmpeg_suffixes()
    monkeypatch.setattr("gensr_pref.audio.formats.shutil.which", lambda name: f"/usr/bin/{name}")
    assert audio.suffixes() > audio.ffmpeg_suffixes() > {"m4a", "mp4", "aac", "wma", "webm"}
    assert audio.name_without_suffix("a/b.c.m4a") == "a/b.c"


@pytest.mark.parametrize("end", ["gsm", "vox", "au", "snd", "raw", "sd2", "mp3"])
def test_a_name_does_not_turn_other_bytes_into_sound(end, tmp_path):
    path = tmp_path / f"x.{end}"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(Unusable) as caught:
        audio.read(path)
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("form", ["WAV", "AIFF", "CAF"])
def test_tags_before_a_format_without_tags_are_refused(form):
    data = encode(noise(4000), 8000, form, "PCM_16")
    assert data is not None
    with pytest.raises(Unusable, match=r"\b138\b"):
        audio.read(b"ID3\x04\0\0\0\0\1\0" + bytes(128) + data)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_header_in_a_second_file_is_read(subtype, tmp_path):
    wave = noise(12_000, 2)
    path = tmp_path / "x.sd2"
    soundfile.write(path, wave, 48000, format="SD2", subtype=subtype)
    whole = audio.read(path)
    np.testing.assert_allclose(
        whole.wave, soundfile.read(path, dtype="float32")[0].mean(1), atol=1e-5
    )
    np.testing.assert_allclose(audio.read(path, 777, 900).wave, whole.wave[777:1677], atol=1e-5)
