"""Tests of block codecs: padding bytes and truncated last blocks."""

import struct

import numpy as np
import pytest

from gensr_pref import audio
from tests.audio.material import encode, noise

RATE = 8000


def make_file(form: str, subtype: str, frames: int = 8000, channels: int = 1) -> bytes:
    data = encode(noise(frames, channels), RATE, form, subtype)
    assert data is not None
    return data


def shorten(data: bytes, size: int) -> bytes:
    """Shorten the sound of a WAV to `size` bytes, plus a padding byte if that is odd."""
    at = data.index(b"data") + 4
    return data[:at] + struct.pack("<I", size) + data[at + 4 : at + 4 + size] + b"\x55" * (size % 2)


@pytest.mark.parametrize("frames", [8000, 8320, 40_000])
def test_a_padding_byte_of_a_gsm_file_is_no_block(frames):
    data = make_file("WAV", "GSM610", frames)
    assert audio.read_header(data).frames == frames
    whole = audio.read(data).wave
    pieces = [audio.read(data, start, 320).wave for start in range(0, frames, 320)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize("size", [65 * 20, 65 * 20 + 1, 65 * 20 + 64, 65 * 21])
def test_an_incomplete_gsm_block_is_dropped(size):
    data = make_file("WAV", "GSM610")
    assert audio.read_header(shorten(data, size)).frames == size // 65 * 320


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("subtype", "head", "first", "group", "frames"),
    [("IMA_ADPCM", 4, 1, 4, 8), ("MS_ADPCM", 7, 2, 1, 2), ("G721_32", 0, 0, 1, 2)],
)
@pytest.mark.parametrize("lacking", [1, 20, 100, 230])
def test_an_incomplete_last_block_gives_its_frames(
    subtype, head, first, group, frames, channels, lacking
):
    if subtype == "G721_32" and (channels == 2 or lacking > 60):
        pytest.skip("it has one channel, and blocks of 60 bytes")
    data = make_file("WAV", subtype, channels=channels)
    at = data.index(b"data") + 4
    size = int.from_bytes(data[at : at + 4], "little")
    align = 60 if subtype == "G721_32" else int.from_bytes(data[32:34], "little")
    whole = audio.read(data).wave
    wave = audio.read(shorten(data, size - lacking)).wave
    in_last = first + (align - lacking - head * channels) // (group * channels) * frames
    in_block = first + (align - head * channels) // (group * channels) * frames
    assert len(wave) == len(whole) - in_block + in_last
    np.testing.assert_array_equal(wave, whole[: len(wave)])


@pytest.mark.parametrize("declared", [0, 1, 7999, 2**32 - 1])
def test_a_wrong_fact_chunk_is_ignored(declared):
    for subtype in ("GSM610", "IMA_ADPCM", "MS_ADPCM"):
        data = make_file("WAV", subtype)
        at = data.index(b"fact") + 8
        lying = data[:at] + struct.pack("<I", declared) + data[at + 4 :]
        np.testing.assert_array_equal(audio.read(lying).wave, audio.read(data).wave)


def test_a_file_from_a_pipe_is_read_to_its_last_whole_block():
    data = make_file("WAV", "GSM610")
    at = data.index(b"data") + 4
    piped = data[:at] + b"\xff" * 4 + data[at + 4 :]
    np.testing.assert_array_equal(audio.read(piped).wave, audio.read(data).wave)
