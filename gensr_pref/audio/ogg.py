"""Ogg (Vorbis, Opus, FLAC, Speex): the logical streams of a file, checked and decoded one by one.

Reference: RFC 3533. libsndfile reads only the first stream of a chain, and skips damaged pages. So
every page's checksum and number are checked here, and each stream is decoded as a file of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from gensr_pref.audio.content import AudioBytes, ByteRange, Spliced
from gensr_pref.audio.ffmpeg import ffmpeg_track
from gensr_pref.audio.media import Kind
from gensr_pref.audio.sound import Wave
from gensr_pref.audio.track import TOLERANCE_S, Track
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_HEAD = 27  # bytes before the table of segments
_LARGEST = _HEAD + 255 + 255 * 255  # bytes of the largest page
_CODECS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_BY_FFMPEG = {b"\x7fFLAC": "FLAC in Ogg", b"Speex   ": "Speex"}  # libsndfile 1.2.2 reads neither
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_VORBIS_LEAD = 2 * 8192  # frames of two of the longest blocks, which overlap in a frame
_FIRST, _LAST = 2, 4  # flags of a page


@dataclass(frozen=True)
class _Page:
    start: int
    size: int
    flags: int
    serial: int
    number: int
    granule: int
    packet: bytes  # the first 64 bytes of its data
    durations: int  # of the Opus packets that begin in it, in samples at 48 kHz


@dataclass
class _LogicalStream:
    """The pages of a logical stream."""

    pages: list[_Page] = field(default_factory=list)

    @property
    def codec(self) -> bytes | None:
        """Beginning of the first packet; None where the stream is not sound."""
        packet = self.pages[0].packet
        return next((codec for codec in _CODECS if packet.startswith(codec)), None)


@dataclass(frozen=True)
class OggStream:
    """A logical stream: the byte ranges of its pages, and its properties by libsndfile."""

    pieces: tuple[ByteRange, ...]
    rate: int
    channels: int
    frames: int
    addressable: bool

    def blocks(self, content: AudioBytes, start: int) -> tuple[int, Iterator[Wave]]:
        """Decode from a frame on, Opus from its first; see `Stream.blocks`."""
        from gensr_pref.audio.decoding import decode_blocks

        first = max(0, start - _VORBIS_LEAD) if self.addressable else 0
        return first, decode_blocks(Spliced(content, self.pieces), seek=first)


def ogg_track(content: AudioBytes, start: int) -> Track:
    """Return the track of the streams of sound from a byte on.

    Raises:
        Unusable: TRUNCATED, UNREADABLE or EMPTY.
    """
    links = list(_links(content, start))
    other = next((link.codec for link in links if link.codec in _BY_FFMPEG), None)
    if other is None:
        return Track(tuple(_stream(content, link) for link in links))
    if len(links) > 1:
        raise Unusable(Reason.UNREADABLE, f"it contains {len(links)} streams; split the file")
    return ffmpeg_track(content, Kind(_BY_FFMPEG[other], "ogg", lambda _: None))


def _links(content: AudioBytes, start: int) -> Iterator[_LogicalStream]:
    """Yield the stream of sound in each link of the chain."""
    link: dict[int, _LogicalStream] = {}
    begun = False  # whether a later page than the first of a stream was read
    for page in _pages(content, start):
        if page.flags & _FIRST and begun:
            yield _sound_stream(link)
            link, begun = {}, False
        if page.flags & _FIRST and page.serial not in link:
            link[page.serial] = _LogicalStream([page])
        elif page.serial in link:
            begun = True
            link[page.serial].pages.append(page)
        else:
            raise Unusable(
                Reason.UNREADABLE, f"the page at byte {page.start} belongs to no earlier stream"
            )
    yield _sound_stream(link)


def _sound_stream(link: dict[int, _LogicalStream]) -> _LogicalStream:
    streams = [logical for logical in link.values() if logical.codec is not None]
    if len(streams) != 1:
        what = f"{len(streams)} simultaneous streams of sound" if streams else "no sound"
        raise Unusable(Reason.UNREADABLE, f"the Ogg file contains {what}")
    pages = streams[0].pages
    for before, page in pairwise(pages):
        if page.number != (before.number + 1) % 2**32:
            raise Unusable(
                Reason.UNREADABLE,
                f"pages are missing at byte {page.start}: number {page.number} follows "
                f"{before.number}",
            )
    ends = [page.granule for page in pages if page.granule >= 0]
    if any(later < before for before, later in pairwise(ends)):
        raise Unusable(Reason.UNREADABLE, "the times of its pages decrease")
    if not pages[-1].flags & _LAST:
        raise Unusable(Reason.TRUNCATED, "the last page of the stream is missing")
    return streams[0]


def _stream(content: AudioBytes, logical: _LogicalStream) -> OggStream:
    from gensr_pref.audio.decoding import open_audio

    if logical.codec == b"OpusHead" and _begins_late(logical.pages):
        raise Unusable(
            Reason.UNREADABLE, "it is an excerpt of a longer Opus stream; encode it again"
        )
    pieces = _merge_ranges([ByteRange(page.start, page.size) for page in logical.pages])
    with open_audio(Spliced(content, pieces)) as file:
        stream = OggStream(
            pieces,
            file.samplerate,
            file.channels,
            file.frames,
            addressable=logical.codec == b"\x01vorbis",
        )
    most = _most_frames(logical, stream)
    if most is not None and stream.frames > most + TOLERANCE_S * stream.rate:
        raise Unusable(
            Reason.TRUNCATED,
            f"it declares {stream.frames} frames; its packets contain at most {most}",
        )
    return stream


def _begins_late(pages: list[_Page]) -> bool:
    """Return whether the start is missing; libsndfile then keeps samples that must be skipped."""
    return len(pages) > 2 and pages[2].granule > pages[2].durations


def _most_frames(logical: _LogicalStream, stream: OggStream) -> int | None:
    """Return the most frames that the packets can contain; None where this is unknown."""
    first = logical.pages[0].packet
    if logical.codec == b"OpusHead":
        return sum(page.durations for page in logical.pages[2:]) * stream.rate // 48_000
    if logical.codec == b"\x01vorbis" and len(first) > 28:
        size = sum(page.size for page in logical.pages)
        # Each packet has at least one byte and gives at most one block.
        return size * (1 << (first[28] >> 4))
    return None


def _merge_ranges(pieces: list[ByteRange]) -> tuple[ByteRange, ...]:
    """Merge adjacent byte ranges."""
    joined: list[ByteRange] = []
    for piece in pieces:
        if joined and joined[-1].start + joined[-1].length == piece.start:
            piece = ByteRange(joined[-1].start, joined.pop().length + piece.length)
        joined.append(piece)
    return tuple(joined)


def _pages(content: AudioBytes, at: int) -> Iterator[_Page]:
    while at < content.size:
        data = content.at(at, _LARGEST)
        if data[:4] != b"OggS":
            _require_end(content, at)
            return
        page = _page(data, at)
        yield page
        at += page.size


def _page(data: bytes, start: int) -> _Page:
    segments = data[_HEAD : _HEAD + data[26]] if len(data) > _HEAD else b""
    body = _HEAD + len(segments)
    size = body + sum(segments)
    if len(data) <= _HEAD or len(segments) < data[26] or len(data) < size:
        raise Unusable(Reason.TRUNCATED, f"its last page, at byte {start}, is incomplete")
    checksum = int.from_bytes(data[22:26], "little")
    if _checksum(data[:22] + bytes(4) + data[26:size]) != checksum:
        raise Unusable(Reason.UNREADABLE, f"the page at byte {start} is damaged: wrong checksum")
    serial, number = (int.from_bytes(data[at : at + 4], "little") for at in (14, 18))
    granule = int.from_bytes(data[6:14], "little", signed=True)
    packet = data[body : min(size, body + 64)]
    durations = _opus_samples(data, segments, bool(data[5] & 1))
    return _Page(start, size, data[5], serial, number, granule, packet, durations)


def _checksum(data: bytes) -> int:
    """Return the CRC-32 with polynomial 0x04C11DB7, from zlib's, whose bit order is reversed."""
    mirrored = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def _opus_samples(data: bytes, segments: bytes, continued: bool) -> int:
    """Return the samples at 48 kHz of the Opus packets that begin in a page (RFC 6716, 3.1)."""
    at, total, begins = _HEAD + len(segments), 0, not continued
    for length in segments:
        if begins and length:
            total += _opus_packet(data[at : at + 2])
        begins = length < 255
        at += length
    return total


def _opus_packet(head: bytes) -> int:
    config, code = head[0] >> 3, head[0] & 3
    if config < 12:
        size = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        size = (480, 960)[config & 1]
    else:
        size = (120, 240, 480, 960)[config & 3]
    count = (1, 2, 2)[code] if code < 3 else (head[1] & 63 if len(head) > 1 else 0)
    return size * count


def _require_end(content: AudioBytes, at: int) -> None:
    """Refuse other bytes between pages."""
    while at < content.size:
        place = content.at(at, 2**20).find(b"OggS")
        if place >= 0:
            raise Unusable(
                Reason.UNREADABLE,
                f"it is damaged before byte {at + place}, where the next page begins",
            )
        at += 2**20 - 3
