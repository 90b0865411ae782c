"""Cache between reads: the streams of the latest files, and open decoders.

A long recording is read in many segments. Its frames are counted once, and where decoding cannot
begin in the middle, it continues from the end of the last segment.
"""

from __future__ import annotations

import atexit
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from gensr_pref.audio.content import AudioBytes
from gensr_pref.audio.sound import Wave
from gensr_pref.audio.survey import survey
from gensr_pref.audio.track import Track
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_TRACKS = 16
_DECODERS = 4  # a noisy file, its clean file, a noise and an impulse response
_BEHIND = 2**20  # frames that an open decoder keeps, because segments may overlap
Value = TypeVar("Value")


class _Latest(Generic[Value]):
    """The latest few values by key; a value is removed while it is in use."""

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
    """A decoder of blocks in order, which keeps the latest frames.

    Args:
        first: number of the first block's first frame.
        blocks: mono blocks [T].
    """

    def __init__(self, first: int, blocks: Iterator[Wave]) -> None:
        self._blocks = blocks
        self._recent: list[Wave] = []
        self._start = self._end = first

    def reaches(self, start: int) -> bool:
        """Return whether a segment can begin at this frame."""
        return start >= self._start

    def stretch(self, start: int, frames: int) -> Wave:
        """Return frames [start, start + frames).

        Raises:
            Unusable: the frames cannot be decoded.
        """
        wave = np.empty(frames, np.float32)
        at = self._start
        for block in self._recent:
            _copy(block, at - start, wave)
            at += len(block)
        while self._end < start + frames:
            _copy(self._next(start + frames), self._end - len(self._recent[-1]) - start, wave)
        return wave

    def _next(self, wanted: int) -> Wave:
        block = next(self._blocks, None)
        if block is None:
            raise Unusable(Reason.TRUNCATED, f"it ends at frame {self._end}, before {wanted}")
        self._recent.append(block)
        self._end += len(block)
        while self._start + len(self._recent[0]) + _BEHIND <= self._end:
            self._start += len(self._recent.pop(0))
        return block


def _copy(block: Wave, at: int, wave: Wave) -> None:
    """Write a block into a wave at offset `at`; parts outside the wave are dropped."""
    first, last = max(0, at), min(len(wave), at + len(block))
    if first < last:
        wave[first:last] = block[first - at : last - at]


_tracks: _Latest[Track] = _Latest(_TRACKS)
_decoders: _Latest[Decoder] = _Latest(_DECODERS)
atexit.register(_decoders.clear)  # while the functions that close their files still exist


def get_track(content: AudioBytes) -> Track:
    """Return the track of a file, from the cache if it is there.

    Raises:
        Unusable: see `survey`.
    """
    track = _tracks.take(content.identity)
    if track is None:
        track = survey(content)
    _tracks.put(content.identity, track)
    return track


def read_stretch(content: AudioBytes, track: Track, start: int, frames: int) -> Wave:
    """Return frames [start, start + frames) of a file that must be decoded in order.

    Uses an open decoder of the file if it has not passed `start`.

    Raises:
        Unusable: the frames cannot be decoded.
    """
    decoder = _decoders.take(content.identity)
    if decoder is None or not decoder.reaches(start):
        decoder = Decoder(*track.blocks(content, start))
    wave = decoder.stretch(start, frames)
    _decoders.put(content.identity, decoder)
    return wave
