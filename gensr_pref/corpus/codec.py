"""Telephone and streaming codecs: encode and decode, with as many samples as before.

libsndfile encodes in memory; no program or other library is needed. Bit rates, measured on read
speech at 16 kHz: opus 6-8 kbit/s, vorbis 28-33, gsm 13, ulaw 64 (the last two at 8 kHz).
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np

from gensr_pref.audio import Wave, read, resample

_BLOCK = 65536  # libsndfile's Vorbis encoder overflows its stack on very long single writes


@dataclass(frozen=True)
class CodecFormat:
    """A codec of libsndfile.

    Attributes:
        format: container.
        subtype: coding.
        rates: supported rates in Hz, ascending; empty: any rate.
        compression: libsndfile's compression level (1 is the lowest bit rate); None: not supported.
    """

    format: str
    subtype: str
    rates: tuple[int, ...] = ()
    compression: float | None = None


CODECS = {
    "opus": CodecFormat("OGG", "OPUS", (8000, 12000, 16000, 24000, 48000), 1.0),
    "vorbis": CodecFormat("OGG", "VORBIS", (), 1.0),
    "gsm": CodecFormat("WAV", "GSM610", (8000,)),
    "ulaw": CodecFormat("WAV", "ULAW", (8000,)),
}


def transcode(wave: Wave, rate: int, name: str) -> Wave:
    """Return the waveform after encoding and decoding: same rate, same length, no delay.

    Args:
        wave: [T], in [-1, 1]; the codec may clip samples beyond.
        rate: Hz; if the codec does not support it, its next higher rate is used, or its highest.
        name: one of `CODECS`.
    """
    codec = CODECS[name]
    coded = _coded_rate(codec, rate)
    decoded = _round_trip(resample(wave, rate, coded), coded, codec)
    return fit_length(resample(decoded, coded, rate), len(wave))


def fit_length(wave: Wave, length: int) -> Wave:
    """Return the first `length` samples, padded with zeros at the end if there are fewer."""
    if len(wave) >= length:
        return wave[:length]
    return np.pad(wave, (0, length - len(wave)))


def _coded_rate(codec: CodecFormat, rate: int) -> int:
    if not codec.rates:
        return rate
    return next((allowed for allowed in codec.rates if allowed >= rate), codec.rates[-1])


def _round_trip(wave: Wave, rate: int, codec: CodecFormat) -> Wave:
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
