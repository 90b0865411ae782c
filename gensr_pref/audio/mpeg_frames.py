"""The frames of MPEG audio (layers I, II and III) in a file: their positions and their headers.

References: ISO/IEC 11172-3 and 13818-3; for the tags of Xing, LAME and Fraunhofer (VBRI), FFmpeg's
libavformat/mp3dec.c.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gensr_pref.audio.content import AudioBytes
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS_1 = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_KBITS_2 = {
    1: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_WINDOW = 2**20  # bytes of the file that are read together
_LONGEST = 2**13  # bytes of the longest frame
_LEAD = 2**16  # bytes within which the first frame must begin
DECODER_DELAY = 529  # samples that every layer III decoder adds to the encoder's delay


@dataclass(frozen=True)
class Frame:
    """The header of a frame, from its first four bytes.

    Attributes:
        size: bytes of the frame.
        samples: samples per channel.
        rate: Hz.
        channels: 1 or 2.
        layer: 1, 2 or 3.
        version: 3 for MPEG 1, 2 for MPEG 2, 0 for MPEG 2.5.
        checked: whether a checksum of two bytes follows.
    """

    size: int
    samples: int
    rate: int
    channels: int
    layer: int
    version: int
    checked: bool

    @property
    def kind(self) -> tuple[int, ...]:
        """Values that all frames of a stream share: rate, channels, layer, version."""
        return self.rate, self.channels, self.layer, self.version

    @property
    def side(self) -> int:
        """Number of bytes of layer III's side information."""
        sizes = (9, 17) if self.version != 3 else (17, 32)
        return sizes[self.channels - 1]


