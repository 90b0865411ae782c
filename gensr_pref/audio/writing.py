"""Encodes a waveform as 16-bit FLAC or WAV, in memory.

Three modules write other audio themselves: long files piece by piece (``apply.file_pieces``), other
codecs (``corpus.codec``) and float32 (``aligning.pretrain.examples``).
"""

from __future__ import annotations

import io
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from gensr_pref.audio.sound import Wave


def flac(wave: Wave, rate: int) -> bytes:
    """Encode a waveform as 16-bit FLAC; samples beyond full scale are clipped."""
    return _encode(wave, rate, "FLAC")


def wav(wave: Wave, rate: int) -> bytes:
    """Encode a waveform as 16-bit WAV; samples beyond full scale are clipped."""
    return _encode(wave, rate, "WAV")


def _encode(wave: Wave, rate: int, form: str) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, pcm16(wave), rate, format=form, subtype="PCM_16")
    return buffer.getvalue()


def pcm16(wave: Wave) -> npt.NDArray[np.int16]:
    """Return the waveform as 16-bit integers, rounded to nearest and clipped."""
    return np.asarray(np.clip(np.rint(wave * 32768.0), -32768, 32767), np.int16)


class AudioValue(TypedDict):
    """A value of an `Audio` column.

    Keys:
        bytes: contents of an audio file.
        path: always None, because the file is in the table.
    """

    bytes: bytes
    path: None


def column_value(wave: Wave, rate: int) -> AudioValue:
    """Return a waveform as a value of an `Audio` column."""
    return {"bytes": flac(wave, rate), "path": None}
