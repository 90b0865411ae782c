"""Suffixes of the audio files that can be read."""

from __future__ import annotations

import shutil
import unicodedata
from functools import cache
from pathlib import PurePosixPath

_OTHER_SUFFIXES = {"aif", "aifc", "oga", "opus", "snd", "sph", "nist", "iff", "8svx", "mat", "sf"}
_MPEG_SUFFIXES = {"mp1", "mp2", "mp3", "mpga"}
_MP4_SUFFIXES = {"m4a", "m4b", "mp4", "m4v", "mov", "3gp"}
_FFMPEG_SUFFIXES = _MP4_SUFFIXES | {"aac", "wma", "wmv", "asf", "webm", "mka", "mkv"}


def suffixes() -> set[str]:
    """Return the suffixes that this machine can read, in lower case and without the dot.

    These are the suffixes of libsndfile, and `ffmpeg_suffixes` if FFmpeg is installed.
    """
    return _libsndfile_suffixes() | (ffmpeg_suffixes() if has_ffmpeg() else set())


@cache
def ffmpeg_suffixes() -> set[str]:
    """Return the suffixes that can be read only if FFmpeg is installed."""
    return set(_FFMPEG_SUFFIXES)


def has_ffmpeg() -> bool:
    """Return whether ``ffmpeg`` and ``ffprobe`` are on PATH."""
    return all(shutil.which(program) for program in ("ffmpeg", "ffprobe"))


@cache
def _libsndfile_suffixes() -> set[str]:
    import soundfile

    formats = {name.lower() for name in soundfile.available_formats()}
    return formats - {"raw"} | _OTHER_SUFFIXES | _MPEG_SUFFIXES


def name_without_suffix(name: str) -> str:
    """Return a relative path without the suffix of an audio file; other suffixes stay.

    The result is in Unicode form NFC, so that names that look the same are equal, whether they come
    from a table or from a macOS disk. It does not depend on whether FFmpeg is installed.
    """
    path = PurePosixPath(unicodedata.normalize("NFC", name))
    known = path.suffix[1:].lower() in _libsndfile_suffixes() | ffmpeg_suffixes()
    return str(path.with_suffix("") if known else path)
