"""What the bytes of a file hold: the streams, and how many frames of sound there truly are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gensr_pref.audio.content import Content
from gensr_pref.audio.sound import Wave
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

LOWEST_RATE, HIGHEST_RATE = 4_000, 384_000  # Hz; what lies outside is a damaged header
TOLERANCE_S = 0.02  # by which a lossy stream may end before its header says


class Stream(Protocol):
    """A part of a file that is decoded by itself."""

    @property
    def rate(self) -> int:
        """Hz."""
        ...

    @property
    def channels(self) -> int:
        """How many."""
        ...

    @property
    def frames(self) -> int:
        """That it holds, counted and not believed."""
        ...

    @property
    def addressable(self) -> bool:
        """Decoding can begin at any frame at no cost."""
        ...

    def blocks(self, content: Content, start: int) -> tuple[int, Iterator[Wave]]:
        """Decode.

        Args:
            content: the file.
            start: the first frame that is wanted.

        Returns:
            The frame that the first block begins with, not after `start`, and mono blocks [T].

        Raises:
            Unusable: from the iterator too, where the bytes cannot be decoded.
        """
        ...


@dataclass(frozen=True)
class Track:
    """The streams of a file, of one rate and one number of channels, one after the other."""

    streams: tuple[Stream, ...]

    def __post_init__(self) -> None:
        if not self.frames:
            raise Unusable(Reason.EMPTY, "the file holds no samples")
        kinds = [(stream.rate, stream.channels) for stream in self.streams]
        require_rate(self.rate)
        other = next((kind for kind in kinds if kind != kinds[0]), None)
        if other is not None:
            raise Unusable(
                Reason.UNREADABLE,
                f"it holds streams that differ: {_kind(*kinds[0])}, then {_kind(*other)}; "
                "make a file of each",
            )

    @property
    def rate(self) -> int:
        """Hz."""
        return self.streams[0].rate

    @property
    def channels(self) -> int:
        """How many."""
        return self.streams[0].channels

    @property
    def frames(self) -> int:
        """All of them."""
        return sum(stream.frames for stream in self.streams)

    @property
    def addressable(self) -> bool:
        """Decoding can begin at any frame at no cost."""
        return all(stream.addressable for stream in self.streams)

    def blocks(self, content: Content, start: int) -> tuple[int, Iterator[Wave]]:
        """As of a stream, through all of them.

        Raises:
            Unusable: TRUNCATED, from the iterator, where a stream ends before its last frame.
        """
        before = 0
        for number, stream in enumerate(self.streams):
            if start < before + stream.frames:
                first, blocks = stream.blocks(content, start - before)
                return before + first, self._on(content, number, first, blocks)
            before += stream.frames
        return before, iter(())

    def _on(
        self, content: Content, number: int, first: int, blocks: Iterator[Wave]
    ) -> Iterator[Wave]:
        yield from _whole(blocks, self.streams[number].frames - first)
        for stream in self.streams[number + 1 :]:
            yield from _whole(stream.blocks(content, 0)[1], stream.frames)


def _kind(rate: int, channels: int) -> str:
    return f"{rate} Hz with {channels} channel{'s' if channels > 1 else ''}"


def require_rate(rate: int) -> None:
    """Refuse a rate outside 4 kHz to 384 kHz.

    Raises:
        Unusable: UNREADABLE.
    """
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise Unusable(
            Reason.UNREADABLE,
            f"its header says {rate} Hz; rates from {LOWEST_RATE} to {HIGHEST_RATE} Hz are read",
        )


def _whole(blocks: Iterator[Wave], frames: int) -> Iterator[Wave]:
    """Exactly `frames` frames of the blocks."""
    left = frames
    for block in blocks:
        yield block[:left]
        left -= min(left, len(block))
        if not left:
            return
    raise Unusable(Reason.TRUNCATED, f"{frames - left} of {frames} frames could be decoded")
