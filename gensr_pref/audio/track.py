"""The streams of sound in a file, with their true number of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gensr_pref.audio.content import AudioBytes
from gensr_pref.audio.sound import Wave
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

LOWEST_RATE, HIGHEST_RATE = 4_000, 384_000  # Hz; a rate outside these is a damaged header
TOLERANCE_S = 0.02  # by which a lossy stream may be shorter than its header states


class Stream(Protocol):
    """A part of a file that can be decoded by itself."""

    @property
    def rate(self) -> int:
        """Sample rate in Hz."""
        ...

    @property
    def channels(self) -> int:
        """Number of channels."""
        ...

    @property
    def frames(self) -> int:
        """True number of frames, which may differ from the declared one."""
        ...

    @property
    def addressable(self) -> bool:
        """Whether decoding can begin at any frame without extra cost."""
        ...

    def blocks(self, content: AudioBytes, start: int) -> tuple[int, Iterator[Wave]]:
        """Decode from a frame on.

        Args:
            content: the file.
            start: the first frame that is needed.

        Returns:
            The number of the first block's first frame, which is at most `start`, and mono blocks
            [T].

        Raises:
            Unusable: the bytes cannot be decoded; may be raised by the iterator.
        """
        ...


@dataclass(frozen=True)
class Track:
    """The consecutive streams of a file, all with the same rate and number of channels."""

    streams: tuple[Stream, ...]

    def __post_init__(self) -> None:
        if not self.frames:
            raise Unusable(Reason.EMPTY, "the file contains no samples")
        kinds = [(stream.rate, stream.channels) for stream in self.streams]
        require_rate(self.rate)
        other = next((kind for kind in kinds if kind != kinds[0]), None)
        if other is not None:
            raise Unusable(
                Reason.UNREADABLE,
                f"it contains different streams: {_kind(*kinds[0])}, then {_kind(*other)}; "
                "split the file",
            )

    @property
    def rate(self) -> int:
        """Sample rate in Hz."""
        return self.streams[0].rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.streams[0].channels

    @property
    def frames(self) -> int:
        """Number of frames of all streams."""
        return sum(stream.frames for stream in self.streams)

    @property
    def addressable(self) -> bool:
        """Whether decoding can begin at any frame without extra cost."""
        return all(stream.addressable for stream in self.streams)

    def blocks(self, content: AudioBytes, start: int) -> tuple[int, Iterator[Wave]]:
        """Decode all streams from a frame on; see `Stream.blocks`.

        Raises:
            Unusable: TRUNCATED, from the iterator, where a stream ends before its last frame.
        """
        before = 0
        for number, stream in enumerate(self.streams):
            if start < before + stream.frames:
                first, blocks = stream.blocks(content, start - before)
                return before + first, self._continue(content, number, first, blocks)
            before += stream.frames
        return before, iter(())

    def _continue(
        self, content: AudioBytes, number: int, first: int, blocks: Iterator[Wave]
    ) -> Iterator[Wave]:
        yield from _take_frames(blocks, self.streams[number].frames - first)
        for stream in self.streams[number + 1 :]:
            yield from _take_frames(stream.blocks(content, 0)[1], stream.frames)


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
            f"its header states {rate} Hz; {LOWEST_RATE} to {HIGHEST_RATE} Hz are supported",
        )


def _take_frames(blocks: Iterator[Wave], frames: int) -> Iterator[Wave]:
    """Yield exactly `frames` frames of the blocks."""
    left = frames
    for block in blocks:
        yield block[:left]
        left -= min(left, len(block))
        if not left:
            return
    raise Unusable(Reason.TRUNCATED, f"{frames - left} of {frames} frames could be decoded")
