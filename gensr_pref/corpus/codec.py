"""Telephone and streaming codecs: encode, decode, and give back as many samples as came in.

libsndfile encodes in memory; no program or further library is needed. Bit rates, measured on read
speech at 16 kHz: opus 6-8 kbit/s, vorbis 28-33, gsm 13, ulaw 64 (the last two at 8 kHz).
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from gensr_pref.audio import Wave, read, resample

_BLOCK = 65536  # libsndfile's Vorbis encoder overflows its stack on very long single writes


@dataclass(frozen=True)
class Codec:
    """A codec of libsndfile.

    Attributes:
        format: container.
        subtype: coding.
        rates: the rates it can code, in Hz, ascending; empty: any.
        compression: libsndfile's compression level (1 is its lowest bit rate); None: has none.
    """

    format: str
    subtype: str
    rates: tuple[int, ...] = ()
    compression: float | None = None


CODECS = {
    "opus": Codec("OGG", "OPUS", (8000, 12000, 16000, 24000, 48000), 1.0),
    "vorbis": Codec("OGG", "VORBIS", (), 1.0),
    "gsm": Codec("WAV", "GSM610", (8000,)),
    "ulaw": Codec("WAV", "ULAW", (8000,)),
}


def transcode(wave: Wave, rate: int, name: str) -> Wave:
    """The waveform after a codec: same rate, same length, not delayed.

    Args:
        wave: [T], in [-1, 1]; what is beyond may be clipped by the codec.
        rate: Hz; where the codec cannot code it, the next higher rate that it can is used, or
            its highest.
        name: one of `CODECS`.
    """
    codec = CODECS[name]
    coded = _coded_rate(codec, rate)
    decoded = _round_trip(resample(wave, rate, coded), coded, codec)
    return fitted(resample(decoded, coded, rate), len(wave))


def fitted(wave: Wave, length: int) -> Wave:
    """The first `length` samples, with zeros behind where there are fewer."""
    if len(wave) >= length:
        return wave[:length]
    return np.pad(wave, (0, length - len(wave)))


def _coded_rate(codec: Codec, rate: int) -> int:
    if not codec.rates:
        return rate
    return next((allowed for allowed in codec.rates if allowed >= rate), codec.rates[-1])


def _round_trip(wave: Wave, rate: int, codec: Codec) -> Wave:
    import soundfile

    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer,
        "w",
        rate,
        1,
        codec.subtype,
        format=codec.format,
        compression_level=codec.compression,
    ) as file:
        for start in range(0, len(wave), _BLOCK):
            file.write(wave[start : start + _BLOCK])
    return read(buffer.getvalue()).wave
