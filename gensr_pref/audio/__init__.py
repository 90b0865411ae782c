"""Reads, writes and resamples audio, and says what makes a recording unusable.

Everywhere in the package a waveform is a float32 NumPy array [T], mono, nominally in [-1, 1].
"""

from gensr_pref.audio.formats import ffmpeg_suffixes, has_ffmpeg, name_of, suffixes
from gensr_pref.audio.reading import Header, from_column, read, read_header
from gensr_pref.audio.sound import (
    FRAMES_PER_SECOND,
    LARGEST_SHARE_BEYOND,
    SILENCE,
    Sound,
    Wave,
    require_sound,
    resample,
    whole_frames,
    within_scale,
)
from gensr_pref.audio.writing import column_value, flac, pcm16, wav

__all__ = [
    "FRAMES_PER_SECOND",
    "LARGEST_SHARE_BEYOND",
    "SILENCE",
    "Header",
    "Sound",
    "Wave",
    "column_value",
    "ffmpeg_suffixes",
    "flac",
    "from_column",
    "has_ffmpeg",
    "name_of",
    "pcm16",
    "read",
    "read_header",
    "require_sound",
    "resample",
    "suffixes",
    "wav",
    "whole_frames",
    "within_scale",
]
