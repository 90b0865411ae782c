"""Native FLAC: the number of samples, from the last frame and not from the header alone.

Reference: RFC 9639.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from gensr_pref.audio.content import AudioBytes, ByteRange, Spliced
from gensr_pref.audio.sound import Wave
from gensr_pref.audio.track import Track
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

# Start of a file; its first block is STREAMINFO.
_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_INFO = 42  # bytes up to the end of STREAMINFO
_TAIL = 2**18  # bytes that are searched for the last frame


@dataclass(frozen=True)
class FlacStream:
    """A FLAC file, or one of several concatenated ones.

    Attributes:
        piece: its byte range.
        head: STREAMINFO, with the true number of samples if the file's own is wrong.
    """

    piece: ByteRange
    head: bytes
    rate: int
    channels: int
    frames: int
    addressable: bool = True

    def blocks(self, content: AudioBytes, start: int) -> tuple[int, Iterator[Wave]]:
        """Decode from a frame on; see `Stream.blocks`."""
        from gensr_pref.audio.decoding import decode_blocks

        return start, decode_blocks(self.file(content), seek=start)

    def file(self, content: AudioBytes) -> Spliced:
        """Return the virtual file to decode."""
        rest = ByteRange(self.piece.start + _INFO, self.piece.length - _INFO)
        return Spliced(content, (self.head, rest))


def flac_track(content: AudioBytes, start: int) -> Track:
    """Return the track of the FLAC files from a byte on.

    Raises:
        Unusable: TRUNCATED, UNREADABLE or EMPTY.
    """
    starts = [start, *_later_starts(content, start + _INFO), content.size]
    pieces = [ByteRange(at, end - at) for at, end in pairwise(starts)]
    return Track(tuple(_stream(content, piece) for piece in pieces))


def _later_starts(content: AudioBytes, at: int) -> Iterator[int]:
    """Yield the offsets at which further FLAC files begin."""
    while at < content.size:
        data = content.at(at, 2**20)
        for match in _START.finditer(data):
            if match.start() < 2**20 - 8:
                yield at + match.start()
        at += 2**20 - 8


def _stream(content: AudioBytes, piece: ByteRange) -> FlacStream:
    head = content.at(piece.start, _INFO)
    if len(head) < _INFO:
        raise Unusable(Reason.TRUNCATED, "it ends in its header")
    packed = int.from_bytes(head[18:26], "big")
    rate, channels, declared = packed >> 44, (packed >> 41 & 7) + 1, packed & (2**36 - 1)
    stream = FlacStream(piece, head, rate, channels, declared)
    ends = list(_ends(content, piece, head))
    total = next((end for end, whole in ends if whole), None)
    if total is None:
        _require_all(content, stream, max((end for end, _ in ends), default=0))
        return stream
    if total < declared:
        raise Unusable(Reason.TRUNCATED, f"it declares {declared} frames and contains {total}")
    return stream if total == declared else _with_total(stream, total)


def _require_all(content: AudioBytes, stream: FlacStream, end: int) -> None:
    """Refuse a file with other bytes after its last frame, or whose last frame is incomplete.

    Raises:
        Unusable: TRUNCATED where fewer frames can be decoded than declared; UNREADABLE where more
            frames follow.
    """
    decoded = 0
    try:
        for block in stream.blocks(content, 0)[1]:
            decoded += len(block)
    except Unusable as error:
        raise Unusable(
            Reason.TRUNCATED, f"some of its {stream.frames} declared frames are missing or damaged"
        ) from error
    if decoded < stream.frames:
        raise Unusable(
            Reason.TRUNCATED, f"it declares {stream.frames} frames and contains {decoded}"
        )
    if end > stream.frames or not stream.frames:
        raise Unusable(Reason.UNREADABLE, f"it declares {stream.frames} frames and contains more")


def _with_total(stream: FlacStream, frames: int) -> FlacStream:
    packed = int.from_bytes(stream.head[18:26], "big") & ~(2**36 - 1) | frames
    head = stream.head[:18] + packed.to_bytes(8, "big") + stream.head[26:]
    return FlacStream(stream.piece, head, stream.rate, stream.channels, frames)


def _ends(content: AudioBytes, piece: ByteRange, head: bytes) -> Iterator[tuple[int, bool]]:
    """Yield the end of each frame near the end, last first, and whether the frame ends the file.

    The end is the number of the sample after the frame. A frame ends the file if its checksum is
    right over all bytes up to the end.
    """
    most = int.from_bytes(head[15:18], "big") or _TAIL  # the longest frame, if it is known
    length = min(piece.length - _INFO, most + 2**10)
    data = content.at(piece.start + piece.length - length, length)
    fixed = int.from_bytes(head[10:12], "big")
    behind = at = _without_tag(data)
    while (at := data.rfind(b"\xff", 0, at)) >= 0:
        if data[at + 1 : at + 2] in (b"\xf8", b"\xf9"):
            end = _frame_end(data, at, fixed)
            if end is not None:
                whole = _crc16(data[at:behind]) == 0
                yield end, whole
                if whole:
                    return


def _without_tag(data: bytes) -> int:
    """Return the end of the data before an ID3v1 tag."""
    return len(data) - 128 if data[-128:-125] == b"TAG" else len(data)


def _frame_end(data: bytes, at: int, fixed: int) -> int | None:
    """Return the number of the sample after a frame; None where no frame header begins."""
    head = data[at : at + 16]
    if len(head) < 6:
        return None
    number, behind = _number(head)
    code = head[2] >> 4
    extra = {6: 1, 7: 2}.get(code, 0)
    rates = {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    check = behind + extra + rates
    if number is None or len(head) <= check or _crc8(head[:check]) != head[check]:
        return None
    if extra:
        size = int.from_bytes(head[behind : behind + extra], "big") + 1
    else:
        size = 192 if code == 1 else 576 << (code - 2) if code < 6 else 256 << (code - 8)
    first = number if head[1] & 1 else number * fixed
    return first + size if code else None


def _number(head: bytes) -> tuple[int | None, int]:
    """Return the frame or sample number, which is coded as in UTF-8, and the offset after it."""
    lead = head[4]
    ones = 8 - (lead ^ 0xFF).bit_length()
    if ones in (1, 8):
        return None, 0
    number = lead & (0x7F >> ones)
    for byte in head[5 : 4 + ones]:
        number = number << 6 | byte & 0x3F
    return number, 4 + max(1, ones)


def _crc8(data: bytes) -> int:
    """Return the CRC-8 with polynomial x^8 + x^2 + x + 1."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x107 if crc & 0x80 else 0)) & 0xFF
    return crc


def _crc16(data: bytes) -> int:
    """Return the CRC-16 with polynomial x^16 + x^15 + x^2 + 1; 0 for a frame with its checksum."""
    table, crc = _crc16_table(), 0
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ table[crc >> 8 ^ byte]
    return crc


@cache
def _crc16_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = crc << 1 ^ (0x18005 if crc & 0x8000 else 0)
        table.append(crc)
    return tuple(table)
