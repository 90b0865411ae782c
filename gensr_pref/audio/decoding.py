"""Decoding by libsndfile, in order and block by block, so that memory does not grow with length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import soundfile

from gensr_pref.audio.sound import Wave
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_BLOCK = 2**18  # samples decoded together


class _InOrder(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its first frame to its last without seeking.

    soundfile seeks after each read of a seekable file. That seek is inexact in MP3, Vorbis and
    Opus, and fails in codecs that cannot seek (GSM 06.10, G.721, DWVW, ...).
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def open_audio(file: Any) -> Iterator[Any]:
    """Open a file with soundfile.

    Raises:
        Unusable: UNREADABLE, if libsndfile cannot open or decode it.
    """
    try:
        with _InOrder(file) as sound:
            yield sound
    except soundfile.LibsndfileError as error:
        raise Unusable(Reason.UNREADABLE, error.error_string) from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise Unusable(Reason.UNREADABLE, str(error)) from error


def decode_blocks(file: Any, drop: int = 0, seek: int = 0) -> Iterator[Wave]:
    """Decode a file to its end and yield mono blocks [T].

    Args:
        file: an object that soundfile can open.
        drop: number of frames at the start that are decoded and dropped.
        seek: the frame to seek to first; only where seeking is exact.
    """
    with open_audio(file) as sound:
        if seek:
            sound.seek(seek)
        length, left = max(1, _BLOCK // sound.channels), sound.frames - seek
        while left > 0:  # libsndfile reports data after a FLAC's end as damage if more is requested
            block = sound.read(min(length, left), dtype="float32", always_2d=True)
            if not len(block):
                return
            left -= len(block)
            rest = block[drop:]
            drop -= min(drop, len(block))
            if len(rest):
                yield _mix_down(rest)


def _mix_down(block: Wave) -> Wave:
    """Return the mean over channels, [T, C] -> [T]; infinities and NaN remain."""
    with np.errstate(all="ignore"):
        return np.asarray(block.mean(axis=1, dtype=np.float32))
