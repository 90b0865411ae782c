"""Position and declared length of the sound in a file, for formats that state them.

libsndfile reads the bytes that exist, and does not report when they are fewer than declared.
References: the specifications of the formats, and the source of libsndfile 1.2.2.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from gensr_pref.audio.blocks import Blocks, au_blocks, wav_blocks
from gensr_pref.audio.content import AudioBytes
from gensr_pref.audio.mpeg_frames import skip_tags
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_SLACK = 512  # arbitrary bytes allowed after the sound: 20 ms of 16 bits at 12.8 kHz
# Formats with further parts.
_MANY_PARTS = re.compile(rb"MATLAB|Extended|Creative|\x00{4}\x01|\x00\x00\x03\xe8")
_MOST_CHUNKS = 1000  # read in one file; zeros would be endless chunks


@dataclass(frozen=True)
class Data:
    """The position of the sound in a file.

    Attributes:
        start: offset of the first byte.
        length: number of bytes that the file declares; None where the writer did not know it.
        codec: format tag of a WAV file.
        closing: bytes that must follow the sound, so that the last block is complete.
        correction: where the declared length is unknown or too short: the offset of its field, and
            the bytes of the true length.
        most: number of frames, where libsndfile counts more.
    """

    start: int
    length: int | None
    codec: int | None = None
    closing: bytes = b""
    correction: tuple[int, bytes] | None = None
    most: int | None = None


def find_data(content: AudioBytes) -> Data | None:
    """Return the position of the sound; None for a format that does not state it.

    Raises:
        Unusable: UNREADABLE where a second recording follows, which would be ignored.
    """
    head = content.at(0, 64)
    data = next((find(content) for magic, find in _FORMATS if magic.match(head)), None)
    if data is not None and data.length is not None:
        _refuse_extra_sound(content, head, data.start + data.length)
    return data


def require_whole(content: AudioBytes, data: Data | None) -> None:
    """Refuse a file that ends before its declared sound does.

    Raises:
        Unusable: TRUNCATED.
    """
    if data is None or data.length is None:
        return
    missing = data.start + data.length - content.size
    if missing > 0:
        raise Unusable(
            Reason.TRUNCATED, f"{missing} of the {data.length} declared bytes are missing"
        )


def _refuse_extra_sound(content: AudioBytes, head: bytes, end: int) -> None:
    """Refuse a file with more sound after its declared sound."""
    behind = content.at(end, 16)
    if any(behind[skip : skip + 4] == head[:4] for skip in (0, 1)) and len(behind) > 8:
        raise Unusable(Reason.UNREADABLE, f"another recording begins at byte {end}; split the file")
    if not (_MANY_PARTS.match(head) or _is_harmless(content, head, end)):
        raise Unusable(
            Reason.UNREADABLE,
            f"{content.size - end} bytes follow the sound; its declared length may be wrong",
        )


def _is_harmless(content: AudioBytes, head: bytes, end: int) -> bool:
    """Return whether the bytes after the sound are few, zeros, tags, chunks or outside the form."""
    behind = content.at(end, 2**16)
    if len(behind) <= _SLACK or not behind.strip(b"\0"):
        return True
    if skip_tags(content, end, content.size) > end:
        return True
    if head[:4] == b"riff":
        return int.from_bytes(head[16:24], "little") <= -(-end // 8) * 8
    order: Literal["big", "little"] = "little" if head[:4] in (b"RIFF", b"RF64") else "big"
    if head[:4] in (b"RIFF", b"RIFX", b"FORM") and int.from_bytes(head[4:8], order) + 8 <= end + 1:
        return True
    name = content.at(end + (end % 2 if head[:4] != b"caff" else 0), 4)
    return head[:4] in (b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff") and name.strip().isalnum()


def _data_at(
    content: AudioBytes,
    start: int,
    length: int,
    field: int,
    form: str,
    beside: int = 0,
    blocks: Blocks | None = None,
) -> Data:
    """Return the sound from a byte on, up to the end of the file if its length is unknown.

    Programs that write into a pipe do not know the length. They write 0 (FFmpeg), all ones
    (FFmpeg), about 2 GiB (SoX, arecord), or a 64-bit number that no file can have.

    Args:
        content: the file.
        start: offset of the first byte of sound.
        length: value of the length field, which also counts `beside` bytes that are no sound.
        field: offset of the length field.
        form: format of the length field, as in `struct`.
        beside: bytes without sound that the field counts.
        blocks: block layout of the codec.
    """
    wide = form[-1] in "qQ"
    unknown = length >= 2**62 if wide else length >= 2**32 - 2**12
    known = not (unknown or length <= beside or (not wide and abs(length - 2**31) <= 2**12))
    true = length - beside if known else max(0, content.size - start)
    closing = bytes(blocks.missing_bytes(true)) if blocks else b""
    correction = None
    if (closing or not known) and (wide or true + len(closing) + beside < 2**32):
        correction = field, struct.pack(form, true + len(closing) + beside)
    most = blocks.frames_in(true) if blocks else None
    return Data(start, true if known else None, None, closing, correction, most)


def _chunks(
    content: AudioBytes, at: int, order: str, size: str = "I", even: int = 2
) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, first byte and length of each chunk of an IFF-like file."""
    head = struct.Struct(f"{order}4s{size}")
    for _ in range(_MOST_CHUNKS):
        raw = content.at(at, head.size)
        if len(raw) < head.size:
            return
        name, length = head.unpack(raw)
        yield name, at + head.size, length
        at += head.size + -(-length // even) * even


def _riff(content: AudioBytes) -> Data | None:
    order = ">" if content.at(0, 4) == b"RIFX" else "<"
    codec = wide = blocks = None
    data: Data | None = None
    for name, start, length in _chunks(content, 12, order):
        if (name == b"data" and data is not None) or name == content.at(0, 4):
            raise Unusable(
                Reason.UNREADABLE, f"a second recording begins at byte {start}; split the file"
            )
        if name == b"fmt ":
            codec = struct.unpack(f"{order}H", content.at(start, 2).ljust(2, b"\0"))[0]
            blocks = wav_blocks(content.at(start, 16), order)
        elif name == b"ds64":
            wide = start + 8
        elif name == b"data" and wide is not None and length == 0xFFFFFFFF:
            length = struct.unpack("<Q", content.at(wide, 8))[0]
            data = replace(_data_at(content, start, length, wide, "<Q", 0, blocks), codec=codec)
        elif name == b"data" and (length or not _ends_in_chunks(content, start, order)):
            data = _data_at(content, start, length, start - 4, f"{order}I", 0, blocks)
            data = replace(data, codec=codec)
        if data is not None and data.length is None:
            break
    return data


def _ends_in_chunks(content: AudioBytes, at: int, order: str) -> bool:
    """Return whether only whole chunks follow, so that an empty chunk before them has no sound."""
    for name, start, length in _chunks(content, at, order):
        if not name.strip().isalnum():
            return False
        at = start + length + length % 2
    return at >= content.size


def _form(content: AudioBytes) -> Data | None:
    described = False
    for name, start, length in _chunks(content, 12, ">"):
        described |= name == b"COMM"
        if name == b"SSND" and described:
            beside = 8 + int.from_bytes(content.at(start, 4), "big")
            return _data_at(content, start + beside, length, start - 4, ">I", beside)
        if name == b"BODY":
            return _data_at(content, start, length, start - 4, ">I")
    return None


def _au(content: AudioBytes) -> Data:
    order = ">" if content.at(0, 4) == b".snd" else "<"
    start, length, encoding = struct.unpack(f"{order}III", content.at(4, 12).ljust(12, b"\0"))
    return _data_at(content, start, length, 8, f"{order}I", 0, au_blocks(encoding))


def _caf(content: AudioBytes) -> Data | None:
    for name, start, length in _chunks(content, 8, ">", "q", 1):
        if name == b"data":
            length = 2**62 if length == -1 else length
            return _data_at(content, start + 4, length, start - 8, ">q", 4)
        if length < 0:
            break
    return None


def _w64(content: AudioBytes) -> Data | None:
    at, blocks = 40, None
    while len(head := content.at(at, 24)) == 24:
        length = int.from_bytes(head[16:], "little")
        if head[:4] == b"fmt ":
            blocks = wav_blocks(content.at(at + 24, 16))
        elif head[:4] == b"data":
            return _data_at(content, at + 24, length, at + 16, "<Q", 24, blocks)
        if length < 24:
            break
        at += -(-length // 8) * 8
    return None


def _avr(content: AudioBytes) -> Data | None:
    head = content.at(0, 128)
    if len(head) < 128:
        return None
    stereo, bits = struct.unpack(">hh", head[12:16])
    frames = int.from_bytes(head[26:30], "big")
    return Data(128, frames * (2 if stereo else 1) * bits // 8)


def _nist(content: AudioBytes) -> Data | None:
    head = content.at(0, 1024)
    size = int(head[8:16]) if head[8:16].strip().isdigit() else 1024
    text = content.at(0, min(size, 65536)).decode("latin-1")
    values = dict(re.findall(r"^(\w+) -[is]\d* (\d+)", text, re.MULTILINE))
    if not {"sample_count", "sample_n_bytes"} <= values.keys():
        return None
    channels = int(values.get("channel_count", 1))
    return Data(size, int(values["sample_count"]) * channels * int(values["sample_n_bytes"]))


def _mat4(content: AudioBytes) -> Data | None:
    at, order = 0, "<" if content.at(0, 4) == bytes(4) else ">"
    for _ in range(2):
        head = content.at(at, 20)
        if len(head) < 20:
            return None
        kind, rows, columns, _imaginary, name = struct.unpack(f"{order}5I", head)
        size = {0: 8, 10: 4, 20: 4, 30: 2, 40: 2, 50: 1}.get(kind % 1000)
        if size is None:
            return None
        data = Data(at + 20 + name, rows * columns * size)
        at = data.start + (data.length or 0)
    return data


def _mat5(content: AudioBytes) -> Data | None:
    """Return the last part (flags, dimensions, name, values) of the second matrix."""
    order = "<" if content.at(126, 2) == b"IM" else ">"
    rate = _element(content, 128, order)
    at = -(-(rate.start + (rate.length or 0)) // 8) * 8 + 8
    for _ in range(3):
        part = _element(content, at, order)
        at = -(-(part.start + (part.length or 0)) // 8) * 8
    return _element(content, at, order)


def _element(content: AudioBytes, at: int, order: str) -> Data:
    """Return an element of a MATLAB 5 file; a short element stores its data next to its length."""
    kind, length = struct.unpack(f"{order}II", content.at(at, 8).ljust(8, b"\0"))
    return Data(at + 4, kind >> 16) if kind >> 16 else Data(at + 8, length)


def _sds(content: AudioBytes) -> Data:
    """Return the sound of a MIDI sample dump: packets of 127 bytes with 120 bytes of samples.

    A sample has 2, 3 or 4 bytes.
    """
    head = content.at(0, 21).ljust(21, b"\0")
    samples = head[10] | head[11] << 7 | head[12] << 14
    each = 120 // max(2, -(-head[6] // 7))
    return Data(21, -(-samples // each) * 127)


def _voc(content: AudioBytes) -> Data | None:
    """Return the single block of sound; libsndfile would read only the first of several."""
    at = int.from_bytes(content.at(20, 2), "little")
    data: Data | None = None
    for _ in range(_MOST_CHUNKS):
        head = content.at(at, 4)
        if len(head) < 4 or not head[0]:
            break
        length = int.from_bytes(head[1:], "little")
        if head[0] in (1, 2, 9):
            if data is not None:
                raise Unusable(Reason.UNREADABLE, "it contains several blocks of sound; convert it")
            before = {1: 2, 9: 12}.get(head[0], 0)
            data = Data(at + 4 + before, max(0, length - before), closing=b"\0")
        at += 4 + length
    return data


def _wve(content: AudioBytes) -> Data:
    return Data(32, int.from_bytes(content.at(18, 4), "big"))


def _mpc2k(content: AudioBytes) -> Data:
    stereo = content.at(21, 1) == b"\1"
    frames = int.from_bytes(content.at(30, 4), "little")
    return Data(42, frames * (4 if stereo else 2))


def _xi(content: AudioBytes) -> Data:
    """Return the sound of an instrument; libsndfile writes no length."""
    return Data(338, int.from_bytes(content.at(298, 4), "little") or None)


def _htk(content: AudioBytes) -> Data:
    return Data(12, 2 * int.from_bytes(content.at(0, 4), "big"))


Find = Callable[[AudioBytes], Data | None]
_FORMATS: tuple[tuple[re.Pattern[bytes], Find], ...] = tuple(
    (re.compile(magic, re.DOTALL), find)
    for magic, find in (
        (rb"(RIFF|RIFX|RF64)....WAVE", _riff),
        (rb"FORM....(AIFF|AIFC|8SVX|16SV)", _form),
        (rb"(\.snd|dns\.)", _au),
        (rb"caff", _caf),
        (rb"riff.{20}wave", _w64),
        (rb"2BIT", _avr),
        (rb"\xf0\x7e.\x01", _sds),
        (rb"NIST_1A\n", _nist),
        (rb"\x00{4}\x01\x00{3}\x01\x00{3}.{8}samplerate", _mat4),
        (rb"\x00\x00\x03\xe8\x00{3}\x01\x00{3}\x01.{8}samplerate", _mat4),
        (rb"MATLAB 5\.0 MAT-file", _mat5),
        (rb"Creative Voice File\x1a", _voc),
        (rb"ALawSoundFile\*\*\0", _wve),
        (rb"\x01\x04[ -~\x00]{17}", _mpc2k),
        (rb"Extended Instrument: ", _xi),
        (rb".{8}\x00\x02\x00\x00", _htk),
    )
)
