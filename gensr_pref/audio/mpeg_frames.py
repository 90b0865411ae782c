"""The frames of MPEG audio (layers I, II and III) in a file: where they are, and what they say.

After ISO/IEC 11172-3 and 13818-3, and the tags of Xing, LAME and Fraunhofer (VBRI) as FFmpeg's
libavformat/mp3dec.c reads them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from gensr_pref.audio.content import Content
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
_WINDOW = 2**20  # bytes of the file looked at together
_LONGEST = 2**13  # bytes; no frame is longer
_LEAD = 2**16  # bytes in which the first frame must begin
DECODER_DELAY = 529  # samples that every layer III decoder adds to the encoder's delay


@dataclass(frozen=True)
class Frame:
    """What the four bytes at the start of a frame say.

    Attributes:
        size: bytes.
        samples: per channel.
        rate: Hz.
        channels: 1 or 2.
        layer: 1, 2 or 3.
        version: 3 for MPEG 1, 2 for MPEG 2, 0 for MPEG 2.5.
        checked: a checksum of two bytes follows.
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
        """What all frames of a stream have in common."""
        return self.rate, self.channels, self.layer, self.version

    @property
    def side(self) -> int:
        """Bytes of layer III's side information."""
        sizes = (9, 17) if self.version != 3 else (17, 32)
        return sizes[self.channels - 1]


@lru_cache(maxsize=4096)
def frame_of(word: int) -> Frame | None:
    """The frame that begins with a 32-bit word; None where none does (also for free format)."""
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
    """What an encoder says of the stream in a first frame that holds no sound.

    Attributes:
        frames: that follow, or None.
        bytes: of the stream with this frame, or None.
        delay, padding: samples that the encoder added before and behind, or None.
    """

    frames: int | None
    bytes: int | None
    delay: int | None = None
    padding: int | None = None


def tag_of(data: bytes, frame: Frame) -> Tag | None:
    """The tag in the bytes of a frame, if it holds one."""
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
class Run:
    """Frames of one kind that follow one another without a gap.

    Attributes:
        frame: the first one.
        tag: that stands before them.
        starts: the byte that each begins at, and the byte behind the last.
    """

    frame: Frame
    tag: Tag | None
    starts: array[int]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def takes(self, frame: Frame) -> bool:
        """Whether a frame that follows belongs to it."""
        full = self.tag is not None and self.tag.frames is not None and self.tag.frames <= len(self)
        return frame.kind == self.frame.kind and not full


def runs(content: Content, start: int, end: int) -> list[Run]:
    """All frames of bytes [start, end), stream by stream.

    Raises:
        Unusable: TRUNCATED where the last frame is not whole; UNREADABLE where a frame is
            damaged, so that a decoder would leave out sound.
    """
    found: list[Run] = []
    at = first_frame(content, start, end)
    while at is not None:
        at = _scan(content, at, end, found)
        at = _beyond(content, at, end, found[-1].frame)
    return [run for run in found if len(run)]


def _scan(content: Content, at: int, end: int, found: list[Run]) -> int:
    """Append the runs that begin at `at`; where they end."""
    run: Run | None = None
    data = _MainData()
    for at, frame, head in _frames(content, at, end):  # noqa: B020 - where the scan has come to
        behind = at + frame.size
        tag = None
        if b"Xing" in head or b"Info" in head or b"VBRI" in head:
            tag = tag_of(content.at(at, frame.size), frame)
        if tag is not None or run is None or not run.takes(frame):
            run = Run(frame, tag, array("q", [at if tag is None else behind]))
            data = _MainData()
            found.append(run)
        if behind > end:
            raise Unusable(
                Reason.TRUNCATED, f"its last frame lacks {behind - end} of {frame.size} bytes"
            )
        if tag is None:
            run.starts.append(behind)
            if frame.layer == 3 and not data.follows(head, frame):
                raise Unusable(Reason.UNREADABLE, f"the frame at byte {at} is damaged")
        at = behind
    return at


class _MainData:
    """Where the data of layer III frames lie: each begins where the one before ended, or later.

    ISO/IEC 11172-3, 2.4.1.7 and 2.4.2.7; 13818-3, 2.4.1.7. What contradicts this is damage, of
    which every decoder makes something else.
    """

    def __init__(self) -> None:
        self._held = 0  # bytes of data in the frames so far
        self._end = 0  # the bit behind the data of the last one

    def follows(self, head: bytes, frame: Frame) -> bool:
        """Whether the data of the next frame can be where its side information says."""
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
        start = 8 * (self._held - back)
        self._held += frame.size - at - frame.side
        fits = start >= self._end or start < 0
        self._end = start + length
        return fits and self._end <= 8 * self._held


def _frames(content: Content, at: int, end: int) -> Iterator[tuple[int, Frame, bytes]]:
    """Each frame's first byte, what it says, and its first 48 bytes, until no frame follows."""
    window, base = b"", at
    while at + 4 <= end:
        if at + 48 > base + len(window):
            window, base = content.at(at, _WINDOW), at
        head = window[at - base : at - base + 48]
        frame = frame_of(int.from_bytes(head[:4], "big"))
        if frame is None:
            return
        yield at, frame, head
        at += frame.size


def first_frame(content: Content, start: int, end: int) -> int | None:
    """Where the first frame that another follows begins, within 64 KiB; None where none does."""
    data = content.at(start, min(end - start, _LEAD + 2 * _LONGEST))
    at = _pair(data, 0, None)
    if at is None:
        frame = _frame_at(data, 0)
        return start if frame is not None and frame.size == end - start else None
    return start + at if at < _LEAD else None


def _pair(data: bytes, at: int, kind: tuple[int, ...] | None) -> int | None:
    """Where a frame begins that another of its kind follows."""
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
    return frame_of(int.from_bytes(data[at : at + 4], "big")) if at + 4 <= len(data) else None


def _beyond(content: Content, at: int, end: int, last: Frame) -> int | None:
    """Where frames go on behind tags; None where nothing follows that is sound.

    Raises:
        Unusable: TRUNCATED or UNREADABLE, where what follows is part of a frame or lies before
            more of them.
    """
    behind = skip_tags(content, at, end)
    if behind > at:
        return first_frame(content, behind, end)
    rest = content.at(at, min(4, end - at))
    if 0 < len(rest) < 4 and rest[0] == 0xFF:
        raise Unusable(Reason.TRUNCATED, f"its last frame has {len(rest)} bytes")
    while at < end:
        if _pair(content.at(at, _WINDOW), 0, last.kind) is not None:
            raise Unusable(
                Reason.UNREADABLE, f"it is damaged at byte {at}: no frame begins where one should"
            )
        at += _WINDOW - 2 * _LONGEST
    return None


def skip_tags(content: Content, at: int, end: int) -> int:
    """The byte behind the tags (ID3, APE) that begin at a byte."""
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
