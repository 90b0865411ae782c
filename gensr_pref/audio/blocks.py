"""How many frames bytes hold whose codec packs them in blocks.

libsndfile takes a padding byte, or the beginning of a block, for one block more, and decodes what
its buffer held before; or it leaves out what the beginning of a block holds. What a `fact` chunk
says is not believed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Blocks:
    """A codec's blocks.

    Attributes:
        size: bytes of one.
        head: bytes at its start that a shorter block needs too.
        first: frames that those hold.
        group: bytes behind them that are decoded together.
        frames: that a group holds.
    """

    size: int
    head: int
    first: int
    group: int
    frames: int

    def frames_in(self, length: int) -> int:
        """Frames in so many bytes."""
        whole, rest = divmod(length, self.size)
        return whole * self._in(self.size) + self._in(rest)

    def lacking(self, length: int) -> int:
        """Bytes that make the last block whole; 0 where its beginning holds nothing."""
        rest = length % self.size
        return self.size - rest if self._in(rest) else 0

    def _in(self, size: int) -> int:
        coded = size - self.head
        return self.first + coded // self.group * self.frames if coded >= 0 else 0


def blocks_of_wav(form: bytes, order: str = "<") -> Blocks | None:
    """The blocks of a WAV; None for a codec without them, or one that is not known here.

    Args:
        form: the `fmt` chunk.
        order: of the bytes in it, as in `struct`.
    """
    if len(form) < 16:
        return None
    codec, channels, _, _, align, _ = struct.unpack(f"{order}HHIIHH", form[:16])
    known = {
        0x02: Blocks(align, 7 * channels, 2, channels, 2),  # Microsoft's ADPCM
        0x11: Blocks(align, 4 * channels, 1, 4 * channels, 8),  # IMA ADPCM
        0x31: Blocks(65, 0, 0, 65, 320),  # GSM 06.10
        0x38: Blocks(align, 0, 0, align, 160),  # Natural MicroSystems' ADPCM
        0x40: Blocks(60, 0, 0, 1, 2),  # G.721
    }
    found = known.get(codec)
    return found if found and channels and found.size > found.head else None


def blocks_of_au(encoding: int) -> Blocks | None:
    """The blocks of an AU file, by the number of its encoding: G.721, and G.723 of 3 and 5 bits."""
    bits = {23: 4, 25: 3, 26: 5}.get(encoding)
    return Blocks(15 * bits, 0, 0, bits, 8) if bits else None
