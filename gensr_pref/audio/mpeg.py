"""MPEG audio (MP1, MP2, MP3): length from counted frames, decoding from any frame.

libsndfile trusts the length in a tag, and estimates it where there is no tag; after a seek its
output is wrong for some milliseconds. So it is given a virtual file of the requested frames, after
a tag that counts them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gensr_pref.audio.content import AudioBytes, ByteRange, Spliced
from gensr_pref.audio.mpeg_frames import (
    DECODER_DELAY,
    Frame,
    FrameRun,
    first_frame,
    frame_runs,
    parse_frame,
)
from gensr_pref.audio.sound import Wave
from gensr_pref.audio.track import Track
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

# libsndfile does not open a file that begins with a frame.
_ID3 = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)
_RESERVOIR = 512  # bytes before a frame that may contain its data (ISO 11172-3, 2.4.2.7: 9 bits)
_OVERLAP = 3  # preceding frames that affect a frame: one for the IMDCT, two for the filter bank


@dataclass(frozen=True)
class MpegStream:
    """One stream of MPEG audio.

    Attributes:
        run: positions of its frames.
        skip: samples at the start that the encoder and the decoder add.
        frames: samples per channel, without those added at the start and the end.
    """

    run: FrameRun
    skip: int
    frames: int
    addressable: bool = True

    @property
    def rate(self) -> int:
        """Sample rate in Hz."""
        return self.run.frame.rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.run.frame.channels

    def blocks(self, content: AudioBytes, start: int) -> tuple[int, Iterator[Wave]]:
        """Decode from a frame on; see `Stream.blocks`."""
        samples = self.run.frame.samples
        wanted = max(0, (start + self.skip) // samples - _OVERLAP)
        return max(0, wanted * samples - self.skip), self._from(content, wanted)

    def _from(self, content: AudioBytes, first: int) -> Iterator[Wave]:
        from gensr_pref.audio.decoding import decode_blocks

        samples = self.run.frame.samples
        file, silent = _file(content, self.run, first)
        lead = DECODER_DELAY if self.run.frame.layer == 3 else 0
        skip = max(0, self.skip - first * samples)
        return decode_blocks(Spliced(content, file), silent * samples - lead + skip)


def mpeg_track(content: AudioBytes, start: int, end: int) -> Track | None:
    """Return the track of the bytes [start, end); None where no frame begins.

    Raises:
        Unusable: TRUNCATED, UNREADABLE or EMPTY.
    """
    first = first_frame(content, start, end)
    if first is None:
        return None
    if content.at(start, first - start).strip(b"\0"):
        raise Unusable(
            Reason.UNREADABLE, f"it is damaged: its first frame begins at byte {first}, not {start}"
        )
    return Track(tuple(_stream(run, end) for run in frame_runs(content, start, end)))


def _stream(run: FrameRun, end: int) -> MpegStream:
    total, tag = len(run) * run.frame.samples, run.tag
    if tag is None:
        return MpegStream(run, 0, total)
    _require_all(run, end)
    if tag.delay is None or tag.padding is None:
        return MpegStream(run, 0, total)
    skip = min(total, tag.delay + DECODER_DELAY)
    behind = max(0, tag.padding - DECODER_DELAY) if tag.frames == len(run) else 0
    return MpegStream(run, skip, max(0, total - skip - min(behind, total)))


def _require_all(run: FrameRun, end: int) -> None:
    """Refuse a stream with fewer frames than its tag counts.

    Some encoders count the tag itself; then the number of bytes shows that the stream is complete.
    """
    tag = run.tag
    if tag is None or tag.frames is None or tag.frames <= len(run):
        return
    missing = tag.frames - len(run)
    first = run.starts[0] - run.frame.size
    if missing == 1 and tag.bytes and first + tag.bytes <= end:
        return
    raise Unusable(
        Reason.TRUNCATED,
        f"{missing} of {tag.frames} frames are missing "
        f"({missing * run.frame.samples / run.frame.rate:.2f} s)",
    )


def _file(
    content: AudioBytes, run: FrameRun, first: int
) -> tuple[tuple[bytes | ByteRange, ...], int]:
    """Return the parts of a virtual file of the frames from `first` on, and its silent frames.

    The data of a frame may begin in earlier frames. These frames are included with their data, but
    their side information is replaced so that they are silent.
    """
    before, reservoir = first, 0
    while before > 0 and reservoir < _RESERVOIR:
        before -= 1
        reservoir += run.starts[before + 1] - run.starts[before] - 6 - run.frame.side
    silent = _silent_frame(run.frame)
    muted = _mute_frames(content, run, before, first)
    data = ByteRange(run.starts[first], run.starts[-1] - run.starts[first])
    count = 1 + len(muted) + len(run) - first
    size = len(silent) + sum(map(len, muted)) + data.length
    if run.frame.layer != 3:
        return (_ID3, data), 0
    return (_ID3, _tag_frame(run.frame, silent, count, size), silent, *muted, data), 1 + len(muted)


def _mute_frames(content: AudioBytes, run: FrameRun, first: int, last: int) -> list[bytes]:
    """Return frames [first, last), silenced; they keep the data that later frames refer to.

    Each states that its own data begin as far back as possible, because libmpg123 keeps from one
    frame to the next only the bytes that the next frame refers to.
    """
    muted = []
    reservoir = 0
    bits = 9 if run.frame.version == 3 else 8
    for number in range(first, last):
        start = run.starts[number]
        data = bytearray(content.at(start, run.starts[number + 1] - start))
        data[1] |= 1  # no checksum; its two bytes become the first data bytes, which are not used
        back = min(reservoir, 2**bits - 1) << (16 - bits)
        data[4 : 4 + run.frame.side] = back.to_bytes(2, "big") + bytes(run.frame.side - 2)
        reservoir += len(data) - 4 - run.frame.side
        muted.append(bytes(data))
    return muted


def _silent_frame(frame: Frame) -> bytes:
    """Return a silent frame of the stream's kind that is large enough for a tag."""
    version, rate = frame.version, frame.rate
    mode = 0xC0 if frame.channels == 1 else 0
    for bits in range(1, 15):
        for index in range(3):
            word = 0xFFE10000 | version << 19 | (4 - frame.layer) << 17 | bits << 12
            word |= index << 10 | mode
            silent = parse_frame(word)
            if silent is not None and silent.rate == rate and silent.size >= 4 + frame.side + 16:
                return word.to_bytes(4, "big") + bytes(silent.size - 4)
    raise Unusable(Reason.UNREADABLE, "no frame of its kind is large enough for a tag")


def _tag_frame(frame: Frame, silent: bytes, count: int, size: int) -> bytes:
    """Return a frame with a tag that counts the frames after it and their bytes."""
    tag = b"Xing" + struct.pack(">III", 3, count, len(silent) + size)
    at = 4 + frame.side
    return silent[:at] + tag + silent[at + len(tag) :]
