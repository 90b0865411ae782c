"""MPEG audio (MP1, MP2, MP3): streams as long as their frames, decoded from any of them.

libsndfile believes the length that a tag says, and guesses it where there is none; after a seek it
is wrong for some milliseconds. So it is given the frames that are wanted, behind a tag that counts
them, as if they were a file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gensr_pref.audio.content import Content, Piece, Spliced
from gensr_pref.audio.mpeg_frames import DECODER_DELAY, Frame, Run, first_frame, frame_of, runs
from gensr_pref.audio.sound import Wave
from gensr_pref.audio.track import Track
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_ID3 = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)  # libsndfile does not open what begins with a frame
_RESERVOIR = 512  # bytes before a frame that may hold its data (ISO 11172-3, 2.4.2.7: 9 bits)
_OVERLAP = 3  # frames whose sound a frame's own is added to: one for the IMDCT, two for the filter


@dataclass(frozen=True)
class MpegStream:
    """The frames of one stream.

    Attributes:
        run: where they are.
        skip: frames of sound at the start that the encoder and the decoder add.
        frames: of sound, without those at the start and the end.
    """

    run: Run
    skip: int
    frames: int
    addressable: bool = True

    @property
    def rate(self) -> int:
        """Hz."""
        return self.run.frame.rate

    @property
    def channels(self) -> int:
        """How many."""
        return self.run.frame.channels

    def blocks(self, content: Content, start: int) -> tuple[int, Iterator[Wave]]:
        """See `Stream.blocks`."""
        samples = self.run.frame.samples
        wanted = max(0, (start + self.skip) // samples - _OVERLAP)
        return max(0, wanted * samples - self.skip), self._from(content, wanted)

    def _from(self, content: Content, first: int) -> Iterator[Wave]:
        from gensr_pref.audio.decoding import blocks

        samples = self.run.frame.samples
        file, silent = _file(content, self.run, first)
        lead = DECODER_DELAY if self.run.frame.layer == 3 else 0
        skip = max(0, self.skip - first * samples)
        return blocks(Spliced(content, file), silent * samples - lead + skip)


def mpeg_track(content: Content, start: int, end: int) -> Track | None:
    """The streams in bytes [start, end); None where no frame begins.

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
    found = runs(content, start, end)
    return Track(tuple(_stream(run, end) for run in found))


def _stream(run: Run, end: int) -> MpegStream:
    total, tag = len(run) * run.frame.samples, run.tag
    if tag is None:
        return MpegStream(run, 0, total)
    _require_all(run, end)
    if tag.delay is None or tag.padding is None:
        return MpegStream(run, 0, total)
    skip = min(total, tag.delay + DECODER_DELAY)
    behind = max(0, tag.padding - DECODER_DELAY) if tag.frames == len(run) else 0
    return MpegStream(run, skip, max(0, total - skip - min(behind, total)))


def _require_all(run: Run, end: int) -> None:
    """Refuse a stream of which the tag counts more frames.

    Some encoders count the tag itself; the number of bytes then tells that all is there.
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


def _file(content: Content, run: Run, first: int) -> tuple[tuple[bytes | Piece, ...], int]:
    """A file of the frames from `first` on, and how many silent ones it begins with.

    The data of a frame may begin in frames before it. Those are there with their data, but with
    side information that says they are silent.
    """
    before, held = first, 0
    while before > 0 and held < _RESERVOIR:
        before -= 1
        held += run.starts[before + 1] - run.starts[before] - 6 - run.frame.side
    silent = _silent(run.frame)
    muted = _muted(content, run, before, first)
    data = Piece(run.starts[first], run.starts[-1] - run.starts[first])
    count = 1 + len(muted) + len(run) - first
    size = len(silent) + sum(map(len, muted)) + data.length
    if run.frame.layer != 3:
        return (_ID3, data), 0
    return (_ID3, _counted(run.frame, silent, count, size), silent, *muted, data), 1 + len(muted)


def _muted(content: Content, run: Run, first: int, last: int) -> list[bytes]:
    """Frames [first, last) whose data are there for the next ones, and which are silent.

    Each says that its own data begin as far back as they can. libmpg123 copies from a frame to the
    next what that one asks for, and no more.
    """
    muted = []
    held = 0
    bits = 9 if run.frame.version == 3 else 8
    for number in range(first, last):
        start = run.starts[number]
        data = bytearray(content.at(start, run.starts[number + 1] - start))
        data[1] |= 1  # no checksum; its two bytes become the first of the data, which nothing uses
        back = min(held, 2**bits - 1) << (16 - bits)
        data[4 : 4 + run.frame.side] = back.to_bytes(2, "big") + bytes(run.frame.side - 2)
        held += len(data) - 4 - run.frame.side
        muted.append(bytes(data))
    return muted


def _silent(frame: Frame) -> bytes:
    """A silent frame of the stream's kind, large enough for a tag."""
    version, rate = frame.version, frame.rate
    mode = 0xC0 if frame.channels == 1 else 0
    for bits in range(1, 15):
        for index in range(3):
            word = 0xFFE10000 | version << 19 | (4 - frame.layer) << 17 | bits << 12
            word |= index << 10 | mode
            made = frame_of(word)
            if made is not None and made.rate == rate and made.size >= 4 + frame.side + 16:
                return word.to_bytes(4, "big") + bytes(made.size - 4)
    raise Unusable(Reason.UNREADABLE, "no frame of its kind can hold a tag")


def _counted(frame: Frame, silent: bytes, count: int, size: int) -> bytes:
    """A tag that counts the frames behind it, and their bytes."""
    tag = b"Xing" + struct.pack(">III", 3, count, len(silent) + size)
    at = 4 + frame.side
    return silent[:at] + tag + silent[at + len(tag) :]
