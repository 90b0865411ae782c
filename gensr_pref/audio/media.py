"""Formats that FFmpeg reads, recognised by their first bytes, and checks of completeness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gensr_pref.audio.content import AudioBytes
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_EBML = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


@dataclass(frozen=True)
class Kind:
    """A format of a file.

    Attributes:
        name: name for messages.
        demuxer: FFmpeg's name of the format.
        end: function that returns the declared end of a file, in bytes, or None if there is none.
        timed: whether the file declares the duration of its stream; FFmpeg estimates it otherwise.
    """

    name: str
    demuxer: str
    end: Callable[[AudioBytes], int | None]
    timed: bool = False

    def require_whole(self, content: AudioBytes) -> None:
        """Refuse a file that ends before its declared end.

        Raises:
            Unusable: TRUNCATED.
        """
        end = self.end(content)
        if end is not None and end > content.size:
            raise Unusable(Reason.TRUNCATED, f"it declares {end} bytes and has {content.size}")


def media_kind(content: AudioBytes, start: int) -> Kind | None:
    """Return the format of a file; None where FFmpeg is not needed.

    Args:
        content: the file.
        start: offset of the first byte after its ID3 tags.
    """
    head = content.at(start, 16)
    if head[4:8] in _MP4_BOXES and not start:
        return Kind("MP4", "mov", _mp4_end, timed=True)
    if head[:4] == _EBML and not start:
        return Kind("Matroska or WebM", "matroska", _matroska_end)
    if head == _ASF and not start:
        return Kind("WMA", "asf", _asf_end)
    if len(head) > 3 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return Kind("AAC", "aac", lambda content: _adts_end(content, start))
    return None


def _mp4_end(content: AudioBytes) -> int:
    """Return the end of the last box (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= content.size:
        head = content.at(at, 16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size == 0:  # it extends to the end of the file
            return content.size
        if size < 8 or not head[4:8].isalnum():
            break  # other bytes follow the last box
        at += size
    return at


def _matroska_end(content: AudioBytes) -> int | None:
    """Return the end of the segment (RFC 8794)."""
    at, length = _element_size(content, 4)
    at += length or 0
    if content.at(at, 4) != _SEGMENT:
        return None
    at, length = _element_size(content, at + 4)
    return None if length is None else at + length


def _element_size(content: AudioBytes, at: int) -> tuple[int, int | None]:
    """Return the offset after a size field, and the size; None for an unknown size."""
    first = content.at(at, 1)
    width = 9 - first[0].bit_length() if first and first[0] else 1
    value = int.from_bytes(content.at(at, width), "big") & (1 << 7 * width) - 1
    return at + width, None if value == (1 << 7 * width) - 1 else value


def _asf_end(content: AudioBytes) -> int | None:
    """Return the size in the file properties; None for a broadcast."""
    head = content.at(0, 2**16)
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        return None
    broadcast = head[at + 88] & 1
    return None if broadcast else int.from_bytes(head[at + 40 : at + 48], "little")


def _adts_end(content: AudioBytes, at: int) -> int:
    """Return the end of the last frame that begins (ISO/IEC 13818-7, 6.2)."""
    window, base = b"", at
    while at + 7 <= content.size:
        if at + 7 > base + len(window):
            window, base = content.at(at, 2**20), at
        head = window[at - base : at - base + 7]
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or length < 7:
            break
        at += length
    return at
