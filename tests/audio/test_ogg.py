"""Tests of Ogg: chained streams, damaged pages and wrong timestamps."""

import struct

import numpy as np
import pytest

from gensr_pref import audio
from gensr_pref.audio.ogg import _checksum
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason
from tests.audio.material import encode, noise

RATE = 16_000
CODECS = ["VORBIS", "OPUS"]


def ogg(codec: str, frames: int = 3 * RATE, rate: int = RATE, channels: int = 1) -> bytes:
    data = encode(noise(frames, channels), rate, "OGG", codec)
    assert data is not None
    return data


def pages(data: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(data):
        table = data[at + 26]
        size = 27 + table + sum(data[at + 27 : at + 27 + table])
        parts.append(data[at : at + size])
        at += size
    return parts


def change_page(page: bytes, at: int, value: bytes) -> bytes:
    """Change bytes in the head of a page, and correct its checksum."""
    page = page[:at] + value + page[at + len(value) :]
    page = page[:22] + bytes(4) + page[26:]
    return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def reason(data: bytes) -> Reason:
    with pytest.raises(Unusable) as caught:
        audio.read(data)
    return caught.value.reason


@pytest.mark.parametrize("codec", CODECS)
def test_a_chain_is_read_to_its_end(codec):
    first, second = ogg(codec), ogg(codec, RATE)
    both = audio.read(first + second).wave
    np.testing.assert_array_equal(
        both, np.concatenate([audio.read(first).wave, audio.read(second).wave])
    )
    border = len(audio.read(first).wave)
    stretch = audio.read(first + second, border - 700, 1400).wave
    np.testing.assert_array_equal(stretch, both[border - 700 : border + 700])


@pytest.mark.parametrize("codec", CODECS)
def test_a_chain_of_different_rates_or_channels_is_refused(codec):
    assert reason(ogg(codec) + ogg(codec, rate=24_000)) is Reason.UNREADABLE
    assert reason(ogg(codec) + ogg(codec, channels=2)) is Reason.UNREADABLE


@pytest.mark.parametrize("codec", CODECS)
def test_damage_is_detected(codec):
    data = ogg(codec)
    parts = pages(data)
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    assert reason(bytes(flipped)) is Reason.UNREADABLE
    assert reason(b"".join(parts[:-2] + parts[-1:])) is Reason.UNREADABLE
    assert reason(b"".join(parts[:-1])) is Reason.TRUNCATED
    assert reason(data[:-1]) is Reason.TRUNCATED


@pytest.mark.parametrize("codec", CODECS)
def test_wrong_times_are_detected(codec):
    parts = pages(ogg(codec))
    late = change_page(parts[-1], 6, struct.pack("<q", 2**45))
    early = change_page(parts[-1], 6, struct.pack("<q", 100))
    assert reason(b"".join(parts[:-1]) + late) is Reason.TRUNCATED
    assert reason(b"".join(parts[:-1]) + early) is Reason.UNREADABLE


@pytest.mark.parametrize("codec", CODECS)
def test_segments_from_every_start_equal_the_whole(codec):
    data = ogg(codec, 8 * RATE)
    whole = audio.read(data).wave
    for start in (90_000, 100, 91_000, 60_000, 60_100, 127_000):
        stretch = audio.read(data, start, 700).wave
        np.testing.assert_allclose(stretch, whole[start : start + 700], atol=1e-5)


def test_an_excerpt_of_an_opus_stream_is_refused():
    parts = pages(ogg("OPUS", 8 * RATE))
    cut = [change_page(p, 18, struct.pack("<I", n)) for n, p in enumerate(parts[:2] + parts[3:])]
    assert reason(b"".join(cut)) is Reason.UNREADABLE
