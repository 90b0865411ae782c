"""The one reader: rate, true length and samples of a recording.

A stretch of a recording is the same samples as that stretch of the whole, decoded at once, at any
start and length, in every format. A file that holds less than it says, or something else, is a
failure with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensr_pref.audio import stream_cache
from gensr_pref.audio.content import Content
from gensr_pref.audio.sound import Sound, Wave
from gensr_pref.audio.track import Track
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason


@dataclass(frozen=True)
class Header:
    """What a recording is, before it is decoded.

    Attributes:
        rate: Hz.
        frames: that are there; counted, not believed.
        channels: how many.
    """

    rate: int
    frames: int
    channels: int


def read_header(source: Path | str | bytes) -> Header:
    """Rate, true length and channel count of a file or of a file's bytes.

    PCM and FLAC cost a few reads, MP3 and Ogg a look at all their bytes; what gives no other way to
    know its length is decoded.

    Raises:
        Unusable: MISSING, EMPTY, UNREADABLE (also for a rate outside 4 kHz to 384 kHz) or
            TRUNCATED.
    """
    track = stream_cache.track(Content(source))
    return Header(track.rate, track.frames, track.channels)


def read(source: Path | str | bytes, start: int = 0, frames: int | None = None) -> Sound:
    """Decode a file, or a stretch of it, to mono by averaging its channels.

    Args:
        source: a path, or the bytes of a file in any format libsndfile reads; with FFmpeg
            installed, also MP4, AAC, WMA and WebM.
        start: first frame, at the file's own rate.
        frames: how many; None reads to the end.

    Raises:
        Unusable: as `read_header`; UNREADABLE where the recording ends before `frames`;
            NOT_FINITE.
    """
    content = Content(source)
    track = stream_cache.track(content)
    wanted = track.frames - start if frames is None else frames
    if start < 0 or wanted < 0 or start + wanted > track.frames:
        raise Unusable(
            Reason.UNREADABLE,
            f"frames {start} to {start + wanted} are not in it; it has {track.frames}",
        )
    wave = _decode(content, track, start, wanted)
    if not np.isfinite(wave).all():
        raise Unusable(Reason.NOT_FINITE, "the file holds NaN or infinite samples")
    return Sound(wave, track.rate)


def _decode(content: Content, track: Track, start: int, frames: int) -> Wave:
    if not track.addressable:
        return stream_cache.stretch(content, track, start, frames)
    first, blocks = track.blocks(content, start)
    return stream_cache.Decoder(first, blocks).stretch(start, frames)


def from_column(value: dict[str, Any] | None) -> Sound | None:
    """The sound in a value of an `Audio` column; None for null."""
    if value is None:
        return None
    content = value["bytes"]
    if not isinstance(content, bytes):  # its `path` may name any file of this machine
        raise Unusable(Reason.MISSING, "the column holds no bytes of a recording")
    return read(content)