@lru_cache(maxsize=4096)
def parse_frame(word: int) -> Frame | None:
    """Parse the 32-bit header of a frame; None if it is not one (also for free format)."""
    version, layer = word >> 19 & 3, 4 - (word >> 17 & 3)
    bits, rate_index, padding = word >> 12 & 15, word >> 10 & 3, word >> 9 & 1
    if word >> 21 != 0x7FF or version == 1 or layer == 4 or bits in (0, 15) or rate_index == 3:
        return None
    rate = _RATES[version][rate_index]
    bit_rate = 1000 * (_KBITS_1 if version == 3 else _KBITS_2)[layer][bits - 1]
    samples = {1: 384, 2: 1152, 3: 1152 if version == 3 else 576}[layer]
    slot = 4 if layer == 1 else 1
    size = (samples // 8 // slot * bit_rate // rate + padding) * slot
    channels = 1 if word >> 6 & 3 == 3 else 2
    return Frame(size, samples, rate, channels, layer, version, not word >> 16 & 1)


@dataclass(frozen=True)
class Tag:
    """Facts about the stream that an encoder writes into a first frame without sound.

    Attributes:
        frames: number of frames that follow, or None.
        bytes: bytes of the stream including this frame, or None.
        delay: samples that the encoder added at the start, or None.
        padding: samples that the encoder added at the end, or None.
    """

    frames: int | None
    bytes: int | None
    delay: int | None = None
    padding: int | None = None


def parse_tag(data: bytes, frame: Frame) -> Tag | None:
    """Return the tag in the bytes of a frame; None if there is none."""
    for at in (4 + frame.side, 6 + frame.side):
        if data[at : at + 4] in (b"Xing", b"Info"):
            return _xing(data[at + 4 :])
    if data[36:40] == b"VBRI":
        return Tag(int.from_bytes(data[50:54], "big"), int.from_bytes(data[46:50], "big"))
    return None


def _xing(data: bytes) -> Tag:
    flags = int.from_bytes(data[:4], "big")
    frames = int.from_bytes(data[4:8], "big") if flags & 1 else None
    at = 4 + 4 * (flags & 1)
    size = int.from_bytes(data[at : at + 4], "big") if flags & 2 else None
    at += 4 * bool(flags & 2) + 100 * bool(flags & 4) + 4 * bool(flags & 8)
    if data[at : at + 4] not in (b"LAME", b"Lavf", b"Lavc"):
        return Tag(frames, size)
    both = int.from_bytes(data[at + 21 : at + 24], "big")
    return Tag(frames, size, both >> 12, both & 0xFFF)


@dataclass(frozen=True)
class FrameRun:
    """Consecutive frames of one kind, without gaps.

    Attributes:
        frame: the first frame.
        tag: the tag before the frames, if there is one.
        starts: offset of each frame, and the offset after the last.
    """

    frame: Frame
    tag: Tag | None
    starts: array[int]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def takes(self, frame: Frame) -> bool:
        """Return whether the next frame belongs to this run."""
        full = self.tag is not None and self.tag.frames is not None and self.tag.frames <= len(self)
        return frame.kind == self.frame.kind and not full


def frame_runs(content: AudioBytes, start: int, end: int) -> list[FrameRun]:
    """Return all frames in bytes [start, end), stream by stream.

    Raises:
        Unusable: TRUNCATED where the last frame is incomplete; UNREADABLE where a frame is
            damaged, so that a decoder would drop sound.
    """
    runs: list[FrameRun] = []
    at = first_frame(content, start, end)
    while at is not None:
        at = _scan(content, at, end, runs)
        at = _next_start(content, at, end, runs[-1].frame)
    return [run for run in runs if len(run)]


def _scan(content: AudioBytes, at: int, end: int, runs: list[FrameRun]) -> int:
    """Append the runs that begin at `at`, and return the offset of their end."""
    run: FrameRun | None = None
    data = _MainData()
    for at, frame, head in _frames(content, at, end):  # noqa: B020 - the position of the scan
        behind = at + frame.size
        tag = None
        if b"Xing" in head or b"Info" in head or b"VBRI" in head:
            tag = parse_tag(content.at(at, frame.size), frame)
        if tag is not None or run is None or not run.takes(frame):
            run = FrameRun(frame, tag, array("q", [at if tag is None else behind]))
            data = _MainData()
            runs.append(run)
        if behind > end:
            raise Unusable(
                Reason.TRUNCATED,
                f"{behind - end} of the {frame.size} bytes of its last frame are missing",
            )
        if tag is None:
            run.starts.append(behind)
            if frame.layer == 3 and not data.follows(head, frame):
                raise Unusable(Reason.UNREADABLE, f"the frame at byte {at} is damaged")
        at = behind
    return at


class _MainData:
    """Positions of the data of layer III frames: each begins at the end of the previous, or later.

    ISO/IEC 11172-3, 2.4.1.7 and 2.4.2.7; 13818-3, 2.4.1.7. Other positions are damage, which each
    decoder handles differently.
    """

    def __init__(self) -> None:
        self._size = 0  # bytes of data in the frames so far
        self._end = 0  # the bit after the data of the last frame

    def follows(self, head: bytes, frame: Frame) -> bool:
        """Return whether the data of the next frame can be where its side information states."""
        at = 6 if frame.checked else 4
        side = int.from_bytes(head[at : at + frame.side], "big")
        bits = 8 * frame.side
        long = frame.version == 3
        back = side >> (bits - 9 if long else bits - 8)
        length = 0
        used = (9 + (5, 3)[frame.channels - 1] + 4 * frame.channels) if long else 8 + frame.channels
        part = 59 if long else 63
        for _ in range(frame.channels * (2 if long else 1)):
            length += side >> (bits - used - 12) & 0xFFF
            if side >> (bits - used - 21) & 0x1FF > 288:  # pairs of the 576 values
                return False
            used += part
        start = 8 * (self._size - back)
        self._size += frame.size - at - frame.side
        fits = start >= self._end or start < 0
        self._end = start + length
        return fits and self._end <= 8 * self._size


def _frames(content: AudioBytes, at: int, end: int) -> Iterator[tuple[int, Frame, bytes]]:
    """Yield the offset, the header and the first 48 bytes of each frame, until no frame follows."""
    window, base = b"", at
    while at + 4 <= end:
        if at + 48 > base + len(window):
            window, base = content.at(at, _WINDOW), at
        head = window[at - base : at - base + 48]
        frame = parse_frame(int.from_bytes(head[:4], "big"))
        if frame is None:
            return
        yield at, frame, head
        at += frame.size


def first_frame(content: AudioBytes, start: int, end: int) -> int | None:
    """Return the offset of the first frame that another follows, within 64 KiB, or None."""
    data = content.at(start, min(end - start, _LEAD + 2 * _LONGEST))
    at = _find_pair(data, 0, None)
    if at is None:
        frame = _frame_at(data, 0)
        return start if frame is not None and frame.size == end - start else None
    return start + at if at < _LEAD else None


def _find_pair(data: bytes, at: int, kind: tuple[int, ...] | None) -> int | None:
    """Return the offset of a frame that is followed by another of its kind."""
    at = data.find(b"\xff", at)
    while at >= 0:
        frame = _frame_at(data, at)
        if frame is not None and kind in (None, frame.kind):
            following = _frame_at(data, at + frame.size)
            if following is not None and following.kind == frame.kind:
                return at
        at = data.find(b"\xff", at + 1)
    return None


def _frame_at(data: bytes, at: int) -> Frame | None:
    return parse_frame(int.from_bytes(data[at : at + 4], "big")) if at + 4 <= len(data) else None


def _next_start(content: AudioBytes, at: int, end: int, last: Frame) -> int | None:
    """Return the offset at which frames continue after tags; None where no more sound follows.

    Raises:
        Unusable: TRUNCATED where part of a frame follows; UNREADABLE where other bytes come before
            further frames.
    """
    behind = skip_tags(content, at, end)
    if behind > at:
        return first_frame(content, behind, end)
    rest = content.at(at, min(4, end - at))
    if 0 < len(rest) < 4 and rest[0] == 0xFF:
        raise Unusable(Reason.TRUNCATED, f"its last frame has only {len(rest)} bytes")
    while at < end:
        if _find_pair(content.at(at, _WINDOW), 0, last.kind) is not None:
            raise Unusable(
                Reason.UNREADABLE, f"it is damaged at byte {at}: no frame begins where one should"
            )
        at += _WINDOW - 2 * _LONGEST
    return None


def skip_tags(content: AudioBytes, at: int, end: int) -> int:
    """Return the offset after the tags (ID3, APE) that begin at a byte."""
    while at < end:
        head = content.at(at, 32)
        if head[:3] == b"ID3" and max(head[6:10], default=255) < 128 and len(head) >= 10:
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            at += 10 + size + 10 * bool(head[5] & 16)
        elif head[:3] == b"TAG":
            at += 128
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            at += 32 + int.from_bytes(head[12:16], "little") * (head[23] >> 5 & 1)
        else:
            break
    return min(at, end)
