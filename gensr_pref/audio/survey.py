"""Detection of a file's format and streams from its bytes, whatever its name is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gensr_pref.audio.containers import Data, find_data, require_whole
from gensr_pref.audio.content import AudioBytes, ByteRange, Spliced
from gensr_pref.audio.ffmpeg import ffmpeg_track
from gensr_pref.audio.flac import flac_track
from gensr_pref.audio.media import media_kind
from gensr_pref.audio.mpeg import mpeg_track
from gensr_pref.audio.mpeg_frames import skip_tags
from gensr_pref.audio.ogg import ogg_track
from gensr_pref.audio.sound import Wave
from gensr_pref.audio.track import TOLERANCE_S, Track, require_rate
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_SAMPLE_BYTES = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4} | {
    "FLOAT": 4,
    "DOUBLE": 8,
    "ULAW": 1,
    "ALAW": 1,
}
_PACKETS = ("SDS", "PAF")  # formats with samples in packets or in groups of ten
_MPEG_IN_WAV = (0x50, 0x55)


@dataclass(frozen=True)
class PlainStream:
    """A file that libsndfile reads.

    Attributes:
        data: position of the sound, if libsndfile does not find its end by itself.
    """

    rate: int
    channels: int
    frames: int
    addressable: bool
    data: Data | None = None

    def blocks(self, content: AudioBytes, start: int) -> tuple[int, Iterator[Wave]]:
        """Decode from a frame on; see `Stream.blocks`."""
        from gensr_pref.audio.decoding import decode_blocks

        first = start if self.addressable else 0
        return first, decode_blocks(_file(content, self.data), seek=first)


def survey(content: AudioBytes) -> Track:
    """Return the track of a file.

    Raises:
        Unusable: UNREADABLE, TRUNCATED or EMPTY.
    """
    start = skip_tags(content, 0, content.size)
    head = content.at(start, 64)
    if head[:4] == b"OggS":
        return ogg_track(content, start)
    if head[:4] == b"fLaC":
        return flac_track(content, start)
    kind = media_kind(content, start)
    if kind is not None:
        return ffmpeg_track(content, kind)
    data = find_data(content) if not start else None
    if data is not None and data.codec in _MPEG_IN_WAV:
        require_whole(content, data)
        end = content.size if data.length is None else data.start + data.length
        return _require_track(mpeg_track(content, data.start, end))
    if data is None and (start or head[:1] == b"\xff"):
        track = mpeg_track(content, start, content.size)
        if track is not None:
            return track
        if start:
            raise Unusable(
                Reason.UNREADABLE,
                f"its first {start} bytes are tags, and no MPEG, FLAC, Ogg or AAC audio follows; "
                "remove the tags",
            )
    return _plain_track(content, data)


def _require_track(track: Track | None) -> Track:
    if track is None:
        raise Unusable(Reason.UNREADABLE, "it contains no frame of MPEG audio")
    return track


def _plain_track(content: AudioBytes, data: Data | None) -> Track:
    from gensr_pref.audio.decoding import decode_blocks, open_audio

    inside = data if data is not None and _needs_splicing(data, content.size) else None
    try:
        with open_audio(_file(content, inside)) as file:
            rate, channels, declared = file.samplerate, file.channels, file.frames
            addressable = file.subtype in _SAMPLE_BYTES and file.format not in _PACKETS
            width = _SAMPLE_BYTES.get(file.subtype, 0) * channels
    except Unusable:
        require_whole(content, data)
        raise
    require_rate(rate)
    require_whole(content, data)
    if data is None or data.length is None:
        _refuse_second_recording(content)
    if addressable and data is not None and data.length is not None:
        declared = min(declared, data.length // width)
    if addressable and declared * width <= content.size:
        return Track((PlainStream(rate, channels, declared, True, inside),))
    frames = sum(map(len, decode_blocks(_file(content, inside))))
    if data is not None and data.most is not None:
        frames, declared = min(frames, data.most), min(declared, data.most)
    if frames < declared - TOLERANCE_S * rate:
        raise Unusable(Reason.TRUNCATED, f"it declares {declared} frames and contains {frames}")
    return Track((PlainStream(rate, channels, frames, False, inside),))


def _needs_splicing(data: Data, size: int) -> bool:
    """Return whether libsndfile would read bytes after the sound, or none without a length."""
    if data.length is None or data.correction is not None:
        return data.correction is not None
    return data.start + data.length < size or bool(data.closing)


def _file(content: AudioBytes, data: Data | None) -> Any:
    if data is None:
        return content.openable()
    end = content.size if data.length is None else data.start + data.length
    if data.correction is None:
        return Spliced(content, (ByteRange(0, end), data.closing))
    field, length = data.correction
    behind = field + len(length)
    return Spliced(
        content, (ByteRange(0, field), length, ByteRange(behind, end - behind), data.closing)
    )


def _refuse_second_recording(content: AudioBytes) -> None:
    """Refuse a file whose beginning recurs; its format does not state where the sound ends."""
    head, at = content.at(0, 12), 1
    while at < content.size:
        place = content.at(at, 2**20).find(head)
        if place >= 0:
            raise Unusable(
                Reason.UNREADABLE,
                f"another recording begins at byte {at + place}; split the file",
            )
        at += 2**20 - len(head)
