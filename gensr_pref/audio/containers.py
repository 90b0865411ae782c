"""How many bytes of sound a file declares, and where they begin, for formats that say so.

libsndfile reads as much as there is, and does not tell when that is less. Sources: the formats'
specifications, and libsndfile 1.2.2, whose files these are.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from gensr_pref.audio.blocks import Blocks, blocks_of_au, blocks_of_wav
from gensr_pref.audio.content import Content
from gensr_pref.audio.mpeg_frames import skip_tags
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_SLACK = 512  # bytes behind the sound that may be anything: 20 ms of 16 bits at 12.8 kHz
_MANY_PARTS = re.compile(rb"MATLAB|Extended|Creative|\x00{4}\x01|\x00\x00\x03\xe8")  # with others
_MOST_CHUNKS = 1000  # looked at in one file; zeros would be chunks without end


@dataclass(frozen=True)
class Data:
    """The sound in a file.

    Attributes:
        start: its first byte.
        length: how many bytes the file says there are; None where it does not know.
        codec: of a WAV, its format tag.
        closing: bytes that must stand behind the sound.
        told: where the file does not know its length, or has to be longer, the place of the field
            that says so, and the true length in its stead.
        most: frames that the bytes hold, where libsndfile is wrong about that.
    """

    start: int
    length: int | None
    codec: int | None = None
    closing: bytes = b""
    told: tuple[int, bytes] | None = None
    most: int | None = None


def data_of(content: Content) -> Data | None:
    """Where the sound lies; None for a format that does not say.

    Raises:
        Unusable: UNREADABLE where a second recording follows, which nothing would read.
    """
    head = content.at(0, 64)
    data = next((find(content) for magic, find in _FORMATS if magic.match(head)), None)
    if data is not None and data.length is not None:
        _refuse_more(content, head, data.start + data.length)
    return data


def require_whole(content: Content, data: Data | None) -> None:
    """Refuse a file that ends before its sound does.

    Raises:
        Unusable: TRUNCATED.
    """
    if data is None or data.length is None:
        return
    missing = data.start + data.length - content.size
    if missing > 0:
        raise Unusable(
            Reason.TRUNCATED, f"{missing} of the {data.length} bytes that it declares are missing"
        )


def _refuse_more(content: Content, head: bytes, end: int) -> None:
    """Refuse a file with more sound behind the sound that it declares."""
    behind = content.at(end, 16)
    if any(behind[skip : skip + 4] == head[:4] for skip in (0, 1)) and len(behind) > 8:
        raise Unusable(
            Reason.UNREADABLE, f"another recording begins at byte {end}; make a file of each"
        )
    if not (_MANY_PARTS.match(head) or _is_other(content, head, end)):
        raise Unusable(
            Reason.UNREADABLE,
            f"{content.size - end} bytes follow the sound that it declares: is that too short?",
        )


def _is_other(content: Content, head: bytes, end: int) -> bool:
    """Whether what follows the sound is little, nothing, a tag, chunks, or outside of the form."""
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


def _sized(
    content: Content,
    start: int,
    length: int,
    field: int,
    form: str,
    beside: int = 0,
    blocks: Blocks | None = None,
) -> Data:
    """The sound from a byte on, if its length is known, and to the end of the file if it is not.

    Writers into a pipe, who do not know it, write 0 (FFmpeg), all ones (FFmpeg), about 2 GiB (SoX,
    arecord), or in 64 bits something that no file has.

    Args:
        length: as the field says it, which counts so many bytes `beside` the sound too.
        field, form: where that stands, and how.
        blocks: in which the codec packs the sound.
    """
    wide = form[-1] in "qQ"
    unknown = length >= 2**62 if wide else length >= 2**32 - 2**12
    known = not (unknown or length <= beside or (not wide and abs(length - 2**31) <= 2**12))
    true = length - beside if known else max(0, content.size - start)
    closing = bytes(blocks.lacking(true)) if blocks else b""
    told = None
    if (closing or not known) and (wide or true + len(closing) + beside < 2**32):
        told = field, struct.pack(form, true + len(closing) + beside)
    most = blocks.frames_in(true) if blocks else None
    return Data(start, true if known else None, None, closing, told, most)


def _chunks(
    content: Content, at: int, order: str, size: str = "I", even: int = 2
) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of an IFF-like file: name, first byte and length of each."""
    head = struct.Struct(f"{order}4s{size}")
    for _ in range(_MOST_CHUNKS):
        raw = content.at(at, head.size)
        if len(raw) < head.size:
            return
        name, length = head.unpack(raw)
        yield name, at + head.size, length
        at += head.size + -(-length // even) * even


def _riff(content: Content) -> Data | None:
    order = ">" if content.at(0, 4) == b"RIFX" else "<"
    codec = wide = blocks = None
    data: Data | None = None
    for name, start, length in _chunks(content, 12, order):
        if (name == b"data" and data is not None) or name == content.at(0, 4):
            raise Unusable(
                Reason.UNREADABLE, f"a second recording begins at byte {start}; make a file of each"
            )
        if name == b"fmt ":
            codec = struct.unpack(f"{order}H", content.at(start, 2).ljust(2, b"\0"))[0]
            blocks = blocks_of_wav(content.at(start, 16), order)
        elif name == b"ds64":
            wide = start + 8
        elif name == b"data" and wide is not None and length == 0xFFFFFFFF:
            length = struct.unpack("<Q", content.at(wide, 8))[0]
            data = replace(_sized(content, start, length, wide, "<Q", 0, blocks), codec=codec)
        elif name == b"data" and (length or not _ends_in_chunks(content, start, order)):
            data = _sized(content, start, length, start - 4, f"{order}I", 0, blocks)
            data = replace(data, codec=codec)
        if data is not None and data.length is None:
            break
    return data


def _ends_in_chunks(content: Content, at: int, order: str) -> bool:
    """Whether nothing but whole chunks follows, so that an empty one before them is empty."""
    for name, start, length in _chunks(content, at, order):
        if not name.strip().isalnum():
            return False
        at = start + length + length % 2
    return at >= content.size


def _form(content: Content) -> Data | None:
    described = False
    for name, start, length in _chunks(content, 12, ">"):
        described |= name == b"COMM"
        if name == b"SSND" and described:
            beside = 8 + int.from_bytes(content.at(start, 4), "big")
            return _sized(content, start + beside, length, start - 4, ">I", beside)
        if name == b"BODY":
            return _sized(content, start, length, start - 4, ">I")
    return None


def _au(content: Content) -> Data:
    order = ">" if content.at(0, 4) == b".snd" else "<"
    start, length, encoding = struct.unpack(f"{order}III", content.at(4, 12).ljust(12, b"\0"))
    return _sized(content, start, length, 8, f"{order}I", 0, blocks_of_au(encoding))


def _caf(content: Content) -> Data | None:
    for name, start, length in _chunks(content, 8, ">", "q", 1):
        if name == b"data":
            length = 2**62 if length == -1 else length
            return _sized(content, start + 4, length, start - 8, ">q", 4)
        if length < 0:
            break
    return None


def _w64(content: Content) -> Data | None:
    at, blocks = 40, None
    while len(head := content.at(at, 24)) == 24:
        length = int.from_bytes(head[16:], "little")
        if head[:4] == b"fmt ":
            blocks = blocks_of_wav(content.at(at + 24, 16))
        elif head[:4] == b"data":
            return _sized(content, at + 24, length, at + 16, "<Q", 24, blocks)
        if length < 24:
            break
        at += -(-length // 8) * 8
    return None


def _avr(content: Content) -> Data | None:
    head = content.at(0, 128)
    if len(head) < 128:
        return None
    stereo, bits = struct.unpack(">hh", head[12:16])
    frames = int.from_bytes(head[26:30], "big")
    return Data(128, frames * (2 if stereo else 1) * bits // 8)


def _nist(content: Content) -> Data | None:
    told = content.at(0, 1024)
    size = int(told[8:16]) if told[8:16].strip().isdigit() else 1024
    text = content.at(0, min(size, 65536)).decode("latin-1")
    values = dict(re.findall(r"^(\w+) -[is]\d* (\d+)", text, re.MULTILINE))
    if not {"sample_count", "sample_n_bytes"} <= values.keys():
        return None
    channels = int(values.get("channel_count", 1))
    return Data(size, int(values["sample_count"]) * channels * int(values["sample_n_bytes"]))


def _mat4(content: Content) -> Data | None:
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


def _mat5(content: Content) -> Data | None:
    """The second matrix; of its parts (flags, dimensions, name, values) the last."""
    order = "<" if content.at(126, 2) == b"IM" else ">"
    rate = _element(content, 128, order)
    at = -(-(rate.start + (rate.length or 0)) // 8) * 8 + 8
    for _ in range(3):
        part = _element(content, at, order)
        at = -(-(part.start + (part.length or 0)) // 8) * 8
    return _element(content, at, order)


def _element(content: Content, at: int, order: str) -> Data:
    """An element of a MATLAB 5 file; a short one has its data beside its length."""
    kind, length = struct.unpack(f"{order}II", content.at(at, 8).ljust(8, b"\0"))
    return Data(at + 4, kind >> 16) if kind >> 16 else Data(at + 8, length)


def _sds(content: Content) -> Data:
    """A MIDI sample dump: packets of 127 bytes, 120 of them samples of 2, 3 or 4 bytes."""
    head = content.at(0, 21).ljust(21, b"\0")
    samples = head[10] | head[11] << 7 | head[12] << 14
    each = 120 // max(2, -(-head[6] // 7))
    return Data(21, -(-samples // each) * 127)


def _voc(content: Content) -> Data | None:
    """The one block with sound; of several, libsndfile reads the first."""
    at = int.from_bytes(content.at(20, 2), "little")
    data: Data | None = None
    for _ in range(_MOST_CHUNKS):
        head = content.at(at, 4)
        if len(head) < 4 or not head[0]:
            break
        length = int.from_bytes(head[1:], "little")
        if head[0] in (1, 2, 9):
            if data is not None:
                raise Unusable(Reason.UNREADABLE, "it holds several blocks of sound; convert it")
            before = {1: 2, 9: 12}.get(head[0], 0)
            data = Data(at + 4 + before, max(0, length - before), closing=b"\0")
        at += 4 + length
    return data


def _wve(content: Content) -> Data:
    return Data(32, int.from_bytes(content.at(18, 4), "big"))


def _mpc2k(content: Content) -> Data:
    stereo = content.at(21, 1) == b"\1"
    frames = int.from_bytes(content.at(30, 4), "little")
    return Data(42, frames * (4 if stereo else 2))


def _xi(content: Content) -> Data:
    """An instrument; libsndfile leaves the length out."""
    return Data(338, int.from_bytes(content.at(298, 4), "little") or None)


def _htk(content: Content) -> Data:
    return Data(12, 2 * int.from_bytes(content.at(0, 4), "big"))


Find = Callable[[Content], Data | None]
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
