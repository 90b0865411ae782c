"""Decoding by libsndfile, in order and block by block: a long recording is never held as such."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import soundfile

from gensr_pref.audio.sound import Wave
from gensr_pref.errors import Unusable
from gensr_pref.schema import Reason

_BLOCK = 2**18  # samples decoded at once


class _InOrder(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its first frame to its last.

    soundfile seeks after each read of a file that can be sought. That seek is not exact in MP3,
    Vorbis and Opus, and fails in codecs that cannot be sought (GSM 06.10, G.721, DWVW, ...).
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def opened(file: Any) -> Iterator[Any]:
    """A file as soundfile reads it.

    Raises:
        Unusable: UNREADABLE, for whatever libsndfile cannot make of it.
    """
    try:
        with _InOrder(file) as sound:
            yield sound
    except soundfile.LibsndfileError as error:
        raise Unusable(Reason.UNREADABLE, error.error_string) from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise Unusable(Reason.UNREADABLE, str(error)) from error


def blocks(file: Any, drop: int = 0, seek: int = 0) -> Iterator[Wave]:
    """The frames of a file as mono blocks [T], to its end.

    Args:
        file: what soundfile opens.
        drop: so many frames at its start are decoded and left out.
        seek: the frame to seek first; only where seeking is exact.
    """
    with opened(file) as sound:
        if seek:
            sound.seek(seek)
        length, left = max(1, _BLOCK // sound.channels), sound.frames - seek
        while left > 0:  # asked for more, libsndfile takes what lies behind a FLAC's end for damage
            block = sound.read(min(length, left), dtype="float32", always_2d=True)
            if not len(block):
                return
            left -= len(block)
            kept = block[drop:]
            drop -= min(drop, len(block))
            if len(kept):
                yield _mono(kept)


def _mono(block: Wave) -> Wave:
    """The mean over channels, [T, C] -> [T]; what is not finite stays so."""
    with np.errstate(all="ignore"):
        return np.asarray(block.mean(axis=1, dtype=np.float32))
