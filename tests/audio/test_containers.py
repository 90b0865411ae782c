"""Tests of containers whose header states no length or a wrong one."""

import struct
import tracemalloc

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason
from tests.audio.material import encode, noise
from tests.refusals import raises

WAVE = noise(4000)


def patch(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def make_file(form: str, subtype: str = "PCM_16") -> bytes:
    data = encode(WAVE, 8000, form, subtype)
    assert data is not None
    return data


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFF000, 0x80000000])
def test_a_wav_from_a_pipe_is_read_to_its_end(length):
    data = make_file("WAV")
    piped = patch(data, data.index(b"data") + 4, struct.pack("<I", length))
    np.testing.assert_array_equal(audio.read(piped).wave, audio.read(data).wave)


@pytest.mark.parametrize(
    ("form", "marker", "offset", "value"),
    [
        ("AU", b".snd", 8, b"\xff" * 4),
        ("AU", b".snd", 8, bytes(4)),
        ("AIFF", b"SSND", 4, b"\xff" * 4),
        ("AIFF", b"SSND", 4, bytes(4)),
        ("RF64", b"ds64", 8, b"\xff" * 24),
        ("RF64", b"ds64", 8, bytes(24)),
        ("CAF", b"data", 4, b"\xff" * 8),
        ("W64", b"data\xf3", 16, bytes(8)),
        ("W64", b"data\xf3", 16, struct.pack("<q", 2**63 - 1)),
    ],
)
def test_other_formats_from_a_pipe_are_read_to_their_end(form, marker, offset, value):
    data = make_file(form)
    piped = patch(data, data.index(marker) + offset, value)
    np.testing.assert_array_equal(audio.read(piped).wave, audio.read(data).wave)


def test_an_empty_wav_with_chunks_after_it_is_empty():
    empty = make_file("WAV")[:44]
    empty = patch(empty, 40, bytes(4)) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    with pytest.raises(Unusable) as caught:
        audio.read(empty)
    assert caught.value.reason is Reason.EMPTY


def test_chunks_after_the_sound_are_not_decoded():
    data = make_file("WAV")
    noted = data + b"LIST" + struct.pack("<I", 4) + b"INFO"
    np.testing.assert_array_equal(audio.read(noted).wave, audio.read(data).wave)


def test_a_second_data_chunk_is_refused():
    data = make_file("WAV")
    with raises(Unusable, reason="unreadable"):
        audio.read(data + b"data" + struct.pack("<I", 4) + bytes(4))


def make_flac_with_total(total: int) -> bytes:
    data = make_file("FLAC")
    packed = int.from_bytes(data[18:26], "big") & ~(2**36 - 1) | total
    return patch(data, 18, packed.to_bytes(8, "big"))


@pytest.mark.parametrize("total", [0, 1, 3999])
def test_the_length_of_a_flac_is_that_of_its_frames(total):
    np.testing.assert_array_equal(
        audio.read(make_flac_with_total(total)).wave, audio.read(make_file("FLAC")).wave
    )


@pytest.mark.parametrize("total", [4001, 2**36 - 1])
def test_a_flac_that_declares_too_much_is_truncated_without_memory(total):
    tracemalloc.start()
    try:
        with pytest.raises(Unusable) as caught:
            audio.read_header(make_flac_with_total(total))
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
    assert caught.value.reason is Reason.TRUNCATED


def test_other_bytes_after_a_flac_are_ignored():
    data = make_file("FLAC")
    for behind in (b"TAG" + bytes(125), b"not a frame" * 50):
        np.testing.assert_array_equal(audio.read(data + behind).wave, audio.read(data).wave)


def test_a_flac_that_is_damaged_in_the_middle_is_refused():
    data = encode(noise(40_000), 8000, "FLAC", "PCM_16")
    with pytest.raises(Unusable) as caught:
        audio.read(patch(data, len(data) // 2, bytes(50)))
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("form", "subtype"),
    [("WAV", "GSM610"), ("WAV", "G721_32"), ("AU", "G721_32"), ("XI", "DPCM_16")],
)
def test_a_file_of_a_codec_without_seeking_is_read_in_segments(form, subtype):
    data = encode(noise(80_000), 8000, form, subtype)
    whole = audio.read(data).wave
    pieces = [audio.read(data, start, 8000).wave for start in range(0, 80_000, 8000)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole[:80_000])
    np.testing.assert_array_equal(audio.read(data, 100, 100).wave, whole[100:200])


def test_floats_beyond_full_scale_are_not_clipped():
    data = encode(noise(400) * 10, 8000, "WAV", "FLOAT")
    assert np.abs(audio.read(data).wave).max() > 2


@pytest.mark.parametrize(
    ("form", "marker", "offset", "layout"),
    [
        ("WAV", b"data", 4, "<I"),
        ("AIFF", b"SSND", 4, ">I"),
        ("AU", b".snd", 8, ">I"),
        ("W64", b"data\xf3", 16, "<Q"),
        ("CAF", b"data", 4, ">q"),
        ("AVR", b"2BIT", 26, ">I"),
    ],
)
def test_a_declared_length_that_is_too_short_is_refused(form, marker, offset, layout):
    data = make_file(form)
    short = patch(data, data.index(marker) + offset, struct.pack(layout, 1234))
    with pytest.raises(Unusable) as caught:
        audio.read(short)
    assert caught.value.reason is Reason.UNREADABLE


def test_other_bytes_after_a_wav_are_not_decoded():
    data = make_file("WAV")
    for behind in (b"TAG" + bytes(125), bytes(5000), b"no chunk" * 500):
        np.testing.assert_array_equal(audio.read(data + behind).wave, audio.read(data).wave)
