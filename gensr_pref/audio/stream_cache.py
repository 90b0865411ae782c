"""What is kept from one read to the next: the streams of the latest files, and open decoders.

A long recording is read in many stretches. Its frames are counted once, and where decoding cannot
begin in the middle, it goes on from where the last stretch ended.
"""

from __future__ import annotations

import atexit
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from gensr_pref.audio.content import Content
from gensr_pref.audio.sound import Wave
from gensr_pref.audio.survey import survey
from gensr_pref.audio.track import Track
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_TRACKS = 16
_DECODERS = 4  # a noisy file, its clean one, a noise and a response
_BEHIND = 2**20  # frames that an open decoder keeps: stretches may overlap
Value = TypeVar("Value")


class _Latest(Generic[Value]):
    """The latest few values by key; each is taken out while it is used."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Any, Value] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: Any) -> Value | None:
        with self._lock:
            return self._values.pop(key, None)

    def put(self, key: Any, value: Value) -> None:
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


class Decoder:
    """Blocks that are decoded in order, and the latest frames of them.

    Args:
        first: the frame that the first block begins with.
        blocks: mono, [T].
    """

    def __init__(self, first: int, blocks: Iterator[Wave]) -> None:
        self._blocks = blocks
        self._held: list[Wave] = []
        self._start = self._end = first

    def reaches(self, start: int) -> bool:
        """Whether a stretch can begin there."""
        return start >= self._start

    def stretch(self, start: int, frames: int) -> Wave:
        """Frames [start, start + frames).

        Raises:
            Unusable: they cannot be decoded.
        """
        wave = np.empty(frames, np.float32)
        at = self._start
        for block in self._held:
            _copy(block, at - start, wave)
            at += len(block)
        while self._end < start + frames:
            _copy(self._next(start + frames), self._end - len(self._held[-1]) - start, wave)
        return wave

    def _next(self, wanted: int) -> Wave:
        block = next(self._blocks, None)
        if block is None:
            raise Unusable(Reason.TRUNCATED, f"it ends at frame {self._end}, before {wanted}")
        self._held.append(block)
        self._end += len(block)
        while self._start + len(self._held[0]) + _BEHIND <= self._end:
            self._start += len(self._held.pop(0))
        return block


def _copy(block: Wave, at: int, wave: Wave) -> None:
    """Write a block into a wave, of which frame 0 is the block's frame -`at`."""
    first, last = max(0, at), min(len(wave), at + len(block))
    if first < last:
        wave[first:last] = block[first - at : last - at]


_tracks: _Latest[Track] = _Latest(_TRACKS)
_decoders: _Latest[Decoder] = _Latest(_DECODERS)
atexit.register(_decoders.clear)  # while what closes their files is still there


def track(content: Content) -> Track:
    """The streams of a file, from the latest ones looked at where it is among them.

    Raises:
        Unusable: see `survey`.
    """
    found = _tracks.take(content.identity)
    if found is None:
        found = survey(content)
    _tracks.put(content.identity, found)
    return found


def stretch(content: Content, track: Track, start: int, frames: int) -> Wave:
    """Frames of a file that is decoded in order, by a decoder that is open if one is so far.

    Raises:
        Unusable: they cannot be decoded.
    """
    decoder = _decoders.take(content.identity)
    if decoder is None or not decoder.reaches(start):
        decoder = Decoder(*track.blocks(content, start))
    wave = decoder.stretch(start, frames)
    _decoders.put(content.identity, decoder)
    return wave
