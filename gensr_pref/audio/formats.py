"""Which files are sound, by the end of their names."""

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
    """Ends of names, lower case and without the dot, that this machine reads.

    They are those of libsndfile, and `ffmpeg_suffixes` where FFmpeg is installed.
    """
    return _libsndfile_suffixes() | (ffmpeg_suffixes() if has_ffmpeg() else set())


@cache
def ffmpeg_suffixes() -> set[str]:
    """Ends of names that are read only where FFmpeg is installed."""
    return set(_FFMPEG_SUFFIXES)


def has_ffmpeg() -> bool:
    """Whether ``ffmpeg`` and ``ffprobe`` are on PATH."""
    return all(shutil.which(program) for program in ("ffmpeg", "ffprobe"))


@cache
def _libsndfile_suffixes() -> set[str]:
    import soundfile

    formats = {name.lower() for name in soundfile.available_formats()}
    return formats - {"raw"} | _OTHER_SUFFIXES | _MPEG_SUFFIXES


def name_of(place: str) -> str:
    """A relative path without the suffix of an audio file; another suffix belongs to the name.

    It is in Unicode's form NFC, so that names which look the same are the same, whether they come
    from a table or from a disk of macOS. The answer is the same with and without FFmpeg.
    """
    path = PurePosixPath(unicodedata.normalize("NFC", place))
    known = path.suffix[1:].lower() in _libsndfile_suffixes() | ffmpeg_suffixes()
    return str(path.with_suffix("") if known else path)
