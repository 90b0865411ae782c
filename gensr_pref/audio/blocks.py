"""Numbers of frames in sound whose codec packs them in blocks.

libsndfile counts a padding byte, or an incomplete block, as one more block, and decodes the old
content of its buffer; or it drops the frames of an incomplete block. The number in a `fact` chunk
is not used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Blocks:
    """The layout of a codec's blocks.

    Attributes:
        size: bytes of a block.
        head: bytes at its start that an incomplete block needs too.
        first: frames in the head.
        group: bytes after the head that are decoded together.
        frames: frames in a group.
    """

    size: int
    head: int
    first: int
    group: int
    frames: int

    def frames_in(self, length: int) -> int:
        """Return the number of frames in `length` bytes."""
        whole, rest = divmod(length, self.size)
        return whole * self._frames_in_block(self.size) + self._frames_in_block(rest)

    def missing_bytes(self, length: int) -> int:
        """Return the number of bytes that complete the last block; 0 if it holds no frame yet."""
        rest = length % self.size
        return self.size - rest if self._frames_in_block(rest) else 0

    def _frames_in_block(self, size: int) -> int:
        coded = size - self.head
        return self.first + coded // self.group * self.frames if coded >= 0 else 0


def wav_blocks(form: bytes, order: str = "<") -> Blocks | None:
    """Return the block layout of a WAV file; None for a codec without blocks or an unknown codec.

    Args:
        form: the `fmt` chunk.
        order: byte order, as in `struct`.
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
    blocks = known.get(codec)
    return blocks if blocks and channels and blocks.size > blocks.head else None


def au_blocks(encoding: int) -> Blocks | None:
    """Return the block layout of an AU file by its encoding: G.721, and G.723 of 3 and 5 bits."""
    bits = {23: 4, 25: 3, 26: 5}.get(encoding)
    return Blocks(15 * bits, 0, 0, bits, 8) if bits else None
