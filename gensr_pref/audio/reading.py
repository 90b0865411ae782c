"""The one reader of recordings: rate, true length and samples.

A segment of a recording has the same samples as the same segment of the whole decoded recording, at
any start and length, in every format. A file that contains less than it declares, or other data, is
a failure with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensr_pref.audio import stream_cache
from gensr_pref.audio.content import AudioBytes
from gensr_pref.audio.sound import Sound, Wave
from gensr_pref.audio.track import Track
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason


@dataclass(frozen=True)
class Header:
    """Properties of a recording that are known before it is decoded.

    Attributes:
        rate: Hz.
        frames: true number of frames, which may differ from the declared one.
        channels: number of channels.
    """

    rate: int
    frames: int
    channels: int


def read_header(source: Path | str | bytes) -> Header:
    """Return rate, true length and number of channels of a file or of a file's bytes.

    PCM and FLAC need a few reads, and MP3 and Ogg a scan of all bytes. A file whose length cannot
    be found in these ways is decoded.

    Raises:
        Unusable: MISSING, EMPTY, UNREADABLE (also for a rate outside 4 kHz to 384 kHz) or
            TRUNCATED.
    """
    track = stream_cache.get_track(AudioBytes(source))
    return Header(track.rate, track.frames, track.channels)


def read(source: Path | str | bytes, start: int = 0, frames: int | None = None) -> Sound:
    """Decode a file, or a segment of it, to mono by averaging its channels.

    Args:
        source: a path, or the bytes of a file in any format libsndfile reads; with FFmpeg
            installed, also MP4, AAC, WMA and WebM.
        start: first frame, at the file's own rate.
        frames: number of frames; None: up to the end.

    Raises:
        Unusable: as `read_header`; UNREADABLE where the segment is not inside the recording;
            NOT_FINITE.
    """
    content = AudioBytes(source)
    track = stream_cache.get_track(content)
    wanted = track.frames - start if frames is None else frames
    if start < 0 or wanted < 0 or start + wanted > track.frames:
        raise Unusable(
            Reason.UNREADABLE,
            f"it has {track.frames} frames, so that {start} to {start + wanted} are outside",
        )
    wave = _decode(content, track, start, wanted)
    if not np.isfinite(wave).all():
        raise Unusable(Reason.NOT_FINITE, "the file contains NaN or infinite samples")
    return Sound(wave, track.rate)


def _decode(content: AudioBytes, track: Track, start: int, frames: int) -> Wave:
    if not track.addressable:
        return stream_cache.read_stretch(content, track, start, frames)
    first, blocks = track.blocks(content, start)
    return stream_cache.Decoder(first, blocks).stretch(start, frames)


def from_column(value: dict[str, Any] | None) -> Sound | None:
    """Return the sound in a value of an `Audio` column; None for null."""
    if value is None:
        return None
    content = value["bytes"]
    if not isinstance(content, bytes):  # its `path` might name any file of this machine
        raise Unusable(Reason.MISSING, "the column contains no bytes of a recording")
    return read(content)
